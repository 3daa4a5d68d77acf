//! Migrations, files and settings of a stranger: what they cannot do in the private PostgreSQL.

use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use crate::support::{Finished, Project, private_data, publisher, tracked};

const GRIPS: &str = "CREATE TABLE grips (id text PRIMARY KEY, label text NOT NULL);";

fn project(migration: &str) -> Project {
    let project = Project::new(&[GRIPS, &tracked(&["grips"]), migration]);
    // So that the server's user gets to its data there, whoever runs the tests.
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(project.path(""), open).unwrap();
    project.source("grips", r#"[{"id":"A","label":"a"}]"#);
    project
}

// Without a database URL for the program itself, and with a secret that is meant for others.
fn privately(project: &Project, arguments: &[&str]) -> Finished {
    let mut command = publisher();
    command.args(arguments).current_dir(project.path(""));
    command.env("SECRET_OF_CI", "hunter2").stdin(Stdio::null());
    Finished::of(command.output().unwrap())
}

#[test]
fn no_migration_gets_beyond_its_database() {
    let project = project("SELECT missing;");
    let harm = project.path("harm");
    let harm = harm.display();
    // Starting a server for each would take the most time by far.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let state = project.path(".tablecast");
    let embedded = runtime
        .block_on(embedded_postgres::Embedded::start(&state))
        .unwrap();
    for attempt in [
        format!("COPY (SELECT 1) TO PROGRAM 'touch {harm}';"),
        "CREATE TABLE t (line text); COPY t FROM PROGRAM 'env';".to_owned(),
        "CREATE TABLE t (line text); COPY t FROM '/etc/passwd';".to_owned(),
        format!("COPY (SELECT 1) TO '{harm}';"),
        "SELECT pg_read_file('/etc/passwd');".to_owned(),
        "SELECT pg_read_binary_file('/proc/self/environ');".to_owned(),
        "SELECT pg_ls_dir('/');".to_owned(),
        "SELECT lo_import('/etc/passwd');".to_owned(),
        format!("SELECT lo_export(lo_from_bytea(0, 'x'), '{harm}');"),
        "CREATE FUNCTION f(cstring) RETURNS int LANGUAGE c STRICT AS 'libc.so.6', 'system';".to_owned(),
        "CREATE FUNCTION f() RETURNS int LANGUAGE internal AS 'pg_backend_pid';".to_owned(),
        "LOAD '/tmp/evil.so';".to_owned(),
        "ALTER SYSTEM SET archive_command = 'touch x';".to_owned(),
        "-- tablecast: no transaction\nALTER SYSTEM SET archive_command = 'touch x';".to_owned(),
        "ALTER DATABASE tablecast SET session_preload_libraries = 'x';".to_owned(),
        "ALTER DATABASE tablecast SET default_transaction_read_only = on;".to_owned(),
        "-- tablecast: no transaction\nDROP DATABASE tablecast;".to_owned(),
        "SET session_preload_libraries = 'x';".to_owned(),
        "CREATE ROLE evil SUPERUSER LOGIN;".to_owned(),
        "ALTER ROLE tablecast SUPERUSER;".to_owned(),
        "ALTER ROLE tablecast CREATEROLE;".to_owned(),
        "ALTER ROLE postgres PASSWORD NULL;".to_owned(),
        "GRANT pg_execute_server_program TO tablecast;".to_owned(),
        "GRANT pg_read_server_files TO tablecast;".to_owned(),
        "SET ROLE postgres;".to_owned(),
        "SET SESSION AUTHORIZATION postgres;".to_owned(),
        "SET ROLE pg_execute_server_program;".to_owned(),
        "RESET SESSION AUTHORIZATION; COPY (SELECT 1) TO PROGRAM 'true';".to_owned(),
        "CREATE FUNCTION f() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$;
         CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION f();"
            .to_owned(),
        "CREATE EXTENSION file_fdw;".to_owned(),
        "CREATE EXTENSION dblink;".to_owned(),
        "CREATE LANGUAGE plpython3u;".to_owned(),
        "CREATE DATABASE other;".to_owned(),
        "-- tablecast: no transaction\nCREATE DATABASE other;".to_owned(),
        "-- tablecast: no transaction\nCREATE TABLESPACE t LOCATION '/tmp';".to_owned(),
        "CREATE SUBSCRIPTION s CONNECTION 'host=127.0.0.1' PUBLICATION p WITH (connect = false);".to_owned(),
        "SELECT rolpassword FROM pg_authid;".to_owned(),
        "SELECT pg_reload_conf();".to_owned(),
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'checkpointer';
         UPDATE pg_database SET datallowconn = true;"
            .to_owned(),
    ] {
        project.file("sql/migrations/V0003__m.sql", &attempt);
        for command in [&["check", "--quiet"][..], &["run", "--quiet"]] {
            let finished = privately(&project, command);
            assert_eq!(finished.status, Some(1), "{attempt}: {}", finished.stderr);
            assert!(
                finished.stderr.starts_with("error: V0003__m.sql"),
                "{attempt}: {}",
                finished.stderr
            );
        }
        assert!(!project.path("snapshots/version.json").exists(), "{attempt}");
    }
    assert!(!std::path::Path::new(&harm.to_string()).exists());
    runtime.block_on(embedded.stop()).unwrap();
}

// A role's own settings are its own to change, and count for every database of the server.
#[test]
fn what_a_migration_sets_for_its_role_ends_with_it() {
    let innocent = "SELECT 1;";
    let project = project(innocent);
    project.file("sql/migrations/V0003__m.sql", innocent);
    privately(&project, &["run", "--quiet"]).succeeded();
    for setting in [
        "local_preload_libraries = 'x'",
        "idle_session_timeout = '1ms'",
        "default_transaction_read_only = on",
        "quote_all_identifiers = on",
        "search_path = pg_catalog",
    ] {
        let database = "DO $$ BEGIN EXECUTE format('ALTER ROLE CURRENT_USER IN DATABASE %I SET %s',
                        current_database(), $set$";
        for harm in [
            format!("ALTER ROLE CURRENT_USER SET {setting};"),
            format!("{database}{setting}$set$); END $$;"),
            format!("ALTER ROLE CURRENT_USER IN DATABASE tablecast SET {setting};"),
        ] {
            project.file("sql/migrations/V0003__m.sql", &harm);
            privately(&project, &["check", "--quiet"]);
            project.file("sql/migrations/V0003__m.sql", innocent);
            let check = privately(&project, &["check", "--quiet"]);
            assert_eq!(
                (check.status, check.stderr.as_str()),
                (Some(0), ""),
                "{harm}"
            );
            let run = privately(&project, &["run", "--quiet", "--recheck"]);
            assert_eq!((run.status, run.stderr.as_str()), (Some(0), ""), "{harm}");
        }
    }
}

#[test]
fn what_migrations_are_for_still_goes() {
    let project = project(
        "CREATE SCHEMA more; CREATE EXTENSION pg_trgm; CREATE TYPE kind AS ENUM ('a');
         CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';
         ALTER SCHEMA public OWNER TO current_user; CREATE INDEX ON grips USING gin (label gin_trgm_ops);
         DO $$ BEGIN ASSERT NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user); END $$;",
    );
    privately(&project, &["check", "--quiet"]).succeeded();
    privately(&project, &["run", "--quiet"]).succeeded();
    assert_eq!(project.published("grips")[0]["label"], "a");
    privately(&project, &["types"]).succeeded();
}

#[test]
fn an_extension_that_only_a_superuser_makes_is_made_where_the_settings_name_it() {
    let project =
        project("CREATE TABLE spans (a int, b int); SELECT * FROM pg_buffercache LIMIT 0;");
    let finished = privately(&project, &["check", "--quiet"]);
    assert_eq!(finished.status, Some(1));
    project.file(
        "tablecast.toml",
        "[database]\nextensions = [\"pg_buffercache\"]\n",
    );
    let finished = privately(&project, &["check", "--quiet"]);
    // It is there; who may use it, it says itself.
    assert!(
        finished
            .stderr
            .contains("permission denied for view pg_buffercache"),
        "{}",
        finished.stderr
    );
}

#[test]
fn the_server_is_told_nothing_of_our_environment() {
    let project = project("SELECT pg_sleep(0.1);");
    let mut command = publisher();
    command
        .args(["watch", "--quiet"])
        .current_dir(project.path(""));
    command.env("SECRET_OF_CI", "hunter2").stdin(Stdio::null());
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let start = std::time::Instant::now();
    while !project.path("snapshots/version.json").exists() {
        assert!(start.elapsed() < std::time::Duration::from_secs(60));
        assert!(child.try_wait().unwrap().is_none());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let data = private_data(&project.path(".tablecast"));
    let pid = std::fs::read_to_string(data.join("postmaster.pid")).unwrap();
    let environment = format!("/proc/{}/environ", pid.lines().next().unwrap());
    if let Ok(environment) = std::fs::read(environment) {
        let text = String::from_utf8_lossy(&environment);
        assert!(text.contains("PATH="), "{text}");
        assert!(!text.contains("SECRET_OF_CI"), "{text}");
    }
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(child.id().try_into().unwrap()),
        nix::sys::signal::Signal::SIGTERM,
    )
    .unwrap();
    child.wait().unwrap();
}

#[test]
fn data_of_an_earlier_publisher_is_handed_over_to_the_owner() {
    let project = project("CREATE TYPE kind AS ENUM ('a'); CREATE VIEW v AS SELECT 1 AS one;");
    privately(&project, &["run", "--quiet"]).succeeded();
    // As it was: everything is the superuser's, who needs no password.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let state = project.path(".tablecast");
        let embedded = embedded_postgres::Embedded::start(&state).await.unwrap();
        let options = embedded.config("tablecast");
        let (client, connection) = options.connect(tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        let back = "REASSIGN OWNED BY tablecast TO postgres; ALTER DATABASE tablecast OWNER TO postgres;
                    ALTER SCHEMA public OWNER TO postgres; DROP OWNED BY tablecast; DROP ROLE tablecast;
                    ALTER ROLE postgres PASSWORD NULL";
        // The role is connected to nothing.
        client.batch_execute(back).await.unwrap();
        drop(client);
        embedded.stop().await.unwrap();
    });
    let data = private_data(&project.path(".tablecast"));
    std::fs::write(data.join("pg_hba.conf"), "local all all trust\n").unwrap();
    std::fs::remove_file(data.with_file_name("postgres.password")).unwrap();

    project.source("grips", r#"[{"id":"A","label":"another"}]"#);
    project.file(
        "sql/migrations/V0004__m.sql",
        "ALTER TABLE grips ADD COLUMN more text; DROP VIEW v; ALTER TYPE kind RENAME TO kinds;",
    );
    privately(&project, &["run", "--quiet"]).succeeded();
    assert_eq!(project.published("grips")[0]["label"], "another");
}
