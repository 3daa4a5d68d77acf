//! Parity of tables that do not fit: what it keeps in memory does not grow with them.

use serde_json::json;

use crate::big::{ITEMS, expect, peak_of, write_rows};
use crate::support::{Project, tracked};

// 13 MB on each of three sides; `./dev parity` takes a million rows.
const ROWS: u64 = 12_000;

// What the rows of one side take would be more.
const MOST_MB: u64 = 64;

#[test]
fn rows_that_do_not_fit_into_memory_are_compared_all_the_same() {
    let rows = std::env::var("TABLECAST_PARITY_ROWS");
    let rows: u64 = rows.map_or(ROWS, |rows| rows.parse().unwrap());
    let project = Project::new(&[ITEMS, &tracked(&["items"])]);
    // A million rows are more than clients take.
    project.file("tablecast.toml", "max_object_bytes = 17179869184\n");
    project.run(&["migrate", "--quiet"]).succeeded();
    write_rows(&project, rows);
    project.run(&["seed", "--quiet"]).succeeded();
    project.run(&["publish", "--quiet"]).succeeded();

    let began = std::time::Instant::now();
    let (peak, report) = peak_of(&project, &["parity"]);
    eprintln!(
        "{rows} rows on three sides: {:.1} s, {peak} MB",
        began.elapsed().as_secs_f64()
    );
    let table =
        json!({"rows": {"expected": rows, "actual": rows, "equal": rows}, "differenceCount": 0});
    let pair = json!({"passed": true, "tables": [table]});
    expect(
        &report,
        &json!({"passed": true, "pairs": [pair, pair, pair]}),
    );
    assert!(peak <= MOST_MB, "{rows} rows take {peak} MB");

    // Far from both ends, one is another, one is gone, and one is new.
    project.database.execute(
        "UPDATE items SET price = price + 0.001 WHERE id = 'ITEM_009999';
         DELETE FROM items WHERE id = 'ITEM_010000';
         INSERT INTO items SELECT 'ITEM_010000B', label, description, price, attributes, sort_order
         FROM items WHERE id = 'ITEM_009998'",
    );
    let finished = project.run(&[
        "parity",
        "--source",
        "json-source",
        "--database",
        "--json",
        "--quiet",
    ]);
    assert_eq!(finished.status, Some(1));
    let report: serde_json::Value = serde_json::from_str(&finished.stdout).unwrap();
    let found = |kind: &str, id: &str| json!({"kind": kind, "key": {"id": id}});
    let differences = json!([
        found("value", "ITEM_009999"),
        found("missingRow", "ITEM_010000"),
        found("extraRow", "ITEM_010000B"),
    ]);
    let table =
        json!({"rows": {"equal": rows - 2}, "differenceCount": 3, "differences": differences});
    expect(&report, &json!({"pairs": [{"tables": [table]}]}));
}
