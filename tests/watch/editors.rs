//! Saves as real editors and tools make them: each counts, once.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{Watching, grips, project};
use crate::support::Project;

/// Writes a file beside another and renames it over that.
pub fn by_rename(path: &Path, text: &str) {
    let beside = path.with_extension("json.tmp");
    fs::write(&beside, text).unwrap();
    fs::rename(&beside, path).unwrap();
}

/// A save that gives the first row this label.
type Save<'s> = (&'s str, &'s dyn Fn(&Path));

/// Each save must be one round, and there must be no other.
#[track_caller]
fn counts_once(saves: &[Save<'_>]) {
    let project = project();
    let watching = Watching::begun(&project, &[]);
    let path = project.path("json-source/grips.json");
    for (number, (label, save)) in saves.iter().enumerate() {
        save(&path);
        let round = watching.changed(&["grips ~1"]);
        assert_eq!(round["version"]["sequence"], number as u64 + 2, "{label}");
        assert_eq!(project.published("grips")[1]["label"], *label);
    }
}

#[track_caller]
fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {said}");
}

#[test]
fn as_programs_save() {
    counts_once(&[
        ("In place", &|path| {
            fs::write(path, grips("In place")).unwrap()
        }),
        ("By rename", &|path| by_rename(path, &grips("By rename"))),
        ("In pieces", &|path| {
            let mut file = File::create(path).unwrap();
            for byte in grips("In pieces").as_bytes() {
                file.write_all(&[*byte]).unwrap();
                file.flush().unwrap();
            }
        }),
        ("By removal", &|path| {
            fs::remove_file(path).unwrap();
            fs::write(path, grips("By removal")).unwrap();
        }),
        ("By a backup", &|path| {
            let backup = path.with_extension("json~");
            fs::rename(path, &backup).unwrap();
            fs::write(path, grips("By a backup")).unwrap();
            fs::remove_file(backup).unwrap();
        }),
        ("By a link", &|path| {
            let beside = path.with_extension("json.tmp");
            fs::write(&beside, grips("By a link")).unwrap();
            fs::remove_file(path).unwrap();
            fs::hard_link(&beside, path).unwrap();
            fs::remove_file(beside).unwrap();
        }),
        ("Synced", &|path| {
            let mut file = File::create(path).unwrap();
            file.write_all(grips("Synced").as_bytes()).unwrap();
            file.sync_all().unwrap();
        }),
    ]);
}

#[test]
fn as_sed_saves() {
    counts_once(&[
        ("Sed", &|path| {
            run(Command::new("sed").args(["-i", "s/Neutral/Sed/"]).arg(path));
        }),
        ("Backup", &|path| {
            run(Command::new("sed")
                .args(["-i.bak", "s/Sed/Backup/"])
                .arg(path));
        }),
        ("Perl", &|path| {
            run(Command::new("perl")
                .args(["-pi", "-e", "s/Backup/Perl/"])
                .arg(path));
        }),
    ]);
}

#[test]
fn as_vim_saves() {
    let vim = |options: &str, change: &str, path: &Path| {
        let mut vim = Command::new("vim");
        vim.args(["-u", "NONE", "-es", "-c", options, "-c", change, "-c", "wq"]);
        run(vim.arg(path));
    };
    counts_once(&[
        ("Auto", &|path| {
            vim("set nocp wb bkc=auto", "%s/Neutral/Auto/", path)
        }),
        ("Renamed", &|path| {
            vim("set nocp wb bkc=no", "%s/Auto/Renamed/", path)
        }),
        ("Copied", &|path| {
            vim("set nocp wb bkc=yes", "%s/Renamed/Copied/", path)
        }),
        ("Bare", &|path| {
            vim("set nocp nowb", "%s/Copied/Bare/", path)
        }),
        ("Kept", &|path| {
            vim("set nocp backup", "%s/Bare/Kept/", path)
        }),
    ]);
}

/// nano has no way without a terminal, so it gets one of `script`.
#[test]
#[cfg(target_os = "linux")]
fn as_nano_saves() {
    let nano = |options: &str, path: &Path, label: &str| {
        let nano = format!("nano --ignorercfiles {options} '{}'", path.display());
        let mut script = Command::new("script");
        script.args(["-q", "-e", "-c", &nano, "/dev/null"]);
        script.env("TERM", "xterm").stderr(Stdio::null());
        script.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut script = script.spawn().unwrap();
        // What is typed before it has the terminal would be the terminal's.
        let (mut screen, mut seen) = (script.stdout.take().unwrap(), Vec::new());
        while !seen.ends_with(b"Exit") {
            let mut byte = [0];
            std::io::Read::read_exact(&mut screen, &mut byte).unwrap();
            seen.push(byte[0]);
        }
        // Replace all: the search, what stands instead, "all"; then save and leave.
        let keys = format!(
            "\u{1c}label\": \"{}\rlabel\": \"{label}\rA\u{13}\u{18}",
            old_label(path)
        );
        let mut keyboard = script.stdin.take().unwrap();
        keyboard.write_all(keys.as_bytes()).unwrap();
        std::io::copy(&mut screen, &mut std::io::sink()).unwrap();
        assert!(script.wait().unwrap().success());
    };
    counts_once(&[
        ("Nano", &|path| nano("", path, "Nano")),
        ("Backed", &|path| nano("--backup", path, "Backed")),
    ]);
}

#[cfg(target_os = "linux")]
fn old_label(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let label = text.split("\"label\": \"").nth(1).unwrap();
    label.split('"').next().unwrap().to_owned()
}

/// Runs git in a project.
pub fn git(project: &Project, arguments: &[&str]) {
    let mut git = Command::new("git");
    git.args(["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]);
    run(git.args(arguments).current_dir(project.path(".")));
}

/// A branch that touches every file, of which half would be at odds with the other half.
#[test]
fn as_a_checkout_saves() {
    let project = Project::exercise_app();
    git(&project, &["init", "--quiet", "--initial-branch=main"]);
    git(&project, &["add", "json-source"]);
    git(&project, &["commit", "--quiet", "-m", "Tables"]);
    git(&project, &["checkout", "--quiet", "-b", "other"]);
    let mut tables = Vec::new();
    for entry in fs::read_dir(project.path("json-source")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let (from, to) = ("\"label\": \"", "\"label\": \"Other ");
        if text.contains(from) {
            fs::write(&path, text.replacen(from, to, 1)).unwrap();
            tables.push(path.file_stem().unwrap().to_str().unwrap().to_owned());
        }
    }
    assert!(tables.len() > 15, "{tables:?}");
    tables.sort();
    git(&project, &["commit", "--quiet", "-am", "Others"]);
    git(&project, &["checkout", "--quiet", "main"]);

    let watching = Watching::begun(&project, &[]);
    for (sequence, branch) in [(2, "other"), (3, "main")] {
        git(&project, &["checkout", "--quiet", branch]);
        let round = watching.round();
        let changed = round["tables"].as_array().unwrap();
        let changed: Vec<&str> = changed
            .iter()
            .map(|table| table["table"].as_str().unwrap())
            .collect();
        assert_eq!(changed, tables, "{}", watching.log());
        assert_eq!(round["version"]["sequence"], sequence);
    }
}
