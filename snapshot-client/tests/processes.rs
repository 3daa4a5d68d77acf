//! Several processes on one cache folder, killed at any moment: a process that starts without
//! network has the version of each before it, or a newer one, whole.

#![allow(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected has failed"
)]
#![allow(clippy::print_stdout, reason = "a child reports to its parent")]
#![allow(unreachable_pub, missing_docs, reason = "what tests share is theirs")]

#[allow(dead_code, reason = "other tests need more of it")]
#[path = "support/published.rs"]
mod published;

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use snapshot_client::{
    Event, Polling, ReadOptions, ReferenceDataProvider, RefreshStatus, RemoteConfig, RemoteProvider,
};

use published::Published;

// In their order, and all of a schema that the client knows.
const NAMES: [&str; 11] = [
    "one",
    "two",
    "three",
    "every",
    "added",
    "removed",
    "minor",
    "rolled-back",
    "after-major",
    "rebuilt",
    "rebuilt-next",
];
const PROCESSES: usize = 3;
const CACHE: &str = "SNAPSHOT_CLIENT_TEST_CACHE";
const URL: &str = "SNAPSHOT_CLIENT_TEST_URL";
// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(120);

type Order = (u64, u64);

#[test]
fn the_version_of_a_process_outlives_it() {
    let folder = tempfile::tempdir().unwrap();
    let listed: Vec<_> = NAMES.iter().map(|name| Published::read(name)).collect();
    let newest = Arc::new(AtomicUsize::new(0));
    let url = serve(&listed, &newest);
    let (report, reported) = mpsc::channel();
    let begin = || Process::begin(folder.path(), &url, report.clone());
    let mut processes: Vec<_> = (0..PROCESSES).map(|_| begin()).collect();
    let chance = RandomState::new();
    for index in 0..listed.len() {
        newest.store(index, Ordering::SeqCst);
        // Somewhere within the fetching and storing of this version, or before, or behind.
        let number = chance.hash_one(index);
        thread::sleep(Duration::from_millis(number % 40));
        let killed = usize::try_from(number >> 32).unwrap() % PROCESSES;
        processes[killed] = begin();
        let order = listed[index].version.order();
        let current = std::iter::repeat_with(|| reported.recv_timeout(PATIENCE).unwrap())
            .find(|current| *current >= order);
        let found = offline(folder.path(), &url, &listed);
        assert!(
            found >= current.unwrap(),
            "{found:?} is found after {current:?} was current"
        );
    }
    drop(processes);
    let last = RemoteProvider::new(config(folder.path(), &url)).unwrap();
    assert!(matches!(
        last.refresh().status,
        RefreshStatus::NotModified | RefreshStatus::Updated
    ));
}

#[test]
fn after_a_version_the_folder_holds_two_generations_and_nothing_else() {
    let cache = tempfile::tempdir().unwrap();
    let listed = ["one", "every"].map(Published::read);
    let newest = Arc::new(AtomicUsize::new(0));
    let mut config = config(cache.path(), &serve(&listed, &newest));
    config.namespace = Some("n".to_owned());
    let provider = RemoteProvider::new(config).unwrap();
    assert_eq!(provider.refresh().status, RefreshStatus::Updated);
    let values = cache.path().join("tablecast/n");
    // Of a process that was killed while it wrote.
    std::fs::write(values.join("head.1-1.aside"), "half").unwrap();
    newest.store(1, Ordering::SeqCst);
    assert_eq!(provider.refresh().status, RefreshStatus::Updated);
    let names: BTreeSet<_> = std::fs::read_dir(&values)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let mut expected: BTreeSet<_> = ["head", "index", "lock"].map(str::to_owned).into();
    for published in &listed {
        let objects = std::iter::once(&published.manifest).chain(published.objects.values());
        expected.extend(objects.map(|hash| format!("{hash}.0")));
    }
    assert_eq!(names, expected);
}

/// The version of a new process that reaches no server.
fn offline(folder: &Path, url: &str, listed: &[Published]) -> Order {
    let mut config = config(folder, url);
    // The cache is that of the URL; nobody is asked.
    config.polling = Polling::Manual;
    let provider = RemoteProvider::new(config).unwrap();
    provider.set_online(false);
    let snapshot = provider
        .bootstrap(ReadOptions::allow_stale_cache().within(PATIENCE))
        .unwrap();
    let published = listed
        .iter()
        .find(|each| each.version == *snapshot.version())
        .unwrap();
    assert!(snapshot.table_keys().eq(published.tables.keys()));
    for key in snapshot.table_keys() {
        assert_eq!(
            snapshot.table(key).unwrap().rows().unwrap(),
            published.tables[key]
        );
    }
    snapshot.version().order()
}

fn config(folder: &Path, url: &str) -> RemoteConfig {
    let mut config = RemoteConfig::new(url).cached_in(folder);
    config.polling = Polling::Manual;
    config.request_timeout = PATIENCE;
    config.storage_timeout = PATIENCE;
    config
}

/// What a child does: it refreshes again and again, and prints its version.
#[test]
fn the_child() {
    let (Ok(folder), Ok(url)) = (std::env::var(CACHE), std::env::var(URL)) else {
        return;
    };
    let config = config(Path::new(&folder), &url).on_event(|event| {
        if let Event::Change(change) = event {
            println!("current {} {}", change.to.epoch, change.to.sequence);
            std::io::stdout().flush().unwrap();
        }
    });
    let provider = RemoteProvider::new(config).unwrap();
    loop {
        provider.refresh();
        thread::sleep(Duration::from_millis(3));
    }
}

/// Killed when it is dropped.
struct Process(Child);

impl Process {
    fn begin(folder: &Path, url: &str, report: mpsc::Sender<Order>) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "the_child", "--nocapture"])
            .env(CACHE, folder)
            .env(URL, url)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let order = line
                    .split_once("current ")
                    .and_then(|(_, order)| order.split_once(' '));
                if let Some((epoch, sequence)) = order {
                    let _ = report.send((epoch.parse().unwrap(), sequence.parse().unwrap()));
                }
            }
        });
        Self(child)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // SIGKILL: nothing is tidied up.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Serves the kit's store; `version.json` is that of the newest.
fn serve(listed: &[Published], newest: &Arc<AtomicUsize>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let texts: Arc<Vec<_>> = Arc::new(listed.iter().map(|each| each.text.clone()).collect());
    let newest = Arc::clone(newest);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (texts, newest) = (Arc::clone(&texts), Arc::clone(&newest));
            // Whoever was killed does not read.
            thread::spawn(move || answer(stream, &texts[newest.load(Ordering::SeqCst)]));
        }
    });
    url
}

fn answer(mut stream: TcpStream, version: &[u8]) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split(' ').nth(1).unwrap_or_default();
    let path = path
        .trim_start_matches('/')
        .split('?')
        .next()
        .unwrap_or_default();
    let body = match path {
        "version.json" => version.to_vec(),
        path => published::object(path),
    };
    let size = body.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n"
    )?;
    stream.write_all(&body)
}
