//! Verifying a snapshot: what is sound passes, and no damage does.

mod damage;
pub mod forged;
pub mod nginx;
pub mod served;

use std::path::Path;

use crate::support::{Project, tracked};

// The repository's own tables, published four times: the second changed grips, the third
// put back what the first said, so that two versions share objects, and the last has a
// table that is smaller than what is compressed.
fn published() -> Project {
    let project = Project::exercise_app();
    let grips = std::fs::read_to_string(project.path("json-source/grips.json")).unwrap();
    let renamed = grips.replacen("\"label\": \"Neutral\"", "\"label\": \"Plain\"", 1);
    assert_ne!(grips, renamed);
    for text in [&grips, &renamed, &grips] {
        project.source("grips", text);
        project.run(&["run", "--quiet"]).succeeded();
    }
    let small = "CREATE TABLE small (id integer PRIMARY KEY, at timestamptz)";
    project.database.execute(small);
    project
        .database
        .execute("INSERT INTO small VALUES (9, NULL), (10, '2026-02-24 13:12:04.5+00')");
    project.run(&["publish", "--quiet"]).succeeded();
    project
}

#[track_caller]
fn faults_of(project: &Project, store: &Path) -> Vec<String> {
    let finished = project.run(&["verify", "--all", "--quiet", store.to_str().unwrap()]);
    let faults = finished.stdout.lines().map(str::to_owned);
    let faults: Vec<String> = faults.collect();
    let expected = if faults.is_empty() { 0 } else { 1 };
    assert_eq!(finished.status, Some(expected), "{}", finished.stderr);
    faults
}

#[test]
fn what_was_published_verifies_to_the_last_version() {
    let project = published();
    let finished = project.run(&["verify", "--all"]);
    finished.succeeded();
    assert_eq!(finished.stderr, "");
    let checked = project.json(&["verify", "--all"])["checked"].take();
    assert_eq!(checked["versions"], 4);
    // Every file of the store was looked at: those of `.lock` and `.staging` are no part.
    let files = walk(&project.path("snapshots"));
    let files = files
        .iter()
        .filter(|path| path.to_string_lossy().contains(".json"));
    let objects = checked["objects"].as_u64().unwrap() + checked["variants"].as_u64().unwrap();
    let pages_and_pointer = 4 + 1;
    assert_eq!(objects, files.count() as u64 - pages_and_pointer);
}

// What a retained rollback leads to stays, and what lay between goes.
#[test]
fn a_history_that_was_pruned_verifies_to_what_a_rollback_leads_to() {
    let project = Project::new(&["CREATE TABLE t (id integer PRIMARY KEY);", &tracked(&["t"])]);
    project.run(&["migrate", "--quiet"]).succeeded();
    for id in 1..5 {
        project
            .database
            .execute(&format!("INSERT INTO t VALUES ({id})"));
        project.run(&["publish", "--quiet"]).succeeded();
    }
    project
        .run(&["rollback", "--to", "2", "--quiet"])
        .succeeded();
    project
        .run(&["prune", "--keep", "1", "--min-age", "0s", "--quiet"])
        .succeeded();
    let checked = project.json(&["verify", "--all"]);
    assert_eq!(checked["checked"]["versions"], 2);
    assert_eq!(checked["notes"], serde_json::json!([]));
    let epoch = project.version()["epoch"].to_string();
    let page = format!("snapshots/versions/{epoch}-2.json");
    let target = std::fs::read_to_string(project.path(&page)).unwrap();
    // The rollback says that its content is that of the page.
    let hash = project.manifest_hash(2);
    let other = format!("{}{}", &hash[1..], &hash[..1]);
    project.file(&page, target.replace(&hash, &other));
    assert_eq!(
        faults_of(&project, &project.path("snapshots")),
        [
            format!("fault: manifests/{other}.json: is missing, though version {epoch}-2 names it"),
            format!(
                "fault: versions/{epoch}-5.json: is not the content of {epoch}-2, to which it rolls back: \
                 expected {other}, found {hash}"
            ),
        ]
    );
}

fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(walk(&path))
        } else {
            files.push(path)
        }
    }
    files.sort();
    files
}

#[test]
fn what_is_no_snapshot_is_said_so() {
    let folder = tempfile::tempdir().unwrap();
    let project = Project::new(&[]);
    let path = folder.path().to_str().unwrap();
    let nothing = project.run(&["verify", path]);
    assert_eq!(
        nothing.stdout,
        "fault: version.json: is missing: nothing was published here\n\
         verified: no version: 0 objects, 0 variants, 0 rows, 0 bytes: 1 fault\n"
    );
    nothing.failed_with(&format!("error: 1 fault in {path}\n"));
    project.run(&["verify", "nowhere"]).failed_with(
        "error: failed to fetch nowhere\n  caused by: No such file or directory (os error 2)\n",
    );
    project.run(&["verify", "ftp://cdn.example/"]).failed_with(
        "error: \"ftp://cdn.example/\" is neither a folder nor an http or https URL without query and fragment\n  \
         hint: name a folder such as snapshots, or a URL such as https://cdn.example/reference\n",
    );
    std::fs::write(folder.path().join("version.json"), "<html>").unwrap();
    assert_eq!(
        faults_of(&project, folder.path()),
        [
            "fault: version.json: not the JSON of a version: expected value at line 1 column 1; another program wrote it; \
         remove that file and publish again: the last version comes back from versions/"
        ]
    );
}

// What PostgreSQL orders, and what the manifest's words say of it: two opinions.
#[test]
fn keys_of_every_type_stand_in_the_order_in_which_postgresql_gives_them() {
    let keys = [
        ("bigint", "(i * 7919) % 1009 - 500"),
        ("numeric(9,3)", "(i * 7919) % 1009 / 7.0 - 50"),
        ("double precision", "((i * 7919) % 1009) * 1e300 - 5e302"),
        ("real", "((i * 7919) % 1009) / 7.0 - 50"),
        ("boolean", "i % 2 = 0"),
        ("text", "chr(1 + (i * 7919) % 1009) || i % 7"),
        (
            "character(4)",
            "chr(33 + (i * 7919) % 409) || repeat(' ', i % 3)",
        ),
        ("uuid", "md5(i::text)::uuid"),
        ("date", "'2026-02-24'::date - (i * 7919) % 1009"),
        (
            "time",
            "'00:00'::time + (i * 7919) % 1009 * interval '0.25 s'",
        ),
        (
            "timestamptz",
            "'2026-02-24Z'::timestamptz + (i * 7919) % 1009 * interval '0.25 s'",
        ),
        (
            "timestamp",
            "'2026-02-24'::timestamp - (i * 7919) % 1009 * interval '0.5 s'",
        ),
        (
            "bytea",
            "decode(substr(md5(i::text), 1, 2 * (1 + i % 5)), 'hex')",
        ),
        ("integer[]", "ARRAY[i % 3, NULL, (i * 7919) % 101]"),
        ("text[]", "ARRAY[chr(65 + i % 60), 'x']"),
        ("mood", "(enum_range(NULL::mood))[1 + i % 3]"),
        (
            "moment",
            "'2026-02-24'::timestamp - (i * 7919) % 1009 * interval '0.5 s'",
        ),
        ("odd", "1 + 2 * ((i * 7919) % 1009)"),
    ];
    let mut tables = "CREATE TYPE mood AS ENUM ('z', 'a', 'm');
        CREATE DOMAIN odd AS integer CHECK (VALUE % 2 = 1);
        CREATE DOMAIN moment AS timestamp;\n"
        .to_owned();
    let mut names = Vec::new();
    let mut rows = String::new();
    let mut settings = String::new();
    for (index, (sql_type, value)) in keys.iter().enumerate() {
        for (kind, column) in [("alone", ""), ("sorted", ", sort_order smallint")] {
            let name = format!("{kind}{index}");
            tables += &format!("CREATE TABLE {name} (id {sql_type} PRIMARY KEY{column});\n");
            let sort_order = if column.is_empty() {
                ""
            } else {
                ", nullif(i % 5, 3)"
            };
            rows += &format!(
                "INSERT INTO {name} SELECT {value}{sort_order} FROM generate_series(1, 400) AS i \
                 ON CONFLICT DO NOTHING;\n"
            );
            names.push(name);
        }
        // The same as a string: then a string's order.
        tables += &format!("CREATE TABLE spelled{index} (id {sql_type} PRIMARY KEY);\n");
        rows += &format!("INSERT INTO spelled{index} SELECT id FROM alone{index};\n");
        settings += &format!("[tables.spelled{index}]\nas_text = [\"id\"]\n");
        names.push(format!("spelled{index}"));
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let project = Project::new(&[&tables, &tracked(&names)]);
    project.file("tablecast.toml", &settings);
    project.run(&["migrate", "--quiet"]).succeeded();
    project.database.execute(&rows);
    project.run(&["publish", "--quiet"]).succeeded();
    assert_eq!(faults_of(&project, &project.path("snapshots")), [""; 0]);
}
