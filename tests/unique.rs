//! Values that must be unique: rows may trade them, and no two rows get one.

use pretty_assertions::assert_eq;

use crate::support::{Project, tracked};

/// Items of these columns beside their key.
fn items(columns: &str) -> Project {
    let project = Project::new(&[
        &format!(
            "CREATE TABLE items (id text PRIMARY KEY, {columns},
                 is_active boolean NOT NULL DEFAULT true,
                 source_type text NOT NULL DEFAULT 'seed');"
        ),
        &tracked(&["items"]),
    ]);
    project.run(&["migrate", "--quiet"]).succeeded();
    project
}

/// A file whose rows have these values: `a 1, b 2`.
fn file(project: &Project, rows: &[(&str, &str)]) {
    let rows: Vec<String> = rows
        .iter()
        .map(|(id, values)| format!(r#"{{"id":"{id}",{values}}}"#))
        .collect();
    project.source("items", &format!("[{}]", rows.join(",")));
}

/// Rows of `column` change from some values to others, in one seed that counts them right.
#[track_caller]
fn trades(columns: &str, column: &str, from: &[&str], to: &[&str]) {
    let project = items(columns);
    let seed = |values: &[&str]| {
        let rows = values
            .iter()
            .enumerate()
            .map(|(at, value)| format!(r#"{{"id":"{at}","{column}":{value}}}"#));
        project.source(
            "items",
            &format!("[{}]", rows.collect::<Vec<_>>().join(",")),
        );
        project.run(&["check"]).succeeded();
        project.run(&["plan", "--quiet"]).succeeded();
        let report = project.json(&["seed"]);
        (
            report["tables"][0]["inserted"].as_u64().unwrap(),
            report["tables"][0]["updated"].as_u64().unwrap(),
        )
    };
    assert_eq!(seed(from), (from.len() as u64, 0), "{columns}");
    let changed = from.iter().zip(to).filter(|(from, to)| from != to).count();
    assert_eq!(seed(to), (0, changed as u64), "{columns}");
    assert_eq!(project.database.versions(), ["items|2"], "{columns}");
    project
        .run(&["parity", "--source", "json-source", "--database", "--quiet"])
        .succeeded();
}

#[test]
fn two_rows_swap_a_value_of_any_kind() {
    for kind in [
        "int",
        "smallint",
        "bigint",
        "numeric(4,1)",
        "real",
        "double precision",
    ] {
        for null in ["NOT NULL", "NULL"] {
            trades(
                &format!("n {kind} {null} UNIQUE"),
                "n",
                &["1", "2"],
                &["2", "1"],
            );
        }
    }
    let dates = [r#""2026-01-01""#, r#""2026-01-02""#];
    let times = [r#""2026-01-01T00:00:00Z""#, r#""2026-01-02T00:00:00Z""#];
    let uuids = [
        r#""0190163d-8694-739b-aea5-966c26f8ad91""#,
        r#""0190163d-8694-739b-aea5-966c26f8ad92""#,
    ];
    let texts = [r#""AA""#, r#""AB""#];
    for (kind, [a, b]) in [
        ("date", dates),
        ("timestamp", times),
        ("timestamptz", times),
        ("time", [r#""12:00:00""#, r#""13:00:00""#]),
        ("uuid", uuids),
        ("text", texts),
        ("varchar(2)", texts),
        ("char(2)", texts),
        ("text COLLATE \"C\" CHECK (v ~ '^[A-Z]{2}$')", texts),
        ("bytea", [r#""AAA=""#, r#""AAE=""#]),
        ("jsonb", ["1", "2"]),
    ] {
        trades(&format!("v {kind} NOT NULL UNIQUE"), "v", &[a, b], &[b, a]);
    }
}

#[test]
fn chains_rotations_and_large_tables_move() {
    let shift: Vec<String> = (1..=3_000).map(|n| n.to_string()).collect();
    let shift: Vec<&str> = shift.iter().map(String::as_str).collect();
    trades("n int NOT NULL UNIQUE", "n", &shift[..2_999], &shift[1..]);
    let back: Vec<&str> = shift.iter().rev().copied().collect();
    trades("n int NOT NULL UNIQUE", "n", &shift[..999], &back[2_001..]);
    trades(
        "n int NOT NULL UNIQUE",
        "n",
        &["1", "2", "3"],
        &["2", "3", "1"],
    );
    trades(
        "n int NOT NULL UNIQUE CHECK (n > 0)",
        "n",
        &["1", "2", "3"],
        &["2", "3", "1"],
    );
    // Between 1 and 4 nobody has 3.
    trades(
        "n int NOT NULL UNIQUE CHECK (n BETWEEN 1 AND 4)",
        "n",
        &["1", "4"],
        &["4", "1"],
    );
    // No value is free, and none is needed.
    trades(
        "n int NOT NULL UNIQUE CHECK (n BETWEEN 1 AND 3)",
        "n",
        &["1", "2"],
        &["2", "3"],
    );
    // The table's own numbers reach its type's ends.
    trades(
        "n smallint NOT NULL UNIQUE",
        "n",
        &["-32768", "32767"],
        &["32767", "-32768"],
    );
}

#[test]
fn a_deferrable_constraint_needs_no_value_in_between() {
    for deferrable in ["DEFERRABLE", "DEFERRABLE INITIALLY DEFERRED"] {
        trades(
            &format!("n int NOT NULL UNIQUE {deferrable} CHECK (n IN (1, 2))"),
            "n",
            &["1", "2"],
            &["2", "1"],
        );
    }
}

#[test]
fn indexes_of_every_kind_are_traded_in() {
    let swap = |columns: &str, index: &str, a: &str, b: &str| {
        let project = items(columns);
        project.database.execute(index);
        file(&project, &[("a", a), ("b", b)]);
        project.run(&["seed", "--quiet"]).succeeded();
        file(&project, &[("a", b), ("b", a)]);
        let report = project.json(&["seed"]);
        assert_eq!(report["tables"][0]["updated"], 2, "{index}");
        assert_eq!(project.database.query("SELECT count(*) FROM items"), ["2"]);
    };
    let two = "g text NOT NULL, n int NOT NULL";
    swap(
        two,
        "ALTER TABLE items ADD UNIQUE (g, n)",
        r#""g":"x","n":1"#,
        r#""g":"y","n":2"#,
    );
    swap(
        two,
        "CREATE UNIQUE INDEX ON items (lower(g))",
        r#""g":"X","n":1"#,
        r#""g":"y","n":2"#,
    );
    swap(
        two,
        "CREATE UNIQUE INDEX ON items (n) WHERE is_active",
        r#""g":"X","n":1"#,
        r#""g":"y","n":2"#,
    );
    swap(
        two,
        "CREATE UNIQUE INDEX ON items (n); CREATE UNIQUE INDEX ON items (g)",
        r#""g":"X","n":1"#,
        r#""g":"y","n":2"#,
    );
    swap(
        "n int NOT NULL, g text",
        "ALTER TABLE items ADD EXCLUDE USING btree (n WITH =)",
        r#""n":1"#,
        r#""n":2"#,
    );
    swap(
        "g text, n int NOT NULL CHECK (n IN (1, 2))",
        "CREATE UNIQUE INDEX ON items (n) WHERE is_active",
        r#""n":1"#,
        r#""n":2"#,
    );
}

#[test]
fn an_active_row_and_an_inactive_one_change_places() {
    let project = items("slot int NOT NULL");
    project
        .database
        .execute("CREATE UNIQUE INDEX one ON items (slot) WHERE is_active");
    file(
        &project,
        &[
            ("a", r#""slot":1"#),
            ("b", r#""slot":1,"is_active":false"#),
            ("c", r#""slot":3"#),
        ],
    );
    project.run(&["seed", "--quiet"]).succeeded();
    for _ in 0..2 {
        file(
            &project,
            &[
                ("a", r#""slot":1,"is_active":false"#),
                ("b", r#""slot":1"#),
                ("c", r#""slot":3"#),
            ],
        );
        project.run(&["seed", "--quiet"]).succeeded();
        file(
            &project,
            &[
                ("a", r#""slot":1"#),
                ("b", r#""slot":1,"is_active":false"#),
                ("c", r#""slot":3"#),
            ],
        );
        project.run(&["seed", "--quiet"]).succeeded();
    }
    // A row that leaves frees its place for one that comes.
    file(
        &project,
        &[
            ("a", r#""slot":1"#),
            ("b", r#""slot":1,"is_active":false"#),
            ("d", r#""slot":3"#),
        ],
    );
    project.run(&["seed", "--quiet"]).succeeded();
}

#[test]
fn rows_that_others_point_at_trade_as_well() {
    for update in ["ON UPDATE CASCADE", "DEFERRABLE"] {
        let project = Project::new(&[
            &format!(
                "CREATE TABLE makers (id text PRIMARY KEY, code text NOT NULL UNIQUE);
                 CREATE TABLE models (id text PRIMARY KEY,
                     code text NOT NULL REFERENCES makers (code) {update});"
            ),
            &tracked(&["makers", "models"]),
        ]);
        project.run(&["migrate", "--quiet"]).succeeded();
        project.source("makers", r#"[{"id":"A","code":"a"},{"id":"B","code":"b"}]"#);
        project.source("models", r#"[{"id":"M","code":"a"},{"id":"N","code":"b"}]"#);
        project.run(&["seed", "--quiet"]).succeeded();
        project.source("makers", r#"[{"id":"A","code":"b"},{"id":"B","code":"a"}]"#);
        project.run(&["seed", "--quiet", "--recheck"]).succeeded();
        assert_eq!(
            project.database.query(
                "SELECT id, code FROM makers UNION ALL SELECT id, code FROM models ORDER BY 1"
            ),
            ["A|b", "B|a", "M|a", "N|b"],
            "{update}"
        );
    }
}

#[test]
fn rows_that_cannot_step_aside_are_named_with_the_remedy() {
    let project = items("n int NOT NULL UNIQUE CHECK (n IN (1, 2))");
    file(&project, &[("a", r#""n":1"#), ("b", r#""n":2"#)]);
    project.run(&["seed", "--quiet"]).succeeded();
    file(&project, &[("a", r#""n":2"#), ("b", r#""n":1"#)]);
    let rows = project.database.everything();
    let problem = "trades a unique value with other rows, and the table allows no value in between; \
                   declare the constraint items_n_key DEFERRABLE by a migration";
    project.run(&["seed"]).failed_with(&format!(
        "error: items.json: row 1 \"a\": column \"n\": {problem}\n\
         error: items.json: row 2 \"b\": column \"n\": {problem}\n\
         error: 2 problems in the source; nothing was seeded\n"
    ));
    assert_eq!(project.database.everything(), rows);
}

/// `check`, `plan` and `seed` say the same of a file.
#[track_caller]
fn is_refused(project: &Project, problems: &[&str]) {
    let lines: String = problems
        .iter()
        .map(|p| format!("error: items.json: {p}\n"))
        .collect();
    let count = match problems.len() {
        1 => "1 problem".to_owned(),
        many => format!("{many} problems"),
    };
    let rows = project.database.everything();
    for (command, place, outcome) in [
        (&["check"][..], "json-source", "nothing was changed"),
        (
            &["plan", "--quiet"],
            "the source",
            "a seed would be refused",
        ),
        (&["seed"], "the source", "nothing was seeded"),
    ] {
        project
            .run(command)
            .failed_with(&format!("{lines}error: {count} in {place}; {outcome}\n"));
    }
    assert_eq!(project.database.everything(), rows);
}

#[test]
fn two_rows_of_a_file_with_one_value_are_both_named() {
    let project = items("n int UNIQUE, g text, UNIQUE (g, n)");
    file(
        &project,
        &[
            ("a", r#""n":1,"g":"x""#),
            ("b", r#""n":2"#),
            ("c", r#""n":1,"g":"x""#),
        ],
    );
    is_refused(
        &project,
        &[
            r#"row 3 "c": column "n": "1" must be unique (items_n_key), and row 1 "a" has it too"#,
            r#"row 3 "c": column "n, g": ("x", "1") must be unique (items_g_n_key), and row 1 "a" has it too"#,
        ],
    );
    // Nulls are no values.
    file(
        &project,
        &[("a", r#""n":null,"g":"x""#), ("b", r#""n":null,"g":"x""#)],
    );
    project.run(&["seed", "--quiet"]).succeeded();
}

#[test]
fn a_value_that_another_row_keeps_is_told_with_whose_it_is() {
    let project = items("n int NOT NULL UNIQUE");
    file(
        &project,
        &[("a", r#""n":1"#), ("b", r#""n":2"#), ("c", r#""n":3"#)],
    );
    project.run(&["seed", "--quiet"]).succeeded();
    file(
        &project,
        &[("a", r#""n":1"#), ("b", r#""n":3"#), ("d", r#""n":9"#)],
    );
    is_refused(
        &project,
        &[
            r#"row 2 "b": column "n": "3" must be unique (items_n_key), and row "c", which the file does not hold, keeps it, active or not"#,
        ],
    );
    project
        .database
        .execute("UPDATE items SET is_active = false WHERE id = 'c'");
    is_refused(
        &project,
        &[
            r#"row 2 "b": column "n": "3" must be unique (items_n_key), and row "c", which the file does not hold, keeps it, active or not"#,
        ],
    );
    project
        .database
        .execute("UPDATE items SET is_active = true, source_type = 'admin' WHERE id = 'c'");
    is_refused(
        &project,
        &[
            r#"row 2 "b": column "n": "3" must be unique (items_n_key), and row "c" of an administrator has it"#,
        ],
    );
    // The same, of a new row.
    file(
        &project,
        &[("a", r#""n":1"#), ("b", r#""n":2"#), ("d", r#""n":3"#)],
    );
    is_refused(
        &project,
        &[
            r#"row 3 "d": column "n": "3" must be unique (items_n_key), and row "c" of an administrator has it"#,
        ],
    );
}

/// Large enough to be copied straight into its table.
#[test]
fn rows_of_a_large_new_file_with_one_value_are_both_named() {
    let project = items("n int UNIQUE");
    let rows: Vec<String> = (0..6_000)
        .map(|id| {
            format!(
                r#"{{"id":"{id}","n":{}}}"#,
                if id == 5_000 { 7 } else { id }
            )
        })
        .collect();
    project.source("items", &format!("[{}]", rows.join(",")));
    is_refused(
        &project,
        &[
            r#"row 5001 "5000": column "n": "7" must be unique (items_n_key), and row 8 "7" has it too"#,
        ],
    );
}

const NO_CASE: &str =
    "CREATE COLLATION no_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);";

#[test]
fn keys_that_the_database_takes_for_equal_are_refused() {
    for (before, kind) in [
        (NO_CASE, "text COLLATE no_case"),
        (
            "CREATE EXTENSION citext; CREATE DOMAIN word AS citext;",
            "word",
        ),
    ] {
        let project = Project::new(&[
            &format!("{before} CREATE TABLE items (id {kind} PRIMARY KEY, n {kind} UNIQUE);"),
            &tracked(&["items"]),
        ]);
        project.run(&["migrate", "--quiet"]).succeeded();
        project.source("items", r#"[{"id":"a"},{"id":"b"},{"id":"A"}]"#);
        is_refused(
            &project,
            &[r#"row 3 "A": duplicate primary key: to the database it is equal to "a" in row 1"#],
        );
        project.source("items", r#"[{"id":"a","n":"x"},{"id":"b","n":"X"}]"#);
        is_refused(
            &project,
            &[
                r#"row 2 "b": column "n": "X" must be unique (items_n_key), and row 1 "a" has it too"#,
            ],
        );
        project.source("items", r#"[{"id":"a","n":"x"},{"id":"b","n":"Y"}]"#);
        project.run(&["seed", "--quiet"]).succeeded();
        // The key is another spelling of the row's own.
        for rows in [
            r#"[{"id":"A","n":"x"},{"id":"b","n":"Y"}]"#,
            r#"[{"id":"A","n":"y"},{"id":"b","n":"x"}]"#,
        ] {
            project.source("items", rows);
            is_refused(
                &project,
                &[
                    r#"row 1 "A": the primary key is written "a" in table items, which to the database is equal; a seed does not rewrite keys: change it there by SQL first, or keep its spelling in the file"#,
                ],
            );
        }
        project
            .database
            .execute("UPDATE items SET id = 'A' WHERE id = 'a'");
        project.run(&["seed", "--quiet"]).succeeded();
        assert_eq!(
            project
                .database
                .query("SELECT id, n FROM items ORDER BY id"),
            ["A|y", "b|x"]
        );
    }
}

#[test]
fn rows_trade_through_the_columns_that_a_unique_one_is_generated_from() {
    let lower = "n text NOT NULL, m text GENERATED ALWAYS AS (lower(n)) STORED UNIQUE";
    trades(lower, "n", &[r#""X""#, r#""Y""#], &[r#""y""#, r#""x""#]);
    // A chain, and one whose free end comes last.
    trades(lower, "n", &[r#""X""#, r#""Y""#], &[r#""Y""#, r#""Z""#]);
    trades(lower, "n", &[r#""Y""#, r#""X""#], &[r#""Z""#, r#""Y""#]);
    for nullable in ["", "NOT NULL"] {
        let doubled = format!(
            "n int {nullable}, m int {nullable} GENERATED ALWAYS AS (n * 2) STORED,
             CONSTRAINT one_m UNIQUE (m)"
        );
        trades(&doubled, "n", &["1", "2"], &["2", "1"]);
    }
    trades(
        "n int NOT NULL, m int GENERATED ALWAYS AS (n * 2) STORED",
        "n",
        &["1", "2", "3"],
        &["2", "3", "1"],
    );
}

#[test]
fn rows_of_one_generated_value_are_named() {
    let project = items("n text NOT NULL, m text GENERATED ALWAYS AS (lower(n)) STORED UNIQUE");
    file(&project, &[("a", r#""n":"X""#), ("b", r#""n":"Y""#)]);
    project.run(&["seed", "--quiet"]).succeeded();
    file(&project, &[("a", r#""n":"Z""#), ("b", r#""n":"z""#)]);
    is_refused(
        &project,
        &[r#"row 2 "b": column "m": "z" must be unique (items_m_key), and row 1 "a" has it too"#],
    );
}

#[test]
fn a_generated_value_that_leaves_no_way_is_told_with_its_rows() {
    let project = items(
        "n int NOT NULL CHECK (n IN (1, 2)), m int GENERATED ALWAYS AS (n * 2) STORED UNIQUE",
    );
    file(&project, &[("a", r#""n":1"#), ("b", r#""n":2"#)]);
    project.run(&["seed", "--quiet"]).succeeded();
    file(&project, &[("a", r#""n":2"#), ("b", r#""n":1"#)]);
    let told = project.run(&["seed"]).stderr;
    assert!(told.contains(r#"row 1 "a": column "m": trades"#), "{told}");
    assert!(told.contains("2 problems in the source"), "{told}");
}

/// What a seed says of two rows that swap `n` where nothing lies in between.
#[track_caller]
fn remedy(columns: &str, sql: &str) -> String {
    let project = items(columns);
    project.database.execute(sql);
    file(&project, &[("a", r#""n":1"#), ("b", r#""n":2"#)]);
    project.run(&["seed", "--quiet"]).succeeded();
    if sql.contains("REFERENCES") {
        project
            .database
            .execute("INSERT INTO others VALUES (1), (2)");
    }
    file(&project, &[("a", r#""n":2"#), ("b", r#""n":1"#)]);
    let told = project.run(&["seed", "--quiet"]).stderr;
    let (_, remedy) = told
        .split_once("allows no value in between; ")
        .expect(&told);
    remedy.lines().next().unwrap().to_owned()
}

#[test]
fn the_remedy_is_one_that_the_index_allows() {
    let two = "n int NOT NULL CHECK (n IN (1, 2))";
    for (index, kind) in [
        ("(n)", "UNIQUE"),
        ("((n + 1))", "EXCLUDE"),
        ("(n) WHERE n > 0", "EXCLUDE"),
    ] {
        assert_eq!(
            remedy(two, &format!("CREATE UNIQUE INDEX one_n ON items {index}")),
            format!(
                "replace the index one_n by a constraint, {kind} ... DEFERRABLE, by a migration"
            )
        );
    }
    assert_eq!(
        remedy(two, "ALTER TABLE items ADD CONSTRAINT one_n UNIQUE (n)"),
        "declare the constraint one_n DEFERRABLE by a migration"
    );
    let referenced = "ALTER TABLE items ADD CONSTRAINT one_n UNIQUE (n);
        CREATE TABLE others (n int CONSTRAINT points REFERENCES items (n)";
    assert_eq!(
        remedy("n int NOT NULL", &format!("{referenced})")),
        "declare the foreign key points, which references one_n, ON UPDATE CASCADE by a migration"
    );
    assert_eq!(
        remedy(two, &format!("{referenced} ON UPDATE CASCADE)")),
        "one_n cannot be DEFERRABLE, for the foreign key points references it: let the table allow \
         one more value, by a migration"
    );
}

#[test]
fn arrays_are_swapped() {
    for (kind, from, to) in [
        ("int[]", "[1]", "[2]"),
        ("int[]", "[]", "[2,3]"),
        ("text[]", r#"["a"]"#, r#"["b"]"#),
        ("boolean[]", "[true]", "[false]"),
    ] {
        let columns = format!("n {kind} NOT NULL UNIQUE");
        trades(&columns, "n", &[from, to], &[to, from]);
    }
    let without_null = "n int[] NOT NULL UNIQUE CHECK (array_position(n, NULL) IS NULL)";
    trades(without_null, "n", &["[1]", "[2]"], &["[2]", "[1]"]);
}

#[test]
fn addresses_are_swapped() {
    for (kind, one, other) in [
        ("inet", "10.0.0.1", "10.0.0.2/8"),
        ("cidr", "10.0.0.0/8", "11.0.0.0/8"),
        ("macaddr", "08:00:2b:01:02:03", "08:00:2b:01:02:04"),
        ("money", "$1.00", "$2.00"),
    ] {
        let project = items(&format!("n {kind} NOT NULL UNIQUE"));
        project.file("tablecast.toml", "[tables.items]\nas_text = [\"n\"]\n");
        let seed = |a: &str, b: &str| {
            let value = |v: &str| format!(r#""n":"{v}""#);
            file(&project, &[("a", &value(a)), ("b", &value(b))]);
            project.run(&["seed", "--quiet"]).succeeded();
            project.database.query("SELECT n FROM items ORDER BY id")
        };
        assert_eq!(seed(one, other), [one, other], "{kind}");
        assert_eq!(seed(other, one), [other, one], "{kind}");
    }
}
