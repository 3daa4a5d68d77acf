//! Floods over HTTP/2, frame by frame (RFC 9113 §4.1): what a library for
//! clients would not send.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use crate::support::{Client, PATIENCE, Served, Store};

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// §7.
const CANCEL: [u8; 4] = [0, 0, 0, 8];

/// GET of `/version.json` over http from `a`, without Huffman codes or the
/// dynamic table (RFC 7541 §6.1, §6.2.2).
const GET: &[u8] = b"\x82\x86\x04\x0d/version.json\x01\x01a";

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A connection that has said its preface and settings.
fn connect(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let hello = [&preface[..], &frame(SETTINGS, 0, 0, &[])].concat();
    stream.write_all(&hello).expect("it reads");
    stream
}

/// How a flood ended.
struct End {
    sent_bytes: usize,
    /// The error code of the server's GOAWAY, where one came through.
    code: Option<u32>,
    /// Whether the server closed.
    closed: bool,
}

/// Sends bytes until the server has had enough or there are no more, reading
/// what comes back all the while.
fn flood(address: SocketAddr, floods: impl Iterator<Item = Vec<u8>>) -> End {
    let mut stream = connect(address);
    let mut reader = stream.try_clone().expect("a handle");
    let (told, read) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let mut buffer = [0; 16 * 1024];
        let closed = loop {
            match reader.read(&mut buffer) {
                Ok(0) => break true,
                Ok(count) => bytes.extend(&buffer[..count]),
                Err(error) if is_end(error.kind()) => break true,
                Err(_) => break false,
            }
        };
        told.send((goaway(&bytes), closed)).expect("the test waits");
    });
    let mut sent_bytes = 0;
    for bytes in floods {
        match stream.write_all(&bytes) {
            Ok(()) => sent_bytes += bytes.len(),
            Err(_) => break,
        }
    }
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let (code, closed) = read.recv_timeout(PATIENCE).expect("the server ends it");
    thread.join().expect("no panic");
    End {
        sent_bytes,
        code,
        closed,
    }
}

fn is_end(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
}

/// The last GOAWAY's error code.
fn goaway(mut bytes: &[u8]) -> Option<u32> {
    let mut code = None;
    while let Some((head, rest)) = bytes.split_at_checked(9) {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let (payload, rest) = rest.split_at_checked(length)?;
        if head[3] == GOAWAY {
            code = Some(u32::from_be_bytes(payload[4..8].try_into().ok()?));
        }
        bytes = rest;
    }
    code
}

/// A client of HTTP/1.1 keeps asking while the flood runs, and is answered.
fn others_are_served(served: &Served, flood: impl FnOnce(SocketAddr) + Send) {
    let address = served.address;
    std::thread::scope(|scope| {
        let flood = scope.spawn(move || flood(address));
        let mut client = Client::connect(address);
        while !flood.is_finished() {
            client.request("GET", "/version.json", &[]).is(200);
        }
    });
    served.get("/version.json", &[]).is(200);
}

/// CVE-2024-27316 and its kin: a head that goes on in ever more frames.
#[test]
fn a_continuation_flood_ends_its_connection() {
    let (store, _) = Store::published();
    let served = store.serve();
    let name = [&b"\x40\x04abcd\x7f\x80\x7c"[..], &[b'x'; 250]].concat();
    others_are_served(&served, |address| {
        for payload in [
            // Literal fields, again and again; a field that never ends; nothing at all.
            [&b"\x00\x01a\x01b"[..]; 3000].concat(),
            name,
            vec![b'x'; 16 * 1024],
            Vec::new(),
        ] {
            let most_bytes = 64 * 1024 * 1024;
            let one = frame(CONTINUATION, 0, 1, &payload);
            // Written in pieces of some size, so that empty frames come fast too.
            let batch = one.repeat((64 * 1024 / one.len()).max(1));
            let first = std::iter::once(frame(HEADERS, END_STREAM, 1, GET));
            let rest = std::iter::repeat_n(batch.clone(), most_bytes / batch.len());
            let end = flood(address, first.chain(rest));
            assert!(end.closed, "{} bytes a frame", payload.len());
            assert!(
                end.sent_bytes < 16 * 1024 * 1024,
                "{} bytes of frames of {} were taken",
                end.sent_bytes,
                payload.len()
            );
        }
    });
}

/// CVE-2023-44487: requests that are taken back as soon as they are made.
#[test]
fn a_flood_of_resets_harms_nobody_else() {
    let (store, _) = Store::published();
    let served = store.serve();
    others_are_served(&served, |address| {
        let pairs = (0..100_000_u32).map(|at| {
            let stream = 2 * at + 1;
            let head = frame(HEADERS, END_STREAM | END_HEADERS, stream, GET);
            [head, frame(RST_STREAM, 0, stream, &CANCEL)].concat()
        });
        let end = flood(address, pairs);
        // §7: ENHANCE_YOUR_CALM, or no error because it kept up with all of them.
        assert!(matches!(end.code, None | Some(0 | 11)), "{:?}", end.code);
        assert!(end.closed);
    });
}

/// CVE-2019-9512 and CVE-2019-9515: frames that each want an answer.
#[test]
fn pings_and_settings_that_nobody_reads_cost_no_memory() {
    let (store, _) = Store::published();
    let served = store.serve_with(|options| {
        options.timeouts.stall = Duration::from_millis(300);
    });
    others_are_served(&served, |address| {
        for frames in [frame(PING, 0, 0, &[7; 8]), frame(SETTINGS, 0, 0, &[])] {
            let mut stream = connect(address);
            let batch = frames.repeat(1000);
            // The answers fill the socket; then nothing is read any more either,
            // and at last the connection is closed.
            let sent = (0..20_000)
                .take_while(|_| stream.write_all(&batch).is_ok())
                .count();
            assert!(sent < 20_000, "{sent}");
        }
    });
}
