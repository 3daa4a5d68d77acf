//! Many publishers and prunes on one store, and readers beside them.

use std::collections::{BTreeSet, VecDeque};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use snapshot_store::Disk;

use crate::support::ledger::{Act, Ledger, read, resolve};

const NUMBER: &str = "TABLECAST_TEST_NUMBER";
const ROOT: &str = "TABLECAST_TEST_ROOT";

const STORM: &str = "TABLECAST_STORM_SECONDS";

const PUBLISHERS: u64 = 20;
const TURNS: u64 = 3;
const PRUNES: u64 = 2;

// So long is what was public safe from the prunes.
const MIN_AGE: Duration = Duration::from_secs(2);

/// Where a process writes what it has published.
fn log(root: &Path, number: u64) -> std::path::PathBuf {
    root.with_file_name(format!("{number}.log"))
}

/// Ends all processes once it is there.
fn enough(root: &Path) -> std::path::PathBuf {
    root.with_file_name("enough")
}

fn spawn(root: &Path, number: u64) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "concurrent::child_beside_others", "--ignored"])
        .env(NUMBER, number.to_string())
        .env(ROOT, root)
        .stdout(Stdio::null());
    command.spawn().unwrap()
}

#[tokio::test]
#[ignore = "the child process of a test"]
async fn child_beside_others() {
    let variable = |name: &str| std::env::var(name).ok();
    let (Some(number), Some(root)) = (variable(NUMBER), variable(ROOT)) else {
        return;
    };
    let (number, root): (u64, &Path) = (number.parse().unwrap(), root.as_ref());
    let mut published = String::new();
    // In a storm they go on until they are told.
    let turns = match variable(STORM) {
        Some(_) => u64::MAX,
        None if number <= PUBLISHERS => TURNS,
        None => u64::MAX,
    };
    for turn in 1..=turns {
        // Data of its own, which nobody else publishes.
        let act = if number <= PUBLISHERS {
            Act::Publish(number * 1_000_000 + turn)
        } else {
            Act::Prune(2, MIN_AGE.as_secs())
        };
        let done = act.run(Disk::default(), root).await;
        let order = done.unwrap_or_else(|error| panic!("{act:?}: {}", error.report()));
        if number <= PUBLISHERS {
            published.push_str(&format!("{}\n", order.1));
            std::fs::write(log(root, number), &published).unwrap();
        }
        if enough(root).exists() {
            return;
        }
        // Who comes back at once would keep the lock from those who wait for it.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// What each publisher has published by now.
fn sequences(root: &Path) -> Vec<Vec<u64>> {
    let of = |number| {
        let text = std::fs::read_to_string(log(root, number)).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    };
    (1..=PUBLISHERS).map(of).collect()
}

/// Processes that end with the test, however that ends.
struct Crowd(Vec<Child>);

impl Drop for Crowd {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Two readers: one fetches what a version names at once, the other takes half of the time
/// that it has.
#[derive(Default)]
struct Readers {
    held: VecDeque<(Instant, Vec<u8>)>,
    order: (u64, u64),
    complete: usize,
    slow: usize,
    late: usize,
}

impl Readers {
    fn poll(&mut self, root: &Path) {
        // As a reader does, and not to take the processor from the others.
        std::thread::sleep(Duration::from_millis(5));
        let begun = Instant::now();
        let version = read(root, "version.json").unwrap();
        if let Some(order) = self.fetch(root, begun, &version) {
            assert!(order >= self.order, "{order:?} after {:?}", self.order);
            self.order = order;
        }
        if self.held.back().is_none_or(|(_, held)| *held != version) {
            self.held.push_back((begun, version));
        }
        let due = |(begun, _): &(Instant, Vec<u8>)| begun.elapsed() >= MIN_AGE / 2;
        if self.held.front().is_some_and(due) {
            let (begun, version) = self.held.pop_front().unwrap();
            self.slow += usize::from(self.fetch(root, begun, &version).is_some());
        }
    }

    /// Everything that a version leads to which was public at `begun`.
    fn fetch(&mut self, root: &Path, begun: Instant, version: &[u8]) -> Option<(u64, u64)> {
        match resolve(root, "version.json", version, &mut BTreeSet::new()) {
            Ok((order, _)) => {
                self.complete += 1;
                Some(order)
            }
            // It was public when the reader began, and is not safe for longer than that:
            // a reader so slow begins again.
            Err(missed) if missed.absent && begun.elapsed() >= MIN_AGE => {
                self.late += 1;
                None
            }
            Err(missed) => panic!("{missed}, {:?} after the start", begun.elapsed()),
        }
    }
}

#[test]
fn twenty_publishers_and_two_prunes_lose_nothing_and_no_reader_misses_a_file() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ledger = runtime.block_on(Ledger::after(&[Act::Publish(1)]));
    let root = &ledger.root;
    let storm = std::env::var(STORM).ok();
    let storm = storm.map(|seconds| Duration::from_secs(seconds.parse().unwrap()));
    let (begun, mut readers) = (Instant::now(), Readers::default());
    let children = (1..=PUBLISHERS + PRUNES).map(|number| spawn(root, number));
    let mut children = Crowd(children.collect());
    // Until all have published, and the prunes have removed some of it.
    loop {
        readers.poll(root);
        let pruned = ledger.sequences().first().is_some_and(|first| *first > 10);
        let all = sequences(root);
        let published = all.iter().all(|one| one.len() as u64 >= TURNS);
        if published && pruned && storm.is_none_or(|storm| begun.elapsed() >= storm) {
            break;
        }
        for child in &mut children.0 {
            let failed = child
                .try_wait()
                .unwrap()
                .is_some_and(|status| !status.success());
            assert!(!failed, "a process has failed");
        }
    }
    std::fs::write(enough(root), "").unwrap();
    for child in &mut children.0 {
        while child.try_wait().unwrap().is_none() {
            readers.poll(root);
        }
        assert!(child.wait().unwrap().success());
    }

    // Neither a gap nor a repeat, whoever published.
    let (order, _) = ledger.resolves().unwrap();
    let mut all: Vec<u64> = sequences(root).concat();
    all.sort_unstable();
    assert_eq!(all, (2..=order.1).collect::<Vec<_>>());
    let kept = ledger.sequences();
    assert_eq!(kept, (kept[0]..=order.1).collect::<Vec<_>>());
    let Readers {
        complete,
        slow,
        late,
        ..
    } = readers;
    eprintln!(
        "{} publications, {} of them kept; {complete} complete reads, {slow} of them slow; {late} too late",
        order.1,
        kept.len(),
    );
    assert!(slow > 0 && complete > late);
    runtime.block_on(ledger.act(&Act::Prune(1, 0)));
    assert_eq!(ledger.orphans(), [""; 0]);
}
