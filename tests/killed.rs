//! Publishers that die: after each step on the disk, and at any moment.
//!
//! The steps are not listed anywhere: a process is killed before its first one, another
//! before its second, and so on until one lives to its end. So none can be forgotten.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use snapshot_store::{Disk, Step};

use crate::support::ledger::{Act, Ledger};
use crate::support::{Project, Random, tracked};

const ACT: &str = "TABLECAST_TEST_ACT";
const ROOT: &str = "TABLECAST_TEST_ROOT";
const STEPS: &str = "TABLECAST_TEST_STEPS";

/// This program again, as a publisher that lives for so many steps.
fn child(root: &Path, act: &Act, steps: usize) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "killed::child_that_is_killed", "--ignored"])
        .env(ACT, act.to_text())
        .env(ROOT, root)
        .env(STEPS, steps.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

#[tokio::test]
#[ignore = "the child process of a test"]
async fn child_that_is_killed() {
    let variable = |name: &str| std::env::var(name).ok();
    let (Some(act), Some(root), Some(steps)) = (variable(ACT), variable(ROOT), variable(STEPS))
    else {
        return;
    };
    let steps: usize = steps.parse().unwrap();
    let done = AtomicUsize::new(0);
    let disk = Disk::with_hook(move |_, _| {
        if done.fetch_add(1, Ordering::SeqCst) == steps {
            kill(Pid::this(), Signal::SIGKILL).unwrap();
        }
        Ok(())
    });
    let done = Act::parse(&act).run(disk, Path::new(&root)).await;
    done.unwrap_or_else(|error| panic!("{}", error.report()));
}

fn was_killed(status: ExitStatus, context: &str) -> bool {
    match (status.success(), status.signal()) {
        (true, _) => false,
        (_, Some(9)) => true,
        other => panic!("{context}: {other:?}"),
    }
}

// Many at a time: they wait for the disk more than they compute.
const AT_ONCE: usize = 8;

/// Lets `act` die after each of its steps on a copy of `before`; gives how often it did.
///
/// What must then hold: the state before or the one after it is public and whole, and so
/// is each page; the next publication succeeds; a prune leaves nothing behind.
async fn check(before: &Ledger, act: Act, expected: &str) -> usize {
    let old = before.resolves();
    let new = {
        let copy = before.copy();
        copy.act(&act).await;
        copy.resolves().unwrap()
    };
    assert_eq!(new.1, expected, "{act:?}");
    let deaths = stream::iter(0..)
        .map(async |steps| {
            let copy = before.copy();
            let context = format!("{act:?} after {steps} steps");
            let mut child = tokio::process::Command::from(child(&copy.root, &act, steps));
            let killed = was_killed(child.status().await.unwrap(), &context);
            copy.is_sound(&context);
            let now = copy.resolves();
            let sequence = |public: &Option<((u64, u64), String)>| {
                let state = public.as_ref();
                state.map(|((_, sequence), reference)| (*sequence, reference.clone()))
            };
            let new = Some(new.clone());
            let is_either = sequence(&now) == sequence(&old) || sequence(&now) == sequence(&new);
            assert!(is_either, "{context}: {now:?}");
            assert!(killed || sequence(&now) == sequence(&new), "{context}");
            check_goes_on(&copy, &context).await;
            killed
        })
        .buffered(AT_ONCE)
        .take_while(|killed| std::future::ready(*killed));
    deaths.count().await
}

async fn check_goes_on(ledger: &Ledger, context: &str) {
    ledger.act(&Act::PublishForced(99)).await;
    let (order, reference) = ledger.resolves().unwrap();
    assert_eq!(reference, "seq:99", "{context}");
    let sequences = ledger.sequences();
    let first = sequences[0];
    assert_eq!(
        sequences,
        (first..=order.1).collect::<Vec<_>>(),
        "{context}"
    );
    ledger.act(&Act::Prune(1, 0)).await;
    assert_eq!(ledger.sequences(), [order.1], "{context}");
    assert_eq!(ledger.orphans(), [""; 0], "{context}");
}

fn publications(count: u64) -> Vec<Act> {
    (1..=count).map(Act::Publish).collect()
}

#[tokio::test]
async fn a_publication_may_die_after_each_step() {
    let first = check(&Ledger::new(), Act::Publish(1), "seq:1").await;
    let before = Ledger::after(&publications(2)).await;
    let next = check(&before, Act::Publish(3), "seq:3").await;
    assert!(first > 40 && next > 40, "{first} and {next} steps");
    eprintln!("{} kills", first + next);
}

#[tokio::test]
async fn a_publication_that_ends_another_ones_may_die_after_each_step() {
    // The page of the third is there and the pointer is still at the second.
    let before = Ledger::after(&publications(2)).await;
    let disk = Disk::with_hook(|step, _| match step {
        Step::Replace => Err(std::io::Error::other("the disk failed")),
        _ => Ok(()),
    });
    let died = Act::Publish(3).run(disk, &before.root).await;
    died.expect_err("the disk failed");
    let old = std::fs::read(before.path("version.json")).unwrap();
    let deaths = stream::iter(0..)
        .map(async |steps| {
            let copy = before.copy();
            let context = format!("after {steps} steps");
            let mut child =
                tokio::process::Command::from(child(&copy.root, &Act::Publish(4), steps));
            let killed = was_killed(child.status().await.unwrap(), &context);
            copy.is_sound(&context);
            let (order, reference) = public(&copy, &old);
            // One after the other, or none of them.
            assert_eq!(reference, format!("seq:{}", order.1), "{context}");
            check_goes_on(&copy, &context).await;
            killed
        })
        .buffered(AT_ONCE)
        .take_while(|killed| std::future::ready(*killed));
    let deaths = deaths.count().await;
    assert!(deaths > 40, "{deaths} steps");
    eprintln!("{deaths} kills");
}

fn public(ledger: &Ledger, old: &[u8]) -> ((u64, u64), String) {
    let public = ledger.resolves().unwrap();
    let bytes = std::fs::read(ledger.path("version.json")).unwrap();
    assert_eq!(bytes == old, public.0.1 == 2);
    public
}

#[tokio::test]
async fn a_rollback_and_a_resumption_may_die_after_each_step() {
    let before = Ledger::after(&publications(3)).await;
    let back = Act::Rollback("1".to_owned());
    let rollback = check(&before, back.clone(), "seq:1").await;
    before.act(&back).await;
    let resumption = check(&before, Act::Resume, "seq:1").await;
    assert!(
        rollback > 8 && resumption > 8,
        "{rollback} and {resumption} steps"
    );
    eprintln!("{} kills", rollback + resumption);
}

#[tokio::test]
async fn a_prune_may_die_after_each_step() {
    let mut acts = publications(5);
    acts.insert(3, Act::Rollback("2".to_owned()));
    acts.insert(4, Act::Resume);
    let before = Ledger::after(&acts).await;
    // What two publishers that died had left.
    std::fs::write(before.path(".staging/half"), "half").unwrap();
    let stray = format!("tables/grips/{}.json", blake3::hash(b"stray").to_hex());
    std::fs::write(before.path(&stray), "stray").unwrap();
    let deaths = check(&before, Act::Prune(2, 0), "seq:5").await;
    assert!(deaths > 40, "{deaths} steps");
    eprintln!("{deaths} kills");
}

// Random times

/// How long a storm goes on: `TABLECAST_STORM_SECONDS`, or until so many have died.
enum Until {
    Deaths(usize),
    End(Instant),
}

impl Until {
    fn asked_for(deaths: usize) -> Self {
        match std::env::var("TABLECAST_STORM_SECONDS") {
            Ok(seconds) => {
                Self::End(Instant::now() + Duration::from_secs(seconds.parse().unwrap()))
            }
            Err(_) => Self::Deaths(deaths),
        }
    }

    fn has_come(&self, deaths: usize) -> bool {
        match self {
            Self::Deaths(enough) => deaths >= *enough,
            Self::End(end) => Instant::now() >= *end,
        }
    }
}

/// The program as people have it, with a database, several commands at once on one
/// store, each killed at some moment of its life.
#[test]
fn commands_may_be_killed_at_any_moment() {
    let tables = "CREATE TABLE grips (id int PRIMARY KEY, label text NOT NULL);";
    let project = Project::new(&[tables, &tracked(&["grips"])]);
    project.run(&["migrate", "--quiet"]).succeeded();
    project.database.execute(
        "INSERT INTO grips SELECT n, repeat('Grip ', 9) FROM generate_series(1, 2000) AS n",
    );
    let started = Instant::now();
    project.run(&["publish", "--quiet"]).succeeded();
    // On a busy machine the first one takes long, and the others need not.
    let lifetime = started.elapsed().min(Duration::from_millis(300));
    let lifetime = u64::try_from(lifetime.as_millis()).unwrap() + 1;

    let (until, mut random) = (Until::asked_for(60), Random::new());
    let (mut deaths, mut survivals) = (0, 0);
    while !until.has_come(deaths) {
        let state = random.below(1_000_000_000);
        project.database.execute(&format!(
            "UPDATE grips SET label = 'Grip {state}' WHERE id = 1"
        ));
        let turn: &[&str] = match random.below(3) {
            0 => &["resume"],
            1 => &["publish", "--force"],
            _ => &["rollback", "--to", "1"],
        };
        let commands = [
            &["publish"][..],
            turn,
            &["prune", "--keep", "3", "--min-age", "0s"],
        ];
        let mut children: Vec<_> = commands
            .iter()
            .map(|arguments| {
                let mut command = project.command(arguments);
                command.stdout(Stdio::null()).stderr(Stdio::null());
                command.spawn().unwrap()
            })
            .collect();
        for child in &mut children {
            // The moment of a death is what is random here; nothing waits for anything.
            std::thread::sleep(Duration::from_micros(random.below(lifetime * 700)));
            child.kill().unwrap();
            match child.wait().unwrap().signal() {
                Some(_) => deaths += 1,
                None => survivals += 1,
            }
        }
        crate::support::ledger::walk(&project.path("snapshots"))
            .unwrap_or_else(|missed| panic!("after {deaths} deaths: {missed}"));
    }
    project.run(&["verify", "--all"]).succeeded();
    eprintln!("{deaths} kills, {survivals} commands came to their end before");

    project.run(&["publish", "--force", "--quiet"]).succeeded();
    project
        .run(&["prune", "--keep", "1", "--min-age", "0s", "--quiet"])
        .succeeded();
    let root = project.path("snapshots");
    let walk = crate::support::ledger::walk(&root).unwrap();
    let mut files = crate::support::ledger::files(&root);
    files.retain(|path| path != ".lock" && !walk.named.contains(path));
    assert_eq!(files, [""; 0]);
}
