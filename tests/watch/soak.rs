//! Many edits of every kind, one after the other, and what is left in the end.
//!
//! `TABLECAST_SOAK_EDITS` says how many; `./dev soak` sets it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::Watching;
use super::editors::{by_rename, git};
use crate::support::{Project, Random, copy_folder};

struct Soak {
    project: Project,
    watching: Watching,
    random: Random,
    // Each table's file, and a text of it that is good.
    tables: Vec<(PathBuf, String)>,
    folder_number: u32,
    rounds: u64,
    refused: u64,
}

#[test]
fn whatever_is_edited_what_is_public_in_the_end_is_what_a_fresh_run_makes_of_the_files() {
    let edits = std::env::var("TABLECAST_SOAK_EDITS");
    let edits: usize = edits.map_or(40, |edits| edits.parse().unwrap());
    let mut soak = Soak::begun();
    let mut used = Vec::new();
    for number in 0..edits {
        soak.edit();
        // How far apart edits are is random, too: some meet a round that runs, some are one
        // burst, and after some the round comes to its end. Nothing waits for anything.
        let apart = soak.random.below(2) * soak.random.below(2) * soak.random.below(1200);
        std::thread::sleep(Duration::from_millis(apart));
        if number % 20 == 19 {
            soak.comes_to_rest(number);
            used.push(soak.used());
        }
    }
    soak.comes_to_rest(edits);
    used.push(soak.used());
    eprintln!(
        "{edits} edits: {} rounds with changes, {} with problems, {:?} kB and files",
        soak.rounds, soak.refused, used
    );
    is_flat(&used);
    soak.equals_a_fresh_run();
    assert_eq!(soak.watching.end(Signal::SIGTERM), Some(0));
}

impl Soak {
    fn begun() -> Self {
        let project = Project::exercise_app();
        let folder = project.path("json-source");
        git(&project, &["init", "--quiet", "--initial-branch=main"]);
        git(&project, &["add", "json-source"]);
        git(&project, &["commit", "--quiet", "-m", "Tables"]);
        git(&project, &["checkout", "--quiet", "-b", "other"]);
        let mut tables = Vec::new();
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            if text.contains(LABEL) {
                fs::write(&path, labelled(&text, "Of another branch")).unwrap();
                tables.push((path, text));
            }
        }
        tables.sort();
        git(&project, &["commit", "--quiet", "-am", "Others"]);
        git(&project, &["checkout", "--quiet", "main"]);
        Self {
            watching: Watching::begun(&project, &[]),
            project,
            random: Random::new(),
            tables,
            folder_number: 0,
            rounds: 0,
            refused: 0,
        }
    }

    /// One edit of some kind. The files may then hold anything.
    fn edit(&mut self) {
        let chosen = self.random.below(self.tables.len() as u64) as usize;
        let label = format!("Edit {}", self.random.below(1_000_000));
        let (path, good) = self.tables[chosen].clone();
        let text = labelled(&good, &label);
        match self.random.below(12) {
            0..=2 => fs::write(&path, text).unwrap(),
            3 | 4 => by_rename(&path, &text),
            // Broken, each in its way.
            5 => fs::write(&path, &text.as_bytes()[..text.len() / 2]).unwrap(),
            6 => by_rename(
                &path,
                &text.replacen("\"id\": \"", "\"id\": 7, \"x\": \"", 1),
            ),
            7 => drop(fs::remove_file(&path)),
            8 => {
                let away = path.with_extension("away");
                let _ = fs::rename(&path, &away);
                let _ = fs::rename(&away, &path);
            }
            9 => {
                for number in 0..10 {
                    fs::write(&path, labelled(&good, &format!("{label}, {number}"))).unwrap();
                }
            }
            10 => {
                let branch = ["main", "other"][self.random.below(2) as usize];
                git(&self.project, &["checkout", "--quiet", "--force", branch]);
            }
            _ => self.replace_the_folder(),
        }
    }

    fn replace_the_folder(&mut self) {
        self.folder_number += 1;
        let folder = self.project.path("json-source");
        let old = self.project.path(&format!("old-{}", self.folder_number));
        fs::rename(&folder, &old).unwrap();
        copy_folder(&old, &folder);
        fs::remove_dir_all(old).unwrap();
    }

    /// Makes every file good, and waits until all of them are public.
    fn comes_to_rest(&mut self, number: usize) {
        let last = format!("Rest {number}");
        for (index, (path, good)) in self.tables.iter().enumerate() {
            by_rename(path, &labelled(good, &format!("{last}, {index}")));
        }
        while !self.all_are_public(&last) {
            match self.watching.next()["event"].as_str().unwrap() {
                "round" => self.rounds += 1,
                "problems" => self.refused += 1,
                // While the folder was away.
                "failed" | "recovered" => {}
                other => panic!("{other}: {}", self.watching.log()),
            }
        }
    }

    fn all_are_public(&self, label: &str) -> bool {
        let mut tables = self.tables.iter().enumerate();
        tables.all(|(index, (path, _))| {
            let table = path.file_stem().unwrap().to_str().unwrap();
            let rows = self.project.published(table).to_string();
            rows.contains(&format!("\"{label}, {index}\""))
        })
    }

    /// Kilobytes of memory, and open files.
    fn used(&self) -> (u64, usize) {
        let process = PathBuf::from(format!("/proc/{}", self.watching.pid()));
        let Ok(status) = fs::read_to_string(process.join("status")) else {
            // There is no such thing on a Mac.
            return (0, 0);
        };
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let memory = line.unwrap().split_whitespace().nth(1).unwrap();
        let files = fs::read_dir(process.join("fd")).unwrap().count();
        (memory.parse().unwrap(), files)
    }

    fn equals_a_fresh_run(&self) {
        let fresh = Project::exercise_app();
        fs::remove_dir_all(fresh.path("json-source")).unwrap();
        copy_folder(
            &self.project.path("json-source"),
            &fresh.path("json-source"),
        );
        fresh.run(&["run", "--quiet"]).succeeded();
        let (ours, theirs) = (self.project.manifest(), fresh.manifest());
        assert_eq!(ours["contentHash"], theirs["contentHash"]);
        let tables = theirs["tables"].as_object().unwrap();
        assert_eq!(ours["tables"].as_object().unwrap().len(), tables.len());
        for (table, entry) in tables {
            let hash = entry["hash"].as_str().unwrap();
            let path = format!("snapshots/tables/{table}/{hash}.json");
            let object = |project: &Project| fs::read(project.path(&path)).unwrap();
            assert!(object(&self.project) == object(&fresh), "{table}");
        }
        let bootstrap = |project: &Project| {
            let hash = project.manifest()["bootstrap"]["hash"]
                .as_str()
                .unwrap()
                .to_owned();
            project.stored(&format!("bootstrap/{hash}.json"))["tables"].take()
        };
        assert!(bootstrap(&self.project) == bootstrap(&fresh));
        self.project.run(&["verify", "--quiet"]).succeeded();
    }
}

const LABEL: &str = "\"label\": \"";

/// The text with another label in its first row.
fn labelled(text: &str, label: &str) -> String {
    let (before, rest) = text.split_once(LABEL).unwrap();
    let (_, rest) = rest.split_once('"').unwrap();
    format!("{before}{LABEL}{label}\"{rest}")
}

// What a process has once it has done everything at least once is what it may have at the
// end; an allocator's moods are allowed for.
fn is_flat(used: &[(u64, usize)]) {
    let (early, late) = used.split_at(used.len() / 2);
    let most = |part: &[(u64, usize)]| {
        let memory = part.iter().map(|used| used.0).max().unwrap_or(0);
        let files = part.iter().map(|used| used.1).max().unwrap_or(0);
        (memory, files)
    };
    let (before, after) = (most(early), most(late));
    assert!(after.0 <= before.0 + before.0 / 2 + 32 * 1024, "{used:?}");
    assert!(after.1 <= before.1 + 8, "{used:?}");
}

/// A watch with its private PostgreSQL, killed again and again, some time after an edit.
#[test]
fn a_watch_may_be_killed_at_any_moment() {
    let deaths = std::env::var("TABLECAST_SOAK_EDITS");
    let deaths = deaths.map_or(3, |edits| edits.parse::<u64>().unwrap() / 20);
    let project = super::world::Private::new();
    let mut random = Random::new();
    let grips = |number| super::grips(&format!("Number {number}"));
    for number in 0..deaths {
        let watching = project.watch();
        if random.below(3) > 0 {
            watching.next_is("started");
            watching.round();
        }
        project.0.source("grips", &grips(number));
        // The moment of a death is what is random here; nothing waits for anything.
        std::thread::sleep(Duration::from_millis(random.below(400)));
        assert_eq!(watching.end(Signal::SIGKILL), None);
        is_sound(&project.0.path("snapshots"));
    }
    let begun = Instant::now();
    let watching = project.begun();
    let label = format!("Number {}", deaths - 1);
    assert_eq!(project.0.published("grips")[1]["label"], *label);
    project.0.source("grips", &grips(deaths));
    watching.changed(&["grips ~1"]);
    eprintln!("{deaths} deaths; back within {:?}", begun.elapsed());
    assert_eq!(watching.end(Signal::SIGTERM), Some(0));
    project.is_left_clean();
}

fn is_sound(store: &Path) {
    if store.exists() {
        crate::support::ledger::walk(store).unwrap_or_else(|missed| panic!("{missed}"));
    }
}
