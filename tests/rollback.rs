//! Going back, and on again: `publisher rollback`, `publisher resume`.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;

use jiff::Timestamp;
use pretty_assertions::assert_eq;
use serde_json::Value;
use snapshot_store::Disk;

use crate::support::ledger::{Act, Ledger, walk};
use crate::support::{Project, tracked};

const TABLES: &str = "
    CREATE TABLE grips (id text PRIMARY KEY, label text NOT NULL);
    CREATE TABLE motions (id int PRIMARY KEY, label text NOT NULL);";

/// A project whose database was published in so many states.
fn published(states: u64) -> Project {
    let project = Project::new(&[TABLES, &tracked(&["grips", "motions"])]);
    project.run(&["migrate", "--quiet"]).succeeded();
    project.database.execute(
        "INSERT INTO motions SELECT n, repeat('Motion ', 5) FROM generate_series(1, 100) AS n",
    );
    for state in 1..=states {
        publish_state(&project, state);
    }
    project
}

fn change(project: &Project, state: u64) {
    project.database.execute(&format!(
        "INSERT INTO grips VALUES ('GRIP{state:02}', 'Grip {state}')"
    ));
}

fn publish_state(project: &Project, state: u64) {
    change(project, state);
    project.run(&["publish", "--quiet"]).succeeded();
}

/// `EPOCH-SEQUENCE` of what is public.
fn current(project: &Project) -> String {
    name(&project.version())
}

fn name(version: &Value) -> String {
    format!("{}-{}", version["epoch"], version["sequence"])
}

/// The bytes of every file that the current version leads to, but for its own.
fn content(project: &Project) -> BTreeMap<String, Vec<u8>> {
    let mut content = BTreeMap::new();
    let root = project.path("snapshots");
    let mut add = |path: String| {
        let bytes = std::fs::read(root.join(&path)).unwrap();
        content.insert(path, bytes);
    };
    let version = project.version();
    let hash = |value: &Value| value["hash"].as_str().unwrap().to_owned();
    add(format!("manifests/{}.json", hash(&version["manifest"])));
    add(format!("bootstrap/{}.json", hash(&version["bootstrap"])));
    for (table, entry) in project.manifest()["tables"].as_object().unwrap() {
        add(format!("tables/{table}/{}.json", hash(entry)));
    }
    content
}

/// A client as section 8 of the format has it: it takes what is newer, and nothing else.
#[derive(Default)]
struct Client {
    order: (u64, u64),
    content: BTreeMap<String, Vec<u8>>,
}

impl Client {
    fn poll(&mut self, project: &Project) {
        let version = project.version();
        let number = |field: &str| version[field].as_u64().unwrap();
        let order = (number("epoch"), number("sequence"));
        if order > self.order {
            *self = Self {
                order,
                content: content(project),
            };
        }
    }
}

/// Every file with what tells whether it was written.
fn listing(project: &Project) -> Vec<(String, u64, u64, i64)> {
    let root = project.path("snapshots");
    let files = crate::support::ledger::files(&root);
    let file = |path: String| {
        let metadata = std::fs::metadata(root.join(&path)).unwrap();
        (path, metadata.ino(), metadata.len(), metadata.mtime_nsec())
    };
    files
        .into_iter()
        .filter(|path| path != ".lock")
        .map(file)
        .collect()
}

#[test]
fn a_rollback_to_each_of_ten_versions_gives_its_bytes_again_and_clients_follow() {
    let project = published(0);
    let mut client = Client::default();
    let mut versions = Vec::new();
    for state in 1..=10 {
        publish_state(&project, state);
        client.poll(&project);
        versions.push((current(&project), content(&project)));
        assert_eq!(client.content, versions.last().unwrap().1);
    }
    // Neither in order nor in reverse.
    for index in [4, 9, 0, 7, 2, 8, 1, 6, 3, 5] {
        let (version, expected) = &versions[index];
        project.run(&["rollback", "--to", version]).succeeded();
        assert_eq!(&content(&project), expected, "{version}");
        client.poll(&project);
        assert_eq!(&client.content, expected, "{version}");
    }
    assert_eq!(project.version()["sequence"], 20);
    walk(&project.path("snapshots")).unwrap();
}

#[test]
fn a_version_is_named_in_four_ways() {
    let project = published(3);
    let version = project.stored(&format!("versions/{}-2.json", project.version()["epoch"]));
    let reference = version["referenceVersion"].as_str().unwrap();
    let hash = version["manifest"]["hash"].as_str().unwrap();
    for name in [&name(&version), "2", reference, hash] {
        project.run(&["publish", "--force", "--quiet"]).succeeded();
        project.run(&["rollback", "--to", name]).succeeded();
        assert_eq!(project.version()["manifest"], version["manifest"], "{name}");
    }
}

#[test]
fn a_rollback_holds_publishing_back_until_it_is_resumed() {
    let project = published(2);
    let epoch = project.version()["epoch"].to_string();
    let finished = project.run(&["rollback", "--to", "1"]);
    assert_eq!(
        finished.succeeded().stderr.replace(&epoch, "EPOCH"),
        "rolled back: version EPOCH-3 is EPOCH-1 again, seq:2; before it was EPOCH-2, seq:3\n\
         the store is frozen until `publisher resume`\n"
    );
    assert_eq!(
        project.version()["rollback"].to_string(),
        format!(r#"{{"epoch":{epoch},"sequence":1}}"#)
    );

    // Neither command of a night's CI run changes a byte.
    let since = project.version()["publishedAt"]
        .as_str()
        .unwrap()
        .to_owned();
    let before = listing(&project);
    let refused = format!(
        "error: the store has been frozen since {since}: version {epoch}-3 is a rollback to {epoch}-1; \
         seq:3 was not published\n  \
         hint: `publisher resume` lets publishing go on; `publisher publish --force` publishes at once\n"
    );
    project.run(&["publish"]).failed_with(&refused);
    project.source(
        "grips",
        r#"[{"id":"GRIP01","label":"Grip 1"},{"id":"GRIP02","label":"Grip 2"}]"#,
    );
    project.file("tablecast.toml", "[tables.motions]\nfrom_file = false\n");
    project
        .run(&["run", "--quiet"])
        .failed_with(&refused.replace(
            "seq:3 was not published",
            "nothing was migrated, seeded or published",
        ));
    assert_eq!(listing(&project), before);

    // What is public already is no other data.
    let finished = project.run(&["rollback", "--to", "1"]);
    assert_eq!(
        finished.succeeded().stderr.replace(&epoch, "EPOCH"),
        "rolled back: nothing to do; version EPOCH-3 is a rollback to EPOCH-1, seq:2, already\n"
    );
    assert_eq!(listing(&project), before);

    let finished = project.run(&["resume"]);
    assert_eq!(
        finished.succeeded().stderr.replace(&epoch, "EPOCH"),
        "resumed: version EPOCH-4, seq:2; the next publication takes what the database holds\n"
    );
    let resumed = project.version();
    assert_eq!(resumed.get("rollback"), None);
    assert_eq!(resumed["referenceVersion"], "seq:2");
    let finished = project.run(&["resume"]);
    assert_eq!(
        finished.succeeded().stderr.replace(&epoch, "EPOCH"),
        "resumed: nothing to do; version EPOCH-4, seq:2, is no rollback\n"
    );
    project.run(&["publish"]).succeeded();
    let version = project.version();
    assert_eq!(
        (&version["sequence"], &version["referenceVersion"]),
        (&5.into(), &"seq:3".into())
    );
}

#[test]
fn force_publishes_over_a_rollback_and_ends_what_it_holds_back() {
    let project = published(2);
    project.run(&["rollback", "--to", "1"]).succeeded();
    let published = project.json(&["publish", "--force"]);
    assert_eq!(published["outcome"], "changed");
    assert_eq!(project.version()["referenceVersion"], "seq:3");
    publish_state(&project, 3);
    assert_eq!(project.version()["sequence"], 5);
}

#[test]
fn a_rollback_to_what_is_public_freezes_it() {
    let project = published(1);
    let turned = project.json(&["rollback", "--to", "1"]);
    assert_eq!(turned["outcome"], "changed");
    assert_eq!(turned["version"]["rollback"]["sequence"], 1);
    change(&project, 2);
    assert_eq!(project.run(&["publish"]).status, Some(1));
    assert_eq!(project.version()["sequence"], 2);
    // The database holds what is public: that is no other data.
    project.database.execute("TRUNCATE grips");
    assert_eq!(project.run(&["publish"]).status, Some(1));
}

#[test]
fn what_is_not_there_is_refused_with_what_there_is() {
    let project = published(3);
    let epoch = project.version()["epoch"].to_string();
    project
        .run(&["prune", "--keep", "2", "--min-age", "0s", "--quiet"])
        .succeeded();
    let before = listing(&project);
    for (name, expected) in [
        (
            "1",
            "error: version EPOCH-1 was pruned; there are EPOCH-2 to EPOCH-3\n  \
             hint: `publisher history` lists them\n",
        ),
        (
            "9",
            "error: no version \"9\" is retained; there are EPOCH-2 to EPOCH-3\n  \
             hint: `publisher history` lists them\n",
        ),
    ] {
        let finished = project.run(&["rollback", "--to", name]);
        assert_eq!(finished.stderr.replace(&epoch, "EPOCH"), expected);
        assert_eq!(finished.status, Some(1));
    }
    let finished = project.run(&["rollback", "--to", "yesterday"]);
    assert_eq!(
        finished.stderr,
        "error: \"yesterday\" is no way to name a version\n  \
         hint: name it as EPOCH-SEQUENCE, SEQUENCE, seq:N, or by four or more digits of its manifest's hash\n"
    );
    assert_eq!(finished.status, Some(2));
    for command in [&["rollback", "--to", "1"][..], &["resume"], &["prune"]] {
        project
            .run(&[command, &["--out", "json-source"]].concat())
            .failed_with(
                "error: nothing was ever published in json-source\n  \
                 hint: name the store's folder with --out\n",
            );
    }
    assert_eq!(listing(&project), before);
}

#[test]
fn a_damaged_version_is_refused_with_everything_that_is_wrong() {
    let project = published(2);
    let epoch = project.version()["epoch"].to_string();
    let version = project.stored(&format!("versions/{epoch}-1.json"));
    let hash = |value: &Value| value["hash"].as_str().unwrap().to_owned();
    let manifest = format!("manifests/{}.json", hash(&version["manifest"]));
    let tables = &project.stored(&manifest)["tables"];
    let grips = format!("snapshots/tables/grips/{}.json", hash(&tables["grips"]));
    let motions = format!("snapshots/tables/motions/{}.json", hash(&tables["motions"]));
    let bootstrap = format!("snapshots/bootstrap/{}.json", hash(&version["bootstrap"]));

    let flip = |path: &str| {
        let mut bytes = std::fs::read(project.path(path)).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(project.path(path), &bytes).unwrap();
        blake3::hash(&bytes)
    };
    let flipped = flip(&grips);
    std::fs::remove_file(project.path(&format!("{motions}.br"))).unwrap();
    let object = std::fs::read(project.path(&bootstrap)).unwrap();
    project.file(&bootstrap, &object[..object.len() - 1]);
    project.file(&format!("{bootstrap}.zst"), "not Zstandard");
    let before = listing(&project);

    let length = object.len();
    let finished = project.run(&["rollback", "--to", "1"]);
    finished.failed_with(&format!(
        "error: {bootstrap}: has {} of its {length} bytes\n\
         error: {bootstrap}.zst: cannot be unpacked: Unknown frame descriptor\n\
         error: {grips}: its BLAKE3 is {flipped}\n\
         error: {motions}.br: is missing\n\
         error: 4 problems in version {epoch}-1; nothing was rolled back\n",
        length - 1
    ));
    let flipped = flip(&format!("snapshots/{manifest}"));
    project
        .run(&["rollback", "--to", "1"])
        .failed_with(&format!(
            "error: snapshots/{manifest}: its BLAKE3 is {flipped}\n\
         error: 1 problem in version {epoch}-1; nothing was rolled back\n"
        ));
    std::fs::remove_file(project.path(&format!("snapshots/{manifest}"))).unwrap();
    project
        .run(&["rollback", "--to", "1"])
        .failed_with(&format!(
            "error: snapshots/{manifest}: is missing\n\
         error: 1 problem in version {epoch}-1; nothing was rolled back\n"
        ));
    assert_eq!(listing(&project).len(), before.len() - 1);
    assert_eq!(current(&project), format!("{epoch}-2"));
}

#[test]
fn a_damaged_page_of_the_history_keeps_nobody_from_the_others() {
    let project = published(3);
    let epoch = project.version()["epoch"].to_string();
    project.file(&format!("snapshots/versions/{epoch}-2.json"), "{");
    project.run(&["rollback", "--to", "1"]).succeeded();
    assert_eq!(project.version()["sequence"], 4);
}

// Without waiting for the clock: the moments are given.
#[tokio::test]
async fn a_client_follows_a_store_that_was_lost_and_made_again() {
    let at = |second| Timestamp::from_second(second).unwrap();
    let (lost, rebuilt) = (Ledger::new(), Ledger::new());
    for (ledger, acts, second) in [
        (
            &lost,
            &[
                Act::Publish(1),
                Act::Publish(2),
                Act::Rollback("1".to_owned()),
            ][..],
            1000,
        ),
        (&rebuilt, &[Act::Publish(1)], 1001),
    ] {
        for act in acts {
            act.run_at(Disk::default(), &ledger.root, at(second))
                .await
                .unwrap();
        }
    }
    let order = |ledger: &Ledger| ledger.resolves().unwrap().0;
    assert_eq!((order(&lost), order(&rebuilt)), ((1000, 3), (1001, 1)));
    assert!(order(&rebuilt) > order(&lost));
}
