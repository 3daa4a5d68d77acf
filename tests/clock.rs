//! A clock that something contradicts does not date a publication, least of all the first
//! one, which orders the store for ever.

use std::process::Command;

use pretty_assertions::assert_eq;

use crate::support::{Finished, Project, tracked};

const GRIPS: &str = "CREATE TABLE grips (id text PRIMARY KEY, label text NOT NULL);";

fn project() -> Project {
    let project = Project::new(&[GRIPS, &tracked(&["grips"])]);
    project.source("grips", r#"[{"id": "A", "label": "One"}]"#);
    project.run(&["migrate", "--quiet"]).succeeded();
    project
}

// Runs the program at another time than the database's. None where no such tool is there.
fn run_at(moment: &str, project: &Project, arguments: &[&str]) -> Option<Finished> {
    let plain = project.command(arguments);
    let mut command = Command::new("faketime");
    command
        .arg(moment)
        .arg(plain.get_program())
        .args(plain.get_args());
    command.current_dir(plain.get_current_dir().unwrap());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    match command.env("TZ", "UTC").output() {
        Ok(output) => Some(Finished::of(output)),
        Err(_) => {
            eprintln!("skipped: faketime is not installed");
            None
        }
    }
}

#[test]
fn a_clock_that_the_database_contradicts_makes_no_epoch() {
    for (moment, day) in [
        ("2099-01-01 12:00:00", "2099-01-01"),
        ("1970-01-02 12:00:00", "1970-01-02"),
    ] {
        let project = project();
        let before = project.database.everything();
        for command in ["run", "publish"] {
            let Some(finished) = run_at(moment, &project, &[command, "--quiet"]) else {
                return;
            };
            assert_eq!(finished.status, Some(1));
            let says = format!("error: this machine's clock says {day}T12:00:");
            assert!(finished.stderr.starts_with(&says), "{}", finished.stderr);
            assert!(
                finished.stderr.contains("but the database's says 2"),
                "{}",
                finished.stderr
            );
            let flag = format!("if it is, say so by --allow-clock {day}\n");
            assert!(finished.stderr.ends_with(&flag), "{}", finished.stderr);
            assert!(!project.path("snapshots/version.json").exists());
            assert_eq!(project.database.everything(), before);
        }
        let other_day = ["publish", "--quiet", "--allow-clock", "2098-12-31"];
        assert_eq!(
            run_at(moment, &project, &other_day).unwrap().status,
            Some(1)
        );
        let allowed = ["publish", "--quiet", "--allow-clock", day];
        run_at(moment, &project, &allowed).unwrap().succeeded();
        let published_at = project.version()["publishedAt"].to_string();
        assert!(published_at.contains(day), "{published_at}");
    }
}

#[test]
fn a_clock_that_differs_little_is_none_of_it() {
    let project = project();
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(10);
    let moment = soon.strftime("%Y-%m-%d %H:%M:%S").to_string();
    let Some(finished) = run_at(&moment, &project, &["run", "--quiet"]) else {
        return;
    };
    finished.succeeded();
    let first = project.version()["publishedAt"].to_string();
    project.source("grips", r#"[{"id": "A", "label": "Two"}]"#);
    project.run(&["run", "--quiet"]).succeeded();
    assert_eq!(project.version()["sequence"], 2);
    assert_eq!(project.version()["publishedAt"].to_string(), first);
}

#[test]
fn a_clock_that_is_behind_the_last_publication_is_refused_by_every_command_that_publishes() {
    let project = project();
    project.run(&["run", "--quiet"]).succeeded();
    let mut version = project.version();
    version["publishedAt"] = "2099-01-01T00:00:00Z".into();
    let epoch = &version["epoch"];
    for path in ["version.json", &format!("versions/{epoch}-1.json")] {
        project.file(&format!("snapshots/{path}"), version.to_string());
    }
    project.database.execute("UPDATE grips SET label = 'Two'");
    project.source("grips", r#"[{"id": "A", "label": "Two"}]"#);
    let reason = format!(" but version {epoch}-1 was published at 2099-01-01T00:00:00Z\n");
    let today = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
    for command in [
        &["publish", "--quiet"][..],
        &["run", "--quiet"],
        &["rollback", "--quiet", "--to", "1"],
    ] {
        let finished = project.run(command);
        assert_eq!(finished.status, Some(1), "{}", finished.stderr);
        assert!(finished.stderr.contains(&reason), "{}", finished.stderr);
        assert!(
            finished
                .stderr
                .contains("1 problem in the clock; nothing was ")
        );
        assert_eq!(project.version(), version);
    }
    let allow = |command: &[&str]| {
        project
            .run(&[command, &["--allow-clock", &today]].concat())
            .succeeded();
    };
    allow(&["rollback", "--quiet", "--to", "1"]);
    assert!(project.version()["publishedAt"].as_str().unwrap() < "2099");
    project.run(&["resume", "--quiet"]).succeeded();
}
