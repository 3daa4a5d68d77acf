//! HTTP by `ureq`, because it blocks: a request has a thread of its own, and an app that embeds
//! this client needs no runtime.

mod body;
mod certificates;

use std::io::Read;
use std::ops::ControlFlow;
use std::time::Duration;

use ureq::Agent;
use ureq::http::HeaderMap;

use crate::error::{Error, ErrorCode};
use crate::transport::{Request, Response, Transport};

use body::{check_announced, failed, read, unpack};
use certificates::checked_tls;

/// The default transport: HTTP/1.1, with TLS by the system's certificates (or those in the file
/// that `SSL_CERT_FILE` names) and the proxies that the environment names.
///
/// It accepts compressed bodies, sends no cookies, and follows at most five redirects, but none
/// from https to http.
#[derive(Debug)]
pub struct HttpTransport {
    agent: Agent,
}

// Fewest bytes first: tables are small, and unpacking costs less than waiting.
const CODINGS: &str = "br, zstd;q=0.9, gzip;q=0.8";
const MAX_REDIRECTS: u32 = 5;
// Three heartbeats of a stream that did not come: the connection is gone.
const SILENCE: Duration = Duration::from_secs(45);

impl HttpTransport {
    /// A transport for the store at this URL.
    ///
    /// # Errors
    /// [`ErrorCode::Config`] if the URL is neither http nor https, or if it is https and the system
    /// has no certificates to check a server by.
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

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

#[cfg(test)]
mod tests;
