//! Tables that do not fit: what the publisher keeps in memory does not grow with them.

use std::io::Write;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Finished, Project, tracked};

// Enough for the buffers and the compressors' windows to be full with the smaller one.
const SMALLER_ROWS: u64 = 6_000;
const LARGER_ROWS: u64 = 24_000;

// The larger table has 18 MB more; a key takes a few dozen bytes.
const MAX_GROWTH_MB: u64 = 8;

#[test]
fn the_memory_of_a_command_does_not_grow_with_a_table() {
    let smaller = peaks_with(SMALLER_ROWS);
    let larger = peaks_with(LARGER_ROWS);
    for ((command, before), (_, after)) in smaller.iter().zip(&larger) {
        eprintln!("{command}: {before} MB, {after} MB");
        assert!(
            after.saturating_sub(*before) <= MAX_GROWTH_MB,
            "{command} takes {before} MB with {SMALLER_ROWS} rows and {after} MB with {LARGER_ROWS}"
        );
        assert!(*after <= 300, "{command} takes {after} MB");
    }
}

pub const ITEMS: &str = "
    CREATE TABLE items (
        id          text PRIMARY KEY,
        label       text NOT NULL,
        description text NOT NULL,
        price       numeric(12,3) NOT NULL,
        attributes  jsonb NOT NULL,
        sort_order  integer NOT NULL,
        is_active   boolean NOT NULL DEFAULT true,
        source_type text NOT NULL DEFAULT 'seed'
    )";

#[test]
fn a_large_file_for_an_empty_table_gives_the_rows_that_a_small_one_gives() {
    // Neither default is what a seed means by a row of a file.
    let table = ITEMS.replace("DEFAULT 'seed'", "DEFAULT 'admin'");
    let project = Project::new(&[&table, &tracked(&["items"])]);
    project.run(&["migrate", "--quiet"]).succeeded();
    write_rows(&project, SMALLER_ROWS);
    let seeded = project.json(&["seed"]);
    let counts = json!({"inserted": SMALLER_ROWS, "updated": 0, "unchanged": 0, "versionSeq": 1});
    expect(&seeded["tables"][0], &counts);
    let stored =
        "SELECT count(*), bool_and(is_active), min(source_type), max(source_type) FROM items";
    assert_eq!(project.database.query(stored), ["6000|t|seed|seed"]);

    // By the other way, which compares each row.
    let again = project.json(&["seed", "--recheck"]);
    let counts = json!({"inserted": 0, "updated": 0, "unchanged": SMALLER_ROWS, "versionSeq": 1});
    expect(&again["tables"][0], &counts);
}

#[test]
fn a_large_file_that_the_database_refuses_leaves_the_table_empty_and_names_the_row() {
    let table = ITEMS.replace(
        "price       numeric(12,3) NOT NULL",
        "price numeric(12,3) NOT NULL CHECK (price < 999)",
    );
    let project = Project::new(&[&table, &tracked(&["items"])]);
    project.run(&["migrate", "--quiet"]).succeeded();
    write_rows(&project, SMALLER_ROWS);
    project.run(&["seed", "--quiet"]).failed_with(
        "error: items.json: row 1000: new row for relation \"items\" violates check constraint \"items_price_check\" (Failing row contains (ITEM_000999, Item 999, \u{e6}\u{f8}\u{e5}, 5580f79dcb835fb3 14d93f0603a57386 d431866b3357b6f8 9389cdcca375e..., 999.000, {\"none\": null, \"size\": {\"height\": 49}, \"codes\": [999, 1000]}, 999, t, seed).)\n\
         error: 1 problem in the source; nothing was seeded\n",
    );
    assert_eq!(project.database.query("SELECT count(*) FROM items"), ["0"]);
    let versions = "SELECT max(version_seq) FROM reference_metadata";
    assert_eq!(project.database.query(versions), ["0"]);
}

// What each command takes at most, in MB.
fn peaks_with(rows: u64) -> Vec<(&'static str, u64)> {
    let project = Project::new(&[ITEMS, &tracked(&["items"])]);
    project.run(&["migrate", "--quiet"]).succeeded();
    write_rows(&project, rows);
    let table = |counts: Value| json!({"tables": [counts]});

    let (seed, report) = peak_of(&project, &["seed"]);
    expect(
        &report,
        &table(json!({"inserted": rows, "unchanged": 0, "skipped": false})),
    );
    let (recheck, report) = peak_of(&project, &["seed", "--recheck"]);
    expect(
        &report,
        &table(json!({"inserted": 0, "unchanged": rows, "skipped": false})),
    );
    let (gate, report) = peak_of(&project, &["seed"]);
    expect(
        &report,
        &table(json!({"inserted": 0, "unchanged": rows, "skipped": true})),
    );
    let (publish, report) = peak_of(&project, &["publish"]);
    expect(&report, &json!({"rows": rows, "outcome": "changed"}));
    let (verify, report) = peak_of(&project, &["verify", "--all"]);
    expect(&report["checked"], &json!({"rows": rows, "variants": 6}));
    // A row that is gone shifts all others, and one of them is another.
    project.database.execute(
        "DELETE FROM items WHERE id = 'ITEM_000000';
         UPDATE items SET label = 'Another' WHERE id = 'ITEM_000009'",
    );
    project.run(&["publish", "--quiet"]).succeeded();
    let (diff, report) = peak_of(&project, &["diff"]);
    let counts = json!({"removed": 1, "changed": 1, "added": 0, "unchanged": rows - 2});
    expect(&report["totals"]["rows"], &counts);
    vec![
        ("seed", seed),
        ("seed --recheck", recheck),
        ("seed, unchanged", gate),
        ("publish", publish),
        ("verify", verify),
        ("diff", diff),
    ]
}

pub fn write_rows(project: &Project, rows: u64) {
    let file = std::fs::File::create(project.path("json-source/items.json")).unwrap();
    let mut file = std::io::BufWriter::new(file);
    for number in 0..rows {
        let start = if number == 0 { '[' } else { ',' };
        // Text that no compressor makes nothing of.
        let text: String = (0..12)
            .map(|n| format!("{:016x} ", mix(number * 100 + n)))
            .collect();
        let row = json!({
            "id": format!("ITEM_{number:06}"),
            "label": format!("Item {number}, \u{e6}\u{f8}\u{e5}"),
            "description": text.repeat(4),
            "price": number % 1000,
            "attributes": {"codes": [number, number + 1], "size": {"height": number % 50}, "none": null},
            "sort_order": number,
        });
        writeln!(file, "{start}{row}").unwrap();
    }
    file.write_all(b"]").unwrap();
    file.flush().unwrap();
}

fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number ^ (number >> 27)
}

// Every figure of `expected` must stand in the report.
#[track_caller]
pub fn expect(report: &Value, expected: &Value) {
    match expected {
        Value::Object(members) => members
            .iter()
            .for_each(|(key, value)| expect(&report[key], value)),
        Value::Array(values) => {
            values
                .iter()
                .enumerate()
                .for_each(|(index, value)| expect(&report[index], value));
        }
        _ => assert_eq!(report, expected),
    }
}

// Runs the program below one that asks the system for its peak when it has ended.
#[track_caller]
pub fn peak_of(project: &Project, arguments: &[&str]) -> (u64, Value) {
    const MEASURE: &str = "
import resource, subprocess, sys
status = subprocess.call(sys.argv[1:])
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(peak * (1 if sys.platform == 'darwin' else 1024) // 1_000_000, file=sys.stderr)
sys.exit(status)";
    let arguments = [arguments, &["--json", "--quiet"]].concat();
    let measured = project.command(&arguments);
    let mut command = Command::new("python3");
    command
        .args(["-c", MEASURE])
        .arg(measured.get_program())
        .args(measured.get_args());
    command.current_dir(measured.get_current_dir().unwrap());
    for (name, value) in measured.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let finished = Finished::of(command.output().unwrap());
    finished.succeeded();
    let peak = finished.stderr.trim().parse().unwrap();
    (peak, serde_json::from_str(&finished.stdout).unwrap())
}
