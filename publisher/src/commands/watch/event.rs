//! What a watch tells tools: one JSON event a line.

use std::fmt::Write;

use serde::Serialize;

use super::round::{Rounded, Steps};
use crate::database::SeededTable;
use crate::publish::Published;
use crate::source::Problem;

/// A line of `--json`.
#[derive(Serialize)]
#[serde(
    tag = "event",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub(super) enum Event<'e> {
    /// The files are watched; the first round follows.
    Started {
        source: String,
        sql: String,
        out: String,
        database: &'e str,
        poll_ms: Option<u128>,
        url: Option<String>,
        public: &'e Option<String>,
    },
    /// A round came to its end, and this is public.
    Round {
        at: String,
        files: &'e [String],
        applied: &'e [String],
        tables: Vec<Change<'e>>,
        #[serde(flatten)]
        published: &'e Published,
        /// Which limits are reached and not passed, and what else is to be known.
        notes: Vec<&'e String>,
        steps: Steps,
        total_ms: u128,
    },
    /// The files cannot be seeded or published as they are; the last version stays.
    Problems {
        at: String,
        files: &'e [String],
        count: usize,
        problems: &'e [Problem],
        error: String,
        public: &'e Option<String>,
    },
    /// Something else is in the way. Where it may go by itself, it is tried again.
    Failed {
        at: String,
        error: String,
        hint: Option<String>,
        retry_in_ms: Option<u128>,
        public: &'e Option<String>,
    },
    /// What is not retained any more was removed.
    Pruned {
        at: String,
        versions: usize,
        files: usize,
        size_bytes: u64,
    },
    /// It has gone.
    Recovered { at: String },
    /// The end.
    Stopped { at: String },
}

/// A table that a round changed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Change<'e> {
    pub(super) table: &'e str,
    pub(super) inserted: u64,
    pub(super) updated: u64,
    pub(super) deactivated: u64,
    pub(super) reactivated: u64,
}

/// The tables that a round changed.
pub(super) fn changes(rounded: &Rounded) -> Vec<Change<'_>> {
    let tables = rounded.seed.iter().flat_map(|seed| &seed.tables);
    let changed = |table: &&SeededTable| {
        table.inserted + table.updated + table.deactivated + table.reactivated > 0
    };
    let changes = tables.filter(changed).map(|table| Change {
        table: &table.table,
        inserted: table.inserted,
        updated: table.updated,
        deactivated: table.deactivated,
        reactivated: table.reactivated,
    });
    changes.collect()
}

impl Change<'_> {
    /// `grips +1 ~2 -1`
    pub(super) fn to_text(&self) -> String {
        let mut text = self.table.to_owned();
        let added = self.inserted + self.reactivated;
        for (sign, count) in [('+', added), ('~', self.updated), ('-', self.deactivated)] {
            if count > 0 {
                let _ = write!(text, " {sign}{count}");
            }
        }
        text
    }
}
