use serde_json::Value;

use super::*;

fn column(name: &str, kind: ColumnType) -> Column {
    Column {
        name: name.to_owned(),
        sql_type: String::new(),
        kind,
        nullable: true,
        default: None,
        generated: false,
        is_fixed: false,
        as_text: false,
    }
}

fn table(columns: Vec<Column>, primary_key: &[usize]) -> Table {
    Table {
        key: "bigTable".parse().expect("a key"),
        name: "big_table".to_owned(),
        namespace: "public".to_owned(),
        columns,
        primary_key: primary_key.to_owned(),
        foreign_keys: Vec::new(),
        missing_triggers: Vec::new(),
        has_parts: false,
        untracked_parts: Vec::new(),
    }
}

fn render(table: &Table, values: &[Option<&[u8]>]) -> Result<String, RenderError> {
    let mut row = b"left from the row before".to_vec();
    RowRenderer::new(table)?.row(values.iter().copied(), &mut row)?;
    Ok(String::from_utf8(row).expect("JSON is UTF-8"))
}

#[track_caller]
fn refused(table: &Table, values: &[Option<&[u8]>], message: &str, hint: Option<&str>) {
    let error = render(table, values).expect_err("has no form in JSON");
    assert_eq!(error.to_string(), message);
    assert_eq!(error.hint().as_deref(), hint);
}

#[test]
fn a_row_has_every_published_column() {
    let columns = vec![
        column("id", ColumnType::Text(None)),
        column("is_active", ColumnType::Boolean),
        column("label", ColumnType::Text(None)),
        column("source_type", ColumnType::Text(None)),
        column("steps", ColumnType::Array(Box::new(ColumnType::Integer))),
    ];
    let steps = b"\0\0\0\x01\0\0\0\0\0\0\0\x17\0\0\0\x01\0\0\0\x01\0\0\0\x04\0\0\0\x07";
    let values = [Some(&b"NEUTRAL"[..]), Some(&[1]), None, Some(steps)];
    let row = render(&table(columns, &[0]), &values);
    let expected = r#"{"id":"NEUTRAL","is_active":true,"label":null,"steps":[7]}"#;
    assert_eq!(row.as_deref(), Ok(expected));
}

#[test]
fn a_refused_value_is_named_by_table_row_and_column() {
    let int8 = |value: i64| value.to_be_bytes();
    let (big, one) = (int8(9_007_199_254_740_993), int8(1));
    let hint = r#"publish it as a string: add as_text = ["views"] under [tables.bigTable] in tablecast.toml"#;

    let columns = vec![
        column("id", ColumnType::Text(None)),
        column("views", ColumnType::BigInt),
    ];
    refused(
        &table(columns, &[0]),
        &[Some(b"A"), Some(&big)],
        r#"bigTable: row "A": column "views": 9007199254740993 is beyond 2^53-1, where readers round integers"#,
        Some(hint),
    );

    // The key may stand behind the value, have several columns, or be the value.
    let columns = vec![
        column("views", ColumnType::Double),
        column("x", ColumnType::BigInt),
        column("y", ColumnType::Text(None)),
    ];
    let not_a_number = f64::NAN.to_be_bytes();
    refused(
        &table(columns, &[1, 2]),
        &[Some(&not_a_number), Some(&one), Some(b"say \"hi\"")],
        r#"bigTable: row (1, "say \"hi\""): column "views": NaN is not a finite number, and JSON has no other"#,
        Some(hint),
    );
    refused(
        &table(vec![column("views", ColumnType::BigInt)], &[0]),
        &[Some(&big)],
        r#"bigTable: row 9007199254740993: column "views": 9007199254740993 is beyond 2^53-1, where readers round integers"#,
        Some(hint),
    );
}

#[test]
fn every_reason_is_a_sentence() {
    let check = |kind: ColumnType, value: &[u8], reason: &str| {
        let columns = vec![column("id", ColumnType::SmallInt), column("x", kind)];
        let error = render(&table(columns, &[0]), &[Some(&[0, 7]), Some(value)]);
        let message = error.expect_err("has no form in JSON").to_string();
        assert_eq!(message, format!("bigTable: row 7: column \"x\": {reason}"));
    };
    let array = |size: i32, lower: i32| {
        let header = [1, 0, 20, size, lower].map(i32::to_be_bytes);
        header.concat()
    };
    check(
        ColumnType::Numeric(None),
        &[
            0, 5, 255, 255, 0, 0, 0, 20, 4, 210, 22, 46, 35, 52, 13, 128, 30, 210,
        ],
        "0.1234567890123456789 has more digits than a double holds",
    );
    check(
        ColumnType::Numeric(None),
        &[0, 1, 0, 99, 0, 0, 0, 0, 0, 1],
        "100000000000000000000000000000000000000000000000000000000000… is beyond 2^53-1, where readers round integers",
    );
    check(
        ColumnType::Numeric(None),
        &[0, 0, 0, 0, 0xf0, 0, 0, 32],
        "-Infinity is not a finite number, and JSON has no other",
    );
    check(
        ColumnType::Date,
        &i32::MAX.to_be_bytes(),
        "infinity is outside of the years 0001 to 9999, which RFC 3339 can write",
    );
    check(
        ColumnType::TimestampTz,
        &(-730_120 * 86_400_000_000_i64).to_be_bytes(),
        "the year 1 BC is outside of the years 0001 to 9999, which RFC 3339 can write",
    );
    check(
        ColumnType::Timestamp,
        &252_455_616_000_000_000_i64.to_be_bytes(),
        "the year 10000 is outside of the years 0001 to 9999, which RFC 3339 can write",
    );
    check(
        ColumnType::Interval,
        b"\x7f\xff\xff\xff\xff\xff\xff\xff\x7f\xff\xff\xff\x7f\xff\xff\xff",
        "infinity is an interval without end, and ISO 8601 has none",
    );
    check(
        ColumnType::Json,
        br#"{"a":1,"a":2}"#,
        "duplicate key \"a\" in one object",
    );
    check(
        ColumnType::Jsonb,
        b"\x01[9007199254740993]",
        "number 9007199254740993 is beyond 2^53-1, where readers round integers",
    );
    check(
        ColumnType::Json,
        "[".repeat(101).repeat(2).as_bytes(),
        "nests deeper than 100 levels, which some readers refuse",
    );
    check(
        ColumnType::Array(Box::new(ColumnType::BigInt)),
        &array(1, 0),
        "the array's subscripts start at 0, not 1, and JSON would lose that",
    );
    for (kind, value, sent) in [
        (
            ColumnType::Text(None),
            &b"\xff"[..],
            "text that is not UTF-8",
        ),
        (ColumnType::Boolean, b"", "a boolean of 0 bytes, not 1"),
        (ColumnType::Boolean, b"\x02", "a boolean of 2, not 0 or 1"),
        (
            ColumnType::BigInt,
            b"\0\0\0\x01",
            "a bigint of 4 bytes, not 8",
        ),
        (ColumnType::Time, &[255; 8], "a time of -1 microseconds"),
        (ColumnType::Interval, b"", "an interval of 0 bytes, not 16"),
        (
            ColumnType::Inet,
            b"\x02\x21\0\x04\x0a\0\0\x01",
            "an address with a prefix of 33 bits",
        ),
        (
            ColumnType::Inet,
            b"\x02\x20\0\x04\x0a",
            "an address of 5 bytes",
        ),
        (
            ColumnType::Inet,
            b"\x07",
            "an address of a family that is neither IPv4 nor IPv6",
        ),
        (
            ColumnType::Cidr,
            b"\x02\x10\x01\x04\x0a\0\0\x01",
            "a cidr that is no network",
        ),
        (ColumnType::Jsonb, b"", "a jsonb of 0 bytes"),
        (ColumnType::Jsonb, b"{}", "a jsonb of version 123, not 1"),
        (ColumnType::Numeric(None), b"\0\0\0", "a numeric of 3 bytes"),
        (
            ColumnType::Numeric(None),
            &[0, 2, 0, 0, 0, 0, 0, 0, 0, 1],
            "a numeric of 1 digits that claims 2",
        ),
        (
            ColumnType::Numeric(None),
            &[0, 0, 0, 0, 0x12, 0x34, 0, 0],
            "a numeric with the sign 0x1234",
        ),
        (
            ColumnType::Numeric(None),
            &[0, 1, 0, 0, 0, 0, 0, 0, 0x27, 0x10],
            "a numeric with the digit 10000, not 0 to 9999",
        ),
        (
            ColumnType::Array(Box::new(ColumnType::BigInt)),
            &[0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 20],
            "an array of 7 dimensions",
        ),
        (
            ColumnType::Array(Box::new(ColumnType::BigInt)),
            &array(0, 1),
            "an array with a dimension of 0",
        ),
        (
            ColumnType::Array(Box::new(ColumnType::BigInt)),
            &array(i32::MAX, 1),
            "an array that ends too early",
        ),
        (
            ColumnType::Array(Box::new(ColumnType::BigInt)),
            &[0; 13],
            "an array with 1 bytes behind its end",
        ),
    ] {
        check(kind, value, &format!("PostgreSQL sent {sent}"));
    }
}

#[test]
fn a_type_without_a_form_is_published_as_text_or_refused() {
    let mut words = column("words", ColumnType::Named("tsvector".to_owned()));
    words.sql_type = "tsvector".to_owned();
    let mut table = table(vec![column("id", ColumnType::Integer), words], &[0]);
    let values = [Some(&[0, 0, 0, 1][..]), Some(b"'a' 'b'")];
    refused(
        &table,
        &values,
        r#"bigTable: column "words": the type tsvector has no form in JSON"#,
        Some(
            r#"publish it as a string: add as_text = ["words"] under [tables.bigTable] in tablecast.toml"#,
        ),
    );
    table.columns[1].as_text = true;
    let row = render(&table, &values);
    assert_eq!(row.as_deref(), Ok(r#"{"id":1,"words":"'a' 'b'"}"#));
}

#[test]
fn a_table_without_a_published_column_is_refused() {
    let table = table(vec![column("source_type", ColumnType::Text(None))], &[0]);
    refused(
        &table,
        &[],
        "bigTable: has no column that is published",
        None,
    );
}

// What a real server sent, and what an independent program made of the text that the
// same server printed.
#[test]
fn what_postgresql_sends_is_published_as_the_vectors_say() {
    for case in vectors() {
        let renders = table(vec![column("x", case.kind.clone())], &[0]);
        let row = match render(&renders, &[Some(&case.binary)]) {
            Ok(row) => Ok(row["{\"x\":".len()..row.len() - 1].to_owned()),
            Err(RenderError::Value { reason, .. }) => Err(reason.class().to_owned()),
            Err(other) => panic!("{other}"),
        };
        assert_eq!(row, case.expected, "{}", case.name);
    }
}

#[test]
fn no_bytes_make_it_panic_or_write_what_is_not_json() {
    let mut random = Random(0x7461_626c_6563_6173);
    for case in vectors() {
        let renders = table(vec![column("x", case.kind.clone())], &[0]);
        for _ in 0..200 {
            let bytes = random.damage(&case.binary);
            if let Ok(row) = render(&renders, &[Some(&bytes)]) {
                let json: Result<Value, _> = serde_json::from_str(&row);
                assert!(json.is_ok(), "{}: {bytes:?} became {row}", case.name);
            }
        }
    }
}

struct Case {
    name: String,
    kind: ColumnType,
    binary: Vec<u8>,
    expected: Result<String, String>,
}

fn vectors() -> Vec<Case> {
    let file = include_str!("../../../tests/vectors/postgres-binary.json");
    let file: Value = serde_json::from_str(file).expect("is JSON");
    let cases = file["cases"].as_array().expect("is an array");
    let case = |case: &Value| {
        let text = |name: &str| case[name].as_str().map(str::to_owned);
        let (sql_type, sql) = (text("type").expect("text"), text("sql").expect("text"));
        Case {
            name: format!("({sql})::{sql_type}"),
            kind: kind_of(&sql_type),
            binary: unhex(&text("binary").expect("text")),
            expected: text("json").ok_or_else(|| text("refused").expect("text")),
        }
    };
    cases.iter().map(case).collect()
}

// The vectors have SQL's names; what these are, the catalog would tell.
fn kind_of(sql_type: &str) -> ColumnType {
    if let Some(element) = sql_type.strip_suffix("[]") {
        return ColumnType::Array(Box::new(kind_of(element)));
    }
    match sql_type {
        "time" => ColumnType::Time,
        "pg_temp.amount" => ColumnType::Numeric(None),
        "\"char\"" | "pg_temp.sku" => ColumnType::Text(None),
        "pg_temp.grip" => ColumnType::Enum {
            name: sql_type.to_owned(),
            labels: Vec::new(),
        },
        _ => ColumnType::parse(sql_type),
    }
}

fn unhex(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2);
    let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16);
    pairs.map(|pair| byte(pair).expect("two digits")).collect()
}

// Marsaglia's xorshift64: the same damage at every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    fn damage(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len() + 1);
            match self.below(4) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, self.below(256) as u8),
                2 if at < bytes.len() => bytes[at] = self.below(256) as u8,
                3 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                _ => bytes.extend_from_slice(&[255; 4]),
            }
        }
        bytes
    }
}
