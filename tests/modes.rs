//! Who may read a store: its modes, whatever the umask is.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use pretty_assertions::assert_eq;

use crate::support::{Finished, Project, tracked};

const GRIPS: &str = "CREATE TABLE grips (id text PRIMARY KEY, label text NOT NULL);";

fn project() -> Project {
    let project = Project::new(&[GRIPS, &tracked(&["grips"])]);
    edit(&project, "Hook");
    project
}

/// Large enough for variants.
fn edit(project: &Project, label: &str) {
    let row = |n| format!("{{\"id\": \"GRIP_{n}\", \"label\": \"{label}\"}}");
    let rows: Vec<String> = (0..40).map(row).collect();
    project.source("grips", &format!("[{}]", rows.join(",\n")));
}

/// The program under a umask.
fn run_under(project: &Project, umask: &str, arguments: &[&str]) -> Finished {
    let plain = project.command(arguments);
    let mut command = Command::new("sh");
    command.args(["-c", r#"umask "$1"; shift; exec "$@""#, "sh", umask]);
    command.arg(plain.get_program()).args(plain.get_args());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.current_dir(project.path(""));
    Finished::of(command.output().unwrap())
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

/// The modes of files and of folders that readers meet, the root included.
fn modes(root: &Path) -> (BTreeSet<u32>, BTreeSet<u32>) {
    let (mut of_files, mut of_folders) = (BTreeSet::new(), BTreeSet::from([mode(root)]));
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap().to_string_lossy().starts_with('.') {
                continue;
            }
            if path.is_dir() {
                of_folders.insert(mode(&path));
                folders.push(path);
            } else {
                of_files.insert(mode(&path));
            }
        }
    }
    (of_files, of_folders)
}

#[track_caller]
fn has_modes(root: &Path, file: u32, folder: u32) {
    assert_eq!(modes(root), ([file].into(), [folder].into()));
}

#[test]
fn a_umask_closes_no_store() {
    for umask in ["077", "027", "000"] {
        let project = project();
        run_under(&project, umask, &["run", "--out", "deep/er/snapshots"]).succeeded();
        let root = project.path("deep/er/snapshots");
        has_modes(&root, 0o644, 0o755);
        // A web server passes through what was made above the store, too.
        assert_eq!(mode(&project.path("deep")), 0o755, "{umask}");
        assert_eq!(mode(&root.join(".lock")), 0o600, "{umask}");
        assert_eq!(mode(&root.join(".staging")), 0o700, "{umask}");
        edit(&project, "Other");
        run_under(&project, umask, &["run", "--out", "deep/er/snapshots"]).succeeded();
        let rollback = ["rollback", "--to", "1", "--out", "deep/er/snapshots"];
        run_under(&project, umask, &rollback).succeeded();
        has_modes(&root, 0o644, 0o755);
    }
}

#[test]
fn the_mode_is_a_setting() {
    let project = project();
    project.file("tablecast.toml", "store_mode = \"0640\"\n");
    run_under(&project, "000", &["run"]).succeeded();
    let root = project.path("snapshots");
    has_modes(&root, 0o640, 0o750);

    // Flags go over the environment, and that over the file.
    let mut command = project.command(&["run"]);
    command.env("TABLECAST_STORE_MODE", "0664");
    Finished::of(command.output().unwrap()).succeeded();
    let (of_files, of_folders) = modes(&root);
    assert_eq!(of_files, [0o664].into());
    assert_eq!(
        of_folders,
        [0o750, 0o775].into(),
        "the root is not ours any more"
    );
    let staging = root.join(".staging");
    fs::remove_dir(&staging).unwrap();
    fs::remove_file(root.join(".lock")).unwrap();
    command.args(["--store-mode", "0660"]);
    Finished::of(command.output().unwrap()).succeeded();
    assert_eq!(modes(&root).0, [0o660].into());
    assert_eq!((mode(&staging), mode(&root.join(".lock"))), (0o770, 0o660));
}

#[test]
fn what_lies_there_gets_the_mode_and_that_is_said() {
    let project = project();
    project.run(&["run"]).succeeded();
    let root = project.path("snapshots");
    // As a publisher left it that knew no modes, under a umask of 077.
    let mut folders = vec![root.clone()];
    let (mut files, mut made) = (0, 0);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let is_dir = path.is_dir();
            let bits = if is_dir { 0o700 } else { 0o600 };
            fs::set_permissions(&path, Permissions::from_mode(bits)).unwrap();
            let is_private = path.file_name().unwrap().to_string_lossy().starts_with('.');
            if is_dir {
                folders.push(path);
            }
            match (is_private, is_dir) {
                (true, _) => {}
                (false, true) => made += 1,
                (false, false) => files += 1,
            }
        }
    }
    let verified = project.run(&["verify"]);
    let said = "note: version.json: only its owner may read it (mode 0600); a web server that runs as another user cannot\n";
    assert!(
        verified.succeeded().stdout.contains(said),
        "{}",
        verified.stdout
    );

    let said = format!("store: {files} files have mode 0644 now, and {made} folders 0755\n");
    let published = project.run(&["publish"]);
    assert!(
        published.succeeded().stderr.contains(&said),
        "{}",
        published.stderr
    );
    has_modes(&root, 0o644, 0o755);
    // Once.
    let published = project.run(&["publish"]);
    assert!(
        !published.succeeded().stderr.contains("store: "),
        "{}",
        published.stderr
    );
}

#[test]
fn a_file_that_has_another_name_keeps_its_mode_and_that_is_said() {
    let project = project();
    project.run(&["run"]).succeeded();
    edit(&project, "Other");
    project.run(&["run"]).succeeded();
    let root = project.path("snapshots");
    let of_folder = |name: &str| fs::read_dir(root.join(name)).unwrap().next();
    let object = of_folder("tables/grips").unwrap().unwrap().path();
    let precious = project.path("precious");
    for linked in [root.join("version.json"), object] {
        let content = fs::read(&linked).unwrap();
        for is_foreign in [true, false] {
            let content = if is_foreign { b"content" } else { &content[..] };
            fs::write(&precious, content).unwrap();
            fs::set_permissions(&precious, Permissions::from_mode(0o600)).unwrap();
            for arguments in [&["rollback", "--to", "1"][..], &["resume"], &["publish"]] {
                let _ = fs::remove_file(&linked);
                fs::hard_link(&precious, &linked).unwrap();
                // The sign at which every file is looked at.
                fs::set_permissions(root.join("tables"), Permissions::from_mode(0o700)).unwrap();
                let finished = project.run(arguments);
                let said = format!(
                    "warning: {} has mode 0600 and other names too (hard links), so its mode was left; with store_mode 0644 it should be open to more\n",
                    linked.strip_prefix(project.path("")).unwrap().display()
                );
                // What nobody can read may be refused before that, and a publication puts a
                // new pointer.
                let is_said = finished.stderr.contains(&said);
                let may_be_silent = is_foreign || arguments == ["publish"];
                assert!(is_said || may_be_silent, "{}", finished.stderr);
                assert_eq!(mode(&precious), 0o600, "{arguments:?}");
                assert_eq!(fs::read(&precious).unwrap(), content, "{arguments:?}");
            }
        }
        let _ = fs::remove_file(&linked);
        fs::write(&linked, content).unwrap();
    }
}

#[test]
fn verify_warns_of_a_file_that_readers_of_the_pointer_cannot_read() {
    let project = project();
    project.run(&["run"]).succeeded();
    project.run(&["verify", "--strict"]).succeeded();
    let table = fs::read_dir(project.path("snapshots/tables/grips"))
        .unwrap()
        .next();
    let table = table.unwrap().unwrap().path();
    fs::set_permissions(&table, Permissions::from_mode(0o600)).unwrap();
    let verified = project.run(&["verify", "--strict"]);
    let name = table.file_name().unwrap().to_str().unwrap();
    let said = format!(
        "warning: tables/grips/{name}: is closed to readers of version.json; `publisher publish` opens it: mode: expected 0644 at least, found 0600\n"
    );
    assert!(verified.stdout.contains(&said), "{}", verified.stdout);
    assert_eq!(verified.status, Some(1));
}

#[test]
fn a_root_that_keeps_readers_out_is_told_and_left() {
    let project = project();
    let root = project.path("snapshots");
    fs::create_dir(&root).unwrap();
    fs::set_permissions(&root, Permissions::from_mode(0o700)).unwrap();
    let said = "warning: snapshots has mode 0700, so not everybody who may read its files gets in; `chmod 0755 snapshots`, or set store_mode\n";
    let run = project.run(&["run"]);
    assert!(run.succeeded().stderr.contains(said), "{}", run.stderr);
    assert_eq!(mode(&root), 0o700);
}

#[test]
fn what_is_no_mode_is_refused() {
    let project = project();
    for mode in ["0666", "755", "rw-r--r--", "0444"] {
        let finished = project.run(&["run", "--store-mode", mode]);
        assert_eq!(finished.status, Some(2), "{}", finished.stderr);
        let said =
            format!("\"{mode}\" is no mode of a store; write 0644, 0640, 0600, 0664 or 0660: ");
        assert!(finished.stderr.contains(&said), "{}", finished.stderr);
    }
}
