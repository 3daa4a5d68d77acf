//! The contract, clause by clause; [`spellings`]: that no spelling of the same data ever fails.

mod first_clauses;
mod rows;
mod spellings;
mod values;

use std::collections::BTreeMap;
use std::io::Write;

use indicatif::ProgressBar;
use snapshot_audit::parity::normalize::Contract;
use snapshot_audit::parity::report::{PairReport, Side, TableReport};
use snapshot_audit::parity::text::{notes, sentence};
use snapshot_audit::parity::{Gathering, TablePair, TableSide, compare, snapshot};
use snapshot_audit::published::{Rows, RowsError};
use snapshot_format::{ColumnType, TableKey};

use super::sides::source;
use super::{Catalog, Inputs, TableSides, contract};
use crate::config::{Config, ConfigFile};
use crate::schema::{Column, Fills, Schema, Table};
use crate::source::SourceFile;

// One table, as each side has it; what is not said is empty.
#[derive(Default)]
struct Scenario {
    columns: Vec<Column>,
    settings: &'static str,
    fills: Fills,
    source: String,
    database: Vec<String>,
    snapshot: Vec<String>,
    without_catalog: bool,
}

// `id text`, which is the primary key, and others: `price numeric(10,2)?`,
// `level integer = 5`.
fn columns(all: &str) -> Vec<Column> {
    let column = |text: &str| {
        let (text, default) = match text.split_once(" = ") {
            Some((text, default)) => (text, Some(default.to_owned())),
            None => (text, None),
        };
        let (name, sql_type) = text.trim().split_once(' ').expect("a name and a type");
        let (sql_type, nullable) = match sql_type.strip_suffix('?') {
            Some(sql_type) => (sql_type, true),
            None => (sql_type, false),
        };
        Column {
            name: name.to_owned(),
            sql_type: sql_type.to_owned(),
            kind: ColumnType::parse(sql_type),
            nullable,
            default,
            generated: false,
            is_fixed: false,
            as_text: false,
        }
    };
    let mut columns: Vec<Column> = all.split("; ").map(column).collect();
    columns.sort_by(|a, b| a.name.cmp(&b.name));
    columns
}

fn config(settings: &str) -> Config {
    let file: ConfigFile = toml::from_str(settings).expect("settings");
    file.settle()
}

impl Scenario {
    fn of(all: &str) -> Self {
        Self {
            columns: columns(all),
            ..Self::default()
        }
    }

    fn source(mut self, rows: &str) -> Self {
        self.source = rows.to_owned();
        self
    }

    fn database(mut self, rows: &[&str]) -> Self {
        self.database = rows.iter().map(|row| (*row).to_owned()).collect();
        self
    }

    fn snapshot(mut self, rows: &[&str]) -> Self {
        self.snapshot = rows.iter().map(|row| (*row).to_owned()).collect();
        self
    }

    fn settings(mut self, settings: &'static str) -> Self {
        self.settings = settings;
        self
    }

    fn contract(&self) -> Contract {
        let config = config(self.settings);
        let key: TableKey = "grips".parse().expect("a key");
        let mut columns = self.columns.clone();
        for column in &mut columns {
            column.as_text = config
                .tables
                .get("grips")
                .is_some_and(|t| t.as_text.contains(&column.name));
        }
        let id = columns
            .iter()
            .position(|column| column.name == "id")
            .expect("an id");
        let table = Table {
            key,
            name: "grips".to_owned(),
            namespace: "public".to_owned(),
            columns,
            primary_key: vec![id],
            foreign_keys: Vec::new(),
            missing_triggers: Vec::new(),
            has_parts: false,
            untracked_parts: Vec::new(),
        };
        if self.without_catalog {
            let key = ["id".to_owned()];
            contract::of_published("grips", &table.published_types(), &key, &config)
        } else {
            contract::of_table(&table, &config, &self.fills)
        }
    }

    fn side(&self, contract: &Contract, side: Side) -> TableSide {
        match side {
            Source => {
                let mut file = tempfile::NamedTempFile::new().expect("a file");
                file.write_all(self.source.as_bytes()).expect("a file");
                let file = SourceFile {
                    name: "grips.json".to_owned(),
                    path: file.path().to_owned(),
                };
                let bar = ProgressBar::hidden();
                source::gather("grips", contract, &file, 20, &bar).expect("a side")
            }
            Database => database_rows(contract, &self.database),
            Snapshot => published_rows(contract, &self.snapshot),
        }
    }

    fn report(&self, expected: Side, actual: Side) -> TableReport {
        let contract = self.contract();
        let (from, to) = (self.side(&contract, expected), self.side(&contract, actual));
        let database = self.side(&contract, Database);
        let pair = TablePair {
            table: "grips",
            contract: &contract,
            knows_defaults: !self.without_catalog,
            expected: (expected, &from),
            actual: (actual, &to),
            admins: Some(&database.rows),
            limit: 20,
        };
        compare(&pair).expect("a report")
    }

    // The differences without the table's name, then the notes.
    #[track_caller]
    fn check(&self, expected: Side, actual: Side, lines: &[&str]) {
        let report = self.report(expected, actual);
        let pair = PairReport::of(expected, actual, Vec::new());
        let differences = report.differences.iter().map(|d| sentence(&pair, d));
        let differences = differences.map(|line| line.replacen("grips / ", "", 1));
        let found: Vec<String> = differences.chain(notes(&report)).collect();
        pretty_assertions::assert_eq!(found, lines);
        assert_eq!(report.passed, report.difference_count == 0);
    }
}

fn database_rows(contract: &Contract, rows: &[String]) -> TableSide {
    let mut gathering = Gathering::new(Database, "grips", contract, 20);
    for row in rows {
        gathering
            .row(None, row, |offset| format!("byte {offset}"))
            .expect("a temporary file");
    }
    gathering.finish().expect("a temporary file")
}

fn published_rows(contract: &Contract, rows: &[String]) -> TableSide {
    let columns = contract.columns.iter();
    let types = columns.map(|column| (column.name.clone(), column.sql_type.clone()));
    let key = contract.primary_key.iter();
    let key: Vec<String> = key
        .map(|index| contract.columns[*index].name.clone())
        .collect();
    let mut rows = Given(rows.iter());
    let side = snapshot::gather_rows("grips", contract, &types.collect(), &key, &mut rows, 20);
    side.expect("a side")
}

struct Given<'r>(std::slice::Iter<'r, String>);

impl Rows for Given<'_> {
    fn next_row(&mut self) -> Result<Option<&[u8]>, RowsError> {
        Ok(self.0.next().map(String::as_bytes))
    }
}

use Side::{Database, Snapshot, Source};

// Values of one column in the source and in the database: the same, or a difference.
#[track_caller]
fn values(sql_type: &str, source: &str, database: &str, same: bool) {
    let scenario = Scenario::of(&format!("id text; v {sql_type}?"))
        .source(&format!(r#"[{{"id":"A","v":{source}}}]"#))
        .database(&[&format!(r#"{{"id":"A","v":{database}}}"#)]);
    let report = scenario.report(Source, Database);
    assert_eq!(
        report.passed, same,
        "{sql_type}: {source} {database} {:?}",
        report.differences
    );
    assert_eq!(report.difference_count, u64::from(!same));
}

#[test]
fn each_clause_of_the_document_stands_in_the_module_and_has_a_test() {
    let document = include_str!("../../../../docs/normalization.md");
    let module = include_str!("../../../../snapshot-audit/src/parity/normalize/mod.rs");
    let tests = [
        include_str!("first_clauses.rs"),
        include_str!("values.rs"),
        include_str!("rows.rs"),
    ]
    .concat();
    let clauses: Vec<&str> = document
        .lines()
        .filter_map(|line| line.strip_prefix("### N")?.split(' ').next())
        .collect();
    let expected: Vec<String> = (1..=clauses.len())
        .map(|number| number.to_string())
        .collect();
    assert_eq!(clauses, expected);
    for clause in &clauses {
        assert!(
            module.contains(&format!("//! | N{clause} ")),
            "N{clause} is not in the module"
        );
        assert!(
            tests.contains(&format!("fn n{clause}_")),
            "N{clause} has no test"
        );
    }
    let cited = module
        .lines()
        .filter(|line| line.starts_with("//! | N"))
        .count();
    assert_eq!(
        cited,
        clauses.len(),
        "the module names clauses that the document has not"
    );
}
