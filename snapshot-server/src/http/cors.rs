//! Which pages may read the data (the Fetch standard's CORS protocol).

use hyper::HeaderMap;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HeaderName, HeaderValue, ORIGIN, VARY,
};

const TIMING_ALLOW_ORIGIN: HeaderName = HeaderName::from_static("timing-allow-origin");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Which origins may read responses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Cors {
    /// Every one: the data is public. The answer is the same for all, so no
    /// cache has to keep one for each site.
    #[default]
    Any,
    /// None but the server's own.
    SameOrigin,
    /// These, written as browsers send them: `https://app.example`.
    Origins(Vec<HeaderValue>),
}

impl Cors {
    /// Narrows a response that was made for every origin.
    pub(crate) fn narrow(&self, request: &HeaderMap, response: &mut HeaderMap) {
        let origins = match self {
            Cors::Any => return,
            Cors::SameOrigin => &[][..],
            Cors::Origins(origins) => origins,
        };
        if matches!(self, Cors::Origins(_)) {
            // The answer now depends on who asks, and caches must know.
            let vary = match response.get(VARY).map(HeaderValue::as_bytes) {
                Some(b"Accept-Encoding") => "Accept-Encoding, Origin",
                _ => "Origin",
            };
            response.insert(VARY, HeaderValue::from_static(vary));
        }
        match request
            .get(ORIGIN)
            .filter(|origin| origins.contains(origin))
        {
            Some(origin) => {
                for name in [ACCESS_CONTROL_ALLOW_ORIGIN, TIMING_ALLOW_ORIGIN] {
                    if response.contains_key(&name) {
                        response.insert(name, origin.clone());
                    }
                }
            }
            None => {
                for name in [
                    ACCESS_CONTROL_ALLOW_ORIGIN,
                    ACCESS_CONTROL_ALLOW_METHODS,
                    ACCESS_CONTROL_ALLOW_HEADERS,
                    ACCESS_CONTROL_EXPOSE_HEADERS,
                    ACCESS_CONTROL_MAX_AGE,
                    TIMING_ALLOW_ORIGIN,
                ] {
                    response.remove(name);
                }
            }
        }
        if matches!(self, Cors::SameOrigin) && response.contains_key(&RESOURCE_POLICY) {
            response.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
        }
    }
}
