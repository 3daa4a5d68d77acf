//! Locks that somebody else holds: every command waits as long as it is told, then says who
//! it is.

use std::time::{Duration, Instant};

use pretty_assertions::assert_eq;

use crate::support::{Project, tracked, without_numbers};

const TABLES: &str = "
    CREATE TABLE makers (id text PRIMARY KEY, label text, source_type text NOT NULL DEFAULT 'seed');
    CREATE TABLE models (id text PRIMARY KEY, maker text NOT NULL REFERENCES makers);";

/// A seeded and published project.
fn project() -> Project {
    let project = Project::new(&[TABLES, &tracked(&["makers", "models"])]);
    project.run(&["migrate", "--quiet"]).succeeded();
    project.source("makers", r#"[{"id":"A","label":"a"}]"#);
    project.source("models", r#"[{"id":"M","maker":"A"}]"#);
    project.run(&["run", "--quiet"]).succeeded();
    project
}

/// While somebody has run that SQL and does not commit, each command gives up and names them.
#[track_caller]
fn give_up(locks: &str, commands: &[&[&str]]) {
    let project = project();
    // One that the files do not hold, so that `check` has to ask.
    project.source(
        "models",
        r#"[{"id":"M","maker":"A"},{"id":"N","maker":"theirs"}]"#,
    );
    let somebody = project.database.connect();
    let hold = format!("SET application_name = 'somebody'; BEGIN; {locks}");
    project
        .database
        .block_on(somebody.batch_execute(&hold))
        .unwrap();
    for command in commands {
        let start = Instant::now();
        let finished = project.run(&[*command, &["--quiet", "--lock-timeout", "200ms"]].concat());
        assert_eq!(
            finished.status,
            Some(1),
            "{locks}: {command:?}: {}",
            finished.stderr
        );
        let told = without_numbers(&finished.stderr);
        assert!(
            told.contains("error: gave up waiting for ")
                && told.contains(
                    " after N.N s: it is held by \"somebody\" (process N, user postgres, idle in \
                     transaction for N s)\n  hint: wait for the other session to end, or allow more \
                     time with --lock-timeout\n"
                ),
            "{locks}: {command:?}: {}",
            finished.stderr
        );
        // Far from the half minute that is the default, also on a busy machine.
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "{locks}: {command:?}"
        );
    }
    // Once it is given back, all of them go on.
    project
        .database
        .block_on(somebody.batch_execute("ROLLBACK"))
        .unwrap();
    project.source("models", r#"[{"id":"M","maker":"A"}]"#);
    project.run(&["run", "--recheck", "--quiet"]).succeeded();
}

#[test]
fn a_table_that_nobody_may_read() {
    give_up(
        "LOCK TABLE makers IN ACCESS EXCLUSIVE MODE",
        &[
            &["check"],
            &["plan"],
            &["seed"],
            &["seed", "--recheck"],
            &["publish"],
            &["parity", "--source", "json-source", "--database"],
            &["run"],
        ],
    );
}

#[test]
fn the_table_of_numbers() {
    give_up(
        "LOCK TABLE reference_metadata IN ACCESS EXCLUSIVE MODE",
        &[&["seed"], &["plan"], &["publish"]],
    );
}

#[test]
fn the_notes_of_the_last_seed() {
    give_up(
        "LOCK TABLE tablecast.seeded IN ACCESS EXCLUSIVE MODE",
        &[&["seed"], &["plan"], &["run"]],
    );
}

#[test]
fn a_number_that_another_transaction_has_taken() {
    let project = project();
    let somebody = project.database.connect();
    let hold =
        "SET application_name = 'somebody'; BEGIN; UPDATE makers SET label = 'x' WHERE false;
                SELECT FROM reference_metadata FOR UPDATE";
    project
        .database
        .block_on(somebody.batch_execute(hold))
        .unwrap();
    project.source("makers", r#"[{"id":"A","label":"b"}]"#);
    let finished = project.run(&["seed", "--quiet", "--lock-timeout", "200ms"]);
    assert_eq!(
        without_numbers(&finished.stderr),
        "error: gave up waiting for the tables to seed after N.N s: it is held by \"somebody\" \
         (process N, user postgres, idle in transaction for N s)\n  \
         hint: wait for the other session to end, or allow more time with --lock-timeout\n"
    );
    project
        .database
        .block_on(
            somebody.batch_execute("ROLLBACK; SET application_name = 'somebody'; BEGIN; SELECT FROM reference_metadata FOR UPDATE"),
        )
        .unwrap();
    let finished = project.run(&["seed", "--quiet", "--lock-timeout", "200ms"]);
    assert_eq!(
        without_numbers(&finished.stderr),
        "error: gave up waiting for a lock to lock reference_metadata after N.N s: it is held by \
         \"somebody\" (process N, user postgres, idle in transaction for N s)\n  \
         hint: wait for the other session to end, or allow more time with --lock-timeout\n"
    );
}
