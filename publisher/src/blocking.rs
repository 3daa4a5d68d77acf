//! Work that blocks, away from the runtime's own threads: a connection and Ctrl-C are served
//! there.

/// Does `work` on another thread, and waits for it.
///
/// # Panics
/// Where `work` does.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}
