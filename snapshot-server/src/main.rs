//! `snapshot-server`: serves a snapshot folder over HTTP.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use snapshot_server::{Options, ServerError};

/// Serves a snapshot folder over HTTP.
///
/// Clients poll `/version.json`, then fetch what changed by its hash. A new
/// version is picked up without a restart, as soon as `version.json` names it
/// and every file of it is there and intact; until then the last one stays.
#[derive(Debug, Parser)]
#[command(version, after_long_help = EXAMPLES)]
struct Args {
    /// The folder that `publisher` writes.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "snapshots",
        env = "SNAPSHOT_ROOT"
    )]
    root: PathBuf,

    /// Where to listen; port 0 takes a free one and prints it.
    #[arg(
        long,
        value_name = "ADDR",
        default_value = "127.0.0.1:8080",
        env = "SNAPSHOT_LISTEN"
    )]
    listen: SocketAddr,
}

const EXAMPLES: &str = "\
Examples:
  snapshot-server --root snapshots --listen 0.0.0.0:8080
  curl -s localhost:8080/version.json
  curl -s --compressed localhost:8080/api/v1/reference/bootstrap
  curl -s localhost:8080/ready        which version is held, and what keeps a newer one out

Exit status: 0 after SIGTERM or Ctrl-C, 1 when it cannot serve, 2 for a wrong command line.";

fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    match runtime.block_on(run(args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

async fn run(args: Args) -> Result<(), ServerError> {
    // Before anything else: a signal that comes while loading also counts.
    let stopped = stop_signal();
    let root = args.root.clone();
    let server = snapshot_server::bind(Options::new(args.root, args.listen)).await?;
    eprintln!(
        "snapshot-server: {} on http://{}",
        root.display(),
        server.local_addr()
    );
    if server.version().is_none() {
        eprintln!("snapshot-server: no valid snapshot there yet; waiting for one");
    }
    server.run(stopped).await
}

/// Resolves at SIGTERM or Ctrl-C.
fn stop_signal() -> impl Future<Output = ()> {
    #[cfg(unix)]
    let terminate = {
        use tokio::signal::unix::{SignalKind, signal};
        signal(SignalKind::terminate())
    };
    async move {
        let interrupt = tokio::signal::ctrl_c();
        #[cfg(unix)]
        if let Ok(mut terminate) = terminate {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
            return;
        }
        let _ = interrupt.await;
    }
}

fn fail(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("error: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  caused by: {error}");
        cause = error.source();
    }
    ExitCode::from(1)
}
