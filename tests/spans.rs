//! Intervals and addresses go the whole way: from a file to the database, the snapshot, and
//! whoever judges it.

use pretty_assertions::assert_eq;
use serde_json::json;

use crate::support::{Project, tracked};

const TABLES: &str = "
    CREATE DOMAIN pause AS interval CHECK (VALUE >= '0');
    CREATE TABLE gateways (
        address inet PRIMARY KEY,
        network cidr UNIQUE,
        timeout interval,
        pauses interval[],
        rest pause,
        free interval
    );";

const ROWS: &str = r#"[
    {"address": "10.0.0.9/32", "network": "10.0.0.0/8", "timeout": "PT90M", "pauses": ["P2W", null],
     "rest": "PT0.50S", "free": "P1DT2H3M"},
    {"address": "9.0.0.1", "network": "9.1.2.3", "timeout": "P-1Y2DT-3H", "pauses": [], "rest": "P0D", "free": null},
    {"address": "2001:DB8::0:1/64", "network": null, "timeout": null, "pauses": null, "rest": null, "free": null}
]"#;

fn project() -> Project {
    let project = Project::new(&[TABLES, &tracked(&["gateways"])]);
    project.file(
        "tablecast.toml",
        "[tables.gateways]\nas_text = [\"free\"]\n",
    );
    project.source("gateways", ROWS);
    project
}

#[test]
fn intervals_and_addresses_are_published_in_their_one_form() {
    let project = project();
    project.run(&["run", "--quiet"]).succeeded();
    // By the bytes of the address.
    assert_eq!(
        project.published("gateways"),
        json!([
            {"address": "10.0.0.9", "free": "P1DT2H3M", "network": "10.0.0.0/8", "pauses": ["P14D", null], "rest": "PT0.5S", "timeout": "PT1H30M"},
            {"address": "2001:db8::1/64", "free": null, "network": null, "pauses": null, "rest": null, "timeout": null},
            {"address": "9.0.0.1", "free": null, "network": "9.1.2.3/32", "pauses": [], "rest": "PT0S", "timeout": "P-1Y2DT-3H"},
        ])
    );
    project.run(&["verify", "--quiet"]).succeeded();
    let parity = project.run(&["parity"]);
    assert_eq!(parity.status, Some(0), "{}", parity.stdout);
    // As text, PostgreSQL's own spelling is taken as well.
    project.source("gateways", &ROWS.replace("P1DT2H3M", "1 day 2:03"));
    project.run(&["run", "--quiet"]).succeeded();
    assert_eq!(project.published("gateways")[0]["free"], "P1DT2H3M");
    let types = project.run(&["types"]).stdout;
    assert!(
        types.contains("/** inet */\n    readonly address: string;"),
        "{types}"
    );
    assert!(
        types.contains("/** interval? */\n    readonly timeout: string | null;"),
        "{types}"
    );
    assert!(
        types.contains(
            "/** interval[]? */\n    readonly pauses: readonly (string | null)[] | null;"
        ),
        "{types}"
    );
}

#[test]
fn what_is_no_interval_or_address_is_told_with_what_is() {
    let project = project();
    project.source(
        "gateways",
        r#"[{"address": "10.0.0.256", "network": "10.0.0.1/8", "timeout": "1 hour", "pauses": ["P1.5D"], "rest": 5}]"#,
    );
    project.run(&["migrate", "--quiet"]).succeeded();
    let finished = project.run(&["check"]);
    assert_eq!(finished.status, Some(1));
    for told in [
        r#"expected an address such as "10.0.0.1" or "10.1.0.0/16", found "10.0.0.256""#,
        r#"expected a network such as "10.1.0.0/16", without bits behind its prefix, found "10.0.0.1/8""#,
        r#"expected a duration such as "P1DT2H30M", to the microsecond, found "1 hour""#,
        r#"element 1: expected a duration such as "P1DT2H30M", to the microsecond, found "P1.5D""#,
        r#"expected a duration such as "P1DT2H30M", to the microsecond, found the number 5"#,
    ] {
        assert!(
            finished.stderr.contains(told),
            "{told}\n{}",
            finished.stderr
        );
    }
}

#[test]
fn rows_trade_unique_intervals_and_addresses() {
    for (sql_type, one, other) in [
        ("interval", "PT1H", "PT2H"),
        ("inet", "10.0.0.1", "::1"),
        ("cidr", "10.0.0.0/8", "2001:db8::/32"),
    ] {
        let table =
            format!("CREATE TABLE gates (id text PRIMARY KEY, v {sql_type} NOT NULL UNIQUE);");
        let project = Project::new(&[&table, &tracked(&["gates"])]);
        let rows =
            |a: &str, b: &str| format!(r#"[{{"id": "A", "v": "{a}"}}, {{"id": "B", "v": "{b}"}}]"#);
        project.source("gates", &rows(one, other));
        project.run(&["run", "--quiet"]).succeeded();
        project.source("gates", &rows(other, one));
        project.run(&["run", "--quiet"]).succeeded();
        let published = project.published("gates");
        assert_eq!(
            [&published[0]["v"], &published[1]["v"]],
            [other, one],
            "{sql_type}"
        );
    }
}
