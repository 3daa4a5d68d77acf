//! Where the private PostgreSQL has its data: told, kept, and removed on demand.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::geteuid;
use serde_json::json;

use crate::support::{Finished, Project, private_data, publisher, tracked};

fn project() -> Project {
    let project = Project::new(&[
        "CREATE TABLE grips (id text PRIMARY KEY, label text NOT NULL, source_type text NOT NULL DEFAULT 'seed');",
        &tracked(&["grips"]),
    ]);
    project.source("grips", r#"[{"id":"A","label":"a"}]"#);
    project
}

// Nobody but root gets to it.
fn closed() -> Option<Project> {
    if !geteuid().is_root() {
        return None;
    }
    let project = project();
    fs::set_permissions(project.path(""), fs::Permissions::from_mode(0o700)).unwrap();
    Some(project)
}

fn privately(folder: &Path, arguments: &[&str]) -> Finished {
    let mut command = publisher();
    command.args(arguments).current_dir(folder);
    Finished::of(command.output().unwrap())
}

fn places(folder: &Path, arguments: &[&str]) -> Vec<serde_json::Value> {
    let finished = privately(
        folder,
        &[&["database", "where", "--json"], arguments].concat(),
    );
    finished.succeeded();
    let report: serde_json::Value = serde_json::from_str(&finished.stdout).unwrap();
    report["places"].as_array().unwrap().clone()
}

fn data(folder: &Path) -> PathBuf {
    private_data(&folder.join(".tablecast"))
}

#[test]
fn the_place_is_told_and_removed_on_demand() {
    let project = project();
    let folder = fs::canonicalize(project.path("")).unwrap();
    assert_eq!(places(&folder, &[])[0]["exists"], false);
    assert!(!project.path(".tablecast").exists());
    privately(&folder, &["run", "--quiet"]).succeeded();
    let expected = json!({
        "data": folder.join(".tablecast/postgres"), "project": folder.join(".tablecast"),
        "exists": true, "inUse": false,
    });
    assert_eq!(places(&folder, &[]), [expected]);

    let refused = privately(&folder, &["database", "reset"]);
    assert_eq!(refused.status, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("add --yes"), "{}", refused.stderr);
    assert!(project.path(".tablecast/postgres/PG_VERSION").exists());
    privately(&folder, &["database", "reset", "--yes"]).succeeded();
    assert!(!project.path(".tablecast/postgres").exists());
    privately(&folder, &["database", "reset", "--yes"]).succeeded();
    privately(&folder, &["run", "--quiet", "--out=another"]).succeeded();
}

#[test]
fn a_database_in_use_is_not_removed() {
    let project = project();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let state = project.path(".tablecast");
    let embedded = runtime
        .block_on(embedded_postgres::Embedded::start(&state))
        .unwrap();
    assert_eq!(places(&project.path(""), &[])[0]["inUse"], true);
    let refused = privately(&project.path(""), &["database", "reset", "--yes"]);
    assert_eq!(refused.status, Some(1));
    assert!(
        refused.stderr.contains("nothing was removed"),
        "{}",
        refused.stderr
    );
    assert!(data(&project.path("")).join("PG_VERSION").exists());
    runtime.block_on(embedded.stop()).unwrap();
}

#[test]
fn what_no_publisher_made_is_not_removed() {
    let project = project();
    let precious = project.path("precious");
    fs::create_dir_all(&precious).unwrap();
    fs::write(precious.join("PG_VERSION"), "15\n").unwrap();
    fs::create_dir(project.path(".tablecast")).unwrap();
    symlink(&precious, project.path(".tablecast/postgres")).unwrap();
    let refused = privately(&project.path(""), &["database", "reset", "--yes"]);
    assert_eq!(refused.status, Some(1), "{}", refused.stderr);
    assert!(precious.join("PG_VERSION").exists());
    // A file of a stranger's branch may name any folder.
    fs::remove_file(project.path(".tablecast/postgres")).unwrap();
    for place in [
        "/etc",
        "/var/lib/tablecast",
        "/var/lib/tablecast/../../../etc/xx",
    ] {
        project.file(".tablecast/postgres.place", place);
        let finished = privately(&project.path(""), &["database", "reset", "--yes"]);
        finished.succeeded();
    }
    assert!(Path::new("/etc/passwd").exists());
}

#[test]
fn data_elsewhere_is_told_and_goes_along_with_the_project() {
    let Some(project) = closed() else { return };
    let (first, second) = (project.path("first"), project.path("second"));
    fs::create_dir(&first).unwrap();
    copy(&project, &first);
    let run = privately(&first, &["run"]);
    run.succeeded();
    let elsewhere = data(&first);
    assert!(
        elsewhere.starts_with("/var/lib/tablecast"),
        "{}",
        elsewhere.display()
    );
    let place = elsewhere.display().to_string();
    assert!(run.stderr.contains(&place), "{}", run.stderr);
    assert_eq!(places(&first, &[])[0]["data"], place);

    fs::rename(&first, &second).unwrap();
    let run = privately(&second, &["seed", "--json", "--quiet"]);
    run.succeeded();
    // The rows are those of before.
    let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(report["tables"][0]["skipped"], true);
    assert_eq!(data(&second), elsewhere);

    // A copy has its own, and the original keeps what it had.
    assert!(
        Command::new("cp")
            .arg("-a")
            .args([&second, &first])
            .status()
            .unwrap()
            .success()
    );
    let run = privately(&first, &["run"]);
    run.succeeded();
    assert!(run.stderr.contains("is a copy of"), "{}", run.stderr);
    let of_copy = data(&first);
    assert_ne!(of_copy, elsewhere);
    privately(&second, &["run", "--quiet"]).succeeded();
    assert_eq!(data(&second), elsewhere);

    // A project that is gone leaves data that is listed as nobody's.
    fs::remove_dir_all(&first).unwrap();
    let all = places(&second, &["--all"]);
    let orphan = all
        .iter()
        .find(|place| place["data"] == of_copy.display().to_string())
        .unwrap();
    assert_eq!(orphan["project"], serde_json::Value::Null);
    fs::remove_dir_all(of_copy.parent().unwrap()).unwrap();

    privately(&second, &["database", "reset", "--yes"]).succeeded();
    assert!(!elsewhere.parent().unwrap().exists());
    assert!(!second.join(".tablecast/postgres.place").exists());
}

#[test]
fn a_copy_that_root_made_begins_with_a_database_of_its_own() {
    if !geteuid().is_root() {
        eprintln!("skipped: it takes root to copy the data of another user");
        return;
    }
    let project = project();
    let (first, second) = (project.path("first"), project.path("second"));
    fs::create_dir(&first).unwrap();
    copy(&project, &first);
    privately(&first, &["run", "--quiet"]).succeeded();
    // In use while it is copied.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let state = first.join(".tablecast");
    let start = embedded_postgres::Embedded::start(&state);
    let embedded = runtime.block_on(start).unwrap();
    copy_as_root(&first, &second);
    let run = privately(&second, &["run"]);
    run.succeeded();
    let aside = fs::canonicalize(second.join(".tablecast/postgres.copied-1")).unwrap();
    assert!(aside.join("PG_VERSION").exists());
    let said = format!("remove the copied data, which is in {}\n", aside.display());
    assert!(run.stderr.contains("is a copy of"), "{}", run.stderr);
    assert!(run.stderr.contains(&said), "{}", run.stderr);
    // The original runs on, socket and all.
    runtime.block_on(async {
        let config = embedded.config("postgres");
        let (_client, _connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
    });
    runtime.block_on(embedded.stop()).unwrap();
    // Once.
    let run = privately(&second, &["run"]);
    run.succeeded();
    assert!(!run.stderr.contains("is a copy of"), "{}", run.stderr);
}

#[test]
fn a_copied_database_whose_original_is_gone_is_refused_and_removed_on_demand() {
    if !geteuid().is_root() {
        eprintln!("skipped: it takes root to copy the data of another user");
        return;
    }
    let project = project();
    let (first, second) = (project.path("first"), project.path("second"));
    fs::create_dir(&first).unwrap();
    copy(&project, &first);
    privately(&first, &["run", "--quiet"]).succeeded();
    copy_as_root(&first, &second);
    fs::remove_dir_all(&first).unwrap();
    let refused = privately(&second, &["run"]);
    assert_eq!(refused.status, Some(1), "{}", refused.stderr);
    let hint = "  hint: begin anew with `publisher database reset --yes`, which loses rows that are in no file; or, unless it is a copy of a database in use, give it back with `chown -R ";
    assert!(refused.stderr.contains(hint), "{}", refused.stderr);
    privately(&second, &["database", "reset", "--yes"]).succeeded();
    assert!(!second.join(".tablecast/postgres").exists());
    privately(&second, &["run", "--quiet"]).succeeded();
}

fn copy_as_root(from: &Path, to: &Path) {
    let mut copied = Command::new("cp");
    assert!(
        copied
            .arg("-r")
            .args([from, to])
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn a_link_that_an_earlier_publisher_left_becomes_a_place() {
    let Some(project) = closed() else { return };
    privately(&project.path(""), &["run", "--quiet"]).succeeded();
    let elsewhere = data(&project.path(""));
    // As it was.
    fs::remove_file(project.path(".tablecast/postgres.place")).unwrap();
    fs::remove_file(elsewhere.with_file_name("project")).unwrap();
    symlink(&elsewhere, project.path(".tablecast/postgres")).unwrap();
    let finished = privately(&project.path(""), &["seed", "--json", "--quiet"]);
    finished.succeeded();
    let report: serde_json::Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(report["tables"][0]["skipped"], true);
    assert_eq!(data(&project.path("")), elsewhere);
    assert!(!project.path(".tablecast/postgres").exists());
}

fn copy(project: &Project, to: &Path) {
    for folder in ["json-source", "sql"] {
        let from = project.path(folder);
        assert!(
            Command::new("cp")
                .arg("-a")
                .arg(from)
                .arg(to)
                .status()
                .unwrap()
                .success()
        );
    }
}
