//! A snapshot behind a URL.
//!
//! `ureq`, because it blocks: whoever verifies reads, unpacks, hashes and parses an
//! object in one pull, on a thread of its own, and needs a reader rather than a stream.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use snapshot_format::Key;
use ureq::http::{HeaderMap, StatusCode, Uri};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::typestate::WithoutBody;
use ureq::{Agent, RequestBuilder, Timeout};

use crate::reader::{FetchError, Fetched, Order, Reader};

/// The folder of a web server or a CDN that holds a snapshot.
#[derive(Debug)]
pub struct Site {
    // Without `/` at its end.
    base: String,
    agent: Agent,
}

/// How a key is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// The head of the answer and its body.
    Get,
    /// The head of the answer alone.
    Head,
}

/// A response of any status.
#[derive(Debug)]
pub struct Answer {
    /// The status code of the answer.
    pub status: StatusCode,
    /// The header fields of the answer.
    pub headers: HeaderMap,
    /// The body of the answer, on its way.
    pub body: Fetched,
}

// A server that is silent for so long is down for a reader.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);
// Between two pieces of a body. The whole of it may take as long as it goes on coming:
// a bound on that would be a bound on the size of tables.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

impl Site {
    pub(crate) fn new(url: &str) -> Result<Self, FetchError> {
        let wrong = || FetchError::Url(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        if uri.host().is_none_or(str::is_empty) || url.contains(['?', '#']) {
            return Err(wrong());
        }
        let base = url.strip_suffix("/version.json").unwrap_or(url);
        Ok(Self {
            base: base.trim_end_matches('/').to_owned(),
            agent: agent(uri.scheme_str() == Some("https"))?,
        })
    }

    /// The URL of the folder, without a `/` at its end.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The URL of a key.
    pub fn url(&self, key: &Key) -> String {
        format!("{}/{key}", self.base)
    }

    /// Asks for a key, by this `Accept-Encoding`, and takes whatever comes. Redirects are
    /// not followed.
    ///
    /// # Errors
    /// Where no response comes.
    pub fn ask(&self, method: Method, key: &Key, codings: &str) -> Result<Answer, FetchError> {
        let url = self.url(key);
        let request = match method {
            Method::Get => self.agent.get(&url),
            Method::Head => self.agent.head(&url),
        };
        Self::call(url, request.header("Accept-Encoding", codings))
    }

    /// Asks for a range of a key's identity.
    ///
    /// # Errors
    /// Where no response comes.
    pub fn ask_range(&self, key: &Key, range: &str) -> Result<Answer, FetchError> {
        let url = self.url(key);
        let request = self.agent.get(&url).header("Accept-Encoding", "identity");
        Self::call(url, request.header("Range", range))
    }

    /// Asks for a path that is no key's.
    ///
    /// # Errors
    /// Where no response comes.
    pub fn ask_path(&self, path: &str) -> Result<Answer, FetchError> {
        let url = format!("{}/{path}", self.base);
        let request = self.agent.get(&url).header("Accept-Encoding", "identity");
        Self::call(url, request)
    }

    fn call(url: String, request: RequestBuilder<WithoutBody>) -> Result<Answer, FetchError> {
        let response = request.call();
        let response = response.map_err(|error| FetchError::Failed {
            action: "fetch",
            location: url,
            source: into_io(error),
        })?;
        let (parts, body) = response.into_parts();
        let size_bytes = length(&parts.headers);
        Ok(Answer {
            status: parts.status,
            headers: parts.headers,
            body: Fetched::new(size_bytes, body.into_reader()),
        })
    }

    /// The error for an answer that is neither the thing nor its absence.
    pub fn refused(&self, key: &Key, answer: &Answer) -> FetchError {
        let location = answer.headers.get("location");
        let leads = location.map(|to| {
            format!(
                ", which leads to {}",
                String::from_utf8_lossy(to.as_bytes())
            )
        });
        FetchError::Status {
            location: self.url(key),
            status: format!("{}{}", answer.status, leads.unwrap_or_default()),
        }
    }
}

impl Reader for Site {
    fn open(&self, key: &Key) -> Result<Option<Fetched>, FetchError> {
        let answer = self.ask(Method::Get, key, "identity")?;
        match answer.status.as_u16() {
            200 => Ok(Some(answer.body)),
            404 | 410 => Ok(None),
            _ => Err(self.refused(key, &answer)),
        }
    }

    fn orders(&self) -> Result<Option<Vec<Order>>, FetchError> {
        Ok(None)
    }

    fn location(&self, key: &Key) -> String {
        self.url(key)
    }
}

fn agent(tls: bool) -> Result<Agent, FetchError> {
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        // A reader that is led elsewhere is no longer reading what was asked for.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_recv_response(Some(RESPONSE_TIMEOUT))
        .timeout_per_read(Some(READ_TIMEOUT))
        .user_agent(concat!("tablecast-publisher/", env!("CARGO_PKG_VERSION")));
    if tls {
        config = config.tls_config(checked_tls()?);
    }
    Ok(config.build().new_agent())
}

// As for the database: by the system's certificates, or those in SSL_CERT_FILE.
fn checked_tls() -> Result<TlsConfig, FetchError> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let reasons: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
        let reasons = if reasons.is_empty() {
            "there are none".to_owned()
        } else {
            reasons.join("; ")
        };
        return Err(FetchError::Certificates(io::Error::other(reasons)));
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

fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get("content-length")?.to_str().ok()?.parse().ok()
}

fn into_io(error: ureq::Error) -> io::Error {
    match error {
        ureq::Error::Io(error) => error,
        ureq::Error::Timeout(Timeout::Connect | Timeout::Resolve) => io::Error::new(
            io::ErrorKind::TimedOut,
            format!("no connection within {} s", CONNECT_TIMEOUT.as_secs()),
        ),
        ureq::Error::Timeout(_) => io::Error::new(
            io::ErrorKind::TimedOut,
            format!("the server said nothing for {} s", READ_TIMEOUT.as_secs()),
        ),
        other => io::Error::other(other),
    }
}
