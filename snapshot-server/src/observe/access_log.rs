//! One line for each request, written by a thread of its own, so that a slow
//! terminal or disk delays no response. What it cannot keep up with is dropped
//! and counted.

use parking_lot::Mutex;
use std::io::Write;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use hyper::header::HeaderValue;
use hyper::http::uri::PathAndQuery;
use hyper::{Method, StatusCode, Version};
use jiff::Timestamp;
use serde::Serialize;

/// How requests are logged, to standard output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum AccessLog {
    /// Not at all.
    #[default]
    Off,
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Lines that may wait for the writer.
const WAITING_LINES: usize = 8 * 1024;

/// What is known of a request when it arrives. Everything in it is shared, not copied.
pub(crate) struct Entry {
    pub(crate) time: SystemTime,
    /// Who asks, as far as that is known and believed.
    pub(crate) client: Option<IpAddr>,
    pub(crate) method: Method,
    pub(crate) target: Option<PathAndQuery>,
    pub(crate) version: Version,
    pub(crate) user_agent: Option<HeaderValue>,
}

/// What is known when it is over.
struct Line {
    entry: Entry,
    status: StatusCode,
    sent_bytes: u64,
    took: Duration,
}

/// The way to the writer. It ends, with everything written, when this is dropped.
pub(crate) struct Logger {
    format: AtomicU8,
    /// Begun with the first line that is wanted.
    writer: Mutex<Option<Writer>>,
}

struct Writer {
    lines: SyncSender<(Line, Render)>,
    thread: JoinHandle<()>,
}

type Render = fn(&Line) -> String;

impl Logger {
    pub(crate) fn new(format: AccessLog) -> Self {
        Self {
            format: AtomicU8::new(format as u8),
            writer: Mutex::default(),
        }
    }

    /// How requests that are over from now on are logged.
    pub(crate) fn set_format(&self, format: AccessLog) {
        self.format.store(format as u8, Ordering::Relaxed);
    }

    pub(crate) fn is_on(&self) -> bool {
        self.render().is_some()
    }

    fn render(&self) -> Option<Render> {
        match self.format.load(Ordering::Relaxed) {
            format if format == AccessLog::Text as u8 => Some(text),
            format if format == AccessLog::Json as u8 => Some(json),
            _ => None,
        }
    }

    /// False where the line was dropped.
    pub(crate) fn line(
        &self,
        entry: Entry,
        status: StatusCode,
        sent_bytes: u64,
        took: Duration,
    ) -> bool {
        let Some(render) = self.render() else {
            return true;
        };
        let line = Line {
            entry,
            status,
            sent_bytes,
            took,
        };
        let mut writer = self.writer.lock();
        if writer.is_none() {
            // Without a thread there is no log; the server serves all the same.
            *writer = Writer::start().ok();
        }
        let writer = writer.as_ref();
        writer.is_some_and(|writer| writer.lines.try_send((line, render)).is_ok())
    }
}

impl Writer {
    fn start() -> std::io::Result<Self> {
        let (lines, waiting) = sync_channel(WAITING_LINES);
        let thread = std::thread::Builder::new().name("access-log".to_owned());
        let thread = thread.spawn(move || write(&waiting))?;
        Ok(Self { lines, thread })
    }
}

impl Drop for Logger {
    fn drop(&mut self) {
        if let Some(Writer { lines, thread }) = self.writer.lock().take() {
            drop(lines);
            let _ = thread.join();
        }
    }
}

/// Gathers what is there into one write, so that a burst costs few.
fn write(waiting: &Receiver<(Line, Render)>) {
    const BATCH_BYTES: usize = 64 * 1024;
    let mut out = std::io::stdout().lock();
    let mut batch = String::new();
    while let Ok((line, render)) = waiting.recv() {
        batch.push_str(&render(&line));
        while batch.len() < BATCH_BYTES
            && let Ok((line, render)) = waiting.try_recv()
        {
            batch.push_str(&render(&line));
        }
        // Nobody reads the log any more: that is no reason to stop serving.
        let _ = out.write_all(batch.as_bytes()).and_then(|()| out.flush());
        batch.clear();
    }
}

fn text(line: &Line) -> String {
    let entry = &line.entry;
    format!(
        "{} {} {} {} {} {}B {:.3}ms \"{}\"\n",
        time(entry),
        entry
            .client
            .map_or("-".to_owned(), |client| client.to_string()),
        entry.method,
        target(entry),
        line.status.as_u16(),
        line.sent_bytes,
        millis(line.took),
        // What a client writes cannot forge a line or move a terminal's cursor.
        user_agent(entry).unwrap_or_default().escape_debug(),
    )
}

fn json(line: &Line) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Json<'a> {
        time: String,
        client: Option<IpAddr>,
        method: &'a str,
        target: &'a str,
        protocol: String,
        status: u16,
        sent_bytes: u64,
        duration_ms: f64,
        user_agent: Option<String>,
    }
    let entry = &line.entry;
    let json = Json {
        time: time(entry),
        client: entry.client,
        method: entry.method.as_str(),
        target: target(entry),
        protocol: format!("{:?}", entry.version),
        status: line.status.as_u16(),
        sent_bytes: line.sent_bytes,
        duration_ms: millis(line.took),
        user_agent: user_agent(entry),
    };
    serde_json::to_string(&json).expect("strings and numbers are JSON") + "\n"
}

fn time(entry: &Entry) -> String {
    let timestamp = Timestamp::try_from(entry.time).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{timestamp:.3}")
}

fn target(entry: &Entry) -> &str {
    entry.target.as_ref().map_or("*", PathAndQuery::as_str)
}

fn user_agent(entry: &Entry) -> Option<String> {
    entry
        .user_agent
        .as_ref()
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// Whole microseconds, in milliseconds.
fn millis(took: Duration) -> f64 {
    took.as_micros() as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use pretty_assertions::assert_eq;

    use super::*;

    fn line(user_agent: &[u8]) -> Line {
        let entry = Entry {
            time: UNIX_EPOCH + Duration::from_millis(1_771_938_724_007),
            client: Some([127, 0, 0, 1].into()),
            method: Method::GET,
            target: Some(PathAndQuery::from_static("/version.json?x")),
            version: Version::HTTP_11,
            user_agent: HeaderValue::from_bytes(user_agent).ok(),
        };
        let took = Duration::from_micros(81);
        Line {
            entry,
            status: StatusCode::OK,
            sent_bytes: 312,
            took,
        }
    }

    #[test]
    fn a_line_for_people() {
        assert_eq!(
            text(&line(b"curl/8")),
            "2026-02-24T13:12:04.007Z 127.0.0.1 GET /version.json?x 200 312B 0.081ms \"curl/8\"\n"
        );
        assert!(text(&line(b"a\" \t\x9b31m")).ends_with("\"a\\\" \\t\u{fffd}31m\"\n"));
    }

    #[test]
    fn a_line_for_programs() {
        assert_eq!(
            json(&line(b"a\"b")),
            concat!(
                r#"{"time":"2026-02-24T13:12:04.007Z","client":"127.0.0.1","method":"GET","#,
                r#""target":"/version.json?x","protocol":"HTTP/1.1","status":200,"sentBytes":312,"#,
                r#""durationMs":0.081,"userAgent":"a\"b"}"#,
                "\n"
            )
        );
    }
}
