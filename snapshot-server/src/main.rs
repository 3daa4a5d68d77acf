//! `snapshot-server`: serves a snapshot folder over HTTP.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use snapshot_server::{Listen, Options, ServerError, TlsFiles};

/// Serves a snapshot folder over HTTP.
///
/// Clients poll `/version.json`, then fetch what changed by its hash. A new
/// version is picked up without a restart, as soon as `version.json` names it
/// and every file of it is there and intact; until then the last one stays.
#[derive(Debug, Parser)]
#[command(version, after_long_help = EXAMPLES)]
struct Args {
    /// The folder that `publisher` writes
    #[arg(
        long,
        value_name = "DIR",
        default_value = "snapshots",
        env = "SNAPSHOT_ROOT"
    )]
    root: PathBuf,

    /// Where to listen: 127.0.0.1:8080, https://0.0.0.0:443, unix:/run/name.sock, or systemd
    ///
    /// May be given several times, or with commas between. Port 0 takes a free
    /// port and prints it. Plain and TLS ports speak HTTP/1.1 and HTTP/2.
    /// `systemd` takes over the sockets of a .socket unit.
    #[arg(
        long,
        value_name = "PLACE",
        default_value = "127.0.0.1:8080",
        env = "SNAPSHOT_LISTEN",
        value_delimiter = ','
    )]
    listen: Vec<Listen>,

    /// The certificate chain in PEM, for https; renewed without a restart
    #[arg(
        long,
        value_name = "FILE",
        env = "SNAPSHOT_TLS_CERT",
        requires = "tls_key"
    )]
    tls_cert: Option<PathBuf>,

    /// The certificate's private key in PEM
    #[arg(
        long,
        value_name = "FILE",
        env = "SNAPSHOT_TLS_KEY",
        requires = "tls_cert"
    )]
    tls_key: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  snapshot-server --root snapshots --listen 0.0.0.0:8080
  curl -s localhost:8080/version.json
  curl -s --compressed localhost:8080/api/v1/reference/bootstrap
  curl -s localhost:8080/ready        which version is held, and what keeps a newer one out
  snapshot-server --listen https://0.0.0.0:443 --tls-cert chain.pem --tls-key key.pem

Signals: SIGTERM and SIGINT finish what runs and stop, SIGHUP looks for a new version and a
renewed certificate at once.

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
    let server = snapshot_server::bind(args.options()).await?;
    for place in server.places() {
        eprintln!("snapshot-server: {} on {place}", root.display());
    }
    if server.version().is_none() {
        eprintln!("snapshot-server: no valid snapshot there yet; waiting for one");
    }
    #[cfg(unix)]
    reload_on_hangup(server.reload());
    server.run(stopped).await
}

impl Args {
    fn options(self) -> Options {
        let tls = self.tls_cert.zip(self.tls_key);
        Options {
            root: self.root,
            listen: self.listen,
            tls: tls.map(|(certificate, key)| TlsFiles { certificate, key }),
            ..Options::default()
        }
    }
}

/// SIGHUP: look at the files now, not at the next interval.
#[cfg(unix)]
fn reload_on_hangup(reload: snapshot_server::Reload) {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut hangup) = signal(SignalKind::hangup()) else {
        return;
    };
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            reload.now();
        }
    });
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
