//! How long does it take from the save of one file to the new version.json?
//!
//! `publisher watch` runs beside, over the repository's 23 tables, with a private PostgreSQL
//! in a folder that is removed at the end. Each save changes one row of one table, table
//! after table. The clock runs from before the save to the first look at a version.json
//! with other bytes; where the time in between goes is what the watch itself says.
//!
//! ```text
//! ./dev bench-watch                 200 saves
//! ./dev bench-watch --saves 1000
//! ```

#![allow(clippy::print_stdout, reason = "its result is for standard output")]

use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::Parser;
use publisher::Cli;
use serde_json::Value;

/// Measures from the save of a file to the new version.json.
#[derive(Parser)]
struct Arguments {
    /// How many saves
    #[arg(long, default_value_t = 200)]
    saves: usize,
}

type Failure = Box<dyn Error>;

fn main() -> ExitCode {
    // The program under test is this one, started again, so that it is the same build.
    if std::env::var_os(AS_PUBLISHER).is_some() {
        return as_publisher();
    }
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

const AS_PUBLISHER: &str = "TABLECAST_BENCH_AS_PUBLISHER";

fn as_publisher() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the system gives a program its threads");
    match runtime.block_on(publisher::execute(Cli::parse())) {
        Ok(status) => status,
        Err(error) => {
            eprint!("{}", error.report());
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let root = folder.path();
    let repository = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    for name in ["json-source", "sql/migrations"] {
        copy_folder(&repository.join(name), &root.join(name))?;
    }
    fs::copy(
        repository.join("tablecast.toml"),
        root.join("tablecast.toml"),
    )?;
    let mut watching = Watching::start(root)?;
    let tables = tables(&root.join("json-source"))?;
    let mut measured = Vec::new();
    for (number, path) in tables.iter().cycle().take(arguments.saves).enumerate() {
        measured.push(watching.measure(root, path, number)?);
        // As somebody who types: what the machine does behind a save has come to rest.
        sleep(Duration::from_millis(30));
    }
    drop(watching);
    report(measured);
    Ok(())
}

struct Watching {
    child: Child,
    events: BufReader<ChildStdout>,
}

struct Measured {
    latency: Duration,
    round: Value,
}

impl Watching {
    fn start(root: &Path) -> Result<Self, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["watch", "--json", "--quiet"])
            .current_dir(root)
            .env(AS_PUBLISHER, "1")
            .env_remove("DATABASE_URL")
            .stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let events = BufReader::new(child.stdout.take().ok_or("no standard output")?);
        let mut watching = Self { child, events };
        while watching.event()?["event"] != "round" {}
        Ok(watching)
    }

    fn event(&mut self) -> Result<Value, Failure> {
        let mut line = String::new();
        match self.events.read_line(&mut line)? {
            0 => Err("the watch has ended".into()),
            _ => Ok(serde_json::from_str(&line)?),
        }
    }

    fn measure(&mut self, root: &Path, path: &Path, number: usize) -> Result<Measured, Failure> {
        let pointer = root.join("snapshots/version.json");
        let before = fs::read(&pointer)?;
        let text = edited(&fs::read_to_string(path)?, number);
        let start = Instant::now();
        fs::write(path, text)?;
        while fs::read(&pointer)? == before {
            sleep(Duration::from_micros(200));
            if start.elapsed() > Duration::from_secs(60) {
                return Err(format!("no version came of {}", path.display()).into());
            }
        }
        let latency = start.elapsed();
        Ok(Measured {
            latency,
            round: self.event()?,
        })
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        use nix::sys::signal::{Signal, kill};
        use nix::unistd::Pid;
        // Its PostgreSQL is to end with it.
        if let Ok(pid) = i32::try_from(self.child.id()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        let _ = self.child.wait();
    }
}

// One row gets another value: the first text that such a row surely has.
fn edited(text: &str, number: usize) -> String {
    let (before, rest) = match text.split_once("\"label\": \"") {
        Some((before, rest)) => (format!("{before}\"label\": \""), rest),
        // The map of pictures.
        None => {
            let (before, rest) = text.split_once("<svg").unwrap_or((text, ""));
            return format!("{before}<svg id='s{number}'{}", without_id(rest));
        }
    };
    let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '#');
    format!("{before}#{number}{rest}")
}

fn without_id(rest: &str) -> &str {
    rest.strip_prefix(" id='s").map_or(rest, |rest| {
        rest.split_once('\'').map_or(rest, |(_, rest)| rest)
    })
}

fn tables(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = fs::read_dir(folder)?;
    let mut tables = Vec::new();
    for entry in entries {
        tables.push(entry?.path());
    }
    tables.sort();
    Ok(tables)
}

fn copy_folder(from: &Path, to: &Path) -> Result<(), Failure> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        fs::copy(&path, to.join(path.file_name().unwrap_or_default()))?;
    }
    Ok(())
}

fn report(measured: Vec<Measured>) {
    let mut latencies: Vec<f64> = measured.iter().map(|m| millis(m.latency)).collect();
    latencies.sort_by(f64::total_cmp);
    let at = |percent: usize| latencies[(latencies.len() * percent).div_ceil(100).max(1) - 1];
    println!(
        "{} saves, from the save to the new version.json:",
        latencies.len()
    );
    println!(
        "  median {:.0} ms   90th percentile {:.0} ms   99th {:.0} ms   longest {:.0} ms\n",
        at(50),
        at(90),
        at(99),
        at(100)
    );
    histogram(&latencies);
    println!("\nwhere the time goes, on average:");
    let count = measured.len() as f64;
    let mut rest = latencies.iter().sum::<f64>() / count;
    let mean = |step: &str| {
        let all = measured
            .iter()
            .filter_map(|m| m.round["steps"][step].as_f64());
        all.sum::<f64>() / count
    };
    for (step, what) in [
        (
            "checkMs",
            "check: the catalog, the files that changed and those tied to them",
        ),
        ("seedMs", "seed: stage, compare, write, commit"),
        (
            "renderMs",
            "render: read the tables, to canonical bytes and hashes",
        ),
        ("compressMs", "compress: the variants of what is new"),
        ("putMs", "put: write them, durably"),
        ("swapMs", "swap: read back, manifest, history, version.json"),
    ] {
        rest -= mean(step);
        println!("  {:6.1} ms  {what}", mean(step));
    }
    println!(
        "  {rest:6.1} ms  the rest: to notice the save and wait until it is quiet, to look, locks"
    );
}

fn histogram(latencies: &[f64]) {
    const WIDTH: f64 = 20.0;
    let bucket = |latency: f64| (latency / WIDTH) as usize;
    let (first, last) = (bucket(latencies[0]), bucket(latencies[latencies.len() - 1]));
    for index in first..=last {
        let count = latencies.iter().filter(|l| bucket(**l) == index).count();
        let bar = "#".repeat((count * 60).div_ceil(latencies.len()));
        println!("  {:4.0} ms {count:4} {bar}", index as f64 * WIDTH);
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
