//! The guard against a broken file that would take half a table away.

use std::collections::BTreeMap;

use snapshot_format::TableKey;

use super::report::SeededTable;
use super::stage::Stage;
use crate::source::{Place, Problem};

/// What is said of the plans.
#[derive(Default)]
pub(super) struct Judged {
    /// Why nothing may be written.
    pub(super) problems: Vec<Problem>,
    /// What is allowed and only just so.
    pub(super) notes: Vec<String>,
}

/// Judges how many rows of each table would be deactivated.
pub(super) fn judge(
    staged: &[Stage<'_>],
    plans: &[SeededTable],
    allow_deactivation: &BTreeMap<TableKey, u64>,
) -> Judged {
    let mut judged = Judged::default();
    for (stage, plan) in staged.iter().zip(plans) {
        let (active, percent) = (plan.active_before, u64::from(stage.allow_percent));
        let (is, limit) = (plan.deactivated * 100, active * percent);
        let allowed = allow_deactivation.get(&stage.table.key);
        let message = match allowed {
            Some(allowed) if *allowed == plan.deactivated => continue,
            Some(allowed) if plan.deactivated > 0 => format!(
                "--allow-deactivation allows {allowed} rows, but {} would be deactivated",
                plan.deactivated
            ),
            None if is > limit => format!(
                "{} of {active} active rows would be deactivated, more than {percent} per cent; if \
                 that is meant, allow it by --allow-deactivation {}={}",
                plan.deactivated, stage.table.key, plan.deactivated
            ),
            None if is == limit && is > 0 => {
                judged.notes.push(format!(
                    "{}: {} of {active} active rows are deactivated, which is all that \
                     max_deactivation_percent = {percent} allows",
                    stage.table.key, plan.deactivated
                ));
                continue;
            }
            _ => continue,
        };
        let place = Some(Place::file(&stage.source.file.name));
        judged.problems.push(Problem { place, message });
    }
    judged
}
