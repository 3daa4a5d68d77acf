//! `publisher`: parse, run, report, exit.

use std::process::ExitCode;

use clap::Parser;
use publisher::cli::Cli;
use publisher::commands;
use tokio::runtime::Builder;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = runtime_for(&cli).enable_all().build();
    let runtime = runtime.expect("the system gives a program its threads");
    let result = runtime.block_on(commands::execute(cli));
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

// PostgreSQL sends rows in pieces of 8 KiB. Where another thread receives them, each piece
// costs a wake-up, and a large table is read at two thirds of the speed. What is worth a
// thread of its own (decoding, hashing, compressing) has one in either case. A server's
// requests, though, want every core.
fn runtime_for(cli: &Cli) -> Builder {
    match cli.serves() {
        true => Builder::new_multi_thread(),
        false => Builder::new_current_thread(),
    }
}
