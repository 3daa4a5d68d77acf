//! What a command says: to people on standard error, to machines on standard output.

use std::io::Write;

use clap::Args;
use serde::Serialize;

use crate::error::Error;
use crate::progress::Progress;

/// How much is said, and in which form.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct Output {
    /// Print the result as JSON on standard output
    #[arg(long)]
    pub(crate) json: bool,

    /// Print nothing but problems, and no progress
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

impl Output {
    /// The same, for a step that is no news.
    pub(crate) fn quietly(self) -> Self {
        Self {
            quiet: true,
            ..self
        }
    }

    /// Progress as it was asked for.
    pub(crate) fn progress(self) -> Progress {
        if self.quiet {
            Progress::quiet()
        } else {
            Progress::default()
        }
    }

    /// Tells a person what happened.
    pub(crate) fn say(self, text: &str) {
        if !self.quiet {
            eprint!("{text}");
        }
    }

    /// Ends a command that does something: a person is told what, a machine gets the report
    /// where one asked.
    ///
    /// # Errors
    /// Where standard output is closed.
    pub(crate) fn done(self, report: &impl Serialize, text: &str) -> Result<(), Error> {
        self.say(text);
        self.report(report)
    }

    /// Prints the report for a machine, where one asked.
    ///
    /// # Errors
    /// Where standard output is closed.
    pub(crate) fn report(self, report: &impl Serialize) -> Result<(), Error> {
        if self.json {
            print_json(report)
        } else {
            Ok(())
        }
    }

    /// Prints the answer of a command that was asked something: as JSON, or the text, which
    /// may have colours that are left out where nobody sees them.
    ///
    /// # Errors
    /// Where standard output is closed.
    pub(crate) fn answer(self, answer: &impl Serialize, text: &str) -> Result<(), Error> {
        if self.json {
            print_json(answer)
        } else {
            print(text)
        }
    }
}

/// Warns, also where little is to be said.
pub(crate) fn warn(text: &str) {
    eprintln!("warning: {text}");
}

/// Prints on standard output. A reader that has seen enough (`| head`) is no failure.
///
/// # Errors
/// Where standard output is closed.
pub(crate) fn print(text: &str) -> Result<(), Error> {
    let mut out = anstream::stdout();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Error::Usage(format!(
            "failed to write to standard output: {error}"
        ))),
        _ => Ok(()),
    }
}

fn print_json(report: &impl Serialize) -> Result<(), Error> {
    let text = serde_json::to_string(report).expect("a report is JSON");
    print(&format!("{text}\n"))
}
