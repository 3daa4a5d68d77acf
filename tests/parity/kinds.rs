//! The kinds of damage that parity must find, as data: what is done to which row of which
//! side, and where the one difference must be reported.

/// Who is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// A table's file.
    Source,
    /// The tables, by SQL, with every trigger and foreign key out of the way.
    Database,
    /// A table object, published anew with hashes that fit.
    Snapshot,
}

/// What is done.
#[derive(Debug, Clone, Copy)]
pub enum How {
    /// One text of the row becomes another.
    Text(&'static str, &'static str),
    /// The row is taken out.
    Lose,
    /// The row comes twice, one behind the other.
    Double,
    /// The row and the one behind it change places.
    SwapWithNext,
    /// A row is added behind it.
    Add(&'static str),
    /// A statement.
    Sql(&'static str),
    /// The manifest gives a column another type.
    Retype(&'static str, &'static str),
}

/// One kind of damage.
#[derive(Debug, Clone, Copy)]
pub struct Damage {
    /// What kind it is.
    pub kind: &'static str,
    /// Who is damaged.
    pub on: On,
    /// The table.
    pub table: &'static str,
    /// The `id` of the row, as JSON.
    pub row: &'static str,
    /// What is done.
    pub how: How,
    /// The key that must be reported, as it is shown; nothing for the table as a whole.
    pub key: &'static str,
    /// The field that must be reported.
    pub field: &'static str,
    /// The JSON pointer that must be reported.
    pub pointer: &'static str,
    /// Whether `publisher verify`, which knows one side alone, finds it too.
    pub verify_finds_it: bool,
}

const fn damage(
    on: On,
    kind: &'static str,
    table: &'static str,
    row: &'static str,
    how: How,
) -> Damage {
    Damage {
        kind,
        on,
        table,
        row,
        how,
        key: row,
        field: "",
        pointer: "",
        verify_finds_it: false,
    }
}

impl Damage {
    const fn at(self, field: &'static str, pointer: &'static str) -> Self {
        Self {
            field,
            pointer,
            ..self
        }
    }

    const fn reported_under(self, key: &'static str) -> Self {
        Self { key, ..self }
    }

    const fn also_found_by_verify(self) -> Self {
        Self {
            verify_finds_it: true,
            ..self
        }
    }
}

// A row of the repository's own files.
const GRIP: &str = "\"PRONATED\"";

const fn source(kind: &'static str, from: &'static str, to: &'static str) -> Damage {
    damage(On::Source, kind, "grips", GRIP, How::Text(from, to))
}

const fn database(kind: &'static str, sql: &'static str) -> Damage {
    damage(On::Database, kind, "grips", GRIP, How::Sql(sql))
}

const fn snapshot(kind: &'static str, from: &'static str, to: &'static str) -> Damage {
    damage(On::Snapshot, kind, "grips", GRIP, How::Text(from, to))
}

// A row with a column of every type that the repository's own tables do not have.
const fn gauge(kind: &'static str, from: &'static str, to: &'static str) -> Damage {
    damage(On::Source, kind, "gauges", "1", How::Text(from, to))
}

const fn stored_gauge(kind: &'static str, sql: &'static str) -> Damage {
    damage(On::Database, kind, "gauges", "1", How::Sql(sql))
}

const fn published_gauge(kind: &'static str, from: &'static str, to: &'static str) -> Damage {
    damage(On::Snapshot, kind, "gauges", "1", How::Text(from, to))
}

/// A table with a row of every type, and its rows.
pub const GAUGES: &str = r#"[
{"id":1,"code":"AB","price":"12345678901234567.89","ratio":0.30000000000000004,"weight":1.5,"made_at":"2026-02-24T14:12:04.5+01:00","opens":"08:30:00","day":"2026-02-24","token":"0190163d-8694-739b-aea5-966c26f8ad91","raw":"AAECAw==","tags":["café",null,"b"],"note":"line one\nline two","sort_order":1},
{"id":10,"code":"CD","price":2,"ratio":1,"weight":0.1,"made_at":"2026-02-24T13:12:04Z","opens":"12:00:00","day":"2026-02-25","token":"0190163D-8694-739B-AEA5-966C26F8AD92","raw":"","tags":[],"sort_order":2},
{"id":9,"code":"EF","price":"0.50","ratio":1e300,"weight":16777216,"made_at":"2026-02-24T13:12:04Z","opens":"00:00:00","day":"2026-02-25","token":"0190163d-8694-739b-aea5-966c26f8ad93","raw":"/w==","tags":["x"],"note":"","sort_order":2}
]"#;

/// Its table.
pub const GAUGES_SQL: &str = "
    CREATE TABLE gauges (
        id integer PRIMARY KEY, code character(6) NOT NULL, price numeric NOT NULL,
        ratio double precision NOT NULL, weight real NOT NULL, made_at timestamptz NOT NULL,
        opens time NOT NULL, day date NOT NULL, token uuid NOT NULL, raw bytea NOT NULL,
        tags text[] NOT NULL, note text, sort_order integer NOT NULL,
        is_active boolean NOT NULL DEFAULT true, source_type text NOT NULL DEFAULT 'seed'
    );
    CREATE TRIGGER i AFTER INSERT ON gauges REFERENCING NEW TABLE AS changed_rows
        FOR EACH STATEMENT EXECUTE FUNCTION record_table_change();
    CREATE TRIGGER u AFTER UPDATE ON gauges REFERENCING NEW TABLE AS changed_rows
        FOR EACH STATEMENT EXECUTE FUNCTION record_table_change();
    CREATE TRIGGER d AFTER DELETE ON gauges REFERENCING OLD TABLE AS changed_rows
        FOR EACH STATEMENT EXECUTE FUNCTION record_table_change();
    CREATE TRIGGER t AFTER TRUNCATE ON gauges
        FOR EACH STATEMENT EXECUTE FUNCTION record_table_change();
    INSERT INTO reference_metadata (table_name) VALUES ('gauges');";

/// Every kind.
pub const KINDS: &[Damage] = &[
    // --- strings ---
    source("another case", "\"Pronated\"", "\"pronated\"").at("label", ""),
    source("a space behind", "\"Pronated\"", "\"Pronated \"").at("label", ""),
    source("a space before", "\"Pronated\"", "\" Pronated\"").at("label", ""),
    source("a space inside", "face the floor", "face  the floor").at("short_description", ""),
    source("a no-break space", "face the", "face\u{a0}the").at("short_description", ""),
    source("a zero-width space", "face the", "face\u{200b} the").at("short_description", ""),
    source("a letter of another script", "\"Pronated\"", "\"Pron\u{430}ted\"").at("label", ""),
    source("a variation selector", "🫳", "🫳\u{fe0f}").at("icon", ""),
    source("a letter lost", "away from the body.", "away from the bod.").at("short_description", ""),
    source("the last character lost", "away from the body.", "away from the body").at("short_description", ""),
    gauge("a decomposed Unicode form", "café", "cafe\u{301}").at("tags", "/0"),
    gauge("another line end", "line one\\nline", "line one\\r\\nline").at("note", ""),
    gauge("a backslash and n for a line end", "line one\\nline", "line one\\\\nline").at("note", ""),
    database("upper case", "UPDATE grips SET label = upper(label) WHERE id = 'PRONATED'").at("label", ""),
    database("a line end behind", "UPDATE grips SET label = label || E'\\n' WHERE id = 'PRONATED'").at("label", ""),
    stored_gauge("a composed form made apart", "UPDATE gauges SET tags[1] = E'cafe\\u0301' WHERE id = 1").at("tags", "/0"),
    snapshot("one character", "\"Pronated\"", "\"Pronatec\"").at("label", ""),
    snapshot("two characters exchanged", "\"Pronated\"", "\"Pronaetd\"").at("label", ""),
    published_gauge("a decomposed form published", "café", "cafe\u{301}").at("tags", "/0"),
    // --- null, missing, empty ---
    source("null for a string", "\"🫳\"", "null").at("icon", ""),
    source("a column left out", "\"icon\": \"🫳\",", "").at("icon", ""),
    source("the empty string for null", "\"parent_id\": null", "\"parent_id\": \"\"").at("parent_id", ""),
    source("the word null for null", "\"parent_id\": null", "\"parent_id\": \"null\"").at("parent_id", ""),
    source("an object for null", "\"rotation_path\": null", "\"rotation_path\": {}").at("rotation_path", ""),
    damage(
        On::Source,
        "null for the empty string",
        "gauges",
        "9",
        How::Text("\"note\":\"\"", "\"note\":null"),
    )
    .at("note", ""),
    damage(
        On::Snapshot,
        "null published for the empty string",
        "gauges",
        "9",
        How::Text("\"note\":\"\"", "\"note\":null"),
    )
    .at("note", ""),
    database("a string lost", "UPDATE grips SET icon = NULL WHERE id = 'PRONATED'").at("icon", ""),
    database("the empty string stored", "UPDATE grips SET parent_id = '' WHERE id = 'PRONATED'").at("parent_id", ""),
    snapshot("the empty string published", "\"parent_id\":null", "\"parent_id\":\"\"").at("parent_id", ""),
    published_gauge("an element that was null", "null,\"b\"", "\"null\",\"b\"").at("tags", "/1"),
    // --- types ---
    source("a number for a boolean", "\"is_dynamic\": false", "\"is_dynamic\": 0").at("is_dynamic", ""),
    source("a string for a boolean", "\"is_dynamic\": false", "\"is_dynamic\": \"false\"").at("is_dynamic", ""),
    source("a boolean turned", "\"is_dynamic\": false", "\"is_dynamic\": true").at("is_dynamic", ""),
    source("a string for a number", "\"sort_order\": 10", "\"sort_order\": \"10\"").at("sort_order", ""),
    source("a string for a nested number", "\"BRACHIORADIALIS\": 0.35", "\"BRACHIORADIALIS\": \"0.35\"")
        .at("delta_rules", "/ELBOW_FLEXION/BRACHIORADIALIS"),
    source("a boolean for a nested number", "\"BRACHIORADIALIS\": 0.35", "\"BRACHIORADIALIS\": true")
        .at("delta_rules", "/ELBOW_FLEXION/BRACHIORADIALIS"),
    damage(On::Source, "a list for an object", "grips", "\"FALSE_GRIP\"", How::Text("\"delta_rules\": {", "\"delta_rules\": [], \"_was\": {"))
        .at("delta_rules", ""),
    database("a boolean turned", "UPDATE grips SET is_dynamic = NOT is_dynamic WHERE id = 'PRONATED'").at("is_dynamic", ""),
    snapshot("a boolean published turned", "\"is_dynamic\":false", "\"is_dynamic\":true").at("is_dynamic", ""),
    // --- numbers ---
    source("a digit", "\"sort_order\": 10", "\"sort_order\": 11").at("sort_order", ""),
    source("a half", "\"sort_order\": 10", "\"sort_order\": 10.5").at("sort_order", ""),
    source("a sign", "\"BICEPS_LONG_HEAD\": -0.35", "\"BICEPS_LONG_HEAD\": 0.35")
        .at("delta_rules", "/ELBOW_FLEXION/BICEPS_LONG_HEAD"),
    source("a digit far behind the point", "\"BRACHIORADIALIS\": 0.35", "\"BRACHIORADIALIS\": 0.3500000001")
        .at("delta_rules", "/ELBOW_FLEXION/BRACHIORADIALIS"),
    gauge("the seventeenth digit", "0.30000000000000004", "0.3").at("ratio", ""),
    gauge("digits that no double holds", "0.30000000000000004", "0.300000000000000041").at("ratio", ""),
    gauge("a digit beyond a double's", "12345678901234567.89", "12345678901234567.88").at("price", ""),
    gauge("a digit of a real", "\"weight\":1.5", "\"weight\":1.5000001").at("weight", ""),
    database("a nested digit", "UPDATE grips SET delta_rules = jsonb_set(delta_rules, '{ELBOW_FLEXION,BRACHIORADIALIS}', '0.36') WHERE id = 'PRONATED'")
        .at("delta_rules", "/ELBOW_FLEXION/BRACHIORADIALIS"),
    database("a nested digit beyond a double's", "UPDATE grips SET delta_rules = jsonb_set(delta_rules, '{ELBOW_FLEXION,BRACHIORADIALIS}', '0.35000000000000000001') WHERE id = 'PRONATED'")
        .at("delta_rules", "/ELBOW_FLEXION/BRACHIORADIALIS"),
    stored_gauge("the next double", "UPDATE gauges SET ratio = 0.3 WHERE id = 1").at("ratio", ""),
    stored_gauge("the last digit of a numeric", "UPDATE gauges SET price = price + 0.01 WHERE id = 1").at("price", ""),
    snapshot("a published digit", "\"BRACHIORADIALIS\":0.35", "\"BRACHIORADIALIS\":0.53")
        .at("delta_rules", "/ELBOW_FLEXION/BRACHIORADIALIS"),
    published_gauge("a number published by a double", "12345678901234567.89", "12345678901234568").at("price", ""),
    // --- moments, uuids, bytes ---
    gauge("a microsecond", "14:12:04.5+01:00", "14:12:04.500001+01:00").at("made_at", ""),
    gauge("an hour of the zone", "14:12:04.5+01:00", "14:12:04.5Z").at("made_at", ""),
    gauge("a second", "\"08:30:00\"", "\"08:30:01\"").at("opens", ""),
    gauge("a day", "\"day\":\"2026-02-24\"", "\"day\":\"2026-02-25\"").at("day", ""),
    gauge("a digit of a uuid", "26f8ad91", "26f8ad90").at("token", ""),
    gauge("a bit", "AAECAw==", "AAECAg==").at("raw", ""),
    gauge("a letter of a char(n)", "\"AB\"", "\"AC\"").at("code", ""),
    stored_gauge("an hour in the database", "UPDATE gauges SET made_at = made_at + interval '1 hour' WHERE id = 1").at("made_at", ""),
    stored_gauge("a byte behind", "UPDATE gauges SET raw = raw || '\\x00' WHERE id = 1").at("raw", ""),
    published_gauge("a day published", "2026-02-24T13", "2026-02-23T13").at("made_at", ""),
    // --- lists and objects ---
    source("a list in another order", "\"Overhand\",\n      \"Palms Down\"", "\"Palms Down\",\n      \"Overhand\"").at("common_names", ""),
    source("an element lost", "\"Overhand\",", "").at("common_names", ""),
    source("an element added", "\"Overhand\",", "\"Overhand\", \"\",").at("common_names", ""),
    source("an element doubled", "\"Overhand\",", "\"Overhand\", \"Overhand\",").at("common_names", ""),
    source("an element changed", "\"Obergriff\"", "\"Kammgriff\"").at("common_names", "/2"),
    source("a nested key renamed", "\"BRACHIORADIALIS\"", "\"BRACHIORADIALS\"").at("delta_rules", "/ELBOW_FLEXION"),
    source("a nested key in another case", "\"WRIST_EXTENSORS\"", "\"Wrist_Extensors\"").at("delta_rules", "/ELBOW_FLEXION"),
    source("a nested key lost", "\"WRIST_EXTENSORS\": 0.3,", "").at("delta_rules", "/ELBOW_FLEXION/WRIST_EXTENSORS"),
    source("a nested key with null added", "\"WRIST_EXTENSORS\": 0.3,", "\"WRIST_EXTENSORS\": 0.3, \"a/b\": null,")
        .at("delta_rules", "/ELBOW_FLEXION/a~1b"),
    source("a key twice in one object", "\"WRIST_EXTENSORS\": 0.3,", "\"WRIST_EXTENSORS\": 0.9, \"WRIST_EXTENSORS\": 0.3,"),
    damage(On::Source, "a key renamed three levels deep", "motions", "\"HORIZONTAL_PRESS\"", How::Text("\"TRICEPS_MEDIAL_HEAD\"", "\"TRICEPS_MEDIAL\""))
        .at("muscle_targets", "/ARMS/TRICEPS_BRACHII"),
    damage(On::Database, "a key renamed three levels deep, in the database", "motions", "\"HORIZONTAL_PRESS\"",
        How::Sql("UPDATE motions SET muscle_targets = replace(muscle_targets::text, 'TRICEPS_MEDIAL_HEAD', 'TRICEPS_MEDIAL')::jsonb WHERE id = 'HORIZONTAL_PRESS'"))
        .at("muscle_targets", "/ARMS/TRICEPS_BRACHII"),
    damage(On::Snapshot, "a key renamed three levels deep, published", "motions", "\"HORIZONTAL_PRESS\"", How::Text("\"TRICEPS_MEDIAL_HEAD\"", "\"TRICEPS_MEDIAK_HEAD\""))
        .at("muscle_targets", "/ARMS/TRICEPS_BRACHII"),
    database("a list in another order, in the database", "UPDATE grips SET common_names = (SELECT jsonb_agg(name ORDER BY at DESC) FROM jsonb_array_elements(common_names) WITH ORDINALITY AS e (name, at)) WHERE id = 'PRONATED'")
        .at("common_names", ""),
    database("an element added, in the database", "UPDATE grips SET common_names = common_names || '[\"\"]' WHERE id = 'PRONATED'").at("common_names", ""),
    stored_gauge("an element of an array lost", "UPDATE gauges SET tags = tags[1:2] WHERE id = 1").at("tags", ""),
    snapshot("a list in another order, published", "\"Overhand\",\"Palms Down\"", "\"Palms Down\",\"Overhand\"").at("common_names", ""),
    // --- rows and keys ---
    damage(On::Source, "a row lost", "grips", GRIP, How::Lose),
    damage(On::Source, "a row doubled", "grips", GRIP, How::Double),
    damage(On::Source, "a row added", "grips", GRIP, How::Add(r#"{"id": "NEW", "label": "New"}"#)).reported_under("\"NEW\""),
    source("a row deactivated", "\"is_active\": true", "\"is_active\": false").at("is_active", ""),
    source("a column renamed", "\"label\":", "\"labell\":").at("label", ""),
    source("a key that is no column", "\"label\":", "\"colour\": \"red\", \"label\":").at("colour", ""),
    damage(On::Database, "a row deleted", "grips", GRIP, How::Sql("DELETE FROM grips WHERE id = 'PRONATED'")),
    damage(On::Database, "a row inserted", "grips", GRIP, How::Sql("INSERT INTO grips (id, label) VALUES ('NEW', 'New')")).reported_under("\"NEW\""),
    database("a row deactivated in the database", "UPDATE grips SET is_active = false WHERE id = 'PRONATED'").at("is_active", ""),
    damage(On::Snapshot, "a row not published", "grips", GRIP, How::Lose),
    damage(On::Snapshot, "a row published twice", "grips", GRIP, How::Double).also_found_by_verify(),
    damage(On::Snapshot, "two rows of a table with sort_order exchanged", "grips", GRIP, How::SwapWithNext).also_found_by_verify(),
    damage(On::Snapshot, "two rows exchanged that share their sort_order", "gauges", "9", How::SwapWithNext).also_found_by_verify(),
    damage(On::Snapshot, "a column published with another type", "grips", GRIP, How::Retype("sort_order", "bigint")).reported_under("").at("sort_order", ""),
];
