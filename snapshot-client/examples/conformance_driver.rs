//! The driver of the conformance kit: commands in, replies and events out, each a line of JSON.
//!
//! `conformance_driver files` keeps its cache in files, `conformance_driver memory` in memory.
//! `tests/conformance/README.md` describes the protocol. The transport is the client's real one;
//! the clock is the kit's, and the storage fails when the kit says so.

#![allow(
    clippy::unwrap_used,
    reason = "a driver that meets the unexpected has failed"
)]
#![allow(clippy::print_stdout, reason = "its standard output is the protocol")]
#![allow(unreachable_pub, missing_docs, reason = "a program has no callers")]

#[path = "conformance_driver/device.rs"]
mod device;
#[path = "conformance_driver/given.rs"]
mod given;
#[path = "conformance_driver/session.rs"]
mod session;
#[path = "../tests/support/virtual_time.rs"]
mod virtual_time;

use std::io::{BufRead, Write, stdin, stdout};

use serde_json::{Value, json};

use device::Device;
use session::Session;

fn main() {
    // What panics here panics on purpose: a flag that is not there, a listener.
    std::panic::set_hook(Box::new(|_| ()));
    let device = match std::env::args().nth(1).as_deref() {
        None | Some("files") => Device::files(),
        Some("memory") => Device::memory(),
        Some(other) => {
            eprintln!("error: no storage is called \"{other}\"; give files or memory");
            std::process::exit(2);
        }
    };
    let mut session = Session::new(device);
    for line in stdin().lock().lines() {
        let line = line.unwrap();
        let command: Value = serde_json::from_str(&line).unwrap();
        let mut reply = match session.perform(&command, &line) {
            Ok(reply) => reply,
            Err(why) => json!({ "failed": why }),
        };
        reply["reply"] = command["id"].clone();
        send(&reply);
    }
    // Threads that wait for a server that is gone end with the process.
    session.close();
}

/// Sends one line.
fn send(message: &Value) {
    let mut out = stdout().lock();
    // Whoever reads may be gone; then nobody is there to be told.
    let _ = writeln!(out, "{message}").and_then(|()| out.flush());
}
