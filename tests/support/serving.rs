//! A server of a project's store.

use std::sync::mpsc;
use std::thread::JoinHandle;

use super::Project;

/// A snapshot-server on a port of its own.
pub struct Server {
    /// Its URL, without a `/` at its end.
    pub base_url: String,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Serves a project's store until the server is dropped.
pub fn serve(project: &Project) -> Server {
    let root = project.path("snapshots");
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let (bound, address) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let options = snapshot_server::Options::new(root, ([127, 0, 0, 1], 0).into());
            let server = snapshot_server::bind(options).await.unwrap();
            bound.send(server.local_addr()).unwrap();
            let stopped = async {
                let _ = stopped.await;
            };
            server.run(stopped).await.unwrap();
        });
    });
    Server {
        base_url: format!("http://{}", address.recv().unwrap()),
        stop: Some(stop),
        thread: Some(thread),
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
