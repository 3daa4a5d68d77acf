//! `publisher`: parse, run, report, exit.

use std::process::ExitCode;

use clap::Parser;
use publisher::cli::Cli;
use publisher::commands;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = runtime.expect("the system gives a program its threads");
    let result = runtime.block_on(commands::execute(cli));
    // A compressor that an interrupt left at work is not waited for.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprint!("{}", error.report());
            ExitCode::from(error.exit_status())
        }
    }
}
