//! The seed: what the files say becomes what the tables hold, in one transaction.
//!
//! stage every file → lock the tables → plan every table → judge the plans → write what
//! differs → deactivate what left → commit. Nothing is ever deleted, and whatever fails
//! rolls everything back.
//!
//! A large file for an empty table needs no plan: it is copied straight into the table when
//! its turn to be written comes, which spares the server staging, joining and single inserts.

mod copy_lines;
mod dangling;
pub(super) mod defaults;
mod error;
mod fixed;
pub(super) mod gate;
pub(super) mod hazards;
pub(super) mod inheriting;
mod input;
mod judge;
mod limit;
mod plan;
mod planned_rows;
mod recheck;
mod report;
mod sequences;
mod stage;
mod staging;
mod transaction;
mod unique;
mod write;

pub(crate) use dangling::still_dangling;
pub(crate) use error::SeedError;
pub(crate) use gate::{Unchanged, connected_only, unchanged, unchanged_each};
pub(crate) use input::Input;
pub(crate) use judge::judge_unique;
pub(crate) use plan::{Plan, PlanOptions, PlannedCounts, PlannedTable, plan};
pub(crate) use planned_rows::{PlannedChange, PlannedRow};
pub(crate) use report::SeededTable;
pub(crate) use transaction::{SeedOptions, SeedReport, begin_seed, seed};
