//! What was published, and what became of it.

use pretty_assertions::assert_eq;
use serde_json::json;

use crate::support::{Project, tracked};

// Three versions and a rollback to the first.
fn published() -> Project {
    let project = Project::new(&[
        "CREATE TABLE places (id integer PRIMARY KEY, label text);
         CREATE TABLE roads (id integer PRIMARY KEY);",
        &tracked(&["places", "roads"]),
    ]);
    project.run(&["migrate", "--quiet"]).succeeded();
    for change in [
        "INSERT INTO places VALUES (1, 'Oslo'), (2, 'Bergen')",
        "INSERT INTO places VALUES (3, 'Moss'), (4, 'Hamar'); INSERT INTO roads VALUES (6)",
        "UPDATE places SET label = 'Christiania' WHERE id = 1",
    ] {
        project.database.execute(change);
        project.run(&["publish", "--quiet"]).succeeded();
    }
    project
        .run(&["rollback", "--to", "1", "--quiet"])
        .succeeded();
    project
}

// Without what depends on the clock: the epoch, and when it was published.
fn hidden(project: &Project, text: &str) -> String {
    let epoch = project.version()["epoch"].to_string();
    let mut words: Vec<String> = Vec::new();
    for word in text.replace(&epoch, "EPOCH").split(' ') {
        let is_moment = word.trim_end().ends_with('Z') && word.contains('T');
        let line_end = if word.ends_with('\n') { "\n" } else { "" };
        words.push(if is_moment {
            format!("MOMENT{line_end}")
        } else {
            word.to_owned()
        });
    }
    words.join(" ")
}

#[test]
fn the_history_tells_what_each_version_brought() {
    let project = published();
    let finished = project.run(&["history"]);
    finished.succeeded();
    assert_eq!(finished.stderr, "");
    let sizes: Vec<u64> = project
        .json(&["history"])
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["content"]["bytes"].as_u64().unwrap())
        .collect();
    let text = hidden(&project, &finished.stdout);
    let lines: Vec<String> = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        lines,
        [
            "version published state tables rows bytes what it brought".to_owned(),
            format!(
                "EPOCH-4 MOMENT seq:1 2 2 {} rollback to EPOCH-1; 2 tables changed, -3 rows; current",
                sizes[0]
            ),
            format!("EPOCH-3 MOMENT seq:3 2 5 {} 1 table changed", sizes[1]),
            format!(
                "EPOCH-2 MOMENT seq:2 2 5 {} 2 tables changed, +3 rows",
                sizes[2]
            ),
            format!(
                "EPOCH-1 MOMENT seq:1 2 2 {} the oldest that is retained",
                sizes[3]
            ),
        ]
    );
    let first = project.run(&["history", "--limit", "1"]);
    assert_eq!(first.stdout.lines().count(), 3);
    assert!(first.stdout.ends_with("and 3 more; --limit shows them\n"));
}

#[test]
fn machines_get_the_whole_history() {
    let project = published();
    let history = project.json(&["history"]);
    let newest = &history[0];
    assert_eq!(newest["version"], project.version());
    assert_eq!(newest["current"], true);
    assert_eq!(
        newest["content"]["brought"],
        json!({"tablesAdded": 0, "tablesRemoved": 0, "tablesChanged": 2, "rows": -3})
    );
    assert_eq!(history[3]["content"]["brought"], json!(null));
    // The bytes of what the version names, as they lie there.
    let names = project.manifest();
    let mut files = vec![
        format!(
            "manifests/{}.json",
            project.version()["manifest"]["hash"].as_str().unwrap()
        ),
        format!(
            "bootstrap/{}.json",
            names["bootstrap"]["hash"].as_str().unwrap()
        ),
    ];
    for (table, entry) in names["tables"].as_object().unwrap() {
        files.push(format!(
            "tables/{table}/{}.json",
            entry["hash"].as_str().unwrap()
        ));
    }
    let bytes: u64 = files
        .iter()
        .map(|file| {
            std::fs::metadata(project.path("snapshots").join(file))
                .unwrap()
                .len()
        })
        .sum();
    assert_eq!(newest["content"]["bytes"], bytes);
}

#[test]
fn one_version_is_shown_with_its_tables() {
    let project = published();
    let shown = project.run(&["show", "2"]);
    shown.succeeded();
    let manifest = project.json(&["show", "2"])["manifest"].take();
    let version = project.json(&["show", "2"])["version"].take();
    let hash = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let table = |key: &str| {
        let entry = &manifest["tables"][key];
        format!(
            "{:>9}  {:>11}  {}",
            entry["rows"].as_u64().unwrap(),
            entry["size"].as_u64().unwrap(),
            &hash(&entry["hash"])[..16]
        )
    };
    assert_eq!(
        hidden(&project, &shown.stdout),
        format!(
            "version EPOCH-2\n  published       MOMENT\n  data            seq:2, changed last at MOMENT\n  \
             schema version  1.0\n  manifest        {}, {} bytes\n  bootstrap       {}, {} bytes\n  \
             content hash    {}\n  brought         2 tables changed, +3 rows since EPOCH-1\n\n\
             table        rows        bytes  hash\nplaces  {}  changed, +2 rows\nroads   {}  changed, +1 row\n",
            hash(&version["manifest"]["hash"]),
            version["manifest"]["size"],
            hash(&version["bootstrap"]["hash"]),
            version["bootstrap"]["size"],
            hash(&manifest["contentHash"]),
            table("places"),
            table("roads"),
        )
    );
    let current = project.json(&["show"]);
    assert_eq!(current["version"], project.version());
    assert_eq!(current["current"], true);
    assert_eq!(
        current["changes"]["places"],
        json!({"change": "changed", "rowsBefore": 4})
    );
}

#[test]
fn a_damaged_page_keeps_nobody_from_the_others() {
    let project = published();
    let epoch = project.version()["epoch"].to_string();
    project.file(&format!("snapshots/versions/{epoch}-2.json"), "{}");
    let finished = project.run(&["history"]);
    finished.succeeded();
    assert_eq!(
        finished.stderr,
        format!(
            "warning: versions/{epoch}-2.json: not the JSON of a version: \
             missing field `formatVersion` at line 1 column 2; another program wrote it; remove that file and \
             publish again: the last version comes back from versions/\n"
        )
    );
    assert_eq!(finished.stdout.lines().count(), 4);
}

#[test]
fn where_nothing_was_published_it_is_said_so() {
    let project = Project::new(&[]);
    std::fs::create_dir(project.path("snapshots")).unwrap();
    for command in ["history", "show", "diff"] {
        project.run(&[command]).failed_with(
            "error: snapshots has no version.json: nothing was published there\n  \
             hint: name the store with --out, or make its first version by `publisher run`\n",
        );
    }
}
