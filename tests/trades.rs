//! Rows that trade unique values where a table leaves few values in between, or none: what can
//! be done is done, and what cannot is told by `check`, `plan` and `seed` alike.

use pretty_assertions::assert_eq;

use crate::support::{Project, tracked};

/// Items of these columns beside their key, and whatever else the SQL makes.
fn items(before: &str, columns: &str, behind: &str) -> Project {
    let project = Project::new(&[
        &format!(
            "{before} CREATE TABLE items (id text PRIMARY KEY, {columns},
                 is_active boolean NOT NULL DEFAULT true); {behind}"
        ),
        &tracked(&["items"]),
    ]);
    project.run(&["migrate", "--quiet"]).succeeded();
    project
}

/// Rows `a`, `b`, ... of these columns: `"n":1`.
fn write(project: &Project, rows: &[&str]) {
    let rows = ('a'..).zip(rows);
    let rows: Vec<String> = rows
        .map(|(id, columns)| format!(r#"{{"id":"{id}",{columns}}}"#))
        .collect();
    project.source("items", &format!("[{}]", rows.join(",")));
}

/// The first two rows trade places: `check` and `plan` have nothing against it, and it is done.
#[track_caller]
fn trade(project: &Project, rows: &[&str]) {
    write(project, rows);
    project.run(&["seed", "--quiet"]).succeeded();
    let mut swapped = rows.to_vec();
    swapped.swap(0, 1);
    write(project, &swapped);
    project.run(&["check", "--quiet"]).succeeded();
    project.run(&["plan", "--quiet"]).succeeded();
    let report = project.json(&["seed"]);
    assert_eq!(report["tables"][0]["updated"], 2, "{rows:?}");
    project
        .run(&["parity", "--source", "json-source", "--database", "--quiet"])
        .succeeded();
}

/// The first two rows trade places: `check`, `plan` and `seed` name both with the remedy.
#[track_caller]
fn stuck(project: &Project, rows: &[&str], column: &str, remedy: &str) {
    write(project, rows);
    project.run(&["seed", "--quiet"]).succeeded();
    let mut swapped = rows.to_vec();
    swapped.swap(0, 1);
    write(project, &swapped);
    is_refused(project, &["a", "b"], column, remedy);
}

#[track_caller]
fn is_refused(project: &Project, ids: &[&str], column: &str, remedy: &str) {
    let lines: String = (1..)
        .zip(ids)
        .map(|(row, id)| {
            format!(
                "error: items.json: row {row} \"{id}\": column \"{column}\": trades a unique value with \
                 other rows, and the table allows no value in between; {remedy}\n"
            )
        })
        .collect();
    let count = ids.len();
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
        project.run(command).failed_with(&format!(
            "{lines}error: {count} problems in {place}; {outcome}\n"
        ));
    }
    assert_eq!(project.database.everything(), rows);
}

const POINTS: &str =
    "declare the foreign key points, which references one, ON UPDATE CASCADE by a migration";

/// What sees each row that is written.
const AUDIT: &str = "
    CREATE TABLE audit (what text);
    CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN INSERT INTO audit VALUES (TG_OP); RETURN NULL; END $$;
    CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON items
        FOR EACH ROW EXECUTE FUNCTION audit();";

/// What comes before the table, its columns, what comes behind it, its rows, and the column that
/// is told.
type Tight = (
    &'static str,
    &'static str,
    &'static str,
    Vec<&'static str>,
    &'static str,
);

/// Columns that leave no value in between, with two rows that trade and what else is there.
fn tight() -> Vec<Tight> {
    vec![
        (
            "",
            "n int NOT NULL UNIQUE CHECK (n IN (1, 2))",
            "",
            vec![r#""n":1"#, r#""n":2"#],
            "n",
        ),
        (
            "",
            "n int NOT NULL UNIQUE CHECK (n BETWEEN 1 AND 3)",
            "",
            vec![r#""n":1"#, r#""n":2"#, r#""n":3"#],
            "n",
        ),
        (
            "",
            "n boolean NOT NULL UNIQUE",
            "",
            vec![r#""n":true"#, r#""n":false"#],
            "n",
        ),
        (
            "CREATE TYPE size AS ENUM ('S', 'M', 'L');",
            "n size NOT NULL UNIQUE",
            "",
            vec![r#""n":"S""#, r#""n":"M""#, r#""n":"L""#],
            "n",
        ),
        (
            "",
            "g boolean NOT NULL, k boolean NOT NULL, UNIQUE (g, k)",
            "",
            vec![
                r#""g":true,"k":true"#,
                r#""g":false,"k":false"#,
                r#""g":true,"k":false"#,
                r#""g":false,"k":true"#,
            ],
            "g, k",
        ),
        (
            "CREATE DOMAIN place AS int CHECK (VALUE IN (1, 2));",
            "n place NOT NULL UNIQUE",
            "",
            vec![r#""n":1"#, r#""n":2"#],
            "n",
        ),
        (
            "",
            "n char(1) NOT NULL UNIQUE CHECK (n IN ('x', 'y'))",
            "",
            vec![r#""n":"x""#, r#""n":"y""#],
            "n",
        ),
        (
            "",
            "n int NOT NULL CHECK (n IN (1, 2)), EXCLUDE USING btree (n WITH =)",
            "",
            vec![r#""n":1"#, r#""n":2"#],
            "n",
        ),
        (
            "",
            "n int NOT NULL CHECK (n IN (1, 2))",
            "CREATE UNIQUE INDEX one ON items (n) WHERE n > 0;",
            vec![r#""n":1"#, r#""n":2"#],
            "n",
        ),
        (
            "",
            "n int NOT NULL CHECK (n IN (1, 2))",
            "CREATE UNIQUE INDEX one ON items ((n + 1));",
            vec![r#""n":1"#, r#""n":2"#],
            "n",
        ),
        (
            "",
            "n text NOT NULL CHECK (n IN ('x', 'Y', 'y', 'X'))",
            "CREATE UNIQUE INDEX one ON items (lower(n));",
            vec![r#""n":"x""#, r#""n":"Y""#],
            "n",
        ),
        (
            "",
            "n int NOT NULL CHECK (n IN (1, 2)), m int GENERATED ALWAYS AS (n * 2) STORED UNIQUE",
            "",
            vec![r#""n":1"#, r#""n":2"#],
            "m",
        ),
    ]
}

#[track_caller]
fn stuck_without_a_value((before, columns, behind, rows, column): &Tight) {
    let project = items(before, columns, behind);
    let remedy = if behind.is_empty() {
        let named = project.database.query(
            "SELECT conname FROM pg_constraint WHERE conrelid = 'items'::regclass AND contype IN ('u', 'x')",
        );
        format!(
            "declare the constraint {} DEFERRABLE by a migration",
            named[0]
        )
    } else {
        "replace the index one by a constraint, EXCLUDE ... DEFERRABLE, by a migration".to_owned()
    };
    stuck(&project, rows, column, &remedy);
}

#[test]
fn rows_for_which_no_value_is_free_are_told_and_never_deleted_for_a_moment() {
    tight()[..6].iter().for_each(stuck_without_a_value);
}

#[test]
fn rows_for_which_no_value_is_free_are_told_with_indexes_of_every_kind() {
    tight()[6..].iter().for_each(stuck_without_a_value);
}

#[test]
fn one_free_value_is_enough() {
    let watched = |columns: &str, rows: &[&str]| trade(&items("", columns, AUDIT), rows);
    watched(
        "n int NOT NULL UNIQUE CHECK (n BETWEEN 1 AND 3)",
        &[r#""n":1"#, r#""n":3"#],
    );
    watched(
        "n int NOT NULL UNIQUE CHECK (n BETWEEN 1 AND 5)",
        &[r#""n":2"#, r#""n":3"#, r#""n":1"#, r#""n":5"#],
    );
    watched(
        "n date NOT NULL UNIQUE CHECK (n BETWEEN '2026-01-01' AND '2026-01-03')",
        &[r#""n":"2026-01-01""#, r#""n":"2026-01-03""#],
    );
    watched(
        "n char(1) NOT NULL UNIQUE CHECK (n IN ('x', 'y', 'z'))",
        &[r#""n":"x""#, r#""n":"y""#],
    );
    watched(
        "g boolean NOT NULL, k boolean NOT NULL, UNIQUE (g, k)",
        &[
            r#""g":true,"k":true"#,
            r#""g":true,"k":false"#,
            r#""g":false,"k":true"#,
        ],
    );
    let project = items(
        "CREATE TYPE size AS ENUM ('S', 'M', 'L', 'XL');",
        "n size NOT NULL UNIQUE",
        AUDIT,
    );
    trade(&project, &[r#""n":"S""#, r#""n":"M""#, r#""n":"L""#]);
    // Two pairs, one after the other by way of the same label.
    let project = items(
        "CREATE TYPE size AS ENUM ('S', 'M', 'L', 'XL', 'XS');",
        "n size NOT NULL UNIQUE",
        AUDIT,
    );
    let labels = |labels: [&str; 4]| labels.map(|label| format!(r#""n":"{label}""#));
    for order in [
        ["S", "M", "L", "XL"],
        ["M", "S", "XL", "L"],
        ["S", "L", "M", "XL"],
    ] {
        let rows = labels(order);
        write(&project, &rows.each_ref().map(String::as_str));
        project.run(&["plan", "--quiet"]).succeeded();
        project.run(&["seed", "--quiet"]).succeeded();
    }
}

const PLACES: &str = "CREATE TABLE places (n int PRIMARY KEY); INSERT INTO places VALUES (1), (2)";

#[test]
fn rows_that_point_at_others_step_aside_to_what_they_may_point_at() {
    let columns = "n int NOT NULL UNIQUE REFERENCES places";
    let two = [r#""n":1"#, r#""n":2"#];
    let without_file = |project: &Project| {
        project.file("tablecast.toml", "exclude = [\"places\"]\n");
    };
    // One place is free.
    let project = items(&format!("{PLACES}, (3);"), columns, AUDIT);
    without_file(&project);
    trade(&project, &two);
    // Nothing is free.
    let project = items(&format!("{PLACES};"), columns, AUDIT);
    without_file(&project);
    stuck(
        &project,
        &two,
        "n",
        "declare the constraint items_n_key DEFERRABLE by a migration",
    );
}

#[test]
fn a_place_that_comes_with_the_same_files_is_free_as_well() {
    let project = Project::new(&[
        "CREATE TABLE places (n int PRIMARY KEY);
         CREATE TABLE items (id text PRIMARY KEY, n int NOT NULL UNIQUE REFERENCES places);",
        &tracked(&["items", "places"]),
        AUDIT,
    ]);
    project.run(&["migrate", "--quiet"]).succeeded();
    project.source("places", r#"[{"n":1},{"n":2}]"#);
    write(&project, &[r#""n":1"#, r#""n":2"#]);
    project.run(&["seed", "--quiet"]).succeeded();
    write(&project, &[r#""n":2"#, r#""n":1"#]);
    is_refused(
        &project,
        &["a", "b"],
        "n",
        "declare the constraint items_n_key DEFERRABLE by a migration",
    );
    project.source("places", r#"[{"n":1},{"n":2},{"n":3}]"#);
    for command in ["check", "plan", "seed"] {
        project.run(&[command, "--quiet"]).succeeded();
    }
}

#[test]
fn values_that_others_hold_fast_are_told_with_the_foreign_key() {
    for update in ["", "ON UPDATE RESTRICT", "ON DELETE CASCADE"] {
        let project = items(
            "",
            "n text NOT NULL CONSTRAINT one UNIQUE",
            &format!(
                "CREATE TABLE others (n text CONSTRAINT points REFERENCES items (n) {update});"
            ),
        );
        let rows = [r#""n":"x""#, r#""n":"y""#];
        // Nobody points at them yet.
        trade(&project, &rows);
        project.database.execute("INSERT INTO others VALUES ('x')");
        stuck(&project, &[rows[1], rows[0]], "n", POINTS);
    }
}

#[test]
fn a_table_that_points_at_its_own_code_is_told_with_the_foreign_key() {
    let columns = |update: &str| {
        format!(
            "code text NOT NULL CONSTRAINT one UNIQUE,
             above text CONSTRAINT points REFERENCES items (code) {update}"
        )
    };
    let rows = [
        r#""code":"x""#,
        r#""code":"y""#,
        r#""code":"z","above":"x""#,
    ];
    stuck(&items("", &columns(""), ""), &rows, "code", POINTS);
    trade(&items("", &columns("DEFERRABLE"), ""), &rows);
}

#[test]
fn what_the_remedy_says_helps() {
    let two = "n int NOT NULL CHECK (n IN (1, 2))";
    let unique = "ALTER TABLE items ADD CONSTRAINT one UNIQUE (n)";
    let fast = "CREATE TABLE others (n int CONSTRAINT points REFERENCES items (n));
                INSERT INTO others VALUES (1);";
    let free = "ALTER TABLE items DROP CONSTRAINT items_n_check;";
    for (index, beside, remedy) in [
        (
            unique,
            AUDIT,
            "ALTER TABLE items DROP CONSTRAINT one, ADD CONSTRAINT one UNIQUE (n) DEFERRABLE",
        ),
        (
            "CREATE UNIQUE INDEX one ON items (n)",
            AUDIT,
            "DROP INDEX one; ALTER TABLE items ADD CONSTRAINT one UNIQUE (n) DEFERRABLE",
        ),
        (
            "CREATE UNIQUE INDEX one ON items ((n + 1))",
            AUDIT,
            "DROP INDEX one;
             ALTER TABLE items ADD CONSTRAINT one EXCLUDE USING btree ((n + 1) WITH =) DEFERRABLE",
        ),
        (
            "CREATE UNIQUE INDEX one ON items (n) WHERE n > 0",
            AUDIT,
            "DROP INDEX one; ALTER TABLE items
                 ADD CONSTRAINT one EXCLUDE USING btree (n WITH =) WHERE (n > 0) DEFERRABLE",
        ),
        (
            &format!("{unique}; {free}"),
            fast,
            "ALTER TABLE others DROP CONSTRAINT points,
                 ADD CONSTRAINT points FOREIGN KEY (n) REFERENCES items (n) ON UPDATE CASCADE",
        ),
        (
            unique,
            &fast.replace("(n))", "(n) ON UPDATE CASCADE)"),
            "ALTER TABLE items DROP CONSTRAINT items_n_check, ADD CHECK (n IN (1, 2, 3))",
        ),
    ] {
        let project = items("", two, &format!("{index};"));
        write(&project, &[r#""n":1"#, r#""n":2"#]);
        project.run(&["seed", "--quiet"]).succeeded();
        project.database.execute(beside);
        write(&project, &[r#""n":2"#, r#""n":1"#]);
        for command in ["check", "plan", "seed"] {
            let told = project.run(&[command, "--quiet"]).stderr;
            assert!(
                told.contains("allows no value in between"),
                "{command}: {told}"
            );
        }
        project.database.execute(remedy);
        for command in ["check", "plan", "seed"] {
            project.run(&[command, "--quiet"]).succeeded();
        }
        assert_eq!(
            project
                .database
                .query("SELECT id, n FROM items ORDER BY id"),
            ["a|2", "b|1"],
            "{remedy}"
        );
    }
}

#[test]
fn rows_that_trade_what_an_index_computes_are_foreseen() {
    let project = items(
        "",
        "n text NOT NULL CHECK (n IN ('x', 'Y', 'y', 'X'))",
        &format!("CREATE UNIQUE INDEX one ON items (lower(n)); {AUDIT}"),
    );
    write(&project, &[r#""n":"X""#, r#""n":"y""#]);
    project.run(&["seed", "--quiet"]).succeeded();
    // No value is equal to a stored one.
    write(&project, &[r#""n":"Y""#, r#""n":"x""#]);
    is_refused(
        &project,
        &["a", "b"],
        "n",
        "replace the index one by a constraint, EXCLUDE ... DEFERRABLE, by a migration",
    );
}
