//! The commands: each a list of steps, in the order of `docs/cli.md`.

pub(crate) mod bundle;
pub(crate) mod check;
mod context;
pub(crate) mod database;
pub(crate) mod diff;
pub(crate) mod history;
pub(crate) mod job;
pub(crate) mod migrate;
pub(crate) mod parity;
pub(crate) mod plan;
pub(crate) mod preflight;
pub(crate) mod prune;
mod publication;
pub(crate) mod publish;
pub(crate) mod resume;
pub(crate) mod rollback;
pub(crate) mod run;
pub(crate) mod seed;
pub(crate) mod show;
mod source;
pub(crate) mod types;
pub(crate) mod verify;
mod warnings;
pub(crate) mod watch;

/// Resolves at the first Ctrl-C or SIGTERM behind the call.
pub fn interrupt() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let signals = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    );
    async {
        let (Ok(mut terminate), Ok(mut interrupt)) = signals else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
}

/// Does work that blocks, away from the runtime's own threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}
