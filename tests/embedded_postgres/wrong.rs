//! What can be wrong.

use super::*;

#[tokio::test]
async fn a_file_in_the_place_of_a_folder_is_named() {
    let project = Project::new();
    fs::write(project.tablecast(), "not a folder").expect("a file can be written");
    let error = project.fails().await;
    assert_said(&error, "cannot use", "move what is at");

    let project = Project::new();
    fs::create_dir(project.tablecast()).expect("a folder can be made");
    fs::write(project.data(), "not a folder").expect("a file can be written");
    let error = project.fails().await;
    assert_said(&error, "is not a PostgreSQL data folder", "move ");
}

#[tokio::test]
async fn a_damaged_data_folder_is_named() {
    let project = Project::with_data();
    let version = project.data().join("PG_VERSION");

    fs::write(&version, "fif\u{0}teen").expect("it can be damaged");
    assert_said(
        &project.fails().await,
        "is not a PostgreSQL data folder",
        "move ",
    );
    fs::write(&version, b"\xff\xfe").expect("it can be damaged");
    assert_said(
        &project.fails().await,
        "is not a PostgreSQL data folder",
        "move ",
    );
    fs::remove_file(&version).expect("it can be damaged");
    assert_said(
        &project.fails().await,
        "is not a PostgreSQL data folder",
        "move ",
    );
}

#[tokio::test]
async fn data_of_another_major_version_is_left_alone() {
    let project = Project::with_data();
    fs::write(project.data().join("PG_VERSION"), "10\n").expect("it can be written");

    let error = project.fails().await;
    assert!(
        matches!(&error, EmbeddedError::OtherMajor { wanted: 10, found, .. } if !found.is_empty())
    );
    assert_said(
        &error,
        "needs PostgreSQL 10, found",
        "install PostgreSQL 10",
    );
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why() {
    let project = Project::with_data();
    let settings = project.data().join("postgresql.conf");
    fs::write(&settings, "no_such_setting = on\n").expect("it can be written");

    let error = project.fails().await;
    assert_eq!(
        error.to_string(),
        format!(
            "failed to start the private PostgreSQL (log: {})",
            project.log().display()
        )
    );
    let cause = std::error::Error::source(&error)
        .expect("it has a cause")
        .to_string();
    assert!(cause.contains("no_such_setting"), "{cause}");
    project.is_left_clean();
}

#[tokio::test]
async fn a_server_started_by_hand_is_not_disturbed() {
    let project = Project::with_data();
    let elsewhere = project.folder_of_server_user("by-hand");
    let mut by_hand = project
        .as_server_user("postgres")
        .args(["-c", "listen_addresses=", "-D"])
        .arg(project.data())
        .arg("-k")
        .arg(&elsewhere)
        .stderr(Stdio::null())
        .spawn()
        .expect("it runs");
    eventually("it listens", || elsewhere.join(".s.PGSQL.5432").exists());

    let error = project.fails().await;
    assert_said(
        &error,
        "no publisher started it",
        &format!("kill {}", by_hand.id()),
    );
    assert!(
        by_hand.try_wait().expect("it is ours").is_none(),
        "it was left alone"
    );
    kill(Pid::from_raw(by_hand.id().cast_signed()), Signal::SIGINT).expect("it is there");
    by_hand.wait().expect("it ends");
}

#[test]
fn without_programs_it_says_how_to_get_them() {
    let project = Project::new();
    let empty = project.folder.path().join("empty");
    fs::create_dir(&empty).expect("a folder can be made");
    let said = project.publisher().env("TABLECAST_PG_BIN", &empty).fails();
    assert!(
        said.starts_with("no usable initdb and postgres in TABLECAST_PG_BIN"),
        "{said}"
    );

    // Where they are installed for all, only a private view of the machine lacks them.
    if may_mount() {
        let hide = "mount -t tmpfs none /usr/lib/postgresql && PATH=/usr/bin:/bin";
        let said = project.publisher().after(hide).fails();
        assert!(
            said.starts_with("no PostgreSQL found on this machine"),
            "{said}"
        );
        assert!(said.contains("install"), "{said}");
    }
}

#[test]
fn a_full_disk_is_named() {
    if !may_mount() {
        return;
    }
    let project = Project::new();
    fs::create_dir(project.tablecast()).expect("a folder can be made");
    let full = format!(
        "mount -t tmpfs -o size=8m,mode=755 none '{}'",
        project.tablecast().display()
    );
    let said = project.publisher().after(&full).fails();
    assert!(
        said.starts_with("failed to create the data folder"),
        "{said}"
    );
    assert!(said.contains("No space left on device"), "{said}");
    assert!(
        said.ends_with("hint: free some space on that disk"),
        "{said}"
    );
}

#[test]
fn a_folder_that_may_not_be_written_is_named() {
    let project = Project::new();
    fs::set_permissions(project.path(), Permissions::from_mode(0o555)).expect("it is ours");
    let said = project.publisher().without_privileges().fails();
    fs::set_permissions(project.path(), Permissions::from_mode(0o755)).expect("it is ours");
    assert!(said.contains("cannot use"), "{said}");
    assert!(said.contains("let this user write to"), "{said}");
}
