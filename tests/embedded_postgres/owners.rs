//! Who runs it, and links in its folder.

use super::*;

#[test]
fn it_needs_no_privileges() {
    let project = Project::new();
    fs::set_permissions(project.path(), Permissions::from_mode(0o777)).expect("it is ours");
    let mut publisher = project.publisher().without_privileges().starts();
    publisher.writes("kept");
    publisher.is_sent(Signal::SIGKILL);
    project.is_left_clean();

    let mut publisher = project.publisher().without_privileges().starts();
    assert_eq!(publisher.reads(), "kept");
    publisher.leaves();
    // Root goes on with the user whose data it is, and leaves everything usable.
    project.starts_again_with(&["kept"]);
    let mut publisher = project.publisher().without_privileges().starts();
    publisher.leaves();
    project.is_left_clean();
}

#[tokio::test]
async fn the_data_of_another_user_is_left_alone() {
    if !geteuid().is_root() {
        return;
    }
    let project = Project::with_data();
    let said = project.publisher().without_privileges().fails();
    assert!(
        said.contains("belongs to user postgres, and the server would run as nobody"),
        "{said}"
    );

    let data = fs::metadata(project.data()).expect("the data is there");
    chown(project.data(), Some(0), Some(0)).expect("root may");
    let error = project.fails().await;
    assert_said(
        &error,
        "belongs to user root",
        "publisher database reset --yes",
    );
    assert_said(&error, "would run as postgres", "`chown -R postgres");
    chown(project.data(), Some(data.uid()), Some(data.gid())).expect("root may");
    project.keeps(&[]).await;
}

#[tokio::test]
async fn root_keeps_the_data_of_a_closed_project_elsewhere_and_says_so_once() {
    if !geteuid().is_root() {
        return;
    }
    let project = Project::new();
    fs::set_permissions(project.folder.path(), Permissions::from_mode(0o700)).expect("it is ours");

    let server = project.start().await;
    write_down(&server, "kept").await;
    let elsewhere = project.data();
    let _removed_at_the_end = Elsewhere(elsewhere.parent().expect("it has one").to_owned());
    assert!(
        elsewhere.starts_with("/var/lib/tablecast"),
        "{}",
        elsewhere.display()
    );
    assert_eq!(server.notes.len(), 1);
    assert!(
        server.notes[0].contains(&elsewhere.display().to_string()),
        "{}",
        server.notes[0]
    );
    server.stop().await.expect("it stops");

    let server = project.start().await;
    assert_eq!(read_back(&server).await, ["kept"]);
    assert_eq!(server.notes, Vec::<String>::new());
    server.stop().await.expect("it stops");
    project.is_left_clean();
}

#[tokio::test]
async fn no_link_in_its_folder_is_followed() {
    for (name, target) in [
        ("postgres", "../precious"),
        ("postgres", "nowhere"),
        ("postgres", "postgres"),
        ("postgres.lock", "../precious/file"),
        ("postgres.alive", "../precious/file"),
        ("postgres.log", "../precious/file"),
        ("postgres/base", "../../precious"),
        ("postgres/pg_wal/1", "../../../precious/file"),
        ("postgres/PG_VERSION", "../../precious/file"),
    ] {
        let project = Project::with_data();
        let precious = project.path().join("precious");
        fs::create_dir(&precious).expect("made");
        fs::write(precious.join("file"), "content").expect("written");
        let place = project.tablecast().join(name);
        let moved = project.path().join("moved");
        let _ = fs::rename(&place, moved);
        std::os::unix::fs::symlink(target, &place).expect("a link");

        let error = Embedded::start(&project.tablecast()).await;
        let error = error.expect_err("it is refused");
        let cause = std::error::Error::source(&error)
            .expect("it says why")
            .to_string();
        let said = format!("/.tablecast/{name} is a symbolic link to {target}, and no link");
        assert!(cause.contains(&said), "{error}: {cause}");
        assert!(
            error
                .hint()
                .is_some_and(|hint| hint.starts_with("remove it; "))
        );
        let content = fs::read_to_string(precious.join("file")).expect("it is there");
        assert_eq!(content, "content", "{name}");
        assert_eq!(fs::read_dir(precious).expect("a folder").count(), 1);
    }
}

#[tokio::test]
async fn what_another_program_wrote_is_not_written_over() {
    let project = Project::with_data();
    let state = project.tablecast();
    fs::write(state.join("postgres.alive"), "a list of things").expect("written");
    let error = Embedded::start(&state).await.expect_err("it is refused");
    assert!(error.to_string().ends_with("/postgres.alive"), "{error}");
    let content = fs::read_to_string(state.join("postgres.alive")).expect("it is there");
    assert_eq!(content, "a list of things");

    fs::remove_file(state.join("postgres.alive")).expect("it is there");
    let _ = fs::remove_file(state.join("postgres.log"));
    let precious = project.path().join("precious");
    fs::write(&precious, "content").expect("written");
    fs::hard_link(&precious, state.join("postgres.log")).expect("linked");
    let error = Embedded::start(&state).await.expect_err("it is refused");
    assert!(error.to_string().ends_with("/postgres.log"), "{error}");
    assert_eq!(
        fs::read_to_string(precious).expect("it is there"),
        "content"
    );
}
