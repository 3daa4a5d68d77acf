//! A response, judged by its status and size.

use std::time::{Duration, SystemTime};

use super::io::FetchRequest;
use crate::error::{Error, ErrorCode};
use crate::transport::Response;

/// The one path that is not an object's: a 404 there means something else.
pub(crate) const VERSION_PATH: &str = "version.json";

const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// The body of a response with status 200 and not too many bytes.
///
/// # Errors
/// If there is no response, or it has another status or too many bytes.
pub(crate) fn body_of(
    request: &FetchRequest,
    result: Result<Response, Error>,
    wall: SystemTime,
) -> Result<Vec<u8>, Error> {
    let FetchRequest {
        path, limit_bytes, ..
    } = request;
    let response = result?;
    let status = response.status;
    if status != 200 {
        let gone = matches!(status, 404 | 410) && path != VERSION_PATH;
        let code = if gone {
            ErrorCode::ObjectMissing
        } else {
            ErrorCode::HttpStatus
        };
        let asked = matches!(status, 429 | 503).then(|| retry_after(&response, wall));
        return Err(Error::new(code, format!("{path}: status {status}"))
            .with_status(status)
            .with_retry_after(asked.flatten()));
    }
    if response.body.len() as u64 > *limit_bytes {
        let message = format!("{path}: more than {limit_bytes} bytes");
        return Err(Error::new(ErrorCode::TooLarge, message));
    }
    Ok(response.body)
}

// RFC 9110 §10.2.3: seconds or a date. A date is compared with the server's own: ours may be a
// day off.
fn retry_after(response: &Response, wall: SystemTime) -> Option<Duration> {
    let text = response.retry_after.as_deref()?.trim();
    let date = |text: &str| httpdate::parse_http_date(text).ok();
    let wait = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // What has too many digits for a number is more than an hour.
        text.parse().map_or(MAX_RETRY_AFTER, Duration::from_secs)
    } else {
        let now = response.date.as_deref().and_then(date).unwrap_or(wall);
        date(text)?.duration_since(now).unwrap_or_default()
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_wait(retry_after_field: &str, date: Option<&str>, expected_s: Option<u64>) {
        let response = Response {
            status: 503,
            retry_after: Some(retry_after_field.to_owned()),
            date: date.map(str::to_owned),
            ..Response::default()
        };
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(60);
        let wait = retry_after(&response, wall);
        assert_eq!(
            wait,
            expected_s.map(Duration::from_secs),
            "{retry_after_field}"
        );
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_at_most_an_hour() {
        check_wait("120", None, Some(120));
        check_wait(" 0 ", None, Some(0));
        check_wait("999999999999999999999999", None, Some(3600));
        check_wait("Thu, 01 Jan 1970 00:01:30 GMT", None, Some(30));
        let date = Some("Tue, 24 Feb 2026 13:00:00 GMT");
        check_wait("Tue, 24 Feb 2026 13:01:30 GMT", date, Some(90));
        check_wait("Tue, 24 Feb 2026 12:00:00 GMT", date, Some(0));
        for nonsense in ["", "-5", "soon", "1e9", "1.5"] {
            check_wait(nonsense, None, None);
        }
    }

    #[track_caller]
    fn check_status(path: &str, status: u16, expected: ErrorCode, waits: bool) {
        let request = FetchRequest {
            path: path.to_owned(),
            limit_bytes: 4,
            again: false,
        };
        let response = Response {
            status,
            retry_after: Some("7".to_owned()),
            ..Response::default()
        };
        let error = body_of(&request, Ok(response), SystemTime::UNIX_EPOCH).expect_err("refused");
        assert_eq!((error.code(), error.status()), (expected, Some(status)));
        assert_eq!(error.retry_after().is_some(), waits, "{status}");
    }

    #[test]
    fn a_status_says_what_is_missing_and_how_long_to_wait() {
        let object = "tables/grips/x.json";
        for status in [404, 410] {
            check_status(object, status, ErrorCode::ObjectMissing, false);
            check_status(VERSION_PATH, status, ErrorCode::HttpStatus, false);
        }
        for status in [204, 206, 304, 401, 403, 500, 502] {
            check_status(object, status, ErrorCode::HttpStatus, false);
        }
        for status in [429, 503] {
            check_status(object, status, ErrorCode::HttpStatus, true);
        }
    }

    #[test]
    fn a_body_may_reach_its_limit() {
        let request = FetchRequest {
            path: VERSION_PATH.to_owned(),
            limit_bytes: 4,
            again: false,
        };
        let body_of_size = |size| {
            let response = Response {
                status: 200,
                body: vec![b' '; size],
                ..Response::default()
            };
            body_of(&request, Ok(response), SystemTime::UNIX_EPOCH)
        };
        assert_eq!(body_of_size(4).expect("as many as allowed").len(), 4);
        assert_eq!(
            body_of_size(5).expect_err("one more").code(),
            ErrorCode::TooLarge
        );
    }
}
