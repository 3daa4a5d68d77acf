//! Parity does not hide: a correct triple of source, database and snapshot is damaged in
//! one place at a time, and each time exactly that is reported, once, and where it is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use indicatif::ProgressBar;
use publisher::parts::Config;
use publisher::parts::files_by_key;
use publisher::parts::{
    Catalog, Inputs, SnapshotInput, SourceInput, TableSides, contracts, gather_database,
};
use publisher::parts::{Fills, Schema};
use publisher::parts::{SnapshotReader, WhichRows, fills, read_schema};
use serde_json::value::RawValue;
use snapshot_audit::diff::read_manifest;
use snapshot_audit::parity::TableSide;
use snapshot_audit::parity::report::{Difference, Side, TableReport};
use snapshot_audit::verify::verify;
use snapshot_store::{Origin, history::History};

use super::kinds::{Damage, GAUGES, GAUGES_SQL, How, KINDS, On};
use crate::support::Project;
use crate::verify::forged::forged;

// The repository's own tables, one that has every other type, and a row of an
// administrator, seeded and published.
struct Sound {
    project: Project,
    config: Config,
    schema: Schema,
    fills: BTreeMap<String, Fills>,
}

const PAIRS: [(Side, Side); 3] = [
    (Side::Source, Side::Database),
    (Side::Source, Side::Snapshot),
    (Side::Database, Side::Snapshot),
];

impl Sound {
    fn new() -> Self {
        let project = Project::exercise_app();
        project.file("sql/migrations/V9000__create_gauges.sql", GAUGES_SQL);
        project.source("gauges", GAUGES);
        let settings = std::fs::read_to_string(project.path("tablecast.toml")).unwrap();
        let settings = format!("{settings}\n[tables.gauges]\nas_text = [\"price\"]\n");
        project.file("tablecast.toml", settings);
        project.run(&["migrate", "--quiet"]).succeeded();
        project.database.execute(
            "INSERT INTO grips (id, label, source_type) VALUES ('OWN', 'Their own', 'admin')",
        );
        project.run(&["run", "--quiet"]).succeeded();
        let config = project.config();
        let client = project.database.connect();
        let (schema, fills) = project.database.block_on(async {
            let schema = read_schema(&client, &config).await.unwrap();
            let fills = fills(&client, &config, &schema).await.unwrap();
            (schema, fills)
        });
        Self {
            project,
            config,
            schema,
            fills,
        }
    }

    // One file may be another than that of the folder.
    fn inputs(&self, store: &Path, other: Option<(&str, PathBuf)>) -> Inputs {
        let mut files = files_by_key(&self.config).unwrap();
        if let Some((table, path)) = other {
            files.get_mut(table).unwrap().path = path;
        }
        let origin = Origin::named(store.to_str().unwrap()).unwrap();
        let version = History::read(&origin).unwrap().current.unwrap();
        let manifest = read_manifest(&origin, &version).unwrap();
        Inputs {
            contracts: contracts(&self.config, &self.schema, &self.fills, Some(&manifest)),
            schema: self.schema.clone(),
            catalog: Catalog::Database,
            without_file: std::collections::BTreeSet::new(),
            source: Some(SourceInput {
                name: "json-source".to_owned(),
                files,
            }),
            snapshot: Some(SnapshotInput {
                name: "snapshots".to_owned(),
                origin,
                manifest,
            }),
            limit: 20,
            bar: ProgressBar::hidden(),
        }
    }

    fn in_database(&self, inputs: &Inputs, table: &str) -> TableSide {
        let mut client = self.project.database.connect();
        self.project.database.block_on(async {
            let reader = SnapshotReader::begin(&mut client).await.unwrap();
            let contract = &inputs.contracts[table];
            let table = self.schema.table(table).unwrap();
            let (all, bar) = (WhichRows::All, ProgressBar::hidden());
            let gathered = gather_database(table, contract, &reader, all, 20, &bar).await;
            gathered.unwrap()
        })
    }

    fn reports(&self, inputs: &Inputs, table: &str) -> Vec<TableReport> {
        let database = Some(self.in_database(inputs, table));
        let sides = TableSides::gather(inputs, table, database).unwrap();
        let compared = PAIRS.iter().map(|pair| sides.compare(inputs, table, *pair));
        compared.map(|report| report.unwrap().unwrap()).collect()
    }

    // The reports of the three pairs with this damage, which is undone.
    fn with(&self, damage: &Damage) -> Vec<TableReport> {
        let store = self.project.path("snapshots");
        match damage.on {
            On::Source => {
                let path = self
                    .project
                    .path(&format!("json-source/{}.json", damage.table));
                let text = std::fs::read_to_string(path).unwrap();
                let file = tempfile::NamedTempFile::new().unwrap();
                std::fs::write(file.path(), edited_file(&text, damage)).unwrap();
                let other = Some((damage.table, file.path().to_owned()));
                self.reports(&self.inputs(&store, other), damage.table)
            }
            On::Database => {
                let How::Sql(sql) = damage.how else {
                    panic!("{}: a database is damaged by SQL", damage.kind)
                };
                let table = &self.schema.table(damage.table).unwrap().name;
                let quiet = "SET session_replication_role = replica";
                let database = &self.project.database;
                database.execute(&format!(
                    "CREATE TABLE saved AS TABLE {table}; {quiet}; {sql}"
                ));
                let reports = self.reports(&self.inputs(&store, None), damage.table);
                database.execute(&format!(
                    "{quiet}; DELETE FROM {table}; INSERT INTO {table} SELECT * FROM saved; DROP TABLE saved"
                ));
                reports
            }
            On::Snapshot => {
                let edit = |object: String| edited_object(&object, damage);
                let store = forged(&self.project, damage.table, edit, |entry| {
                    entry.rows = match damage.how {
                        How::Lose => entry.rows - 1,
                        How::Double | How::Add(_) => entry.rows + 1,
                        _ => entry.rows,
                    };
                    if let How::Retype(column, sql_type) = damage.how {
                        entry.columns.insert(column.to_owned(), sql_type.to_owned());
                    }
                });
                let origin = Origin::named(store.path().to_str().unwrap()).unwrap();
                let found = verify(&origin, false, &ProgressBar::hidden())
                    .unwrap()
                    .faults;
                assert_eq!(
                    !found.is_empty(),
                    damage.verify_finds_it,
                    "{}: verify finds {found:?}",
                    damage.kind
                );
                self.reports(&self.inputs(store.path(), None), damage.table)
            }
        }
    }
}

// A list of rows, each as it is written.
fn edited_file(text: &str, damage: &Damage) -> String {
    let rows: Vec<Box<RawValue>> = serde_json::from_str(text).unwrap();
    let rows = rows.iter().map(|row| row.get().to_owned()).collect();
    format!("[\n{}\n]", edited(rows, damage).join(",\n"))
}

// A table object: a row on a line of its own.
fn edited_object(object: &str, damage: &Damage) -> String {
    let (head, rest) = object.split_once('\n').unwrap();
    let (rows, tail) = rest.rsplit_once('\n').unwrap();
    let rows = rows.split(",\n").map(str::to_owned).collect();
    format!("{head}\n{}\n{tail}", edited(rows, damage).join(",\n"))
}

fn edited(mut rows: Vec<String>, damage: &Damage) -> Vec<String> {
    let key: serde_json::Value = serde_json::from_str(damage.row).unwrap();
    let has_key = |row: &String| {
        let row: serde_json::Value = serde_json::from_str(row).unwrap();
        row["id"] == key
    };
    let at = rows
        .iter()
        .position(has_key)
        .unwrap_or_else(|| panic!("{}: no row", damage.kind));
    match damage.how {
        How::Text(from, to) => {
            assert_eq!(
                rows[at].matches(from).count(),
                1,
                "{}: {from} in {}",
                damage.kind,
                rows[at]
            );
            rows[at] = rows[at].replace(from, to);
        }
        How::Lose => drop(rows.remove(at)),
        How::Double => rows.insert(at, rows[at].clone()),
        How::SwapWithNext => rows.swap(at, at + 1),
        How::Add(row) => rows.insert(at + 1, row.to_owned()),
        How::Sql(_) => panic!("{}: SQL is for the database", damage.kind),
        How::Retype(..) => {}
    }
    rows
}

fn place_of(difference: &Difference) -> (String, String, String, String) {
    (
        difference.table.clone(),
        difference.key_text().unwrap_or_default(),
        difference.field.clone().unwrap_or_default(),
        difference.pointer.clone(),
    )
}

#[test]
fn each_kind_of_damage_is_reported_once_at_its_place_by_the_sides_that_differ() {
    let sound = Sound::new();
    let inputs = sound.inputs(&sound.project.path("snapshots"), None);
    for table in ["grips", "motions", "gauges"] {
        for report in sound.reports(&inputs, table) {
            assert!(report.passed, "{:?}", report.differences);
        }
    }
    assert!(KINDS.len() >= 40);
    let mut wrong = Vec::new();
    for damage in KINDS {
        let expected = [damage.table, damage.key, damage.field, damage.pointer].map(str::to_owned);
        let [table, key, field, pointer] = expected;
        let expected = (table, key, field, pointer);
        let reports = sound.with(damage);
        for (report, (from, to)) in reports.iter().zip(PAIRS) {
            let damaged = match damage.on {
                On::Source => Side::Source,
                On::Database => Side::Database,
                On::Snapshot => Side::Snapshot,
            };
            let found: Vec<_> = report.differences.iter().map(place_of).collect();
            let as_it_should = if from == damaged || to == damaged {
                report.difference_count == 1 && found == [expected.clone()]
            } else {
                report.passed
            };
            if !as_it_should {
                wrong.push(format!(
                    "{} ({:?}), {from} -> {to}: {:#?}",
                    damage.kind, damage.on, report.differences
                ));
            }
        }
        eprintln!(
            "{:?}: {}: {} / {} / {} {}",
            damage.on, damage.kind, damage.table, damage.key, damage.field, damage.pointer
        );
    }
    eprintln!(
        "{} kinds of damage, each reported once at its place",
        KINDS.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // All was undone.
    for report in sound.reports(&inputs, "grips") {
        assert!(report.passed, "{:?}", report.differences);
    }
}
