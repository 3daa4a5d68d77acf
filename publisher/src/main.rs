//! `publisher`: parse, run, report, exit; and end at Ctrl-C or SIGTERM, whatever it is at.
//!
//! The command runs on a thread of its own, and this one waits for its end or for a signal.
//! So a signal is heard while the command computes, waits for a lock or hangs on a disk. It
//! has [`GRACE`] to leave in order; then the program ends without it. That loses nothing: to
//! the disk and the database it is one more way of being killed, and the private PostgreSQL
//! has a watcher that ends it once its last user has gone.

use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use clap::Parser;
use publisher::{Cli, Error, cancel_statements, execute, interrupt};
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

/// How long a command may take to leave in order. With what the program itself needs to end,
/// that is less than a second.
const GRACE: Duration = Duration::from_millis(700);

/// How long is waited for a terminal or a pipe to take the last line.
const LAST_LINE_WITHIN: Duration = Duration::from_millis(100);

/// How many files are read or written at once, at most.
const MOST_BLOCKING: usize = 16;

// As much as the main thread usually has.
const STACK_SIZE: usize = 8 * 1024 * 1024;

fn main() -> ExitCode {
    let cli = Cli::parse();
    // Its end is a signal.
    let status_if_cut_off = if cli.watches() {
        0
    } else {
        Error::Interrupted.exit_status()
    };
    let waiting = Builder::new_current_thread().enable_all().build();
    let waiting = waiting.expect("the system gives a program its files");
    let status = waiting.block_on(async move {
        // Listened for before anything has begun.
        let interrupted = interrupt();
        let mut ended = start(cli);
        tokio::select! {
            status = &mut ended => return status.ok(),
            () = interrupted => {}
        }
        let deadline = Instant::now() + GRACE;
        let (ended, _) = tokio::join!(
            timeout_at(deadline, ended),
            timeout_at(deadline, cancel_statements())
        );
        match ended {
            Ok(status) => status.ok(),
            Err(_) => {
                say_last(Error::Interrupted.report());
                Some(ExitCode::from(status_if_cut_off))
            }
        }
    });
    // A thread that panicked has said why.
    status.unwrap_or(ExitCode::from(101))
}

// Runs the command and reports its error, away from this thread; gives its exit status.
fn start(cli: Cli) -> oneshot::Receiver<ExitCode> {
    let (tell, ended) = oneshot::channel();
    let work = move || {
        let status = run(cli);
        let _ = tell.send(status);
    };
    let command = thread::Builder::new().name("command".to_owned());
    let started = command.stack_size(STACK_SIZE).spawn(work);
    started.expect("the system gives a program its threads");
    ended
}

fn run(cli: Cli) -> ExitCode {
    let runtime = runtime_for(&cli).enable_all().build();
    let runtime = runtime.expect("the system gives a program its threads");
    let result = runtime.block_on(execute(cli));
    // A compressor that an interrupt left at work is not waited for.
    runtime.shutdown_background();
    match result {
        Ok(status) => status,
        Err(error) => {
            eprint!("{}", error.report());
            ExitCode::from(error.exit_status())
        }
    }
}

// The command may hold standard error, and its reader may read no more.
fn say_last(text: String) {
    let (tell, said) = mpsc::channel();
    thread::spawn(move || {
        eprint!("{text}");
        let _ = tell.send(());
    });
    let _ = said.recv_timeout(LAST_LINE_WITHIN);
}

// PostgreSQL sends rows in pieces of 8 KiB. Where another thread receives them, each piece
// costs a wake-up, and a large table is read at two thirds of the speed. What is worth a
// thread of its own (decoding, hashing, compressing) has one in either case. A server's
// requests, though, want every core.
fn runtime_for(cli: &Cli) -> Builder {
    if cli.serves() {
        return Builder::new_multi_thread();
    }
    let mut runtime = Builder::new_current_thread();
    // Each thread has its own share of the memory: as many as are put at once, and no more.
    runtime.max_blocking_threads(MOST_BLOCKING);
    runtime
}
