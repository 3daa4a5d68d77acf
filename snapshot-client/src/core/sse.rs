//! Server-sent events, read as they arrive: WHATWG HTML section 9.2.

use std::time::Duration;

use crate::error::{Error, ErrorCode};

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerEvent {
    /// Its type; `message` where the stream names none.
    pub(crate) event: String,
    /// Its data, lines joined by line ends.
    pub(crate) data: String,
}

/// Reads a stream, piece by piece.
#[derive(Debug, Default)]
pub(crate) struct EventReader {
    line: Vec<u8>,
    // Whether a carriage return ended the line before: a line feed behind it ends no other.
    after_return: bool,
    // Whether a byte order mark may still come.
    begun: bool,
    event: String,
    data: String,
    /// How long the server asks to wait before the next connection.
    pub(crate) retry: Option<Duration>,
}

// Of a line and of an event's data. Ours have one kibibyte.
const MAX_BYTES: usize = 64 * 1024;

impl EventReader {
    /// Reads more bytes of the stream; returns the events that end with them.
    ///
    /// # Errors
    /// [`ErrorCode::TooLarge`] if a line or an event has more than 64 KiB.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<Vec<ServerEvent>, Error> {
        let mut events = Vec::new();
        for &byte in bytes {
            let after_return = std::mem::replace(&mut self.after_return, byte == b'\r');
            match byte {
                b'\n' if after_return => {}
                b'\n' | b'\r' => events.extend(self.end_line()),
                _ => self.line.push(byte),
            }
            if self.line.len() + self.data.len() > MAX_BYTES {
                let message = format!("an event of more than {MAX_BYTES} bytes");
                return Err(Error::new(ErrorCode::TooLarge, message));
            }
        }
        Ok(events)
    }

    fn end_line(&mut self) -> Option<ServerEvent> {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        let line = if std::mem::replace(&mut self.begun, true) {
            &line
        } else {
            line.strip_prefix('\u{feff}').unwrap_or(&line)
        };
        if line.is_empty() {
            return self.dispatch();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event),
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            "retry" if value.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.retry = value.parse().ok().map(Duration::from_millis).or(self.retry);
            }
            // A comment, an id, or a field that this client does not know.
            _ => {}
        }
        None
    }

    fn dispatch(&mut self) -> Option<ServerEvent> {
        let event = std::mem::take(&mut self.event);
        let mut data = std::mem::take(&mut self.data);
        // Without data nothing has happened.
        data.pop()?;
        let event = if event.is_empty() {
            "message".to_owned()
        } else {
            event
        };
        Some(ServerEvent { event, data })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(stream: &str, expected: &[(&str, &str)]) {
        let events = EventReader::default()
            .push(stream.as_bytes())
            .expect("short");
        let events: Vec<_> = events
            .iter()
            .map(|each| (&*each.event, &*each.data))
            .collect();
        assert_eq!(events, expected, "{stream:?}");
    }

    // The first examples are the standard's own.
    #[test]
    fn events_are_read_as_the_standard_says() {
        check(
            "data: YHOO\ndata: +2\ndata: 10\n\n",
            &[("message", "YHOO\n+2\n10")],
        );
        check(
            "data\n\ndata\ndata\n\ndata:",
            &[("message", ""), ("message", "\n")],
        );
        check(
            "data:test\n\ndata: test\n\n",
            &[("message", "test"), ("message", "test")],
        );
        check(
            "event: version\ndata: {}\r\n\r\n:\n\n",
            &[("version", "{}")],
        );
        check(
            "\u{feff}event: version\rdata: {}\r\rid: 7\n\n",
            &[("version", "{}")],
        );
        check("event: version\n\n", &[]);
        check("data: unfinished\n", &[]);
        check(
            "data:  two spaces\nignored: x\nno colon\n\n",
            &[("message", " two spaces")],
        );
    }

    #[test]
    fn the_time_to_wait_is_digits_only() {
        let mut reader = EventReader::default();
        reader
            .push(b"retry: 1500\nretry: soon\nretry: -1\nretry: 99999999999999999999\n")
            .expect("short");
        assert_eq!(reader.retry, Some(Duration::from_millis(1500)));
    }

    #[test]
    fn a_line_without_an_end_is_refused() {
        let mut reader = EventReader::default();
        assert!(reader.push(&[b'x'; MAX_BYTES]).is_ok());
        assert!(reader.push(b"x").is_err());
        let line = format!("data: {}\n", "x".repeat(1000));
        let mut reader = EventReader::default();
        assert!((0..100).any(|_| reader.push(line.as_bytes()).is_err()));
    }

    proptest! {
        #[test]
        fn events_do_not_depend_on_how_the_bytes_arrive(
            stream in "(event|data|id|retry|:|x|é|\u{feff}| |\r|\n|\r\n|7){0,60}",
            cuts in prop::collection::vec(1..9_usize, 1..40),
        ) {
            let whole = EventReader::default().push(stream.as_bytes()).expect("short");
            let mut reader = EventReader::default();
            let mut events = Vec::new();
            let mut rest = stream.as_bytes();
            for cut in cuts.iter().cycle() {
                let (piece, more) = rest.split_at(rest.len().min(*cut));
                events.extend(reader.push(piece).expect("short"));
                rest = more;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(events, whole);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = EventReader::default().push(&bytes);
        }
    }
}
