//! What `run --serve` does once a snapshot is published.

use std::net::SocketAddr;
use std::pin::pin;

use super::interrupt::interrupt;
use crate::config::Config;
use crate::error::Error;
use crate::output::Output;

/// What is left to do once a snapshot is published: to serve it.
pub(crate) struct Serving {
    pub(super) config: Config,
    pub(super) address: SocketAddr,
    pub(super) output: Output,
}

impl Serving {
    /// Serves until Ctrl-C or SIGTERM, which is how it is meant to end.
    pub(crate) async fn serve(self) -> Result<(), Error> {
        let options = snapshot_server::Options::new(&self.config.out, self.address);
        let mut interrupted = pin!(interrupt());
        let server = tokio::select! {
            server = snapshot_server::bind(options) => server?,
            () = &mut interrupted => return Ok(()),
        };
        let url = format!("http://{}", server.local_addr());
        self.output.say(&format!(
            "serving {} on {url}\n  {url}/version.json\n  {url}/api/v1/reference/bootstrap\n\
             Ctrl-C ends it.\n",
            self.config.out.display()
        ));
        Ok(server.run(interrupted).await?)
    }
}
