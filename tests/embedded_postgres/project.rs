//! A project of one test, and what goes on around it.

use super::*;

/// A project folder of one test's own.
pub(super) struct Project {
    pub(super) folder: TempDir,
    pub(super) name: String,
}

/// Copies a data folder, which takes a moment where making one takes seconds.
///
/// The first test of a run makes it for all, which may be threads or processes.
pub(super) fn copy_data(to: &Path) {
    let of_this_user = format!("embedded-data-{}", geteuid());
    let template = Path::new(env!("CARGO_TARGET_TMPDIR")).join(of_this_user);
    let run = env::var("NEXTEST_RUN_ID").unwrap_or_else(|_| std::process::id().to_string());
    let made_by = template.with_extension("run");

    let turn = File::create(template.with_extension("lock")).expect("the target can be written");
    turn.lock().expect("it can be locked");
    if fs::read_to_string(&made_by).ok() != Some(run.clone()) {
        let _ = fs::remove_dir_all(&template);
        let project = Project::new();
        project.starts_again_with(&[]);
        copy(&project.data(), &template);
        fs::write(&made_by, run).expect("the target can be written");
    }
    copy(&template, to);
}

pub(super) fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(
        copied.is_ok_and(|status| status.success()),
        "the data can be copied"
    );
}

/// Which processes of a watcher are killed.
#[derive(Clone, Copy)]
pub(super) enum Victims {
    Oldest,
    Youngest,
    All,
}

impl Project {
    /// One in which nothing has ever been started.
    pub(super) fn new() -> Self {
        Self::named("project")
    }

    pub(super) fn named(name: &str) -> Self {
        let folder = TempDir::with_prefix("embedded-test-").expect("a folder can be made");
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("it is ours");
        let project = Self {
            folder,
            name: name.to_owned(),
        };
        fs::create_dir(project.path()).expect("a folder can be made");
        project
    }

    /// One in which a server has been before.
    pub(super) fn with_data() -> Self {
        let project = Self::new();
        fs::create_dir(project.tablecast()).expect("a folder can be made");
        copy_data(&project.data());
        project
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join(&self.name)
    }

    pub(super) fn tablecast(&self) -> PathBuf {
        self.path().join(".tablecast")
    }

    pub(super) fn data(&self) -> PathBuf {
        let own = self.tablecast();
        match fs::read_to_string(own.join("postgres.place")) {
            Ok(folder) => Path::new(folder.trim_end()).join("postgres"),
            Err(_) => own.join("postgres"),
        }
    }

    pub(super) fn log(&self) -> PathBuf {
        self.tablecast().join("postgres.log")
    }

    pub(super) async fn start(&self) -> Embedded {
        let started = Embedded::start(&self.tablecast()).await;
        started.unwrap_or_else(|error| panic!("{}", one_line(&error)))
    }

    pub(super) async fn fails(&self) -> EmbeddedError {
        Embedded::start(&self.tablecast())
            .await
            .expect_err("it cannot start")
    }

    pub(super) async fn keeps(&self, expected: &[&str]) {
        let server = self.start().await;
        assert_eq!(read_back(&server).await, expected);
        server.stop().await.expect("it stops");
    }

    #[track_caller]
    pub(super) fn starts_again_with(&self, expected: &[&str]) {
        let mut publisher = self.publisher().starts();
        let expected: BTreeSet<_> = expected.iter().copied().collect();
        let found = publisher.reads();
        assert_eq!(
            found.split_terminator('|').collect::<BTreeSet<_>>(),
            expected
        );
        publisher.leaves();
    }

    pub(super) fn publisher(&self) -> Start {
        let ourselves = env::current_exe().expect("we run");
        let mut command = Command::new(ourselves);
        command.args([&name_of_program(), "--exact", "--ignored", "--nocapture"]);
        command.env("ANOTHER_PUBLISHER", self.tablecast());
        Start {
            command,
            before: None,
        }
    }

    /// A program run as the user that runs the server.
    pub(super) fn as_server_user(&self, program: &str) -> Command {
        let owner = fs::metadata(self.data()).expect("the data is there");
        let mut command = Command::new(program);
        command.uid(owner.uid()).gid(owner.gid()).current_dir("/");
        command
    }

    pub(super) fn folder_of_server_user(&self, name: &str) -> PathBuf {
        let owner = fs::metadata(self.data()).expect("the data is there");
        let folder = self.folder.path().join(name);
        fs::create_dir(&folder).expect("a folder can be made");
        chown(&folder, Some(owner.uid()), Some(owner.gid())).expect("it can be given away");
        folder
    }

    pub(super) fn postmaster(&self) -> Option<Pid> {
        let number = self.postmaster_line(0)?.parse().ok()?;
        Some(Pid::from_raw(number))
    }

    pub(super) fn socket_folder(&self) -> Option<PathBuf> {
        self.postmaster_line(4)
            .filter(|folder| !folder.is_empty())
            .map(PathBuf::from)
    }

    pub(super) fn postmaster_line(&self, number: usize) -> Option<String> {
        let text = fs::read_to_string(self.data().join("postmaster.pid")).ok()?;
        Some(text.lines().nth(number)?.to_owned())
    }

    pub(super) fn pretends_to_be_process(&self, pid: u32) {
        let file = self.data().join("postmaster.pid");
        let text = fs::read_to_string(&file).expect("it is there");
        let (_, rest) = text.split_once('\n').expect("it has lines");
        fs::write(file, format!("{pid}\n{rest}")).expect("it can be written");
    }

    pub(super) fn names_in_tablecast(&self, prefix: &str) -> BTreeSet<String> {
        let entries = fs::read_dir(self.tablecast())
            .expect("it is there")
            .flatten();
        entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| name.starts_with(prefix))
            .collect()
    }

    /// Kills some of the watcher, and returns when the server is safe again.
    pub(super) fn kills_watchers(&self, victims: Victims) {
        let watchers = self.kills_watchers_for_good(victims);
        if !matches!(victims, Victims::Oldest) {
            eventually("another watcher is there", || {
                !self.watchers().is_subset(&watchers)
            });
        }
    }

    /// Kills some of the watcher, and tells who all of it was.
    pub(super) fn kills_watchers_for_good(&self, victims: Victims) -> BTreeSet<Pid> {
        let watchers = self.watchers();
        assert_eq!(
            watchers.len(),
            2,
            "one waits for the server, one for the publishers"
        );
        let chosen = match victims {
            Victims::Oldest => watchers.first(),
            Victims::Youngest => watchers.last(),
            Victims::All => None,
        };
        for pid in chosen.map_or_else(|| watchers.clone(), |pid| BTreeSet::from([*pid])) {
            kill(pid, Signal::SIGKILL).expect("it can be killed");
        }
        watchers
    }

    pub(super) fn watchers(&self) -> BTreeSet<Pid> {
        let folder = self.socket_folder().expect("it runs");
        let mark = format!("tablecast-watcher\0{}\0", folder.display());
        processes()
            .into_iter()
            .filter(|process| process.command.contains(&mark))
            .map(|process| process.pid)
            .collect()
    }

    pub(super) fn kills_everything(&self) {
        for process in self.processes() {
            let _ = kill(process.pid, Signal::SIGKILL);
        }
        eventually("all are gone", || self.processes().is_empty());
    }

    /// Whatever serves this project: the watchers, and all that stand in its data folder.
    pub(super) fn processes(&self) -> Vec<Process> {
        let data = self.data().canonicalize().unwrap_or_else(|_| self.data());
        let folder = self
            .socket_folder()
            .map(|folder| format!("\0{}\0", folder.display()));
        let belongs = |process: &Process| {
            process.folder == data
                || process.command.contains(&*data.to_string_lossy())
                || folder
                    .as_ref()
                    .is_some_and(|folder| process.command.contains(folder))
        };
        processes().into_iter().filter(belongs).collect()
    }

    /// Nothing runs, and nothing lies about in the temporary folder.
    #[track_caller]
    pub(super) fn is_left_clean(&self) {
        let begun = Instant::now();
        let folder = self.socket_folder();
        while begun.elapsed() < AT_LAST {
            let gone = folder.as_ref().is_none_or(|folder| !folder.exists());
            if gone && self.processes().is_empty() {
                return;
            }
            sleep(Duration::from_millis(20));
        }
        let names: Vec<_> = self
            .processes()
            .into_iter()
            .map(|process| process.name)
            .collect();
        panic!("left behind: {folder:?} {names:?}");
    }
}

/// A process of this machine.
pub(super) struct Process {
    pub(super) pid: Pid,
    pub(super) name: String,
    /// Its arguments, each ended by a zero byte.
    pub(super) command: String,
    /// Where it stands.
    pub(super) folder: PathBuf,
}

pub(super) fn processes() -> Vec<Process> {
    let entries = fs::read_dir("/proc")
        .expect("these scenarios are for Linux")
        .flatten();
    let process = |entry: fs::DirEntry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let command = fs::read(entry.path().join("cmdline")).ok()?;
        let command = String::from_utf8_lossy(&command).into_owned();
        let name = fs::read_to_string(entry.path().join("comm")).ok()?;
        let folder = fs::read_link(entry.path().join("cwd")).unwrap_or_default();
        Some(Process {
            pid: Pid::from_raw(pid),
            name,
            command,
            folder,
        })
    };
    entries.filter_map(process).collect()
}

pub(super) fn is_alive(pid: Pid) -> bool {
    kill(pid, None).is_ok()
}

#[track_caller]
pub(super) fn eventually(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < AT_LAST, "not in {AT_LAST:?}: {what}");
        sleep(Duration::from_millis(10));
    }
}

#[track_caller]
pub(super) fn assert_said(error: &EmbeddedError, message: &str, hint: &str) {
    assert!(error.to_string().contains(message), "{error}");
    let given = error.hint().unwrap_or_default();
    assert!(given.contains(hint), "{given}");
}

/// Data kept outside of the test's folder.
pub(super) struct Elsewhere(pub(super) PathBuf);

impl Drop for Elsewhere {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
        // Other projects may have theirs there: then it stays.
        let _ = fs::remove_dir("/var/lib/tablecast");
    }
}

// A word with the database

pub(super) async fn connect(server: &Embedded) -> Client {
    let (client, connection) = server
        .config("postgres")
        .connect(NoTls)
        .await
        .expect("it accepts connections");
    tokio::spawn(connection);
    client
}

pub(super) async fn write_down(server: &Embedded, text: &str) {
    let client = connect(server).await;
    client
        .batch_execute("CREATE TABLE IF NOT EXISTS kept (number serial, line text)")
        .await
        .expect("a table can be made");
    client
        .execute("INSERT INTO kept (line) VALUES ($1)", &[&text])
        .await
        .expect("a row can be written");
}

pub(super) async fn read_back(server: &Embedded) -> Vec<String> {
    let client = connect(server).await;
    if texts(
        &client,
        "SELECT to_regclass('kept')::text WHERE to_regclass('kept') IS NOT NULL",
    )
    .await
    .is_empty()
    {
        return Vec::new();
    }
    texts(&client, "SELECT line FROM kept ORDER BY number").await
}

pub(super) async fn setting(client: &Client, name: &str) -> String {
    texts(client, &format!("SELECT current_setting('{name}')"))
        .await
        .remove(0)
}

pub(super) async fn texts(client: &Client, query: &str) -> Vec<String> {
    let rows = client.query(query, &[]).await.expect("the query runs");
    rows.iter().map(|row| row.get(0)).collect()
}
