//! The main job, from the files to a served snapshot.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::Project;

// Ends the program with the test, whatever becomes of the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The head and the body of an answer.
pub fn get(address: &str, path: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let body = answer.split_off(end + 4);
    (String::from_utf8(answer).unwrap(), body)
}

fn bootstrap_path(version: &[u8]) -> String {
    let version: serde_json::Value = serde_json::from_slice(version).unwrap();
    format!(
        "/bootstrap/{}.json",
        version["bootstrap"]["hash"].as_str().unwrap()
    )
}

fn ends_cleanly_on(signal: Signal) {
    let project = Project::exercise_app();
    let mut command = project.command(&["run", "--serve", "127.0.0.1:0"]);
    let mut child = Running(command.stderr(Stdio::piped()).spawn().unwrap());
    let lines = BufReader::new(child.0.stderr.take().unwrap()).lines();
    let mut lines = lines.map(|line| line.unwrap());
    let serving = lines.find(|line| line.starts_with("serving ")).unwrap();
    let address = serving.rsplit("http://").next().unwrap();

    let (head, version) = get(address, "/version.json");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let stored = std::fs::read(project.path("snapshots/version.json")).unwrap();
    assert_eq!(version, stored);
    let path = bootstrap_path(&version);
    let (_, bootstrap) = get(address, &path);
    let stored = std::fs::read(project.path(&format!("snapshots{path}"))).unwrap();
    assert_eq!(bootstrap, stored);

    let pid = Pid::from_raw(child.0.id().try_into().unwrap());
    kill(pid, signal).unwrap();
    let rest: Vec<String> = lines.collect();
    assert_eq!(child.0.wait().unwrap().code(), Some(0), "{rest:?}");
    assert!(!rest.iter().any(|line| line.contains("error")), "{rest:?}");
}

#[test]
fn the_main_job_ends_with_a_served_snapshot_and_ctrl_c_ends_it_in_order() {
    ends_cleanly_on(Signal::SIGINT);
}

#[test]
fn a_served_snapshot_ends_in_order_at_sigterm_too() {
    ends_cleanly_on(Signal::SIGTERM);
}
