//! Any bytes at all are judged, none disturbs the reader, and what passes arrives as it was.

use std::io::Read;

use futures_util::SinkExt;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use publisher::parts::read_schema;
use publisher::parts::{Config, TableConfig};
use publisher::parts::{Problem, Problems, RowDecoder, RowReader, SplitError};
use publisher::parts::{Schema, Table};

use crate::support::TestDatabase;

#[test]
fn no_bytes_disturb_the_reader_and_it_accepts_no_more_than_json() {
    let schema = schema_of(&TestDatabase::new());
    let config = config(TableConfig::default());
    let judged = |bytes: Vec<u8>, piece: usize| {
        let whole = read(&bytes, bytes.len().max(1), &schema, &config);
        prop_assert_eq!(&read(&bytes, piece, &schema, &config), &whole);
        check_places(&bytes, &whole.problems)?;
        // Another reader's opinion. It takes what we refuse (a key twice, half a
        // surrogate pair), but never the other way round.
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let json = serde_json::from_slice::<serde::de::IgnoredAny>(text);
        prop_assert!(json.is_ok() || whole.is_refused(), "{json:?}");
        Ok(())
    };
    let bytes = prop_oneof![any_bytes(), nearly_good_bytes(), good_json_of_bad_rows()];
    runner(200)
        .run(&(bytes, 1..99_usize), |(bytes, piece)| judged(bytes, piece))
        .unwrap();
}

#[test]
fn a_value_of_every_kind_arrives_as_postgres_itself_reads_it() {
    let database = TestDatabase::new();
    let schema = schema_of(&database);
    let as_text = ["big", "exact", "plain", "packed", "packed_list"];
    let config = config(TableConfig {
        as_text: as_text.map(str::to_owned).into(),
        ..TableConfig::default()
    });
    database.execute("CREATE TABLE expected (LIKE things)");
    let client = database.connect();
    let rows = prop::collection::vec(any_row(), 1..40);
    runner(24)
        .run(&rows, |rows| {
            let file = format!("[{}]", rows.join(","));
            let read = read(
                file.as_bytes(),
                1 << 20,
                &schema_as_text(&schema, &as_text),
                &config,
            );
            prop_assert_eq!(read.broken, None);
            let problems: Vec<String> = read.problems.iter().map(Problem::to_string).collect();
            prop_assert_eq!(problems, Vec::<String>::new());
            let arrived = database.block_on(async {
                client.batch_execute("TRUNCATE things, expected").await?;
                let copy = format!("COPY things ({}) FROM STDIN", COLUMNS.join(", "));
                let mut sink = std::pin::pin!(client.copy_in(&copy).await?);
                sink.send(bytes::Bytes::from(read.lines)).await?;
                sink.as_mut().finish().await?;
                // PostgreSQL's own way from JSON to rows knows everything but base64.
                client.execute(EXPECTED, &[&file]).await?;
                let differing = client.query(DIFFERING, &[]).await?;
                Ok::<_, tokio_postgres::Error>(differing.iter().map(|row| row.get(0)).collect())
            });
            let differing: Vec<String> = arrived.map_err(|error| {
                TestCaseError::fail(publisher::parts::PgError::from(error).to_string())
            })?;
            prop_assert_eq!(differing, Vec::<String>::new());
            Ok(())
        })
        .unwrap();
}

const THINGS: &str = "
    CREATE TYPE mood AS ENUM ('calm', 'it''s \"so\\', 'ä, {b}');
    CREATE TABLE things (
        id          bigint PRIMARY KEY,
        is_on       boolean,
        small       smallint,
        middle      integer,
        big         bigint,
        low         real,
        high        double precision,
        exact       numeric,
        price       numeric(12,3),
        words       text,
        short       varchar(4),
        code        char(3),
        key         uuid,
        day         date,
        at          time,
        moment      timestamp,
        moment_there timestamptz,
        data        bytea,
        plain       json,
        packed      jsonb,
        feeling     mood,
        word_list   text[],
        matrix      integer[],
        packed_list jsonb[],
        feelings    mood[]
    );";

// By name, as the decoder counts them.
const COLUMNS: [&str; 25] = [
    "at",
    "big",
    "code",
    "data",
    "day",
    "exact",
    "feeling",
    "feelings",
    "high",
    "id",
    "is_on",
    "key",
    "low",
    "matrix",
    "middle",
    "moment",
    "moment_there",
    "packed",
    "packed_list",
    "plain",
    "price",
    "short",
    "small",
    "word_list",
    "words",
];

const EXPECTED: &str = "
    INSERT INTO expected
    SELECT row.id, row.is_on, row.small, row.middle, row.big, row.low, row.high, row.exact,
           row.price, row.words, row.short, row.code, row.key, row.day, row.at, row.moment,
           row.moment_there, decode(file.value ->> 'data', 'base64'), row.plain, row.packed,
           row.feeling, row.word_list, row.matrix, row.packed_list, row.feelings
    FROM json_array_elements($1::text::json) AS file,
         json_populate_record(NULL::things, (file.value::jsonb - 'data' - 'plain')::json) AS other,
         json_populate_record(other, json_build_object('plain', file.value -> 'plain')) AS row";

const DIFFERING: &str = "
    SELECT 'staged: ' || coalesce(things::text, '-') || ' expected: ' || coalesce(expected::text, '-')
    FROM things FULL JOIN expected USING (id)
    WHERE things::text IS DISTINCT FROM expected::text";

fn schema_of(database: &TestDatabase) -> Schema {
    database.execute(THINGS);
    let client = database.connect();
    let schema = database.block_on(read_schema(&client, &config(TableConfig::default())));
    let schema = schema.unwrap();
    let names: Vec<&str> = schema.tables[0]
        .columns
        .iter()
        .map(|c| c.name.as_str())
        .collect();
    assert_eq!(names, COLUMNS);
    schema
}

fn schema_as_text(schema: &Schema, columns: &[&str]) -> Schema {
    let mut schema = schema.clone();
    for column in &mut schema.tables[0].columns {
        column.as_text = columns.contains(&column.name.as_str());
    }
    schema
}

fn config(things: TableConfig) -> Config {
    let mut config = Config::default();
    config.tables.insert("things".to_owned(), things);
    config
}

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    })
}

/// What the reader and the decoder make of a file.
#[derive(Debug, PartialEq)]
struct Judged {
    lines: Vec<u8>,
    problems: Vec<Problem>,
    broken: Option<String>,
}

impl Judged {
    fn is_refused(&self) -> bool {
        self.broken.is_some() || !self.problems.is_empty()
    }
}

fn read(bytes: &[u8], piece: usize, schema: &Schema, config: &Config) -> Judged {
    let table: &Table = &schema.tables[0];
    let columns: Vec<usize> = (0..table.columns.len()).collect();
    let mut decoder = RowDecoder::new(table, config);
    let (mut lines, mut problems) = (Vec::new(), Problems::default());
    let mut read = || {
        let mut reader = RowReader::new(Pieces { bytes, size: piece })?;
        while let Some(row) = reader.next_row()? {
            if decoder.decode("things.json", &row, &mut problems) {
                decoder.copy_line(&columns, &mut lines);
            }
        }
        assert_eq!(reader.finish()?, blake3::hash(bytes));
        Ok(())
    };
    let read: Result<(), SplitError> = read();
    Judged {
        lines,
        problems: problems.into_sorted(),
        broken: read.err().map(|error| format!("{error:?}")),
    }
}

// A reader that gives little at a time.
struct Pieces<'b> {
    bytes: &'b [u8],
    size: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.size.min(self.bytes.len()).min(buffer.len());
        let (now, later) = self.bytes.split_at(count);
        buffer[..count].copy_from_slice(now);
        self.bytes = later;
        Ok(count)
    }
}

// Every problem has a place that an editor can open.
fn check_places(bytes: &[u8], problems: &[Problem]) -> Result<(), TestCaseError> {
    let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    for problem in problems {
        let place = problem
            .place
            .as_ref()
            .expect("a problem of a row has its place");
        let (line, column) = place.position.expect("and a position");
        prop_assert!((1..=lines.len()).contains(&line), "{problem}");
        prop_assert!(
            (1..=lines[line - 1].len() + 1).contains(&column),
            "{problem}"
        );
    }
    Ok(())
}

// Bytes of which many mean something.
fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let pieces = [
        "[",
        "]",
        "{",
        "}",
        "\"",
        ":",
        ",",
        "\\",
        "\\u",
        "d83d",
        "\\u0000",
        "\\ud800",
        "0",
        "-1",
        "1e999999999999",
        "0.1",
        "true",
        "null",
        "\"id\":",
        "\"moment\":",
        "\"at\":",
        "\"day\":",
        "\"matrix\":",
        "\"exact\":",
        "\"packed\":",
        "\"packed_list\":",
        "[[",
        "]]",
        "\"2026-02-24T13:12:04Z\"",
        "_",
        "\n",
        " ",
        "\u{feff}",
        "ä",
        "😀",
        "//",
    ];
    let piece = prop_oneof![
        9 => prop::sample::select(pieces.to_vec()).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 1..4),
    ];
    let piece = prop::collection::vec(piece, 0..60);
    piece.prop_map(|pieces| pieces.concat())
}

// A good file with some bytes changed, added or lost.
fn nearly_good_bytes() -> impl Strategy<Value = Vec<u8>> {
    let edit = (any::<prop::sample::Index>(), 0..4_u8, any::<u8>());
    let rows = prop::collection::vec(any_row(), 1..4);
    (rows, prop::collection::vec(edit, 0..4)).prop_map(|(rows, edits)| {
        let mut bytes = format!("[\n{}\n]\n", rows.join(",\n")).into_bytes();
        for (index, what, byte) in edits {
            let at = index
                .index(bytes.len().max(1))
                .min(bytes.len().saturating_sub(1));
            match what {
                _ if bytes.is_empty() => {}
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => drop(bytes.remove(at)),
                _ => bytes.truncate(at),
            }
        }
        bytes
    })
}

// Keys that are no columns, and values that belong elsewhere, in lists and in maps.
fn good_json_of_bad_rows() -> impl Strategy<Value = Vec<u8>> {
    let column = || prop::sample::select(COLUMNS[1..].to_vec());
    let quoted = |name: &str| serde_json::to_string(name).unwrap();
    let key = || prop_oneof![3 => column().prop_map(quoted), 1 => text(".{0,5}")];
    let value = prop_oneof![
        column()
            .prop_filter("an id has no strategy", |name| *name != "id")
            .prop_flat_map(any_value),
        any_json(),
        "-?(0|[1-9][0-9]{0,40})(\\.[0-9]{1,40})?([eE][+-]?[0-9]{1,20})?",
        "\"[0-9:TZ+. -]{0,30}\"",
    ];
    let members = prop::collection::vec((key(), value), 0..8);
    let rows = prop::collection::vec((key(), members), 0..4);
    (rows, any::<bool>()).prop_map(|(rows, is_map)| {
        let rows: Vec<String> = rows
            .iter()
            .map(|(key, members)| {
                let members: Vec<String> = members
                    .iter()
                    .map(|(key, value)| format!("{key}: {value}"))
                    .collect();
                let row = format!("{{{}}}", members.join(", "));
                if is_map { format!("{key}: {row}") } else { row }
            })
            .collect();
        let rows = rows.join(",\n");
        let text = if is_map {
            format!("{{{rows}}}")
        } else {
            format!("[{rows}]")
        };
        text.into_bytes()
    })
}

// A row of `things`, as JSON, with some of the columns.
fn any_row() -> impl Strategy<Value = String> {
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let values: Vec<BoxedStrategy<Option<String>>> = COLUMNS
        .iter()
        .filter(|name| **name != "id")
        .map(|name| {
            let value = any_value(name).prop_map(move |value| format!("\"{name}\": {value}"));
            let null = Just(format!("\"{name}\": null"));
            prop_oneof![6 => value.prop_map(Some), 1 => null.prop_map(Some), 2 => Just(None)]
                .boxed()
        })
        .collect();
    values.prop_map(|values| {
        let id = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let id = Some(format!("\"id\": {id}"));
        let members: Vec<String> = [id].into_iter().chain(values).flatten().collect();
        format!("{{{}}}", members.join(", "))
    })
}

fn any_value(column: &str) -> BoxedStrategy<String> {
    let list = |element: BoxedStrategy<String>| {
        let elements = prop::collection::vec(element, 0..5);
        elements
            .prop_map(|elements| format!("[{}]", elements.join(", ")))
            .boxed()
    };
    let or_null = |value: BoxedStrategy<String>| {
        prop_oneof![5 => value, 1 => Just("null".to_owned())].boxed()
    };
    match column {
        "is_on" => any::<bool>().prop_map(|value| value.to_string()).boxed(),
        "small" => any::<i16>().prop_map(|value| value.to_string()).boxed(),
        "middle" => any::<i32>().prop_map(|value| value.to_string()).boxed(),
        "big" => prop_oneof![
            any::<i64>().prop_map(|value| value.to_string()),
            any::<i64>().prop_map(|value| format!("\"{value}\""))
        ]
        .boxed(),
        "low" => number(
            |bits| f64::from(f32::from_bits(bits as u32)),
            |value| serde_json::to_string(&(value as f32)).unwrap(),
        ),
        "high" => number(f64::from_bits, |value| {
            serde_json::to_string(&value).unwrap()
        }),
        "exact" => "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,2})?".boxed(),
        "price" => "-?(0|[1-9][0-9]{0,8})(\\.[0-9]{1,3})?".boxed(),
        "words" => text(".*"),
        "short" => text(".{0,4}"),
        "code" => text("[a-zä]{0,3}"),
        "key" => "\"[0-9a-fA-F]{8}-[0-9a-f]{4}-[0-9A-F]{4}-[0-9a-f]{4}-[0-9a-f]{12}\"".boxed(),
        "day" => day().prop_map(|day| format!("\"{day}\"")).boxed(),
        "at" => time().prop_map(|time| format!("\"{time}\"")).boxed(),
        "moment" => (day(), time(), "Z?")
            .prop_map(|(day, time, zone)| format!("\"{day}T{time}{zone}\""))
            .boxed(),
        "moment_there" => (day(), time(), "(Z|[+-](0[0-9]|1[0-4]):(00|30|45))")
            .prop_map(|(day, time, zone)| format!("\"{day}T{time}{zone}\""))
            .boxed(),
        "data" => prop::collection::vec(any::<u8>(), 0..40)
            .prop_map(|bytes| {
                use base64::Engine;
                format!(
                    "\"{}\"",
                    base64::engine::general_purpose::STANDARD.encode(bytes)
                )
            })
            .boxed(),
        "plain" | "packed" => any_json(),
        "feeling" => mood(),
        "feelings" => list(or_null(mood())),
        "word_list" => list(or_null(text(".*"))),
        "matrix" => (1..4_usize, 1..4_usize)
            .prop_flat_map(|(height, width)| {
                let row = prop::collection::vec(
                    prop_oneof![
                        any::<i32>().prop_map(|n| n.to_string()),
                        Just("null".to_owned())
                    ],
                    width,
                )
                .prop_map(|row| format!("[{}]", row.join(",")));
                prop::collection::vec(row, height)
                    .prop_map(|rows| format!("[{}]", rows.join(" , ")))
            })
            .boxed(),
        "packed_list" => {
            // To PostgreSQL an array in an array is one more dimension, whatever the column.
            list(
                any_json()
                    .prop_filter("no array", |json| !json.starts_with('['))
                    .boxed(),
            )
        }
        other => panic!("column {other}"),
    }
}

fn text(pattern: &'static str) -> BoxedStrategy<String> {
    let text = prop_oneof![3 => pattern.boxed(), 1 => "[\\\\{}\"',\t\n\r N.]{0,3}".boxed()];
    text.prop_map(|text| serde_json::to_string(&text.replace('\0', "")).unwrap())
        .boxed()
}

// A number that its column holds exactly.
fn number(of_bits: fn(u64) -> f64, write: fn(f64) -> String) -> BoxedStrategy<String> {
    // A -0 of the file is one, but a jsonb, and so the comparison, knows none.
    let plain = |value: &f64| value.is_finite() && *value != 0.0;
    let finite = any::<u64>().prop_map(of_bits).prop_filter("finite", plain);
    finite.prop_map(write).boxed()
}

fn mood() -> BoxedStrategy<String> {
    let labels = ["calm", "it's \"so\\", "ä, {b}"];
    prop::sample::select(labels.to_vec())
        .prop_map(|label| serde_json::to_string(label).unwrap())
        .boxed()
}

fn day() -> impl Strategy<Value = String> {
    (2..9999_u16, 1..13_u8, 1..29_u8)
        .prop_map(|(year, month, day)| format!("{year:04}-{month:02}-{day:02}"))
}

fn time() -> impl Strategy<Value = String> {
    let fraction = prop_oneof![Just(String::new()), "\\.[0-9]{1,6}"];
    (0..24_u8, 0..60_u8, 0..60_u8, fraction).prop_map(|(hour, minute, second, fraction)| {
        format!("{hour:02}:{minute:02}:{second:02}{fraction}")
    })
}

fn any_json() -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<i64>().prop_map(|value| value.to_string()),
        "-?[1-9][0-9]{0,20}\\.[0-9]{1,20}([eE]-?[0-9]{1,2})?",
        text(".*"),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let member = (text("[a-z_]{0,3}|.*"), inner.clone());
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(|list| format!("[{}]", list.join(" ,"))),
            prop::collection::btree_map("[a-zä_]{0,3}", member, 0..4).prop_map(|members| {
                let members: Vec<String> = members
                    .iter()
                    .map(|(key, (_, value))| format!("\"{key}\" : {value}"))
                    .collect();
                format!("{{{}}}", members.join(",\n"))
            }),
        ]
    })
    .boxed()
}
