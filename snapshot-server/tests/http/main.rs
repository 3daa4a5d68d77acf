//! What the server says on the wire: real sockets, real folders, raw requests.
//! Expected values come from the RFCs' text, which each test cites.

mod behaviours;
mod conditions;
mod connections;
mod differential;
mod endpoints;
#[path = "../../../tests/environment/example.rs"]
mod environment;
mod events;
mod floods;
#[cfg(unix)]
mod links;
mod listening;
mod loading;
mod methods;
mod negotiation;
mod operation;
mod program;
mod properties;
mod protocols;
mod proxied;
mod ranges;
mod requests;
mod support;
mod swapping;
