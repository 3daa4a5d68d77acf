//! N18 to N25: what is published otherwise, and which rows and tables there are.

use super::*;

#[test]
fn n18_what_is_published_as_text_is_read_back() {
    let scenario = Scenario::of("id text; big bigint; flag boolean; j jsonb; list integer[]; t text")
        .settings("[tables.grips]\nas_text = [\"big\", \"flag\", \"j\", \"list\", \"t\"]")
        .source(r#"[{"id":"A","big":"9007199254740993","flag":true,"j":{"b":1,"a":"x"},"list":[1],"t":"1"}]"#)
        .database(&[r#"{"id":"A","big":9007199254740993,"flag":true,"j":{"a":"x","b":1.0},"list":"{1}","t":"1"}"#]);
    let scenario = scenario.snapshot(&[
        r#"{"id":"A","big":"9007199254740993","flag":"true","j":"{\"a\": \"x\", \"b\": 1.0}","list":"{1}","t":"1"}"#,
    ]);
    let not_judged = "not judged (N8): list in 1 row: is published in PostgreSQL's own spelling";
    scenario.check(Source, Database, &[not_judged]);
    scenario.check(Source, Snapshot, &[not_judged]);
    scenario.check(Database, Snapshot, &[]);
    let scenario = scenario.snapshot(&[
        r#"{"id":"A","big":"9007199254740992","flag":"false","j":"{\"a\": \"y\", \"b\": 1.0}","list":"{2}","t":"2"}"#,
    ]);
    scenario.check(
        Database,
        Snapshot,
        &[
            r#""A" / big: expected 9007199254740993, found 9007199254740992"#,
            r#""A" / flag: expected true, found false"#,
            r#""A" / j /a: expected "x", found "y""#,
            r#""A" / list: expected "{1}", found "{2}""#,
            r#""A" / t: expected "1", found "2""#,
        ],
    );
}

#[test]
fn n14_intervals_and_addresses_are_equal_by_value() {
    for (sql_type, source, database, same) in [
        ("interval", "PT90M", "PT1H30M", true),
        ("interval", "P2W", "P14D", true),
        ("interval", "P0D", "PT0S", true),
        ("interval", "PT0.50S", "PT0.5S", true),
        // Equal to PostgreSQL, and printed otherwise.
        ("interval", "P30D", "P1M", false),
        ("interval", "PT24H", "P1D", false),
        ("interval", "PT1S", "PT-1S", false),
        ("inet", "10.0.0.1/32", "10.0.0.1", true),
        ("inet", "2001:DB8:0:0:0:0:0:1", "2001:db8::1", true),
        ("inet", "10.0.0.1/8", "10.0.0.1", false),
        ("cidr", "10.0.0.1", "10.0.0.1/32", true),
        ("cidr", "10.0.0.0/8", "10.0.0.0/9", false),
    ] {
        let quoted = |text: &str| format!("{text:?}");
        values(sql_type, &quoted(source), &quoted(database), same);
    }
    values(
        "interval[]",
        r#"["PT90M",null]"#,
        r#"["PT1H30M",null]"#,
        true,
    );
}

#[test]
fn n19_types_without_a_rule_are_compared_as_text() {
    let scenario =
        Scenario::of("id text; v macaddr").source(r#"[{"id":"A","v":"08-00-2b-01-02-03"}]"#);
    let scenario = scenario.database(&[r#"{"id":"A","v":"08:00:2b:01:02:03"}"#]);
    scenario.check(
        Source,
        Database,
        &[
            r#""A" / v: expected "08-00-2b-01-02-03", found "08:00:2b:01:02:03""#,
            "compared as text (N19): v",
        ],
    );
}

#[test]
fn n20_keys_that_are_no_data_are_listed() {
    Scenario::of("id text")
        .settings("[tables.grips]\nignore_columns = [\"old\"]")
        .source(r#"[{"id":"A","_note":"x","old":1},{"id":"B","_note":2,"typo":3}]"#)
        .database(&[r#"{"id":"A"}"#, r#"{"id":"B"}"#])
        .check(
            Source,
            Database,
            &[
                r#""B" / typo: expected 3, found no such key"#,
                "no data (N20): _note in 2 rows, old in 1 row",
            ],
        );
}

#[test]
fn n21_columns_of_the_database_alone_are_listed() {
    let mut scenario = Scenario::of("id text; made text; source_type text = 'seed'; v integer = 5")
        .source(r#"[{"id":"A"}]"#)
        .database(&[r#"{"id":"A","made":"x","source_type":"seed","v":7}"#])
        .snapshot(&[r#"{"id":"A","made":"y","v":8}"#]);
    scenario
        .columns
        .iter_mut()
        .find(|c| c.name == "made")
        .expect("made")
        .generated = true;
    let listed = "only in the database (N21): made, v";
    scenario.check(Source, Database, &[listed]);
    scenario.check(Source, Snapshot, &[listed]);
    scenario.check(
        Database,
        Snapshot,
        &[
            r#""A" / made: expected "x", found "y""#,
            r#""A" / v: expected 7, found 8"#,
        ],
    );
}

#[test]
fn n22_inactive_rows_are_not_published() {
    let scenario = Scenario::of("id text; is_active boolean")
        .source(r#"[{"id":"A"},{"id":"B","is_active":false}]"#)
        .database(&[
            r#"{"id":"A","is_active":true}"#,
            r#"{"id":"B","is_active":false}"#,
            r#"{"id":"GONE","is_active":false}"#,
        ]);
    let scenario = scenario.snapshot(&[r#"{"id":"A","is_active":true}"#]);
    scenario.check(Source, Database, &[]);
    assert_eq!(scenario.report(Source, Database).rows.retired, 1);
    scenario.check(Source, Snapshot, &[]);
    assert_eq!(scenario.report(Source, Snapshot).rows.unpublished, 1);
    scenario.check(Database, Snapshot, &[]);
    assert_eq!(scenario.report(Database, Snapshot).rows.unpublished, 2);
    let scenario = scenario.snapshot(&[
        r#"{"id":"A","is_active":true}"#,
        r#"{"id":"B","is_active":true}"#,
    ]);
    let line = r#""B" / is_active: is published, and should not be: it is inactive"#;
    scenario.check(Source, Snapshot, &[line]);
    scenario.check(Database, Snapshot, &[line]);
    let scenario = scenario.database(&[
        r#"{"id":"A","is_active":true}"#,
        r#"{"id":"B","is_active":false}"#,
        r#"{"id":"GONE","is_active":true}"#,
    ]);
    let line = r#""GONE": the row is not in the source; found {"id":"GONE","is_active":true}"#;
    scenario.check(Source, Database, &[line]);
}

#[test]
fn n23_rows_of_administrators_stand_apart() {
    let scenario = Scenario::of("id text; source_type text = 'seed'; v text")
        .source(r#"[{"id":"A","v":"x"},{"id":"BOTH","v":"theirs"}]"#)
        .database(&[
            r#"{"id":"A","source_type":"seed","v":"x"}"#,
            r#"{"id":"BOTH","source_type":"admin","v":"mine"}"#,
            r#"{"id":"OWN","source_type":"admin","v":"y"}"#,
        ])
        .snapshot(&[
            r#"{"id":"A","v":"x"}"#,
            r#"{"id":"BOTH","v":"mine"}"#,
            r#"{"id":"OWN","v":"z"}"#,
        ]);
    let apart =
        "owned by administrators (N23): 2 rows: \"BOTH\", \"OWN\"; 1 of them in the source too";
    scenario.check(Source, Database, &[apart]);
    scenario.check(Source, Snapshot, &[apart]);
    scenario.check(
        Database,
        Snapshot,
        &[r#""OWN" / v: expected "y", found "z""#],
    );
}

#[test]
fn n24_a_maps_entries_are_rows() {
    Scenario::of("id integer; other text; value text?")
        .settings("[tables.grips]\nmap_key = [\"id\", \"other\"]")
        .source(r#"{"7":"x","_note":"n","8":{"value":"y"},"9":null,"10":{"id":11}}"#)
        .database(&[
            r#"{"id":7,"other":"7","value":"x"}"#,
            r#"{"id":8,"other":"8","value":"y"}"#,
            r#"{"id":9,"other":"9","value":null}"#,
        ])
        .check(
            Source,
            Database,
            &[
                r#"11: grips.json:1:54: "id" is not what the entry's key says"#,
                r#"11: the row is missing in the database; expected {"id":11,"other":"10"}"#,
                "no data (N20): _note in 1 row",
            ],
        );
}

#[test]
fn n25_a_table_is_there_on_both_sides() {
    let scenario = Scenario::of("id text; v text?").source(r#"[{"id":"A","v":"x"}]"#);
    let scenario = scenario
        .database(&[r#"{"id":"A","v":"x"}"#])
        .snapshot(&[r#"{"id":"A","w":"x"}"#]);
    let contract = scenario.contract();
    let inputs = |without_file: &[&str]| Inputs {
        contracts: BTreeMap::from([("grips".to_owned(), scenario.contract())]),
        schema: Schema::default(),
        catalog: Catalog::Database,
        without_file: without_file.iter().map(|key| (*key).to_owned()).collect(),
        source: None,
        snapshot: None,
        limit: 20,
        bar: ProgressBar::hidden(),
    };
    let mut sides = TableSides {
        source: Some(scenario.side(&contract, Source)),
        ..TableSides::default()
    };
    let outcome = |sides: &TableSides, without_file: &[&str], pair| {
        let report = sides
            .compare(&inputs(without_file), "grips", pair)
            .expect("a report");
        report.map(
            |report| match (report.skipped, report.differences.first()) {
                (Some(why), _) => why.to_owned(),
                (None, Some(difference)) => {
                    assert_eq!(report.difference_count, 1);
                    sentence(&PairReport::of(pair.0, pair.1, Vec::new()), difference)
                }
                (None, None) => "the same".to_owned(),
            },
        )
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(outcome(&sides, &[], (Database, Snapshot)), None);
    assert_eq!(
        outcome(&sides, &[], (Source, Database)),
        text("grips: the table is missing in the database")
    );
    assert_eq!(
        outcome(&sides, &["grips"], (Source, Database)),
        text("its rows live in the database alone (from_file)")
    );
    sides.database = Some(scenario.side(&contract, Database));
    assert_eq!(outcome(&sides, &[], (Source, Database)), text("the same"));
    sides.source = None;
    assert_eq!(
        outcome(&sides, &[], (Source, Database)),
        text("grips: the table is not in the source")
    );
    // A column that the snapshot lacks, and one that it should not have.
    let mut snapshot = scenario.side(&contract, Snapshot);
    snapshot.types = Some(BTreeMap::from([
        ("id".to_owned(), "character varying(9)".to_owned()),
        ("w".to_owned(), "text?".to_owned()),
    ]));
    sides.snapshot = Some(snapshot);
    let report = sides
        .compare(&inputs(&[]), "grips", (Database, Snapshot))
        .expect("a report")
        .expect("one");
    let pair = PairReport::of(Database, Snapshot, Vec::new());
    let lines: Vec<String> = report
        .differences
        .iter()
        .map(|d| sentence(&pair, d))
        .collect();
    assert_eq!(
        lines,
        [
            r#"grips / id: expected a column of type "text", found "character varying(9)""#,
            r#"grips / v: expected a column of type "text?", found nothing"#,
            r#"grips / w: expected a column of type nothing, found "text?""#,
        ]
    );
}

#[test]
fn what_is_no_row_is_a_difference_and_hides_no_other() {
    Scenario::of("id text; v jsonb?")
        .source("[{\"id\":\"A\"}, 7, {\"v\":1}, {\"id\":\"B\",\"v\":{\"x\":1,\"x\":2}}, {\"id\":\"C\",]")
        .database(&[r#"{"id":"A","v":null}"#, r#"{"id":"B","v":{"x":2}}"#])
        .check(
            Source,
            Database,
            &[
                "grips: grips.json:1:14: expected an object with columns, found a number",
                "grips: grips.json:1:17: has no value for the primary key",
                r#""B": grips.json:1:26: duplicate key "x" in one object"#,
                "grips: grips.json:1:66: expected a key in double quotes, found ']'",
                "grips: grips.json:1:67: the file ends before the closing `]`; it may be cut off",
            ],
        );
}
