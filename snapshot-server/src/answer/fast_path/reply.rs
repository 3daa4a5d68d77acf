//! A simple request and its answer: what the fast path takes, see [`crate::answer::fast_path`].

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use hyper::header::HeaderValue;
use hyper::http::uri::PathAndQuery;
use hyper::{Method, StatusCode, Version};
use snapshot_format::Encoding;

use crate::answer::exchange::Exchange;
use crate::answer::fast_path::files::LARGE_BYTES;
use crate::http::conditional;
use crate::http::forwarded::ClientField;
use crate::http::negotiate::{Choice, negotiate};
use crate::http::request::{MAX_TARGET_BYTES, is_authority};
use crate::observe::access_log::Entry;
use crate::shared::Shared;
use crate::snapshot::content::Content;
use crate::snapshot::state::{Representation, Resource};
use crate::socket::connection::Connection;
use crate::socket::stream::{Stream, Watched, write_all};

/// Field lines of one name; nobody sends more.
const MAX_LINES: usize = 4;

/// The answer to a simple request, ready to be written.
pub(crate) struct Reply {
    resource: Arc<Resource>,
    /// Which of its representations.
    encoding: Option<Encoding>,
    status: StatusCode,
    has_body: bool,
    entry: Option<Box<Entry>>,
}

impl Reply {
    /// `None` where the request is anything but simple: not GET or HEAD in HTTP/1.1
    /// without a body, with a valid Host, of a path that is in memory under
    /// exactly this spelling, and without a field that could change the answer but
    /// `Accept-Encoding` and `If-None-Match`.
    pub(crate) fn to(
        request: &httparse::Request<'_, '_>,
        shared: &Shared,
        connection: &Connection,
    ) -> Option<Self> {
        let method = match request.method? {
            "GET" => Method::GET,
            "HEAD" => Method::HEAD,
            _ => return None,
        };
        let target = request.path?;
        if request.version != Some(1) || target.len() > MAX_TARGET_BYTES {
            return None;
        }
        let fields = Fields::read(request.headers)?;
        let path = path_of(target)?;

        let snapshot = shared.snapshot.load();
        let resource = snapshot.as_ref()?.resources.get(path)?;
        let encoding = match negotiate(fields.accept_encoding.lines(), resource.encodings()) {
            Choice::Identity => None,
            Choice::Coded(encoding) => Some(encoding),
            Choice::NotAcceptable => return None,
        };
        let representation = resource.representation(encoding);
        let Content::Memory(_) = representation.content else {
            return None;
        };
        let etag = representation.etag().as_bytes();
        let is_cached = conditional::is_cached(fields.if_none_match.lines(), etag);
        let status = if is_cached {
            StatusCode::NOT_MODIFIED
        } else {
            StatusCode::OK
        };

        let entry = shared.log.is_on().then(|| {
            Box::new(Entry {
                time: SystemTime::now(),
                client: fields.client(shared, connection),
                target: PathAndQuery::try_from(target).ok(),
                version: Version::HTTP_11,
                user_agent: fields
                    .user_agent
                    .and_then(|v| HeaderValue::from_bytes(v).ok()),
                method: method.clone(),
            })
        });
        let has_body = !is_cached && method == Method::GET;
        Some(Self {
            resource: resource.clone(),
            encoding,
            status,
            has_body,
            entry,
        })
    }

    pub(crate) async fn write<S: Stream>(
        mut self,
        stream: &mut Watched<S>,
        shared: &Arc<Shared>,
        connection: &Arc<Connection>,
    ) -> io::Result<()> {
        let mut exchange = Exchange::begin(self.entry.take(), shared, connection);
        exchange.decided(self.resource.kind(), self.status);
        let representation = self.resource.representation(self.encoding);
        let date = connection.date_line(exchange.began());
        let body = self.body(representation);
        let head = match self.status {
            StatusCode::NOT_MODIFIED => representation.not_modified_lines(),
            _ => representation.ok_lines(),
        };
        let parts = [head, &date[..], body];
        let whole = if S::SENDS_FILES && body.len() >= LARGE_BYTES {
            shared
                .response_files
                .ask(&self.resource, self.encoding, &date)
        } else {
            None
        };
        match whole.as_ref().and_then(|whole| whole.get()) {
            Some(whole) => stream.send_file(whole.file(), whole.size_bytes).await?,
            None => write_all(stream, parts).await?,
        }
        exchange.sent(body.len() as u64);
        Ok(())
    }

    fn body<'a>(&self, representation: &'a Representation) -> &'a [u8] {
        match &representation.content {
            Content::Memory(bytes) if self.has_body => bytes,
            _ => &[],
        }
    }
}

/// The fields that matter here.
#[derive(Default)]
struct Fields<'a> {
    accept_encoding: Lines<'a>,
    if_none_match: Lines<'a>,
    x_forwarded_for: Lines<'a>,
    forwarded: Lines<'a>,
    user_agent: Option<&'a [u8]>,
}

/// The values of the field lines of one name.
#[derive(Default)]
struct Lines<'a> {
    values: [&'a [u8]; MAX_LINES],
    count: usize,
}

impl<'a> Lines<'a> {
    fn push(&mut self, value: &'a [u8]) -> Option<()> {
        *self.values.get_mut(self.count)? = value;
        self.count += 1;
        Some(())
    }

    fn lines(&self) -> impl DoubleEndedIterator<Item = &'a [u8]> {
        self.values[..self.count].iter().copied()
    }
}

impl<'a> Fields<'a> {
    /// `None` where a field asks for more than is done here.
    fn read(fields: &[httparse::Header<'a>]) -> Option<Self> {
        let mut read = Self::default();
        let mut host = None;
        for field in fields {
            let is = |name: &str| field.name.eq_ignore_ascii_case(name);
            // By length first: most fields of most clients end here.
            match field.name.len() {
                4 if is("host") && host.replace(field.value).is_some() => return None,
                15 if is("accept-encoding") => read.accept_encoding.push(field.value)?,
                13 if is("if-none-match") => read.if_none_match.push(field.value)?,
                10 if is("connection") && !field.value.eq_ignore_ascii_case(b"keep-alive") => {
                    return None;
                }
                15 if is("x-forwarded-for") => read.x_forwarded_for.push(field.value)?,
                9 if is("forwarded") => read.forwarded.push(field.value)?,
                10 if is("user-agent") => read.user_agent = Some(field.value),
                5 if is("range") => return None,
                6 if is("expect") => return None,
                7 if is("upgrade") => return None,
                8 if is("if-match") || is("if-range") => return None,
                14 if is("content-length") => return None,
                17 if is("transfer-encoding") || is("if-modified-since") => return None,
                19 if is("if-unmodified-since") => return None,
                _ => {}
            }
        }
        is_authority(host?).then_some(read)
    }

    /// Who asks, by the proxies between where those are believed.
    fn client(&self, shared: &Shared, connection: &Connection) -> Option<IpAddr> {
        let proxies = &shared.rules.load().proxies;
        let lines = match proxies.field {
            ClientField::XForwardedFor => &self.x_forwarded_for,
            ClientField::Forwarded => &self.forwarded,
        };
        proxies.client(connection.client(), lines.lines())
    }
}

/// The path of an ordinary target. What a URI parser might refuse or cut off
/// is left to hyper's.
fn path_of(target: &str) -> Option<&str> {
    let is_ordinary = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~=&+/,:@".contains(&byte);
    match target.split_once('?') {
        None => Some(target),
        Some((path, query)) => query.bytes().all(is_ordinary).then_some(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::fast_path::MAX_FIELDS;

    #[track_caller]
    fn check(fields: &str, is_simple: bool) {
        let request = format!("GET /x HTTP/1.1\r\n{fields}\r\n");
        let mut headers = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut parsed = httparse::Request::new(&mut headers);
        parsed.parse(request.as_bytes()).expect("a request");
        assert_eq!(
            Fields::read(parsed.headers).is_some(),
            is_simple,
            "{fields}"
        );
    }

    #[test]
    fn only_simple_fields_are_taken() {
        check("Host: a\r\n", true);
        check(
            "hOST: a\r\nUser-Agent: x\r\nAccept: */*\r\nConnection: Keep-Alive\r\n",
            true,
        );
        check(
            "Host: a\r\nAccept-Encoding: gzip\r\nAccept-Encoding: br\r\n",
            true,
        );
        check("Host: a\r\nIf-None-Match: *\r\nCookie: a=b\r\n", true);
        for field in [
            "Range: bytes=0-1",
            "If-Range: \"a\"",
            "If-Match: *",
            "If-Modified-Since: x",
            "If-Unmodified-Since: x",
            "Content-Length: 0",
            "Transfer-Encoding: chunked",
            "Expect: 100-continue",
            "Upgrade: h2c",
            "Connection: close",
            "Connection: keep-alive, upgrade",
            "Host: b",
        ] {
            check(&format!("Host: a\r\n{field}\r\n"), false);
        }
        check("", false);
        check("Host: a b\r\n", false);
    }

    #[test]
    fn only_ordinary_queries_are_cut_off() {
        assert_eq!(path_of("/a"), Some("/a"));
        assert_eq!(path_of("/a?b=c&d=1.5"), Some("/a"));
        for target in ["/a?\"", "/a?b#c", "/a?<", "/a?{}", "/a?%zz"] {
            assert_eq!(path_of(target), None, "{target}");
        }
    }
}
