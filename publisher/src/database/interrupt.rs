//! What an interrupt does to the statements that run: the server is asked to cancel them.
//!
//! A server notices that a client has gone only when it next writes to it, so a long
//! statement would go on, and keep its locks, behind a program that has ended.

use parking_lot::Mutex;

use futures_util::future::join_all;
use tokio_postgres::CancelToken;

use super::connection::Destination;

/// A session whose statement can be cancelled.
#[derive(Clone)]
struct Session {
    number: u64,
    token: CancelToken,
    destination: Destination,
}

#[derive(Default)]
struct Sessions {
    last: u64,
    open: Vec<Session>,
}

static SESSIONS: Mutex<Sessions> = Mutex::new(Sessions {
    last: 0,
    open: Vec::new(),
});

/// So many are remembered: those of a watch whose connection was lost stay in the list.
const REMEMBERED: usize = 8;

/// A session in the list. It stays there when it is dropped: the statement of a command that
/// was dropped may still run.
pub(super) struct Registered(u64);

/// Puts a session into the list.
pub(super) fn register(token: CancelToken, destination: Destination) -> Registered {
    let mut sessions = SESSIONS.lock();
    sessions.last += 1;
    let number = sessions.last;
    sessions.open.push(Session {
        number,
        token,
        destination,
    });
    if sessions.open.len() > REMEMBERED {
        sessions.open.remove(0);
    }
    Registered(number)
}

impl Registered {
    /// Takes the session out of the list: it has ended.
    pub(super) fn ended(self) {
        let mut sessions = SESSIONS.lock();
        sessions.open.retain(|session| session.number != self.0);
    }
}

/// Asks the server to cancel what each session runs; a session that runs nothing is left as
/// it is. A server that does not answer is not waited for here: the caller has a bound.
pub async fn cancel_statements() {
    let sessions = {
        let sessions = SESSIONS.lock();
        sessions.open.clone()
    };
    let asked = sessions.iter();
    // Whoever cannot be asked ends when the connection is seen to be closed.
    join_all(asked.map(|session| session.destination.cancel(&session.token))).await;
}
