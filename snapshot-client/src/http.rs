//! HTTP by `ureq`, because it blocks: a request has a thread of its own, and an app that embeds
//! this client needs no runtime.

use std::io::Read;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use snapshot_format::{Encoding, decompress};
use ureq::http::HeaderMap;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Timeout};

use crate::error::{Error, ErrorCode};
use crate::transport::{Request, Response, Transport};

/// The usual transport: HTTP/1.1, TLS by the system's certificates (or those in
/// `SSL_CERT_FILE`), proxies from the environment.
///
/// It takes compressed bodies, sends no cookies, and follows redirects, but none from https to
/// http.
#[derive(Debug)]
pub struct HttpTransport {
    agent: Agent,
}

// Fewest bytes first: tables are small, and what unpacking costs is less than what waiting costs.
const CODINGS: &str = "br, zstd;q=0.9, gzip;q=0.8";
const MAX_REDIRECTS: u32 = 5;
// Three heartbeats of a stream that were not heard: it is gone.
const SILENCE: Duration = Duration::from_secs(45);

impl HttpTransport {
    /// A transport for this base URL.
    ///
    /// # Errors
    /// [`ErrorCode::Config`] where the URL is neither http nor https, or where the system has no
    /// certificates to check a server by.
    pub fn new(base_url: &str) -> Result<Self, Error> {
        let tls = base_url.starts_with("https://");
        if !tls && !base_url.starts_with("http://") {
            let message = format!("\"{base_url}\" is no URL of http or https");
            return Err(Error::new(ErrorCode::Config, message));
        }
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .https_only(tls)
            .max_redirects(MAX_REDIRECTS)
            .accept_encoding(CODINGS)
            .user_agent(concat!("tablecast-client/", env!("CARGO_PKG_VERSION")));
        if tls {
            config = config.tls_config(checked_tls()?);
        }
        Ok(Self {
            agent: config.build().new_agent(),
        })
    }
}

impl Transport for HttpTransport {
    fn get(&self, request: &Request) -> Result<Response, Error> {
        let Request {
            url,
            limit_bytes,
            timeout,
        } = request;
        let call = self.agent.get(url).config().timeout_global(Some(*timeout));
        let answer = call.build().call().map_err(|error| failed(url, error))?;
        let (parts, body) = answer.into_parts();
        let mut response = Response {
            status: parts.status.as_u16(),
            retry_after: text(&parts.headers, "retry-after"),
            date: text(&parts.headers, "date"),
            body: Vec::new(),
        };
        if response.status == 200 {
            let coding = text(&parts.headers, "content-encoding");
            let announced = text(&parts.headers, "content-length");
            check_announced(url, announced, coding.as_deref(), *limit_bytes)?;
            let reader = body.into_reader();
            let packed = read(url, reader, *limit_bytes)?;
            response.body = unpack(url, packed, coding.as_deref(), *limit_bytes)?;
        }
        Ok(response)
    }

    fn listen(
        &self,
        url: &str,
        each: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        self.stream(url, each)
    }
}

impl HttpTransport {
    fn stream(
        &self,
        url: &str,
        each: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let request = self.agent.get(url).header("accept", "text/event-stream");
        let request = request.header("accept-encoding", "identity").config();
        let request = request
            .timeout_connect(Some(SILENCE))
            .timeout_recv_response(Some(SILENCE))
            .timeout_per_read(Some(SILENCE));
        let answer = request.build().call().map_err(|error| failed(url, error))?;
        let status = answer.status().as_u16();
        if status != 200 {
            let message = format!("{url}: status {status}");
            return Err(Error::new(ErrorCode::HttpStatus, message).with_status(status));
        }
        let mut body = answer.into_body().into_reader();
        let mut piece = [0; 4096];
        loop {
            match body.read(&mut piece) {
                Ok(0) => return Ok(()),
                Ok(size) if each(&piece[..size]).is_break() => return Ok(()),
                Ok(_) => {}
                Err(error) => return Err(failed(url, ureq::Error::from(error))),
            }
        }
    }
}

fn check_announced(
    url: &str,
    announced: Option<String>,
    coding: Option<&str>,
    limit_bytes: u64,
) -> Result<(), Error> {
    let size = announced.and_then(|text| text.parse::<u64>().ok());
    match size {
        Some(size) if size > limit_bytes && coding.is_none() => {
            let message = format!("{url}: {size} bytes are announced");
            Err(Error::new(ErrorCode::TooLarge, message))
        }
        _ => Ok(()),
    }
}

// One byte more than allowed, so that who counts sees it; the rest is left where it is.
fn read(url: &str, reader: impl Read, limit_bytes: u64) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    match reader
        .take(limit_bytes.saturating_add(1))
        .read_to_end(&mut body)
    {
        Ok(_) => Ok(body),
        Err(error) => Err(failed(url, ureq::Error::from(error))),
    }
}

fn unpack(
    url: &str,
    packed: Vec<u8>,
    coding: Option<&str>,
    limit_bytes: u64,
) -> Result<Vec<u8>, Error> {
    let encoding = match coding.map(str::trim) {
        None | Some("" | "identity") => return Ok(packed),
        Some("zstd") => Encoding::Zstd,
        Some("br") => Encoding::Brotli,
        Some("gzip") => Encoding::Gzip,
        Some(other) => {
            let message = format!("{url}: a body in the coding {other}, which nobody asked for");
            return Err(Error::new(ErrorCode::Network, message));
        }
    };
    let limit = limit_bytes.saturating_add(1);
    decompress(encoding, &packed[..], limit).map_err(|error| {
        let message = format!("{url}: the body cannot be unpacked");
        Error::new(ErrorCode::HashMismatch, message).with_source(error)
    })
}

fn failed(url: &str, error: ureq::Error) -> Error {
    let code = match &error {
        ureq::Error::Timeout(_) => ErrorCode::Timeout,
        ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::TimedOut => {
            ErrorCode::Timeout
        }
        _ => ErrorCode::Network,
    };
    let what = match &error {
        ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => "no connection in time",
        ureq::Error::Timeout(_) => "no whole response in time",
        _ => "failed to fetch",
    };
    Error::new(code, format!("{url}: {what}")).with_source(error)
}

fn checked_tls() -> Result<TlsConfig, Error> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let reasons: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
        let message = format!(
            "there are no certificates to check a server by: {}; install the system's, or name a \
             file by SSL_CERT_FILE",
            reasons.join("; ")
        );
        return Err(Error::new(ErrorCode::Config, message));
    }
    let certificates: Vec<_> = found
        .certs
        .iter()
        .map(|certificate| Certificate::from_der(certificate).to_owned())
        .collect();
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::new_with_certs(&certificates))
        .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
        .build())
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;
    use std::thread;

    use snapshot_format::compress;

    use super::*;

    /// What a client makes of one answer, and the request that it sent.
    fn get(answer: Vec<u8>, limit_bytes: u64) -> (Result<Response, Error>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let base_url = format!("http://{}", listener.local_addr().expect("bound"));
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") {
                stream.read_exact(&mut byte).expect("a request");
                head.push(byte[0]);
            }
            // A client that has had enough closes.
            let _ = stream.write_all(&answer);
            String::from_utf8_lossy(&head).to_ascii_lowercase()
        });
        let transport = HttpTransport::new(&base_url).expect("a URL");
        let url = format!("{base_url}/tables/grips/x.json");
        let got = transport.get(&Request::new(url, limit_bytes, Duration::from_secs(60)));
        (got, server.join().expect("a server"))
    }

    fn answer(coding: &str, body: &[u8]) -> Vec<u8> {
        let size = body.len();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {size}\r\nContent-Encoding: {coding}\r\nConnection: close\r\n\r\n"
        );
        [head.as_bytes(), body].concat()
    }

    fn packed(encoding: Encoding, mut object: &[u8]) -> Vec<u8> {
        let mut variant = Vec::new();
        compress(encoding, object.len() as u64, &mut object, &mut variant).expect("memory");
        variant
    }

    #[test]
    fn each_coding_is_unpacked_and_brotli_asked_for_first() {
        let object = "{\"id\":\"NEUTRAL\"},\n".repeat(100).into_bytes();
        for encoding in Encoding::ALL {
            let body = packed(encoding, &object);
            let (got, request) = get(answer(encoding.content_coding(), &body), 10_000);
            assert_eq!(got.expect("an answer").body, object);
            assert!(
                request.contains("\r\naccept-encoding: br, zstd;q=0.9, gzip;q=0.8\r\n"),
                "{request}"
            );
            assert!(
                !request.contains("if-none-match") && !request.contains("cookie"),
                "{request}"
            );
        }
        let (got, _) = get(answer("identity", &object), 10_000);
        assert_eq!(got.expect("an answer").body, object);
    }

    #[test]
    fn what_unpacks_to_more_than_allowed_is_not_unpacked() {
        let object = vec![b' '; 10_000_000];
        for encoding in Encoding::ALL {
            let (got, _) = get(
                answer(encoding.content_coding(), &packed(encoding, &object)),
                1000,
            );
            assert_eq!(got.expect_err("a bomb").code(), ErrorCode::HashMismatch);
        }
    }

    #[test]
    fn what_is_announced_too_large_cut_off_or_oddly_coded_is_an_error() {
        let check = |answer: &[u8], code| {
            let (got, _) = get(answer.to_vec(), 10);
            assert_eq!(got.expect_err("no answer").code(), code);
        };
        check(
            b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n",
            ErrorCode::TooLarge,
        );
        check(
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfour",
            ErrorCode::Network,
        );
        check(b"", ErrorCode::Network);
        check(b"nonsense\r\n\r\n", ErrorCode::Network);
        check(&answer("compress", b"four"), ErrorCode::Network);
        check(&answer("br", b"four"), ErrorCode::HashMismatch);
    }

    #[test]
    fn only_http_and_https_are_urls() {
        for url in ["", "ftp://x", "cdn.example.org", "file:///etc"] {
            assert_eq!(
                HttpTransport::new(url).expect_err(url).code(),
                ErrorCode::Config
            );
        }
    }
}
