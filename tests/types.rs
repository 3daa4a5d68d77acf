//! What `publisher types` says of the tables is what the snapshot holds.

use pretty_assertions::assert_eq;
use serde_json::json;

use crate::support::{Project, tracked};

const TABLES: &str = "
    CREATE TYPE side AS ENUM ('left', 'it''s \"right\"');
    CREATE TABLE exercise_media (
        id integer,
        language varchar(2),
        side side NOT NULL,
        views bigint,
        weight numeric(6, 2),
        made_on date NOT NULL,
        tags text[] NOT NULL,
        extra jsonb,
        source_type text NOT NULL DEFAULT 'seed',
        PRIMARY KEY (language, id)
    );";

const SETTINGS: &str = "[tables.exerciseMedia]\nas_text = [\"views\"]\n";

fn project() -> Project {
    let project = Project::new(&[TABLES, &tracked(&["exercise_media"])]);
    project.file("tablecast.toml", SETTINGS);
    project.source(
        "exerciseMedia",
        r#"[{"id": 1, "language": "de", "side": "left", "views": "9223372036854775807", "weight": 1.5,
             "made_on": "2026-02-24", "tags": ["a"], "extra": null}]"#,
    );
    project
}

#[test]
fn typescript_says_what_each_column_holds() {
    let project = project();
    project.run(&["migrate"]).succeeded();
    let finished = project.run(&["types"]);
    finished.succeeded();
    let tables = between(&finished.stdout, "ReferenceTables {\n", "\n}\n");
    assert_eq!(
        tables,
        r#"  /** `exercise_media`, by language, id. */
  exerciseMedia: {
    /** jsonb? */
    readonly extra: Json;
    /** integer */
    readonly id: number;
    /** character varying(2) */
    readonly language: string;
    /** date */
    readonly made_on: string;
    /** side */
    readonly side: "left" | "it's \"right\"";
    /** text[] */
    readonly tags: readonly (string | null)[];
    /** text? */
    readonly views: string | null;
    /** numeric(6,2)? */
    readonly weight: number | null;
  };"#
    );
}

#[test]
fn the_fingerprint_is_that_of_the_manifest() {
    let project = project();
    project.run(&["run"]).succeeded();
    let manifest = project.manifest();
    let fingerprint = manifest["tables"]["exerciseMedia"]["schemaFingerprint"]
        .as_str()
        .unwrap();
    let typescript = project.run(&["types"]).stdout;
    assert!(typescript.contains(&format!("  exerciseMedia: '{fingerprint}',")));
    let schema = project.json(&["types"]);
    assert_eq!(
        schema["properties"]["exerciseMedia"]["$comment"],
        json!(format!("schemaFingerprint {fingerprint}"))
    );
}

#[test]
fn json_schema_names_the_columns_of_a_published_row() {
    let project = project();
    project.run(&["run"]).succeeded();
    let schema = project.json(&["types", "--schema-version", "1.4"]);
    assert_eq!(
        schema["description"],
        "The tables of a bootstrap object, schema version 1.4"
    );
    let items = &schema["properties"]["exerciseMedia"]["items"];
    let row = &project.published("exerciseMedia")[0];
    let names: Vec<&String> = row.as_object().unwrap().keys().collect();
    assert_eq!(items["required"], json!(names));
    assert_eq!(
        items["properties"]["views"],
        json!({"anyOf": [{"type": "string"}, {"type": "null"}]})
    );
    assert_eq!(
        items["properties"]["side"],
        json!({"type": "string", "enum": ["left", "it's \"right\""]})
    );
}

fn between<'t>(text: &'t str, begin: &str, end: &str) -> &'t str {
    let (_, rest) = text.split_once(begin).unwrap();
    rest.split_once(end).unwrap().0
}
