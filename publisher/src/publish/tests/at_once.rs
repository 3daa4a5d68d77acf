//! Two at once.

use pretty_assertions::assert_eq;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn publishers_at_once_are_serialised() {
    let folder = Folder::new();
    let tasks: Vec<_> = (1..=8)
        .map(|seq| {
            let root = folder.root.clone();
            tokio::spawn(
                async move { publish_on(Disk::default(), &root, &State::number(seq)).await },
            )
        })
        .collect();
    // Meanwhile a reader never meets a version that does not resolve.
    let mut seen = 0;
    while !tasks.iter().all(tokio::task::JoinHandle::is_finished) {
        let sequence = folder.resolves().map_or(0, |(sequence, _)| sequence);
        assert!(sequence >= seen, "{sequence} after {seen}");
        seen = sequence;
        tokio::task::yield_now().await;
    }
    let mut last = (0, ReferenceVersion(0));
    for task in tasks {
        let published = task.await.expect("no panic").expect("published");
        let version = published.version();
        last = last.max((version.sequence, version.reference_version));
    }
    assert_eq!(folder.resolves(), Some(last));
    assert_eq!(folder.pages(), (1..=8).collect::<Vec<_>>());
    assert_eq!(folder.staged(), 0);
}

#[tokio::test]
async fn a_publisher_that_waits_too_long_says_for_whom() {
    let folder = Folder::published([1]).await;
    let held = DirectoryStore::open(&folder.root, PATIENCE, |_| {}).await;
    let held = held.expect("opened");
    let mut told = None;
    let wait = Duration::from_millis(120);
    let error =
        DirectoryStore::open(&folder.root, wait, |holder| told = Some(holder.clone())).await;
    let error = PublishError::Store(error.expect_err("locked"));
    let holder = told.expect("told who holds it");
    assert_eq!(holder.pid, std::process::id());
    let since = &holder.since;
    assert!(since.parse::<Timestamp>().is_ok(), "{since}");
    let expected = format!(
        "error: snapshots is still locked by process {} on {} since {since} after 0 s\n  \
         hint: wait until it is done or stop it: its lock goes with the process",
        holder.pid, holder.host
    );
    check_error(&folder, Err(error), &expected);
    drop(held);
    folder.publish(2).await.expect("the lock is free");
}

#[tokio::test]
async fn a_publisher_that_lost_its_lock_swaps_nothing() {
    let folder = Folder::published([1]).await;
    let store = DirectoryStore::open(&folder.root, PATIENCE, |_| {}).await;
    let store = store.expect("opened");
    fs::remove_file(folder.path(".lock")).expect("another program does that");
    let rendered = State::number(2).render(store.staging()).expect("rendered");
    let result = publish(rendered, &store, Terms::at(Timestamp::UNIX_EPOCH), |_| {}).await;
    check_error(
        &folder,
        result,
        "error: snapshots/.lock is no longer the lock that this publisher holds; nothing was swapped\n  \
         hint: another program removed or replaced the lock file; leave it alone and try again",
    );
    assert_eq!(folder.resolves(), Some((1, ReferenceVersion(1))));
}
