//! A small language for tests: a database, a folder of files, the program.

pub mod ledger;
mod made;
pub mod serving;
pub mod watching;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use publisher::parts::{Config, ConfigFile};
use tokio_postgres::{Client, NoTls};

/// A database of its own for one test, dropped at its end.
///
/// It lives on the server that `TABLECAST_TEST_DATABASE_URL` names; without that
/// variable, on a private one of this process.
pub struct TestDatabase {
    name: String,
    options: tokio_postgres::Config,
    url: String,
    runtime: tokio::runtime::Runtime,
    own_server: Option<(embedded_postgres::Embedded, tempfile::TempDir)>,
}

impl TestDatabase {
    /// An empty database, with the locale settings of the server.
    pub fn new() -> Self {
        Self::with("TEMPLATE template0")
    }

    /// An empty database, made with these options of CREATE DATABASE.
    pub fn with(options_sql: &str) -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (server, own_server) = match std::env::var("TABLECAST_TEST_DATABASE_URL") {
            Ok(url) => (url.parse().unwrap(), None),
            Err(_) => {
                let folder = tempfile::tempdir().unwrap();
                let embedded = runtime
                    .block_on(embedded_postgres::Embedded::start(folder.path()))
                    .unwrap();
                (embedded.config("postgres"), Some((embedded, folder)))
            }
        };
        let name = unique_name();
        let mut options: tokio_postgres::Config = server;
        runtime.block_on(async {
            let client = connect(&options).await;
            let create = format!("CREATE DATABASE {name} {options_sql}");
            client.batch_execute(&create).await.unwrap();
        });
        options.dbname(&name);
        let url = url_of(&options);
        Self {
            name,
            options,
            url,
            runtime,
            own_server,
        }
    }

    /// What `--database-url` takes.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its name on the server.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A connection of its own; several may be open at once. Use with [`Self::block_on`].
    pub fn connect(&self) -> Client {
        self.runtime.block_on(connect(&self.options))
    }

    /// Waits for a future on the test's runtime.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// Runs SQL, several statements at once.
    pub fn execute(&self, sql: &str) {
        let client = self.connect();
        self.block_on(client.batch_execute(sql))
            .unwrap_or_else(|error| panic!("{sql}: {}", publisher::parts::PgError::from(error)));
    }

    /// Every row of every table, the publisher's own included, each with the transaction
    /// that wrote it: equal where nothing was written, not even the same once more.
    pub fn everything(&self) -> Vec<String> {
        let tables = self.query(
            "SELECT format('SELECT %L, xmin::text, t::text FROM %I.%I AS t', schemaname || '.' || tablename,
                           schemaname, tablename)
             FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')",
        );
        if tables.is_empty() {
            Vec::new()
        } else {
            self.query(&format!("{} ORDER BY 1, 3", tables.join(" UNION ALL ")))
        }
    }

    /// What `reference_metadata` says of each table: `grips|7`.
    pub fn versions(&self) -> Vec<String> {
        self.query("SELECT table_name, version_seq FROM reference_metadata ORDER BY table_name COLLATE \"C\"")
    }

    /// The rows of a query as text, columns joined by `|`, null as an empty text.
    pub fn query(&self, sql: &str) -> Vec<String> {
        let client = self.connect();
        let messages = self.block_on(client.simple_query(sql)).unwrap();
        let rows = messages.iter().filter_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => {
                let values = (0..row.len()).map(|index| row.get(index).unwrap_or_default());
                Some(values.collect::<Vec<_>>().join("|"))
            }
            _ => None,
        });
        rows.collect()
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let mut options = self.options.clone();
        options.dbname("postgres");
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        self.runtime.block_on(async {
            if let Ok((client, connection)) = options.connect(NoTls).await {
                tokio::spawn(connection);
                let _ = client.batch_execute(&drop).await;
            }
        });
        if let Some((embedded, _folder)) = self.own_server.take() {
            let _ = self.runtime.block_on(embedded.stop());
        }
    }
}

async fn connect(options: &tokio_postgres::Config) -> Client {
    let (client, connection) = options.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

fn url_of(options: &tokio_postgres::Config) -> String {
    let host = match &options.get_hosts()[0] {
        tokio_postgres::config::Host::Tcp(host) => host.clone(),
        tokio_postgres::config::Host::Unix(path) => path.display().to_string(),
    };
    let port = options.get_ports().first().copied().unwrap_or(5432);
    let user = options.get_user().unwrap_or("postgres");
    let dbname = options.get_dbname().unwrap();
    let password = options.get_password().map_or_else(String::new, |password| {
        format!(" password='{}'", String::from_utf8_lossy(password))
    });
    format!("host='{host}' port={port} user='{user}' dbname='{dbname}'{password}")
}

fn unique_name() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    format!("tablecast_test_{}_{number}", std::process::id())
}

/// A project of its own for one test: source files, migrations, settings, a store.
pub struct Project {
    folder: tempfile::TempDir,
    /// The project's database.
    pub database: TestDatabase,
}

impl Project {
    /// A project with these migrations, applied in order, and no file yet.
    pub fn new(migrations: &[&str]) -> Self {
        let project = Self {
            folder: tempfile::tempdir().unwrap(),
            database: TestDatabase::new(),
        };
        for folder in ["json-source", "sql/migrations"] {
            std::fs::create_dir_all(project.path(folder)).unwrap();
        }
        for (index, sql) in migrations.iter().enumerate() {
            project.file(&format!("sql/migrations/V{:04}__m.sql", index + 1), sql);
        }
        project
    }

    /// A project with the repository's own files, migrations and settings.
    pub fn exercise_app() -> Self {
        let project = Self::new(&[]);
        for folder in ["json-source", "sql/migrations"] {
            copy_folder(&repository().join(folder), &project.path(folder));
        }
        std::fs::copy(
            repository().join("tablecast.toml"),
            project.path("tablecast.toml"),
        )
        .unwrap();
        project
    }

    /// A path in the project.
    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Writes a file, over another if there is one.
    pub fn file(&self, path: &str, content: impl AsRef<[u8]>) -> &Self {
        std::fs::write(self.path(path), content).unwrap();
        self
    }

    /// Writes a table's source file.
    pub fn source(&self, table: &str, json: &str) -> &Self {
        self.file(&format!("json-source/{table}.json"), json)
    }

    /// The program with these arguments, in the project's folder, with its database.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = publisher();
        command.args(arguments).current_dir(self.folder.path());
        command.env("DATABASE_URL", self.database.url());
        command
    }

    /// Its settings, as the program settles them.
    pub fn config(&self) -> Config {
        let file = ConfigFile::load(Some(&self.path("tablecast.toml"))).unwrap();
        Config {
            database_url: Some(self.database.url().to_owned()),
            state: self.path(".tablecast"),
            source: self.path("json-source"),
            out: self.path("snapshots"),
            quiet: true,
            ..file.settle()
        }
    }

    /// Runs the program.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Finished {
        Finished::of(self.command(arguments).output().unwrap())
    }

    /// Runs the program, which must succeed; gives what `--json` prints.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let finished = self.run(&[arguments, &["--json", "--quiet"]].concat());
        finished.succeeded();
        serde_json::from_str(&finished.stdout).unwrap()
    }

    /// `version.json` of the project's store.
    #[track_caller]
    pub fn version(&self) -> serde_json::Value {
        self.stored("version.json")
    }

    /// The manifest that `version.json` names.
    #[track_caller]
    pub fn manifest(&self) -> serde_json::Value {
        let version = self.version();
        self.stored(&format!(
            "manifests/{}.json",
            version["manifest"]["hash"].as_str().unwrap()
        ))
    }

    /// The hash of a version's manifest, by its sequence.
    #[track_caller]
    pub fn manifest_hash(&self, sequence: u64) -> String {
        let epoch = &self.version()["epoch"];
        let page = self.stored(&format!("versions/{epoch}-{sequence}.json"));
        page["manifest"]["hash"].as_str().unwrap().to_owned()
    }

    /// A table's rows, as published.
    #[track_caller]
    pub fn published(&self, table: &str) -> serde_json::Value {
        let manifest = self.manifest();
        let hash = manifest["tables"][table]["hash"].as_str().unwrap();
        self.stored(&format!("tables/{table}/{hash}.json"))["rows"].take()
    }

    /// A JSON file of the store.
    #[track_caller]
    pub fn stored(&self, path: &str) -> serde_json::Value {
        let bytes = std::fs::read(self.path("snapshots").join(path)).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        // As root the private PostgreSQL may have had to keep its data elsewhere.
        let data = private_data(&self.path(".tablecast"));
        if data.starts_with("/var/lib/tablecast") {
            let _ = std::fs::remove_dir_all(data.parent().unwrap());
            // Other projects may have theirs there: then it stays.
            let _ = std::fs::remove_dir("/var/lib/tablecast");
        }
    }
}

/// Where the private PostgreSQL of a `.tablecast` folder has its data.
pub fn private_data(state: &Path) -> PathBuf {
    match std::fs::read_to_string(state.join("postgres.place")) {
        Ok(folder) => Path::new(folder.trim_end()).join("postgres"),
        Err(_) => state.join("postgres"),
    }
}

/// What a run of the program left behind.
#[derive(Debug)]
pub struct Finished {
    /// The exit status; `None` where a signal ended it.
    pub status: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Finished {
    /// Takes in an output.
    pub fn of(output: Output) -> Self {
        Self {
            status: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// It must have succeeded.
    #[track_caller]
    pub fn succeeded(&self) -> &Self {
        assert_eq!(self.status, Some(0), "{}", self.stderr);
        self
    }

    /// It must have failed with exit status 1 and exactly this on standard error.
    #[track_caller]
    pub fn failed_with(&self, stderr: &str) -> &Self {
        pretty_assertions::assert_eq!(self.stderr, stderr);
        assert_eq!(self.status, Some(1));
        self
    }
}

/// The program, without anything of this environment that could change what it does.
pub fn publisher() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_publisher"));
    for (name, _) in std::env::vars() {
        if name.starts_with("TABLECAST_") || name == "DATABASE_URL" || name.starts_with("PG") {
            command.env_remove(name);
        }
    }
    command
}

/// Numbers that are the same for the same seed, which is printed.
pub struct Random(u64);

impl Random {
    /// Begins by `TABLECAST_TEST_SEED`, or anew.
    pub fn new() -> Self {
        let seed = match std::env::var("TABLECAST_TEST_SEED") {
            Ok(seed) => seed.parse().unwrap(),
            Err(_) => u64::from(std::process::id()) << 20 | 1,
        };
        eprintln!("TABLECAST_TEST_SEED={seed}");
        Self(seed)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % bound
    }
}

/// A text with every number in it as `N`: for what depends on the clock or on a process.
pub fn without_numbers(text: &str) -> String {
    let mut hidden = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '0'..='9' if hidden.ends_with('N') => {}
            '0'..='9' => {
                // How far a number stands from the left depends on its digits.
                while hidden.ends_with("  ") {
                    hidden.pop();
                }
                hidden.push('N');
            }
            _ => hidden.push(c),
        }
    }
    hidden
}

/// The repository's root.
pub fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Copies the files of a folder.
pub fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

/// SQL that tracks changes of `tables`: what `publisher migrate --print-triggers` prints
/// for a schema without it, in short.
pub fn tracked(tables: &[&str]) -> String {
    let metadata = include_str!("../../sql/migrations/V0001__create_reference_metadata.sql");
    let triggers = tables.iter().map(|table| {
        format!(
            "CREATE TRIGGER i AFTER INSERT ON {table} REFERENCING NEW TABLE AS changed_rows
                 FOR EACH STATEMENT EXECUTE FUNCTION record_table_change();
             CREATE TRIGGER u AFTER UPDATE ON {table} REFERENCING NEW TABLE AS changed_rows
                 FOR EACH STATEMENT EXECUTE FUNCTION record_table_change();
             CREATE TRIGGER d AFTER DELETE ON {table} REFERENCING OLD TABLE AS changed_rows
                 FOR EACH STATEMENT EXECUTE FUNCTION record_table_change();
             CREATE TRIGGER t AFTER TRUNCATE ON {table}
                 FOR EACH STATEMENT EXECUTE FUNCTION record_table_change();
             INSERT INTO reference_metadata (table_name) VALUES ('{table}');\n"
        )
    });
    format!("{metadata}\n{}", triggers.collect::<String>())
}
