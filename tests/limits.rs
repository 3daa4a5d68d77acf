//! What readers do not take is not published, and what was published of that kind is told.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use snapshot_format::{MAX_MANIFEST_SIZE, MAX_NUMBER, MAX_OBJECT_SIZE};

use crate::support::{Project, tracked};

const TABLES: &str = "
    CREATE TABLE grips (id integer PRIMARY KEY, label text NOT NULL);
    CREATE TABLE motions (id integer PRIMARY KEY, label text NOT NULL);";

fn project(settings: &str) -> Project {
    let project = Project::new(&[TABLES, &tracked(&["grips", "motions"])]);
    project.file("tablecast.toml", settings);
    project.run(&["migrate", "--quiet"]).succeeded();
    project
        .database
        .execute("INSERT INTO motions VALUES (1, 'Pull')");
    project
}

fn size_of(project: &Project, table: &str) -> u64 {
    project.manifest()["tables"][table]["size"]
        .as_u64()
        .unwrap()
}

#[test]
fn a_table_that_no_client_takes_is_not_published() {
    let project = project("[tables.grips]\nbootstrap = false\n");
    // Each row has a mebibyte.
    project.database.execute(
        "INSERT INTO grips SELECT n, repeat('x', 1048576) FROM generate_series(1, 32) AS n",
    );
    let rows = (1..=32).map(|id| format!(r#"{{"id":{id},"label":""}}"#).len() + 1_048_576 + 2);
    let around = r#"{"schemaVersion":"1.0","table":"grips","rows":[]}"#.len();
    let size = around + rows.sum::<usize>();
    let finished = project.run(&["publish", "--quiet"]);
    finished.failed_with(&format!(
        "error: grips: the object would have {size} bytes, and readers take {MAX_OBJECT_SIZE}; split the table, or, \
         where every reader takes more, set max_object_bytes = {size} in tablecast.toml\n\
         error: 1 problem in the snapshot; nothing was published\n"
    ));
    assert!(!project.path("snapshots/version.json").exists());

    // As the message says; and whoever has not been told finds the fault.
    let setting = "[tables.grips]\nbootstrap = false\n";
    project.file(
        "tablecast.toml",
        format!("max_object_bytes = {size}\n{setting}"),
    );
    project.run(&["publish", "--quiet"]).succeeded();
    assert_eq!(size_of(&project, "grips"), size as u64);
    project.run(&["verify", "--quiet"]).succeeded();
    project.file("tablecast.toml", setting);
    let finished = project.run(&["verify", "--quiet"]);
    assert_eq!(finished.status, Some(1));
    let fault = format!("grips: the object has {size} bytes, and clients take {MAX_OBJECT_SIZE}");
    assert!(finished.stdout.contains(&fault), "{}", finished.stdout);

    // One row less, and everybody takes it.
    project.database.execute("DELETE FROM grips WHERE id = 32");
    project.run(&["publish", "--quiet"]).succeeded();
    project.run(&["verify", "--quiet"]).succeeded();
}

#[test]
fn a_bootstrap_that_no_client_takes_is_not_published() {
    let project = project("max_object_bytes = 200\n");
    project
        .database
        .execute("INSERT INTO grips VALUES (1, repeat('x', 60))");
    let finished = project.run(&["publish", "--quiet"]);
    assert_eq!(finished.status, Some(1));
    let (start, end) = (
        "error: the bootstrap object would have ",
        "and readers take 200; leave large tables out of it by bootstrap = false, or, where every reader takes more, \
         set max_object_bytes = ",
    );
    assert!(finished.stderr.starts_with(start), "{}", finished.stderr);
    assert!(finished.stderr.contains(end), "{}", finished.stderr);
    project.file(
        "tablecast.toml",
        "max_object_bytes = 200\n[tables.grips]\nbootstrap = false\n",
    );
    project.run(&["publish", "--quiet"]).succeeded();
}

#[test]
fn a_run_whose_table_no_client_takes_is_undone() {
    let project = project("max_object_bytes = 200\n[tables.motions]\nfrom_file = false\n");
    project.source("grips", r#"[{"id": 1, "label": "Small"}]"#);
    project.run(&["run", "--quiet"]).succeeded();
    let before = project.database.everything();
    project.source(
        "grips",
        &json!([{"id": 1, "label": "x".repeat(300)}]).to_string(),
    );
    let finished = project.run(&["run", "--quiet"]);
    let closing = "error: 2 problems in the snapshot; nothing was seeded or published\n";
    assert!(finished.stderr.ends_with(closing), "{}", finished.stderr);
    assert_eq!(project.database.everything(), before);
}

// A store with its last publication at that sequence.
fn at_sequence(sequence: u64) -> Project {
    let project = project("");
    project.run(&["publish", "--quiet"]).succeeded();
    let mut version = project.version();
    let epoch = version["epoch"].to_string();
    version["sequence"] = sequence.into();
    let page = format!("snapshots/versions/{epoch}-{sequence}.json");
    std::fs::remove_file(project.path(&format!("snapshots/versions/{epoch}-1.json"))).unwrap();
    for path in ["snapshots/version.json", &page] {
        project.file(path, version.to_string());
    }
    project
}

#[test]
fn no_sequence_is_written_that_a_reader_would_round() {
    let project = at_sequence(MAX_NUMBER - 1);
    project
        .database
        .execute("UPDATE motions SET label = 'Push'");
    project.run(&["publish", "--quiet"]).succeeded();
    assert_eq!(project.version()["sequence"], json!(MAX_NUMBER));
    // Nothing new is nothing to refuse.
    project.run(&["publish", "--quiet"]).succeeded();
    project
        .database
        .execute("UPDATE motions SET label = 'Press'");
    let last: Value = project.version();
    let target = (MAX_NUMBER - 1).to_string();
    for command in [
        &["publish", "--quiet"][..],
        &["rollback", "--quiet", "--to", &target],
    ] {
        project.run(command).failed_with(&format!(
            "error: version.json holds the sequence {MAX_NUMBER}, after which none can come\n  \
             hint: begin a new store in an empty folder, whose epoch is a later one\n"
        ));
        assert_eq!(project.version(), last);
    }
}

// `version.json` with another value in a field, and its page with it where that has a name.
fn with_field(project: &Project, field: &str, value: &str) {
    let version = project.version();
    let order = |version: &Value| format!("{}-{}", version["epoch"], version["sequence"]);
    let text = version.to_string();
    let old = format!("\"{field}\":{}", version[field]);
    let text = text.replacen(&old, &format!("\"{field}\":{value}"), 1);
    project.file("snapshots/version.json", &text);
    let page = format!("snapshots/versions/{}.json", order(&version));
    if value.parse::<u64>().is_ok() {
        std::fs::remove_file(project.path(&page)).unwrap();
        let mut moved = version;
        moved[field] = value.parse::<u64>().unwrap().into();
        project.file(&format!("snapshots/versions/{}.json", order(&moved)), &text);
    } else {
        project.file(&page, &text);
    }
}

// Every command that meets a store's `version.json`.
const MEETING: [&[&str]; 10] = [
    &["publish"],
    &["run"],
    &["rollback", "--to", "1"],
    &["resume"],
    &["prune"],
    &["verify"],
    &["show"],
    &["diff"],
    &["parity"],
    &["history"],
];

#[test]
fn a_store_whose_order_no_reader_keeps_is_left_for_a_new_one() {
    for field in ["epoch", "sequence"] {
        for value in ["9007199254740993", "1e20", "18446744073709551616"] {
            let project = project("[tables.grips]\nfrom_file = false\n");
            project.source("motions", r#"[{"id": 1, "label": "Pull"}]"#);
            project.run(&["publish", "--quiet"]).succeeded();
            with_field(&project, field, value);
            let shown = if value.starts_with("18") {
                "1.8446744073709552e19"
            } else {
                value
            };
            let what = format!(
                "{field} is {shown}, and the highest number that every reader keeps is 9007199254740991"
            );
            for command in MEETING {
                let finished = project.run(&[command, &["--quiet"]].concat());
                let said = format!("{}{}", finished.stdout, finished.stderr);
                assert_eq!(finished.status, Some(1), "{command:?}: {said}");
                for word in [
                    "version.json",
                    &what,
                    "begin a new store in an empty folder",
                ] {
                    assert!(said.contains(word), "{command:?}: {said}");
                }
            }
            // It helps.
            for command in ["publish", "verify"] {
                let out: &[&str] = if command == "verify" {
                    &["anew", "--quiet"]
                } else {
                    &["--out", "anew", "--quiet"]
                };
                project.run(&[&[command], out].concat()).succeeded();
            }
        }
    }
}

#[test]
fn what_is_no_number_of_a_version_is_named_with_its_field_and_what_is_allowed() {
    let project = project("[tables.grips]\nfrom_file = false\n");
    project.source("motions", r#"[{"id": 1, "label": "Pull"}]"#);
    project.run(&["publish", "--quiet"]).succeeded();
    let version = std::fs::read(project.path("snapshots/version.json")).unwrap();
    for field in ["epoch", "sequence"] {
        for (value, found) in [
            ("1.5", "1.5"),
            ("-1", "-1"),
            ("\"12\"", "the text \"12\""),
            ("null", "null"),
            ("true", "true"),
        ] {
            let text = String::from_utf8(version.clone()).unwrap();
            let old = format!("\"{field}\":{}", project.version()[field]);
            let text = text.replacen(&old, &format!("\"{field}\":{value}"), 1);
            project.file("snapshots/version.json", text);
            let what = format!(
                "{field}: {found} is not allowed; a whole number from 0 to 9007199254740991 is"
            );
            for command in MEETING {
                let finished = project.run(&[command, &["--quiet"]].concat());
                let said = format!("{}{}", finished.stdout, finished.stderr);
                // The history is read past what cannot be.
                let status = if command == ["history"] { 0 } else { 1 };
                assert_eq!(finished.status, Some(status), "{command:?}: {said}");
                for word in ["version.json", &what, "remove that file and publish again"] {
                    assert!(said.contains(word), "{command:?}: {said}");
                }
            }
            // It helps.
            std::fs::remove_file(project.path("snapshots/version.json")).unwrap();
            project.run(&["publish", "--quiet"]).succeeded();
            let again = std::fs::read(project.path("snapshots/version.json")).unwrap();
            assert_eq!(again, version);
        }
    }
}

#[test]
fn what_is_no_number_of_a_manifest_is_named_with_its_field_and_what_is_allowed() {
    for (field, value) in [
        ("bootstrap.size", "1.5"),
        ("tables.motions.size", "-1"),
        ("tables.motions.rows", "9007199254740992"),
        ("tables.motions.versionSeq", "null"),
    ] {
        let project = project("");
        project.run(&["publish", "--quiet"]).succeeded();
        let mut manifest = project.manifest();
        let pointer = format!("/{}", field.replace('.', "/"));
        *manifest.pointer_mut(&pointer).unwrap() = serde_json::from_str(value).unwrap();
        let bytes = manifest.to_string();
        let hash = blake3::hash(bytes.as_bytes()).to_string();
        project.file(&format!("snapshots/manifests/{hash}.json"), &bytes);
        let mut version = project.version();
        version["manifest"] = json!({"hash": hash, "size": bytes.len()});
        let page = format!("{}-{}", version["epoch"], version["sequence"]);
        for path in [
            "snapshots/version.json",
            &format!("snapshots/versions/{page}.json"),
        ] {
            project.file(path, version.to_string());
        }
        project
            .database
            .execute("UPDATE motions SET label = 'Push'");
        let what = format!(
            "{field}: {value} is not allowed; a whole number from 0 to 9007199254740991 is"
        );
        for command in [
            &["publish"][..],
            &["verify"],
            &["show"],
            &["rollback", "--to", "1"],
        ] {
            let finished = project.run(&[command, &["--quiet"]].concat());
            let said = format!("{}{}", finished.stdout, finished.stderr);
            assert_eq!(finished.status, Some(1), "{command:?}: {said}");
            for word in [&hash, &what] {
                assert!(said.contains(word), "{command:?}: {said}");
            }
        }
    }
}

#[test]
fn a_version_has_a_kibibyte_and_no_byte_more() {
    let project = project("");
    project.run(&["publish", "--quiet"]).succeeded();
    let version = std::fs::read_to_string(project.path("snapshots/version.json")).unwrap();
    let padded = |size: usize| project.file("snapshots/version.json", format!("{version:size$}"));
    let longer = "is longer than the 1024 bytes that it may have";
    padded(1024);
    project.run(&["publish", "--quiet"]).succeeded();
    let finished = project.run(&["verify", "--quiet"]);
    assert!(!finished.stdout.contains(longer), "{}", finished.stdout);
    padded(1025);
    for command in [
        &["publish", "--quiet"][..],
        &["resume", "--quiet"],
        &["prune", "--quiet"],
        &["verify", "--quiet"],
        &["show"],
        &["history"],
    ] {
        let finished = project.run(command);
        assert_eq!(finished.status, Some(1), "{command:?}");
        let said = format!("{}{}", finished.stdout, finished.stderr);
        assert!(said.contains("version.json"), "{command:?}: {said}");
        assert!(said.contains("1024 bytes"), "{command:?}: {said}");
    }
}

#[test]
fn a_manifest_has_16_mib_and_no_byte_more() {
    let project = project("");
    project.run(&["publish", "--quiet"]).succeeded();
    let manifest = project.manifest().to_string();
    let padded = |size: usize| {
        let bytes = manifest.clone() + &" ".repeat(size - manifest.len());
        let hash = blake3::hash(bytes.as_bytes()).to_string();
        project.file(&format!("snapshots/manifests/{hash}.json"), &bytes);
        let mut version = project.version();
        version["manifest"] = json!({"hash": hash, "size": bytes.len()});
        let page = format!("{}-{}", version["epoch"], version["sequence"]);
        for path in [
            "snapshots/version.json",
            &format!("snapshots/versions/{page}.json"),
        ] {
            project.file(path, version.to_string());
        }
    };
    let longer = "16777216 bytes";
    padded(MAX_MANIFEST_SIZE);
    project.run(&["publish", "--quiet"]).succeeded();
    let finished = project.run(&["verify", "--quiet"]);
    assert!(!finished.stdout.contains(longer), "{}", finished.stdout);
    padded(MAX_MANIFEST_SIZE + 1);
    for command in [
        &["publish", "--quiet"][..],
        &["rollback", "--to", "1", "--quiet"],
        &["prune", "--quiet"],
        &["verify", "--quiet"],
        &["show"],
    ] {
        let finished = project.run(command);
        assert_eq!(finished.status, Some(1), "{command:?}");
        let said = format!("{}{}", finished.stdout, finished.stderr);
        assert!(said.contains("manifests/"), "{command:?}: {said}");
        assert!(said.contains(longer), "{command:?}: {said}");
    }
}

// `grips` alone is large, its object has as many bytes as readers take, and it is public.
fn at_the_bound(more: &str) -> (Project, u64) {
    let settings = "[tables.grips]\nbootstrap = false\n[tables.motions]\nfrom_file = false\n";
    let project = project(settings);
    let rows = json!([{"id": 1, "label": "x".repeat(900)}]);
    project.source("grips", &rows.to_string());
    project.run(&["run", "--quiet"]).succeeded();
    let size = size_of(&project, "grips");
    project.file(
        "tablecast.toml",
        format!("max_object_bytes = {size}\n{more}{settings}"),
    );
    (project, size)
}

fn lowered(project: &Project, size: u64) {
    let settings = std::fs::read_to_string(project.path("tablecast.toml")).unwrap();
    let (now, then) = (
        format!("max_object_bytes = {size}"),
        format!("max_object_bytes = {}", size - 1),
    );
    project.file("tablecast.toml", settings.replacen(&now, &then, 1));
}

#[test]
fn what_is_public_and_no_reader_takes_is_never_called_done() {
    let (project, size) = at_the_bound("");
    let commands: [&[&str]; 3] = [&["publish"], &["run"], &["resume"]];
    for command in commands {
        project.run(&[command, &["--quiet"]].concat()).succeeded();
    }
    let name = |project: &Project| {
        let version = project.version();
        format!("{}-{}", version["epoch"], version["sequence"])
    };
    let problem = format!(
        "error: grips: the object has {size} bytes, and readers take {}; split the table, or, where every reader \
         takes more, set max_object_bytes = {size} in tablecast.toml\n",
        size - 1
    );
    lowered(&project, size);
    let before = project.database.everything();
    for (command, nothing) in [
        ("publish", "nothing was published"),
        ("run", "nothing was published"),
        ("resume", "nothing was published"),
    ] {
        let version = project.version();
        project.run(&[command, "--quiet"]).failed_with(&format!(
            "{problem}error: 1 problem in version {}, which is public; {nothing}; readers refuse that version and keep \
             the one before it: publish what they take, or go back by `publisher rollback`\n",
            name(&project)
        ));
        assert_eq!(project.version(), version);
        assert_eq!(project.database.everything(), before);
    }
    // As it says: what they take becomes public.
    project.source("grips", r#"[{"id": 1, "label": "Small"}]"#);
    project.run(&["run", "--quiet"]).succeeded();
    project.run(&["publish", "--quiet"]).succeeded();
}

#[test]
fn a_version_that_no_reader_takes_is_not_gone_back_to() {
    let (project, size) = at_the_bound("");
    project.source("grips", r#"[{"id": 1, "label": "Small"}]"#);
    project.run(&["run", "--quiet"]).succeeded();
    lowered(&project, size);
    let last = project.version();
    let refused = format!(
        "error: grips: the object has {size} bytes, and readers take {}; split the table, or, where every reader \
         takes more, set max_object_bytes = {size} in tablecast.toml\n\
         error: 1 problem in version {}-1; nothing was rolled back; readers would refuse it: go back to another version\n",
        size - 1,
        last["epoch"]
    );
    project
        .run(&["rollback", "--to", "1", "--quiet"])
        .failed_with(&refused);
    assert_eq!(project.version(), last);

    // Where it is a rollback already, too; and a resumption would leave it public.
    project.file(
        "tablecast.toml",
        std::fs::read_to_string(project.path("tablecast.toml"))
            .unwrap()
            .replacen(&format!("= {}", size - 1), &format!("= {size}"), 1),
    );
    for _ in 0..2 {
        project
            .run(&["rollback", "--to", "1", "--quiet"])
            .succeeded();
    }
    lowered(&project, size);
    let last = project.version();
    project
        .run(&["rollback", "--to", "1", "--quiet"])
        .failed_with(&refused);
    let finished = project.run(&["resume", "--quiet"]);
    assert_eq!(finished.status, Some(1));
    let public = format!("version {}-3, which is public", last["epoch"]);
    assert!(finished.stderr.contains(&public), "{}", finished.stderr);
    assert_eq!(project.version(), last);
    // What readers take can be gone back to.
    project
        .run(&["rollback", "--to", "2", "--quiet"])
        .succeeded();
    project.run(&["resume", "--quiet"]).succeeded();
}

#[test]
fn a_number_of_the_database_that_a_reader_would_round_is_not_published() {
    let project = project("");
    let number = MAX_NUMBER + 1;
    project.database.execute(&format!(
        "UPDATE reference_metadata SET version_seq = {number} WHERE table_name = 'motions'"
    ));
    project.run(&["publish", "--quiet"]).failed_with(&format!(
        "error: motions: reference_metadata has the number {number}, and readers take {MAX_NUMBER}\n\
         error: 1 problem in the snapshot; nothing was published\n"
    ));
}
