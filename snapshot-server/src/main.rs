//! `snapshot-server`: serves a snapshot folder over HTTP.

mod settings;

use std::error::Error;
use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;

use clap::Parser;
use settings::{Settings, SettingsError};
use snapshot_server::{Options, ServerError};
use tokio::runtime::Runtime;

/// Serves a snapshot folder over HTTP.
///
/// Clients poll `/version.json`, then fetch what changed by its hash. A new
/// version is picked up without a restart, as soon as `version.json` names it
/// and every file of it is there and intact; until then the last one stays.
#[derive(Debug, Parser)]
#[command(version, after_long_help = AFTERWORD)]
struct Args {
    #[command(flatten)]
    settings: Settings,

    /// A file of settings; flags and the environment come before it
    ///
    /// TOML with the names of the flags: memory = "64MiB".
    #[arg(long, value_name = "FILE", env = "SNAPSHOT_CONFIG")]
    config: Option<PathBuf>,
}

impl Args {
    /// What they say together with the file as it is now.
    fn options(&self) -> Result<Options, SettingsError> {
        let file = match &self.config {
            Some(path) => Settings::read(path)?,
            None => Settings::default(),
        };
        let mut options = self.settings.clone().or(file).into_options()?;
        make_room(&mut options);
        Ok(options)
    }
}

const AFTERWORD: &str = "\
Paths:
  /version.json                     the pointer; poll it
  /bootstrap/HASH.json              every table; by hash, so cached for ever
  /tables/KEY/HASH.json             one table
  /manifests/HASH.json              the objects of a version
  /versions/EPOCH-SEQUENCE.json     the history
  /api/v1/reference/version, /bootstrap, /KEY     the same for clients without hashes
  /events                           server-sent events: tells each new version.json
  /health (also /api/health), /ready
                                    the process lives; a valid snapshot is loaded, and which

Examples:
  snapshot-server --root snapshots --listen 0.0.0.0:8080
  snapshot-server --listen https://0.0.0.0:443 --tls-cert chain.pem --tls-key key.pem
  snapshot-server --metrics 127.0.0.1:9100 --access-log json
  curl -s --compressed localhost:8080/api/v1/reference/bootstrap
  curl -s localhost:8080/ready

Signals: SIGTERM and SIGINT finish what runs and stop; SIGHUP looks for a new version and a
renewed certificate at once, and reads the file of settings again: the log, CORS, cache headers,
trusted proxies, limits and times change while the server runs, the others at its next start.

Exit status: 0 after SIGTERM or SIGINT, 1 when it cannot serve, 2 for a wrong command line.";

fn main() -> ExitCode {
    let args = Args::parse();
    let options = match args.options() {
        Ok(options) => options,
        Err(error) => return fail(&error, 2),
    };
    // For accepting and looking after: what serves has threads of its own.
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error, 1),
    };
    let ended = runtime.block_on(run(args, options));
    let_go(runtime);
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, 1),
    }
}

/// Ends the runtime without its blocking threads: one that reads from a file system which
/// does not answer would keep the process from ending.
fn let_go(runtime: Runtime) {
    runtime.shutdown_background();
}

async fn run(args: Args, options: Options) -> Result<(), ServerError> {
    // Before anything else: a signal that comes while loading also counts.
    let mut stopped = pin!(stop_signal());
    let root = options.root.clone();
    let server = tokio::select! {
        server = snapshot_server::bind(options) => server?,
        () = &mut stopped => return Ok(()),
    };
    for place in server.places() {
        eprintln!("snapshot-server: {} on {place}", root.display());
    }
    if let Some(address) = server.metrics_addr() {
        eprintln!("snapshot-server: metrics on http://{address}/metrics");
    }
    if server.version().is_none() {
        eprintln!("snapshot-server: no valid snapshot there yet; waiting for one");
    }
    #[cfg(unix)]
    reload_on_hangup(args, server.reload());
    #[cfg(not(unix))]
    let _ = args;
    server.run(stopped).await
}

/// Lets the process open as many files as the system allows, and takes no more
/// connections than that.
fn make_room(options: &mut Options) {
    #[cfg(unix)]
    {
        use nix::sys::resource::{Resource, getrlimit, setrlimit};
        let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
            return;
        };
        let raised = setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok();
        let most = usize::try_from(if raised { hard } else { soft }).unwrap_or(usize::MAX);
        // An eighth is for objects in files, lookups, listeners and the log.
        let most = most.saturating_sub((most / 8).max(256)).max(16);
        if options.max_connections > most {
            eprintln!(
                "snapshot-server: at most {most} connections: the system allows no more files"
            );
            options.max_connections = most;
        }
    }
    #[cfg(not(unix))]
    let _ = options;
}

/// SIGHUP: look at the files now, not at the next interval, that of the
/// settings included. One that cannot be used changes nothing.
#[cfg(unix)]
fn reload_on_hangup(args: Args, reload: snapshot_server::Reload) {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut hangup) = signal(SignalKind::hangup()) else {
        return;
    };
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            if let Err(error) = reconfigure(&args, &reload) {
                report("snapshot-server: settings refused", &*error);
                reload.now();
            }
        }
    });
}

#[cfg(unix)]
fn reconfigure(args: &Args, reload: &snapshot_server::Reload) -> Result<(), Box<dyn Error>> {
    Ok(reload.configure(&args.options()?)?)
}

/// Resolves at SIGTERM or SIGINT.
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

fn fail(error: &dyn Error, status: u8) -> ExitCode {
    report("error", error);
    ExitCode::from(status)
}

/// An error, and below it what caused it.
fn report(what: &str, error: &dyn Error) {
    eprintln!("{what}: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  caused by: {error}");
        cause = error.source();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_thread_that_hangs_does_not_keep_the_process() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let (hung, begins) = mpsc::channel();
        let (_never, told) = mpsc::channel::<()>();
        runtime.spawn_blocking(move || {
            hung.send(()).expect("the test waits");
            // As a read does from a file system that is gone.
            let _ = told.recv();
        });
        begins.recv().expect("it hangs");
        let (done, ended) = mpsc::channel();
        std::thread::spawn(move || {
            let_go(runtime);
            done.send(()).expect("the test waits");
        });
        let ended = ended.recv_timeout(Duration::from_secs(60));
        ended.expect("the runtime ends without it");
    }
}
