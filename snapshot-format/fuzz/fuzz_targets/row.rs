//! Values as PostgreSQL might send them: the first byte chooses the type.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use publisher::render::RowRenderer;
use publisher::schema::{Column, Table};
use serde::de::IgnoredAny;
use snapshot_format::ColumnType;

static RENDERERS: LazyLock<Vec<RowRenderer>> = LazyLock::new(|| {
    let arrays = kinds().map(|kind| ColumnType::Array(Box::new(kind)));
    kinds().into_iter().chain(arrays).map(renderer).collect()
});

fuzz_target!(|bytes: &[u8]| {
    let Some((&choice, value)) = bytes.split_first() else {
        return;
    };
    let renderer = &RENDERERS[usize::from(choice) % RENDERERS.len()];
    let mut row = Vec::new();
    if renderer.row([Some(value)].into_iter(), &mut row).is_ok() {
        serde_json::from_slice::<IgnoredAny>(&row).expect("a row is JSON");
        assert!(!row.contains(&b'\n'), "a row is one line");
    }
});

// In the order that `seed.py` knows.
fn kinds() -> [ColumnType; 18] {
    [
        ColumnType::Boolean,
        ColumnType::SmallInt,
        ColumnType::Integer,
        ColumnType::BigInt,
        ColumnType::Real,
        ColumnType::Double,
        ColumnType::Numeric(None),
        ColumnType::Text(None),
        ColumnType::Uuid,
        ColumnType::Date,
        ColumnType::Time,
        ColumnType::TimestampTz,
        ColumnType::Bytea,
        ColumnType::Json,
        ColumnType::Jsonb,
        ColumnType::Interval,
        ColumnType::Inet,
        ColumnType::Cidr,
    ]
}

fn renderer(kind: ColumnType) -> RowRenderer {
    let value = Column {
        name: "value".to_owned(),
        sql_type: String::new(),
        kind,
        nullable: true,
        default: None,
        generated: false,
        as_text: false,
    };
    let table = Table {
        key: "values".parse().expect("a key"),
        name: "values".to_owned(),
        namespace: "public".to_owned(),
        columns: vec![value],
        primary_key: vec![0],
        foreign_keys: Vec::new(),
        missing_triggers: Vec::new(),
        has_parts: false,
        untracked_parts: Vec::new(),
    };
    RowRenderer::new(&table).expect("each kind has a form")
}
