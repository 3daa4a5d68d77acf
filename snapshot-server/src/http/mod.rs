//! The rules of HTTP: what a request means and which fields an answer has. Pure.

pub(crate) mod conditional;
pub(crate) mod cors;
pub(crate) mod forwarded;
pub(crate) mod headers;
pub(crate) mod incoming;
pub(crate) mod kind;
pub(crate) mod negotiate;
pub(crate) mod problem;
pub(crate) mod range;
pub(crate) mod request;
pub(crate) mod route;
