//! The server beside a watch.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use snapshot_server::{Event, Options, Reload, ServerError, bind};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::error::Error;

/// A server that runs until it is ended.
pub(super) struct Served {
    reload: Reload,
    stop: oneshot::Sender<()>,
    running: JoinHandle<Result<(), ServerError>>,
}

impl Served {
    /// Serves the store; gives the URL too.
    pub(super) async fn start(store: &Path, address: SocketAddr) -> Result<(Self, String), Error> {
        let mut options = Options::new(store, address);
        options.observer = Arc::new(|event| match event {
            // A round's line says it.
            Event::Swapped { .. } => {}
            other => eprintln!("snapshot-server: {other}"),
        });
        let server = bind(options).await?;
        let url = format!("http://{}", server.local_addr());
        let (stop, stopped) = oneshot::channel();
        let served = Self {
            reload: server.reload(),
            stop,
            running: tokio::spawn(server.run(async move {
                let _ = stopped.await;
            })),
        };
        Ok((served, url))
    }

    /// Has it look at the store at once.
    pub(super) fn reload(&self) {
        self.reload.now();
    }

    /// Ends it, and waits for its end.
    pub(super) async fn end(self) -> Result<(), Error> {
        let _ = self.stop.send(());
        if let Ok(ended) = self.running.await {
            ended?;
        }
        Ok(())
    }
}
