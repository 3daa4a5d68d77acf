//! A seed that fails, at whatever step, leaves every row as it was.
//!
//! Between the publisher and PostgreSQL stands a proxy that lets so many of the
//! publisher's messages through and then does its mischief. One seed sends a few hundred
//! messages; every one of them is the victim once.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};
use std::time::Duration;

use pretty_assertions::assert_eq;
use tokio_postgres::config::Host;

use crate::support::{Finished, Project, TestDatabase, tracked};

const TABLES: &str = "
    CREATE TABLE makers (
        id text PRIMARY KEY, label text NOT NULL, founded int NOT NULL DEFAULT 1900,
        is_active boolean NOT NULL DEFAULT true,
        source_type text NOT NULL DEFAULT 'seed' CHECK (source_type IN ('seed', 'admin'))
    );
    CREATE TABLE models (
        id text PRIMARY KEY, maker_id text NOT NULL REFERENCES makers,
        is_active boolean NOT NULL DEFAULT true
    );";

/// A project whose next seed takes every kind of step: inserts, updates, deactivates,
/// reactivates, fills defaults, meets an administrator's row and asks for one.
fn about_to_change() -> Project {
    let project = Project::new(&[TABLES, &tracked(&["makers", "models"])]);
    project.run(&["migrate", "--quiet"]).succeeded();
    project.source(
        "makers",
        r#"[{"id":"A","label":"a"},{"id":"B","label":"b"},{"id":"C","label":"c"}]"#,
    );
    project.source(
        "models",
        r#"[{"id":"M","maker_id":"A"},{"id":"N","maker_id":"B"}]"#,
    );
    project.run(&["seed", "--quiet"]).succeeded();
    project.database.execute(
        "UPDATE makers SET is_active = false WHERE id = 'C';
         INSERT INTO makers (id, label, source_type) VALUES ('X', 'x', 'admin'), ('Y', 'y', 'admin')",
    );
    project.source(
        "makers",
        r#"[{"id":"B","label":"b2"},{"id":"C","label":"c"},{"id":"D","label":"d","founded":2001},{"id":"X","label":"no"}]"#,
    );
    project.source(
        "models",
        r#"[{"id":"N","maker_id":"Y"},{"id":"O","maker_id":"D"}]"#,
    );
    project
}

const ROWS: &str = "
    SELECT * FROM (SELECT 'makers', id, label, founded::text, is_active, source_type FROM makers
                   UNION ALL SELECT 'models', id, maker_id, '', is_active, '' FROM models) AS rows
    ORDER BY 1, 2";
const SEEDED_ROWS: [&str; 9] = [
    "makers|A|a|1900|f|seed",
    "makers|B|b2|1900|t|seed",
    "makers|C|c|1900|t|seed",
    "makers|D|d|2001|t|seed",
    "makers|X|x|1900|t|admin",
    "makers|Y|y|1900|t|admin",
    "models|M|A||f|",
    "models|N|Y||t|",
    "models|O|D||t|",
];

/// What happens to one message, or instead of it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mischief {
    /// Nothing: the messages are only counted.
    None,
    /// It arrives, but the connection breaks before the answer does.
    LoseTheAnswer,
    /// The publisher is killed before it is sent.
    Kill,
    /// Its statement is one that fails.
    Fail,
    /// The server's administrator ends the session before it arrives.
    Terminate,
}

/// A message of the publisher.
struct Message(Vec<u8>);

impl Message {
    fn tag(&self) -> u8 {
        self.0[0]
    }

    /// A query, simple (`Q`) or to be prepared (`P`), or the end of a prepared one.
    fn is_statement(&self) -> bool {
        matches!(self.tag(), b'Q' | b'P')
    }

    fn is_query(&self, sql: &str) -> bool {
        self.tag() == b'Q' && self.0[5..self.0.len() - 1] == *sql.as_bytes()
    }

    /// The same kind of message, with a statement that fails.
    fn failing(&self) -> Vec<u8> {
        let sql = b"SELECT 1/0\0";
        let mut body = Vec::new();
        if self.tag() == b'P' {
            // The statement's name stays, or the next message would not find it.
            let name = self.0[5..].split(|byte| *byte == 0).next().unwrap();
            body.extend_from_slice(name);
            body.push(0);
            body.extend_from_slice(b"SELECT no_such_column\0");
            body.extend_from_slice(&0_u16.to_be_bytes());
        } else {
            body.extend_from_slice(sql);
        }
        let length = u32::try_from(body.len() + 4).unwrap();
        [&[self.tag()][..], &length.to_be_bytes(), &body].concat()
    }
}

/// One seed through the proxy.
struct Seed {
    finished: Finished,
    messages: Vec<Message>,
}

/// Seeds, with `mischief` at the message of that number; the first has the number 0. Ends
/// when the server's session has ended.
fn seed_with(project: &Project, mischief: Mischief, at: usize) -> Seed {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = format!(
        "{} host=127.0.0.1 hostaddr=127.0.0.1 port={port}",
        without_host(project.database.url())
    );
    let mut seed = project.command(&["seed", "--quiet"]);
    seed.env("DATABASE_URL", url)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = seed.spawn().unwrap();
    let (client, _) = listener.accept().unwrap();
    let server = connect(&project.database);

    let answers = {
        let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
        std::thread::spawn(move || {
            let mut buffer = [0; 16 * 1024];
            // Until the server ends the session: what it had begun is rolled back by then.
            while let Ok(count @ 1..) = from.read(&mut buffer) {
                let _ = to.write_all(&buffer[..count]);
            }
            let _ = to.shutdown(std::net::Shutdown::Both);
        })
    };
    let messages = forward(client, server, &project.database, &mut child, mischief, at);
    answers.join().unwrap();
    Seed {
        finished: Finished::of(child.wait_with_output().unwrap()),
        messages,
    }
}

fn forward(
    mut client: TcpStream,
    mut server: UnixStream,
    database: &TestDatabase,
    child: &mut Child,
    mischief: Mischief,
    at: usize,
) -> Vec<Message> {
    // The first has no tag.
    let startup = read_message(&mut client, &[]).unwrap();
    server.write_all(&startup).unwrap();
    let mut messages = Vec::new();
    while let Some(message) = read_tagged(&mut client) {
        let message = Message(message);
        let bytes = if messages.len() == at {
            apply(mischief, &message, database, child)
        } else {
            message.0.clone()
        };
        let is_last =
            messages.len() == at && matches!(mischief, Mischief::LoseTheAnswer | Mischief::Kill);
        if is_last {
            // Before the server has the message, or its answer might be quicker. What the
            // publisher has sent beyond it, without waiting for an answer, is lost too.
            let _ = client.shutdown(std::net::Shutdown::Both);
        }
        // A session that was ended takes nothing more.
        let _ = server.write_all(&bytes);
        messages.push(message);
        if is_last {
            break;
        }
    }
    let _ = server.shutdown(std::net::Shutdown::Write);
    messages
}

fn apply(
    mischief: Mischief,
    message: &Message,
    database: &TestDatabase,
    child: &mut Child,
) -> Vec<u8> {
    match mischief {
        Mischief::None | Mischief::LoseTheAnswer => message.0.clone(),
        Mischief::Kill => {
            child.kill().unwrap();
            Vec::new()
        }
        Mischief::Fail => message.failing(),
        Mischief::Terminate => {
            let ended = database.query(
                "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity
                 WHERE application_name = 'tablecast seed' AND datname = current_database()",
            );
            assert_eq!(ended, ["t"]);
            message.0.clone()
        }
    }
}

fn read_tagged(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut tag = [0];
    stream.read_exact(&mut tag).ok()?;
    read_message(stream, &tag)
}

// Its length, which counts itself, and what follows.
fn read_message(stream: &mut TcpStream, tag: &[u8]) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    let mut rest = vec![0; u32::from_be_bytes(length) as usize - 4];
    stream.read_exact(&mut rest).ok()?;
    Some([tag, &length, &rest].concat())
}

fn connect(database: &TestDatabase) -> UnixStream {
    let options: tokio_postgres::Config = database.url().parse().unwrap();
    let Host::Unix(folder) = &options.get_hosts()[0] else {
        panic!("the tests' server is reached by a socket");
    };
    let port = options.get_ports().first().copied().unwrap_or(5432);
    UnixStream::connect(folder.join(format!(".s.PGSQL.{port}"))).unwrap()
}

fn without_host(url: &str) -> String {
    let kept = url
        .split(' ')
        .filter(|part| !part.starts_with("host=") && !part.starts_with("port="));
    kept.collect::<Vec<_>>().join(" ")
}

/// Tries the mischief on messages of one seed: on those that `victims` chooses, and of these on
/// each under `./dev storm`, else on one of `of` and on the last.
#[track_caller]
fn nothing_happens(
    mischief: Mischief,
    of: usize,
    victims: impl Fn(&Message) -> bool,
    is_whole: impl Fn(&Message) -> bool,
) {
    let project = about_to_change();
    let dry = about_to_change();
    let script = seed_with(&dry, Mischief::None, 0);
    script.finished.succeeded();
    assert_eq!(dry.database.query(ROWS), SEEDED_ROWS);
    let before = project.database.everything();

    let numbered = script.messages.iter().enumerate();
    let victims: Vec<_> = numbered.filter(|(_, message)| victims(message)).collect();
    let is_storm = std::env::var_os("TABLECAST_STORM_SECONDS").is_some();
    let of = if is_storm { 1 } else { of };

    let mut tried = 0;
    for (nth, &(at, message)) in victims.iter().enumerate() {
        let is_last = nth + 1 == victims.len() || is_whole(message);
        if nth % of > 0 && !is_last {
            continue;
        }
        let seed = seed_with(&project, mischief, at);
        let place = format!(
            "{mischief:?} at message {at}: {:?}",
            String::from_utf8_lossy(&message.0)
        );
        let status = if mischief == Mischief::Kill {
            None
        } else {
            Some(1)
        };
        assert_eq!(
            seed.finished.status, status,
            "{place}\n{}",
            seed.finished.stderr
        );
        tried += 1;
        if is_whole(message) {
            assert_eq!(project.database.query(ROWS), SEEDED_ROWS, "{place}");
            break;
        }
        assert_eq!(project.database.everything(), before, "{place}");
    }
    assert!(tried > 20, "{tried}");
    project.run(&["seed", "--quiet"]).succeeded();
    assert_eq!(project.database.query(ROWS), SEEDED_ROWS);
    assert_eq!(project.database.versions(), dry.database.versions());
}

#[test]
fn whichever_message_is_the_last_to_arrive() {
    // Once the commit has arrived, the seed is whole, though the publisher cannot know.
    nothing_happens(
        Mischief::LoseTheAnswer,
        4,
        |_| true,
        |message| message.is_query("COMMIT"),
    );
}

#[test]
fn wherever_the_publisher_is_killed() {
    // Before the transaction nothing is written, behind its commit there is nothing to undo.
    let is_open = std::cell::Cell::new(false);
    let victims = |message: &Message| {
        let begins = message.is_query("START TRANSACTION") || message.is_query("BEGIN");
        let is_victim = is_open.get() || begins;
        is_open.set(is_victim && !message.is_query("COMMIT"));
        is_victim
    };
    nothing_happens(Mischief::Kill, 4, victims, |_| false);
}

#[test]
fn whichever_statement_fails() {
    nothing_happens(Mischief::Fail, 1, Message::is_statement, |_| false);
}

#[test]
fn wherever_an_administrator_ends_the_session() {
    nothing_happens(
        Mischief::Terminate,
        1,
        |message| message.is_statement() || message.tag() == b'd',
        |_| false,
    );
}

#[test]
fn whenever_the_publisher_is_killed() {
    let project = about_to_change();
    let before = project.database.everything();
    for millis in [0, 1, 2, 5, 10, 15, 20, 30, 40, 60, 80] {
        let mut child = project.command(&["seed", "--quiet"]).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(millis));
        child.kill().unwrap();
        child.wait().unwrap();
        while !session_has_ended(&project.database) {
            std::thread::yield_now();
        }
        let rows = project.database.query(ROWS);
        if project.database.everything() != before {
            assert_eq!(rows, SEEDED_ROWS, "killed after {millis} ms");
            break;
        }
    }
    project.run(&["seed", "--quiet"]).succeeded();
    assert_eq!(project.database.query(ROWS), SEEDED_ROWS);
}

fn session_has_ended(database: &TestDatabase) -> bool {
    let sessions = "SELECT FROM pg_stat_activity
                    WHERE application_name = 'tablecast seed' AND datname = current_database()";
    database.query(sessions).is_empty()
}

#[test]
fn an_answer_to_the_commit_that_is_lost_is_told_as_such() {
    let project = about_to_change();
    let dry = about_to_change();
    let script = seed_with(&dry, Mischief::None, 0);
    let commit = script
        .messages
        .iter()
        .position(|message| message.is_query("COMMIT"))
        .unwrap();
    seed_with(&project, Mischief::LoseTheAnswer, commit).finished.failed_with(
        "error: the connection broke at the commit; the seed is either whole in the database or not at all\n  \
         caused by: connection closed\n  \
         hint: run the command again: it writes only what is not written yet\n",
    );
    assert_eq!(project.json(&["seed"])["tables"][0]["skipped"], true);
}
