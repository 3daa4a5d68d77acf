//! How far is the publisher from PostgreSQL's own COPY, on a table of a million rows?
//!
//! Seed stands against a plain COPY of the same rows into the same table, publish against
//! a COPY of them out of it; both sides of each ratio are measured in the same round. The
//! table has 12 columns of content, one of them jsonb, the two columns that the publisher
//! keeps itself, the indexes and triggers of any of our tables. The server is the private
//! PostgreSQL with its usual settings, in a folder that is removed at the end.
//!
//! ```text
//! ./dev bench                   1,000,000 rows, 3 rounds
//! ./dev bench --quick           100,000 rows, 1 round
//! ```

#![allow(clippy::print_stdout, reason = "its result is for standard output")]

use std::error::Error;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use bytes::Bytes;
use clap::Parser;
use embedded_postgres::Embedded;
use futures_util::{SinkExt, TryStreamExt};
use serde_json::Value;
use tokio_postgres::{Client, NoTls};

/// Compares seed and publish with PostgreSQL's own COPY, on one large table.
#[derive(Parser)]
struct Arguments {
    /// 100,000 rows, one round
    #[arg(long)]
    quick: bool,
    /// How many rows
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// How many rounds; the ratios are medians
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Have the table in the bootstrap object too
    #[arg(long)]
    bootstrap: bool,
}

type Failure = Box<dyn Error>;

fn main() -> ExitCode {
    // As the publisher: on one thread with its connection.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the system gives a program its threads");
    // The program under test is this one, started again: its peak of memory is its own.
    if let Some(peak_file) = std::env::var_os(PEAK_FILE) {
        return runtime.block_on(as_publisher(Path::new(&peak_file)));
    }
    let mut arguments = Arguments::parse();
    if arguments.quick {
        (arguments.rows, arguments.rounds) = (100_000, 1);
    }
    match runtime.block_on(compare(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

const PEAK_FILE: &str = "TABLECAST_BENCH_PEAK_FILE";

async fn as_publisher(peak_file: &Path) -> ExitCode {
    let result = publisher::execute(publisher::Cli::parse()).await;
    let written = peak_kb().map(|peak| std::fs::write(peak_file, peak.to_string()));
    match result {
        Ok(status) if matches!(written, Some(Ok(()))) => status,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprint!("{}", error.report());
            ExitCode::from(error.exit_status())
        }
    }
}

// This process's peak of memory.
fn peak_kb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

async fn compare(arguments: &Arguments) -> Result<(), Failure> {
    let folder = tempfile::Builder::new()
        .prefix("tablecast-bench-")
        .tempdir()?;
    let server = Embedded::start(&folder.path().join("state")).await?;
    let result = compare_on(&server, folder.path(), arguments).await;
    server.stop().await?;
    result
}

async fn compare_on(
    server: &Embedded,
    folder: &Path,
    arguments: &Arguments,
) -> Result<(), Failure> {
    let bench = Bench::prepare(server, folder, arguments).await?;
    let mut rounds = Vec::new();
    for number in 1..=arguments.rounds {
        eprintln!("round {number} of {}", arguments.rounds);
        rounds.push(bench.round(number).await?);
    }
    let version = bench.client.query_one("SELECT version()", &[]).await?;
    println!("{}", version.get::<_, String>(0));
    print!("{}", table_of(&rounds, &bench));
    Ok(())
}

struct Bench {
    folder: PathBuf,
    client: Client,
    database_url: String,
    rows: u64,
    json_mb: u64,
}

// What one round took, in milliseconds, and the peaks of memory in MB.
struct Round {
    copy_in: f64,
    copy_out: f64,
    copy_out_ordered: f64,
    seed: Run,
    reseed: Run,
    recheck: Run,
    seed_some: Run,
    publish: Run,
    publish_again: Run,
}

struct Run {
    ms: f64,
    peak_mb: f64,
    report: Value,
}

impl Run {
    fn number(&self, pointer: &str) -> f64 {
        self.report
            .pointer(pointer)
            .and_then(Value::as_f64)
            .unwrap_or(f64::NAN)
    }

    fn variants_ms(&self) -> f64 {
        self.number("/timings/variantsMs")
    }
}

const TABLE: &str = r#"
CREATE TABLE items (
    id          text PRIMARY KEY,
    uid         uuid NOT NULL,
    label       text NOT NULL,
    description text,
    quantity    integer NOT NULL,
    price       numeric(12,3) NOT NULL,
    weight      double precision NOT NULL,
    is_fragile  boolean NOT NULL,
    tags        text[] NOT NULL,
    attributes  jsonb NOT NULL,
    changed_at  timestamptz NOT NULL,
    sort_order  integer NOT NULL DEFAULT 0,
    is_active   boolean NOT NULL DEFAULT true,
    source_type text NOT NULL DEFAULT 'seed' CHECK (source_type IN ('seed', 'admin'))
);
CREATE INDEX items_active_idx ON items (sort_order, id COLLATE "C") WHERE is_active;
"#;

const COLUMNS: &str = "id, uid, label, description, quantity, price, weight, is_fragile, tags, \
                       attributes, changed_at, sort_order";

impl Bench {
    async fn prepare(
        server: &Embedded,
        folder: &Path,
        arguments: &Arguments,
    ) -> Result<Self, Failure> {
        server_database(server).await?;
        let client = connect(server, "bench").await?;
        let bench = Self {
            folder: folder.to_owned(),
            client,
            database_url: url_of(server),
            rows: arguments.rows,
            json_mb: 0,
        };
        for name in ["sql", "whole", "changed"] {
            std::fs::create_dir(folder.join(name))?;
        }
        // Larger than clients take: what is measured is the publisher.
        let settings = format!(
            "max_object_bytes = 17179869184\n[tables.items]\nbootstrap = {}\n",
            arguments.bootstrap
        );
        std::fs::write(folder.join("tablecast.toml"), settings)?;
        std::fs::write(folder.join("sql/V0001__create_items.sql"), TABLE)?;
        bench.publisher(&["migrate"])?;
        let triggers = bench.publisher_output(&["migrate", "--print-triggers"])?;
        std::fs::write(folder.join("sql/V0002__track_changes.sql"), triggers)?;
        bench.publisher(&["migrate"])?;

        eprintln!("writing {} rows", bench.rows);
        write_rows(&bench.folder, bench.rows)?;
        let json_mb = folder.join("whole/items.json").metadata()?.len() / 1_000_000;
        Ok(Self { json_mb, ..bench })
    }

    async fn round(&self, number: usize) -> Result<Round, Failure> {
        self.empty().await?;
        let copy_in = self.copy_in().await?;
        self.empty().await?;
        let seed = self.seed("whole", &[])?;
        self.settle().await?;
        let reseed = self.seed("whole", &[])?;
        let recheck = self.seed("whole", &["--recheck"])?;
        self.settle().await?;
        let copy_out = self.copy_out("").await?;
        let ordered = "WHERE is_active ORDER BY sort_order, id COLLATE \"C\"";
        let copy_out_ordered = self.copy_out(ordered).await?;
        let out = format!("out-{number}");
        let publish = self.run(&["publish", "--out", &out])?;
        let publish_again = self.run(&["publish", "--out", &out])?;
        std::fs::remove_dir_all(self.folder.join(&out))?;
        let seed_some = self.seed("changed", &[])?;
        let round = Round {
            copy_in,
            copy_out,
            copy_out_ordered,
            seed,
            reseed,
            recheck,
            seed_some,
            publish,
            publish_again,
        };
        self.check(&round)?;
        Ok(round)
    }

    // What was measured must be what was meant.
    fn check(&self, round: &Round) -> Result<(), Failure> {
        let did = [
            (&round.seed, "/tables/0/inserted", self.rows),
            (&round.reseed, "/tables/0/unchanged", self.rows),
            (&round.recheck, "/tables/0/unchanged", self.rows),
            (
                &round.seed_some,
                "/tables/0/updated",
                self.rows.div_ceil(100),
            ),
            (&round.publish, "/rows", self.rows),
        ];
        for (run, pointer, expected) in did {
            if run.number(pointer) != expected as f64 {
                return Err(format!("{pointer} is not {expected}: {}", run.report).into());
            }
        }
        Ok(())
    }

    async fn empty(&self) -> Result<(), Failure> {
        let statement = "TRUNCATE items; DELETE FROM tablecast.seeded; CHECKPOINT";
        Ok(self.client.batch_execute(statement).await?)
    }

    async fn settle(&self) -> Result<(), Failure> {
        self.client.batch_execute("VACUUM ANALYZE items").await?;
        Ok(self.client.batch_execute("CHECKPOINT").await?)
    }

    async fn copy_in(&self) -> Result<f64, Failure> {
        let start = Instant::now();
        let statement = format!("COPY items ({COLUMNS}) FROM STDIN");
        let sink = self.client.copy_in::<_, Bytes>(&statement).await?;
        let mut sink = std::pin::pin!(sink);
        let mut file = File::open(self.folder.join("rows.copy"))?;
        loop {
            let mut chunk = vec![0; 256 * 1024];
            let read = file.read(&mut chunk)?;
            if read == 0 {
                break;
            }
            chunk.truncate(read);
            sink.send(chunk.into()).await?;
        }
        sink.finish().await?;
        Ok(ms_since(start))
    }

    async fn copy_out(&self, clauses: &str) -> Result<f64, Failure> {
        let start = Instant::now();
        let statement =
            format!("COPY (SELECT {COLUMNS}, is_active FROM items {clauses}) TO STDOUT");
        let mut stream = std::pin::pin!(self.client.copy_out(&statement).await?);
        while stream.try_next().await?.is_some() {}
        Ok(ms_since(start))
    }

    fn seed(&self, source: &str, more: &[&str]) -> Result<Run, Failure> {
        self.run(&[&["seed", "--source", source], more].concat())
    }

    fn run(&self, arguments: &[&str]) -> Result<Run, Failure> {
        let start = Instant::now();
        let output = self.publisher_output(&[arguments, &["--json", "--quiet"]].concat())?;
        let ms = ms_since(start);
        let peak = std::fs::read_to_string(self.folder.join("peak"))?;
        let run = Run {
            ms,
            peak_mb: peak.parse::<f64>()? * 1024.0 / 1e6,
            report: serde_json::from_slice(&output)?,
        };
        eprintln!(
            "  {:40} {:8.0} ms  {:5.0} MB",
            arguments.join(" "),
            run.ms,
            run.peak_mb
        );
        Ok(run)
    }

    fn publisher(&self, arguments: &[&str]) -> Result<(), Failure> {
        self.publisher_output(&[arguments, &["--sql", "sql", "--quiet"]].concat())?;
        Ok(())
    }

    fn publisher_output(&self, arguments: &[&str]) -> Result<Vec<u8>, Failure> {
        let output = Command::new(std::env::current_exe()?)
            .args(arguments)
            .current_dir(&self.folder)
            .env(PEAK_FILE, self.folder.join("peak"))
            .env("DATABASE_URL", &self.database_url)
            .stderr(Stdio::inherit())
            .output()?;
        if output.status.success() {
            Ok(output.stdout)
        } else {
            Err(format!("publisher {}: {}", arguments.join(" "), output.status).into())
        }
    }
}

async fn server_database(server: &Embedded) -> Result<(), Failure> {
    let postgres = connect(server, "postgres").await?;
    Ok(postgres
        .batch_execute("CREATE DATABASE bench TEMPLATE template0")
        .await?)
}

async fn connect(server: &Embedded, database: &str) -> Result<Client, Failure> {
    let (client, connection) = server.config(database).connect(NoTls).await?;
    tokio::spawn(connection);
    // As much as the publisher gives itself for its own ordered reading.
    client
        .batch_execute("SET work_mem = '256MB'; SET jit = off")
        .await?;
    Ok(client)
}

fn url_of(server: &Embedded) -> String {
    let options = server.config("bench");
    let host = match &options.get_hosts()[0] {
        tokio_postgres::config::Host::Tcp(name) => name.clone(),
        tokio_postgres::config::Host::Unix(path) => path.display().to_string(),
    };
    let port = options.get_ports().first().copied().unwrap_or(5432);
    let user = options.get_user().unwrap_or("postgres");
    let password = options.get_password().unwrap_or_default();
    let password = String::from_utf8_lossy(password);
    format!("host='{host}' port={port} user='{user}' password='{password}' dbname=bench")
}

fn ms_since(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}

// --- the rows ---

// The same rows three times: as a source file, as one in which each hundredth is changed,
// and as PostgreSQL's COPY takes them.
fn write_rows(folder: &Path, rows: u64) -> std::io::Result<()> {
    let (mut whole, mut changed) = (
        create(folder, "whole/items.json")?,
        create(folder, "changed/items.json")?,
    );
    let mut copy = create(folder, "rows.copy")?;
    let (mut random, mut row) = (Random(42), Row::default());
    for number in 0..rows {
        row.fill(number, &mut random);
        let separator = if number == 0 { "[\n" } else { ",\n" };
        write!(whole, "{separator}{}", row.json(row.quantity))?;
        let quantity = row.quantity + u64::from(number.is_multiple_of(100));
        write!(changed, "{separator}{}", row.json(quantity))?;
        row.copy_line(&mut copy)?;
    }
    whole.write_all(b"\n]\n")?;
    changed.write_all(b"\n]\n")?;
    whole.flush()?;
    changed.flush()?;
    copy.flush()
}

fn create(folder: &Path, name: &str) -> std::io::Result<BufWriter<File>> {
    let file = File::create(folder.join(name))?;
    Ok(BufWriter::with_capacity(1 << 20, file))
}

#[derive(Default)]
struct Row {
    id: String,
    uid: String,
    label: String,
    description: Option<String>,
    quantity: u64,
    price: String,
    weight: String,
    is_fragile: bool,
    tags: Vec<&'static str>,
    attributes: String,
    changed_at: String,
    sort_order: u64,
}

impl Row {
    fn fill(&mut self, number: u64, random: &mut Random) {
        self.id = format!("ITEM_{number:07}");
        let (high, low) = (random.next(), random.next());
        self.uid = format!(
            "{:08x}-{:04x}-4{:03x}-9{:03x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xfff,
            low >> 48 & 0xfff,
            low & 0xffff_ffff_ffff
        );
        self.label = random.words(3);
        self.description = (!number.is_multiple_of(5)).then(|| random.words(18));
        self.quantity = random.below(10_000);
        self.price = format!("{}.{:03}", random.below(100_000), random.below(1000));
        self.weight = format!("{}.{}", random.below(1000), 1 + random.below(9));
        self.is_fragile = random.below(2) == 0;
        self.tags = (0..random.below(4)).map(|_| random.word()).collect();
        self.attributes = format!(
            "{{\"color\": \"{}\", \"size\": {{\"height\": {}, \"width\": {}}}, \"codes\": [{}, {}], \"origin\": null}}",
            random.word(),
            random.below(500),
            random.below(500),
            random.below(100),
            random.below(100)
        );
        let day = 1 + random.below(28);
        self.changed_at = format!("2026-02-{day:02}T{:02}:12:04Z", random.below(24));
        self.sort_order = number / 10;
    }

    fn json(&self, quantity: u64) -> String {
        let description = match &self.description {
            Some(text) => format!("\"{text}\""),
            None => "null".to_owned(),
        };
        format!(
            "  {{\"id\": \"{}\", \"uid\": \"{}\", \"label\": \"{}\", \"description\": {description}, \
             \"quantity\": {quantity}, \"price\": {}, \"weight\": {}, \"is_fragile\": {}, \
             \"tags\": {:?}, \"attributes\": {}, \"changed_at\": \"{}\", \"sort_order\": {}}}",
            self.id,
            self.uid,
            self.label,
            self.price,
            self.weight,
            self.is_fragile,
            self.tags,
            self.attributes,
            self.changed_at,
            self.sort_order
        )
    }

    // No value holds a character that COPY would want escaped.
    fn copy_line(&self, out: &mut impl Write) -> std::io::Result<()> {
        writeln!(
            out,
            "{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{{{}}}\t{}\t{}\t{}",
            self.id,
            self.uid,
            self.label,
            self.description.as_deref().unwrap_or("\\N"),
            self.quantity,
            self.price,
            self.weight,
            if self.is_fragile { "t" } else { "f" },
            self.tags.join(","),
            self.attributes,
            self.changed_at,
            self.sort_order
        )
    }
}

// SplitMix64: the same rows on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn word(&mut self) -> &'static str {
        const WORDS: [&str; 16] = [
            "amber", "birch", "cobalt", "dune", "ember", "fjord", "grove", "harbour", "iris",
            "juniper", "kelp", "linen", "maple", "næbbet", "oak", "pearl",
        ];
        WORDS[self.below(WORDS.len() as u64) as usize]
    }

    fn words(&mut self, count: usize) -> String {
        let words: Vec<&str> = (0..count).map(|_| self.word()).collect();
        words.join(" ")
    }
}

// --- the result ---

fn table_of(rounds: &[Round], bench: &Bench) -> String {
    let mut text = format!(
        "{} rows, 12 columns of content, {} MB of JSON; medians of {} rounds\n\n",
        bench.rows,
        bench.json_mb,
        rounds.len()
    );
    let ms = |text: &mut String, what: &str, of: &dyn Fn(&Round) -> f64| {
        let _ = writeln!(text, "{what:44} {:8.0} ms", median(rounds, of));
    };
    ms(&mut text, "COPY FROM STDIN", &|r| r.copy_in);
    ms(&mut text, "seed, empty table", &|r| r.seed.ms);
    ms(&mut text, "seed, unchanged file", &|r| r.reseed.ms);
    ms(&mut text, "seed --recheck, unchanged file", &|r| {
        r.recheck.ms
    });
    ms(&mut text, "seed, 1 % of the rows changed", &|r| {
        r.seed_some.ms
    });
    ms(&mut text, "COPY TO STDOUT", &|r| r.copy_out);
    ms(&mut text, "COPY TO STDOUT in the published order", &|r| {
        r.copy_out_ordered
    });
    ms(&mut text, "publish", &|r| r.publish.ms);
    ms(&mut text, "  of that, read and render", &|r| {
        r.publish.number("/renderMs")
    });
    ms(&mut text, "  of that, make the variants", &|r| {
        r.publish.variants_ms()
    });
    ms(&mut text, "publish, nothing changed", &|r| {
        r.publish_again.ms
    });
    text.push('\n');

    let ratio = |text: &mut String, what: &str, goal: f64, of: &dyn Fn(&Round) -> f64| {
        let ratio = median(rounds, of);
        let verdict = if ratio <= goal { "met" } else { "MISSED" };
        let _ = writeln!(text, "{what:44} {ratio:8.2}     goal {goal:.2}: {verdict}");
    };
    let without_variants = |r: &Round| r.publish.ms - r.publish.variants_ms();
    ratio(&mut text, "seed / COPY in", 1.8, &|r| r.seed.ms / r.copy_in);
    ratio(&mut text, "unchanged re-seed / COPY in", 0.6, &|r| {
        r.reseed.ms / r.copy_in
    });
    ratio(
        &mut text,
        "unchanged re-seed --recheck / COPY in",
        0.6,
        &|r| r.recheck.ms / r.copy_in,
    );
    ratio(
        &mut text,
        "publish without variants / COPY out",
        1.5,
        &|r| without_variants(r) / r.copy_out,
    );
    ratio(
        &mut text,
        "publish without variants / ordered COPY out",
        1.5,
        &|r| without_variants(r) / r.copy_out_ordered,
    );
    ratio(&mut text, "variants / publish", 0.5, &|r| {
        r.publish.variants_ms() / r.publish.ms
    });
    text.push('\n');

    let peak = |text: &mut String, what: &str, of: &dyn Fn(&Round) -> f64| {
        let peak = rounds.iter().map(of).fold(0.0, f64::max);
        let verdict = if peak <= 300.0 { "met" } else { "MISSED" };
        let _ = writeln!(text, "{what:44} {peak:8.0} MB  goal 300: {verdict}");
    };
    peak(&mut text, "peak memory of seed", &|r| r.seed.peak_mb);
    peak(&mut text, "peak memory of seed --recheck", &|r| {
        r.recheck.peak_mb
    });
    peak(&mut text, "peak memory of seed, 1 % changed", &|r| {
        r.seed_some.peak_mb
    });
    peak(&mut text, "peak memory of publish", &|r| r.publish.peak_mb);
    text
}

fn median(rounds: &[Round], of: impl Fn(&Round) -> f64) -> f64 {
    let mut values: Vec<f64> = rounds.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
