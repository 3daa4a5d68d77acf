//! pgbouncer in front of the database, in each of its modes, with several sessions behind it.

use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::unistd::{User, geteuid};
use tokio_postgres::config::Host;

use crate::support::{Finished, Project, tracked};

struct Pooler {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Pooler {
    fn in_front_of(project: &Project, mode: &str) -> Self {
        let options: tokio_postgres::Config = project.database.url().parse().unwrap();
        let Host::Unix(server) = &options.get_hosts()[0] else {
            panic!("the tests' server is reached by a socket");
        };
        let server_port = options.get_ports().first().copied().unwrap_or(5432);
        let folder = tempfile::tempdir_in("/tmp").unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        // Another may take the port that was free a moment ago.
        for _ in 0..20 {
            let port = TcpListener::bind("127.0.0.1:0")
                .unwrap()
                .local_addr()
                .unwrap()
                .port();
            let settings = folder.path().join("pgbouncer.ini");
            let text = format!(
                "[databases]\n* = host={} port={server_port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
                 listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = {mode}\n\
                 default_pool_size = 4\nmax_client_conn = 100\n",
                server.display()
            );
            // As with `auth_type = any`, whoever comes is this user at the server.
            let user = options.get_user().unwrap_or("postgres");
            let text = text.replace("port=5432\n", &format!("port=5432 user={user}\n"));
            std::fs::write(&settings, text).unwrap();
            let mut command = Command::new("pgbouncer");
            let path = std::env::var("PATH").unwrap_or_default();
            command
                .arg(&settings)
                .env("PATH", format!("{path}:/usr/sbin"));
            command
                .current_dir("/")
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            if geteuid().is_root() {
                let user = ["postgres", "nobody"].into_iter();
                let user = user
                    .filter_map(|name| User::from_name(name).unwrap())
                    .next()
                    .unwrap();
                command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
            }
            let mut child = command.spawn().unwrap();
            let start = Instant::now();
            while start.elapsed() < Duration::from_secs(30) && child.try_wait().unwrap().is_none() {
                if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    return Self {
                        child,
                        port,
                        _folder: folder,
                    };
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        panic!("pgbouncer did not start");
    }

    fn url(&self, project: &Project) -> String {
        let options: tokio_postgres::Config = project.database.url().parse().unwrap();
        let (user, name) = (options.get_user().unwrap(), options.get_dbname().unwrap());
        format!("postgres://{user}@127.0.0.1:{}/{name}", self.port)
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn one_table() -> Project {
    let project = Project::new(&[
        "CREATE TABLE grips (id text PRIMARY KEY, label text NOT NULL);",
        &tracked(&["grips"]),
    ]);
    project.source("grips", r#"[{"id":"A","label":"a"}]"#);
    project
}

fn spawn(project: &Project, url: &str, arguments: &[&str]) -> Child {
    let mut command = project.command(arguments);
    command
        .env("DATABASE_URL", url)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().unwrap()
}

const ADVISORY: &str = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

#[track_caller]
fn is_refused(mode: &str, does: &str) {
    let project = one_table();
    let pooler = Pooler::in_front_of(&project, mode);
    let url = pooler.url(&project);
    let name = url.rsplit_once('/').unwrap().1;
    let stderr = format!(
        "error: {name} on 127.0.0.1:{} is a pooler that {does} (pool_mode = {mode})\n  \
         hint: name the server itself in the database URL, or let the pooler keep one session for \
         a client (in pgbouncer.ini: pool_mode=session for this user or database)\n",
        pooler.port
    );
    for arguments in [
        &["run", "--quiet"][..],
        &["migrate", "--quiet"],
        &["seed", "--quiet"],
        &["publish", "--quiet"],
        &["plan", "--quiet"],
        &["check", "--quiet"],
        &["types"],
        &["parity", "--source=json-source", "--database", "--quiet"],
    ] {
        // Several at once, so that the sessions behind the pooler are handed round.
        let children = [0; 4].map(|_| spawn(&project, &url, arguments));
        for child in children {
            Finished::of(child.wait_with_output().unwrap()).failed_with(&stderr);
        }
    }
    // Nothing was done, set or locked.
    assert_eq!(project.database.everything(), [""; 0]);
    assert_eq!(project.database.query(ADVISORY), ["0"]);
    project.run(&["run", "--quiet"]).succeeded();
}

#[test]
fn a_pooler_of_transactions_is_named_before_anything_is_done() {
    is_refused("transaction", "gives each transaction another session");
}

#[test]
fn a_pooler_of_statements_is_named_before_anything_is_done() {
    is_refused("statement", "gives each statement another session");
}

#[test]
fn a_pooler_of_sessions_is_worked_through_by_several_at_once() {
    let project = one_table();
    let pooler = Pooler::in_front_of(&project, "session");
    let url = pooler.url(&project);
    for round in 0..3 {
        project.source("grips", &format!(r#"[{{"id":"A","label":"{round}"}}]"#));
        let children = [0; 6].map(|_| spawn(&project, &url, &["run", "--quiet"]));
        for child in children {
            Finished::of(child.wait_with_output().unwrap()).succeeded();
        }
        assert_eq!(project.published("grips")[0]["label"], round.to_string());
        assert_eq!(project.database.query(ADVISORY), ["0"]);
    }
}

#[test]
fn an_option_that_a_pooler_refuses_is_named() {
    let project = one_table();
    let pooler = Pooler::in_front_of(&project, "session");
    let url = format!("{}?options=-csearch_path%3Dx", pooler.url(&project));
    let finished = Finished::of(
        spawn(&project, &url, &["publish"])
            .wait_with_output()
            .unwrap(),
    );
    assert_eq!(finished.status, Some(1));
    assert!(
        finished.stderr.ends_with(
            "caused by: unsupported startup parameter: options\n  \
             hint: leave out that option of the database URL: the pooler before the server refuses it\n"
        ),
        "{}",
        finished.stderr
    );
}
