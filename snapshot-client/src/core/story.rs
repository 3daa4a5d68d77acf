//! Stories: functions that say what they want done and are handed what came of it.
//!
//! A story is written as an `async` block, for the compiler then writes its state machine. There
//! is no runtime: whoever performs a story polls it by hand, does the one [`Action`] that it
//! stopped at, and goes on with the [`Reply`].

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::transport::Response;
use crate::{Error, ErrorCode};

/// One GET request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FetchRequest {
    /// Relative to the base URL.
    pub(crate) path: String,
    /// More bytes than this are not read.
    pub(crate) limit_bytes: u64,
    /// Pass caches by.
    pub(crate) again: bool,
}

/// What a story asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// All of these, side by side.
    Fetch(Vec<FetchRequest>),
    /// A stored value.
    Read(String),
    /// A value to be stored, whole or not at all.
    Write(String, Vec<u8>),
    /// A value that is no longer needed.
    Remove(String),
}

/// What came of an action.
#[derive(Debug)]
pub(crate) enum Reply {
    /// Of [`Action::Fetch`]: one result for each request, in order.
    Fetched(Vec<Result<Response, Error>>),
    /// Of [`Action::Read`].
    Value(Result<Option<Vec<u8>>, Error>),
    /// Of [`Action::Write`] and [`Action::Remove`].
    Done(Result<(), Error>),
}

/// Where a story stands.
pub(crate) enum Step<T> {
    /// It wants this done.
    Do(Action),
    /// It is over.
    End(T),
}

/// A story under way.
pub(crate) struct Story<'a, T> {
    slot: Arc<Mutex<Slot>>,
    future: Pin<Box<dyn Future<Output = T> + Send + 'a>>,
}

/// What a story asks through.
pub(crate) struct Io(Arc<Mutex<Slot>>);

#[derive(Default)]
struct Slot {
    action: Option<Action>,
    reply: Option<Reply>,
}

impl<'a, T> Story<'a, T> {
    /// A story that has not begun.
    pub(crate) fn new<F>(tell: impl FnOnce(Io) -> F) -> Self
    where
        F: Future<Output = T> + Send + 'a,
    {
        let slot = Arc::<Mutex<Slot>>::default();
        let future = Box::pin(tell(Io(Arc::clone(&slot))));
        Self { slot, future }
    }

    /// Goes on to the next action, or to the end; the first time without a reply.
    pub(crate) fn resume(&mut self, reply: Option<Reply>) -> Step<T> {
        lock(&self.slot).reply = reply;
        let mut context = Context::from_waker(Waker::noop());
        match self.future.as_mut().poll(&mut context) {
            Poll::Ready(end) => Step::End(end),
            Poll::Pending => {
                let action = lock(&self.slot).action.take();
                Step::Do(action.expect("a story stops at an action only"))
            }
        }
    }

    /// The whole story, each action done by `perform`.
    pub(crate) fn run(mut self, mut perform: impl FnMut(Action) -> Reply) -> T {
        let mut reply = None;
        loop {
            match self.resume(reply) {
                Step::Do(action) => reply = Some(perform(action)),
                Step::End(end) => return end,
            }
        }
    }
}

impl Io {
    /// Fetches all of these; a single one that fails is a result like others.
    pub(crate) async fn fetch(&self, requests: Vec<FetchRequest>) -> Vec<Result<Response, Error>> {
        let count = requests.len();
        match self.ask(Action::Fetch(requests)).await {
            Reply::Fetched(results) if results.len() == count => results,
            _ => (0..count).map(|_| Err(mismatch())).collect(),
        }
    }

    /// Reads a stored value.
    pub(crate) async fn read(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        match self.ask(Action::Read(key.to_owned())).await {
            Reply::Value(value) => value,
            _ => Err(mismatch()),
        }
    }

    /// Stores a value.
    pub(crate) async fn write(&self, key: &str, value: Vec<u8>) -> Result<(), Error> {
        self.change(Action::Write(key.to_owned(), value)).await
    }

    /// Removes a value.
    pub(crate) async fn remove(&self, key: &str) -> Result<(), Error> {
        self.change(Action::Remove(key.to_owned())).await
    }

    async fn change(&self, action: Action) -> Result<(), Error> {
        match self.ask(action).await {
            Reply::Done(done) => done,
            _ => Err(mismatch()),
        }
    }

    async fn ask(&self, action: Action) -> Reply {
        lock(&self.0).action = Some(action);
        poll_fn(|_| match lock(&self.0).reply.take() {
            Some(reply) => Poll::Ready(reply),
            None => Poll::Pending,
        })
        .await
    }
}

fn lock(slot: &Mutex<Slot>) -> std::sync::MutexGuard<'_, Slot> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

fn mismatch() -> Error {
    Error::new(ErrorCode::Network, "the answer is to another question")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_story_stops_at_each_action_and_goes_on_with_its_reply() {
        let mut story = Story::new(|io| async move {
            let value = io.read("head").await?;
            io.write("head", b"new".to_vec()).await?;
            Ok::<_, Error>(value)
        });
        assert!(matches!(story.resume(None), Step::Do(Action::Read(key)) if key == "head"));
        let read = Reply::Value(Ok(Some(b"old".to_vec())));
        let Step::Do(Action::Write(key, value)) = story.resume(Some(read)) else {
            panic!("a write follows");
        };
        assert_eq!((key.as_str(), value.as_slice()), ("head", &b"new"[..]));
        let Step::End(end) = story.resume(Some(Reply::Done(Ok(())))) else {
            panic!("the end follows");
        };
        assert_eq!(end.expect("nothing failed"), Some(b"old".to_vec()));
    }
}
