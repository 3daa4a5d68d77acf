//! Work on all cores.

use parking_lot::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// `work` on every item, on all cores, results in the items' order. After the
/// first failure nothing new is begun.
pub(crate) fn in_parallel<I: Sync, O: Send, E: Send>(
    items: &[I],
    work: impl Fn(&I) -> Result<O, E> + Sync,
) -> Result<Vec<O>, E> {
    let workers = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(items.len());
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<(usize, O)>> = Mutex::new(Vec::with_capacity(items.len()));
    let failure: Mutex<Option<E>> = Mutex::new(None);
    let run = || {
        while let Some((at, item)) = {
            let at = next.fetch_add(1, Ordering::Relaxed);
            items.get(at).map(|item| (at, item))
        } {
            match work(item) {
                Ok(output) => results.lock().push((at, output)),
                Err(error) => {
                    next.store(items.len(), Ordering::Relaxed);
                    failure.lock().get_or_insert(error);
                }
            }
        }
    };
    std::thread::scope(|scope| (0..workers).for_each(|_| drop(scope.spawn(run))));

    if let Some(error) = failure.lock().take() {
        return Err(error);
    }
    let mut results = std::mem::take(&mut *results.lock());
    results.sort_by_key(|(at, _)| *at);
    Ok(results.into_iter().map(|(_, output)| output).collect())
}
