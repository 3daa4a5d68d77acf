//! The history as a ledger.

use pretty_assertions::assert_eq;

use super::*;

pub(super) async fn interrupted_before_the_swap(before: &[u64], seq: u64) -> Folder {
    let folder = Folder::published(before.iter().copied()).await;
    let disk = Disk::with_hook(|step, _| match step {
        Step::Replace => Err(io::Error::other("the disk failed")),
        _ => Ok(()),
    });
    let result = publish_on(disk, &folder.root, &State::number(seq)).await;
    result.expect_err("the swap failed");
    assert_eq!(
        folder.resolves(),
        before.last().map(|&seq| (seq, ReferenceVersion(seq)))
    );
    folder
}

#[tokio::test]
async fn a_publication_that_lacked_only_its_swap_is_completed() {
    for before in [&[][..], &[1]] {
        let seq = before.len() as u64 + 1;
        let folder = interrupted_before_the_swap(before, seq).await;
        let published = folder.publish(seq).await.expect("published");
        assert!(
            matches!(published, Published::Completed { .. }),
            "{published}"
        );
        assert_eq!(folder.resolves(), Some((seq, ReferenceVersion(seq))));
    }
}

#[tokio::test]
async fn another_state_follows_on_the_completed_one() {
    let folder = interrupted_before_the_swap(&[1], 2).await;
    let published = folder.publish(3).await.expect("published");
    assert!(
        matches!(published, Published::Changed { .. }),
        "{published}"
    );
    assert_eq!(folder.resolves(), Some((3, ReferenceVersion(3))));
    assert_eq!(folder.pages(), [1, 2, 3]);
}

#[tokio::test]
async fn a_lost_version_comes_back_from_the_history() {
    let folder = Folder::published([1, 2]).await;
    let version = fs::read(folder.path("version.json")).expect("there");
    fs::remove_file(folder.path("version.json")).expect("removed");
    folder.publish(2).await.expect("published");
    assert!(fs::read(folder.path("version.json")).expect("back") == version);
}

#[tokio::test]
async fn a_rebuilt_store_sorts_after_the_lost_one() {
    let lost = Folder::published([1, 2]).await.publish(2).await;
    let rebuilt = Folder::new().publish(3).await;
    let order = |published: Result<Published, PublishError>| {
        published.expect("published").version().order()
    };
    assert!(order(rebuilt) > order(lost));
}
