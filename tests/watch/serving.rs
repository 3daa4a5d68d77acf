//! `publisher run --watch --serve`: from the save to whoever listens.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use nix::sys::signal::Signal;
use serde_json::Value;

use super::{Watching, grips, project};
use crate::support::watching::AT_LAST;

#[test]
fn an_edit_reaches_who_listens_at_events() {
    let project = project();
    let command = project.command(&["run", "--watch", "--serve", "127.0.0.1:0"]);
    let watching = Watching::start(command, project.path("watch.log"));
    let started = watching.next_is("started");
    let address = started["url"].as_str().unwrap().strip_prefix("http://");
    let address = address.unwrap();
    watching.round();

    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(AT_LAST)).unwrap();
    write!(stream, "GET /events HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    assert_eq!(lines.next().as_deref(), Some("HTTP/1.1 200 OK"));
    for sequence in [2, 3] {
        project.source("grips", &grips(&format!("Number {sequence}")));
        let told = lines
            .by_ref()
            .filter_map(|line| line.strip_prefix("data: ").map(str::to_owned))
            .map(|data| serde_json::from_str::<Value>(&data).unwrap())
            .find(|version| version["sequence"] == sequence)
            .unwrap();
        let round = watching.changed(&["grips ~1"]);
        assert_eq!(told, round["version"]);
    }
    // A broken edit is nobody's business but the editor's: what is served stays.
    project.source("grips", "[");
    watching.next_is("problems");
    let (head, served) = crate::run::get(address, "/version.json");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let served: Value = serde_json::from_slice(&served).unwrap();
    assert_eq!(served, project.version());
    assert_eq!(watching.end(Signal::SIGINT), Some(0));
}
