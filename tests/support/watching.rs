//! A `publisher watch` that runs beside a scenario, told by its `--json` events.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::Project;

/// Longer than anything here takes on a busy machine.
pub const AT_LAST: Duration = Duration::from_secs(60);

/// The running program; killed with the scenario, whatever becomes of that.
pub struct Watching {
    child: Child,
    events: Receiver<Value>,
    log: PathBuf,
}

impl Watching {
    /// Starts it and waits until its first round has come to an end.
    #[track_caller]
    pub fn begun(project: &Project, arguments: &[&str]) -> Self {
        let command = project.command(&[&["watch"], arguments].concat());
        let watching = Self::start(command, project.path("watch.log"));
        assert_eq!(watching.next()["event"], "started");
        watching.round();
        watching
    }

    /// Starts a command that watches.
    pub fn start(mut command: Command, log: PathBuf) -> Self {
        let file = std::fs::File::create(&log).unwrap();
        command.arg("--json").stdout(Stdio::piped()).stderr(file);
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (tell, events) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = tell.send(serde_json::from_str(&line).unwrap());
            }
        });
        Self { child, events, log }
    }

    /// The next event.
    #[track_caller]
    pub fn next(&self) -> Value {
        match self.events.recv_timeout(AT_LAST) {
            Ok(event) => event,
            Err(error) => panic!("no event came ({error}); it said:\n{}", self.log()),
        }
    }

    /// The next event, which must be of this kind.
    #[track_caller]
    pub fn next_is(&self, kind: &str) -> Value {
        let event = self.next();
        assert_eq!(event["event"], kind, "{event:#}\n{}", self.log());
        event
    }

    /// The next event, which must be a round's.
    #[track_caller]
    pub fn round(&self) -> Value {
        self.next_is("round")
    }

    /// The next round, which must have changed these tables: `grips +1 ~2 -1`.
    #[track_caller]
    pub fn changed(&self, expected: &[&str]) -> Value {
        let round = self.round();
        let tables = round["tables"].as_array().unwrap();
        let found: Vec<String> = tables.iter().map(change).collect();
        assert_eq!(found, expected, "{}", self.log());
        let outcome = if expected.is_empty() {
            "unchanged"
        } else {
            "changed"
        };
        assert_eq!(round["outcome"], outcome, "{}", self.log());
        round
    }

    /// The next event, which must be these problems, all of them.
    #[track_caller]
    pub fn refused(&self, expected: &[&str]) -> Value {
        let event = self.next_is("problems");
        let problems = event["problems"].as_array().unwrap();
        let found: Vec<&str> = problems
            .iter()
            .map(|problem| problem["message"].as_str().unwrap())
            .collect();
        assert_eq!(found, expected, "{}", self.log());
        event
    }

    /// What it said for people so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Its process.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().try_into().unwrap())
    }

    /// Ends it by a signal, and gives its exit status; `None` where the signal did it.
    pub fn end(mut self, signal: Signal) -> Option<i32> {
        kill(self.pid(), signal).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn change(table: &Value) -> String {
    let mut text = table["table"].as_str().unwrap().to_owned();
    for (sign, count) in [
        ('+', "inserted"),
        ('~', "updated"),
        ('-', "deactivated"),
        ('^', "reactivated"),
    ] {
        match table[count].as_u64().unwrap() {
            0 => {}
            count => text += &format!(" {sign}{count}"),
        }
    }
    text
}
