//! Which versions are retained.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use snapshot_format::Version;
use snapshot_store::{Stored, history::History};

/// What is retained, whatever else.
#[derive(Debug, Clone, Copy)]
pub struct Keep {
    /// So many of the newest versions.
    pub newest: usize,
    /// Whatever was the current version within that time, or was put within it.
    pub min_age: Duration,
}

impl Default for Keep {
    /// The newest 30, and whatever was public within seven days.
    fn default() -> Self {
        Self {
            newest: 30,
            min_age: Duration::from_secs(7 * 24 * 60 * 60),
        }
    }
}

impl Keep {
    /// The publications that are retained.
    pub(super) fn chosen(&self, history: &History, now: Timestamp) -> BTreeSet<(u64, u64)> {
        let versions = &history.versions;
        let ends = ends(versions, now);
        let needed = versions
            .iter()
            .zip(ends)
            .enumerate()
            .filter(|(index, (_, end))| *index < self.newest || self.is_recent(*end, now))
            .map(|(_, (version, _))| version.order());
        let oldest = needed
            .chain(history.current.iter().map(Version::order))
            .min();
        // From there on all of them, so that the history has no gap.
        let mut chosen: BTreeSet<_> = versions
            .iter()
            .map(Version::order)
            .filter(|order| oldest.is_some_and(|oldest| *order >= oldest))
            .collect();
        keep_targets(versions, &mut chosen);
        chosen
    }

    // Whether a version that ended then was public within the minimum age, by a clock that
    // may be a second off: versions tell no fraction.
    fn is_recent(&self, end: End, now: Timestamp) -> bool {
        match end {
            End::NotYet => true,
            End::At(_) if self.min_age.is_zero() => false,
            End::Unknown => !self.min_age.is_zero(),
            End::At(end) => {
                let age = Duration::try_from(now.duration_since(end));
                age.is_ok_and(|age| age < self.min_age.saturating_add(Duration::from_secs(1)))
            }
        }
    }

    /// Whether a file was put before the minimum age.
    pub(super) fn is_old(&self, stored: &Stored, now: Timestamp) -> bool {
        let age = SystemTime::from(now).duration_since(stored.modified);
        self.min_age.is_zero() || age.is_ok_and(|age| age >= self.min_age)
    }
}

// When a version ceased to be the current one.
#[derive(Debug, Clone, Copy)]
enum End {
    NotYet,
    At(Timestamp),
    // By a clock that was wrong.
    Unknown,
}

// Readers may hold a version until another one took its place, so its age begins there.
// A successor whose clock was behind did not come before what came before it.
fn ends(versions: &[Version], now: Timestamp) -> Vec<End> {
    let mut ends = Vec::with_capacity(versions.len());
    let mut latest = Timestamp::MIN;
    for version in versions.iter().rev() {
        let published = version.published_at.parse::<Timestamp>();
        let published = published.ok().filter(|published| *published <= now);
        latest = latest.max(published.unwrap_or(latest));
        ends.push(match published {
            Some(_) => End::At(latest),
            None => End::Unknown,
        });
    }
    // The moment of each is the end of the one before it.
    ends.reverse();
    ends.pop();
    ends.insert(0, End::NotYet);
    ends
}

// What a retained rollback points back at, so that the story that the history tells is whole.
fn keep_targets(versions: &[Version], chosen: &mut BTreeSet<(u64, u64)>) {
    // A target is older than its rollback, so one pass from the newest finds all.
    for version in versions {
        if let Some(target) = version.rollback
            && chosen.contains(&version.order())
        {
            chosen.insert((target.epoch, target.sequence));
        }
    }
}

#[cfg(test)]
mod tests {
    use snapshot_format::{
        FORMAT_VERSION, ObjectHash, ObjectRef, ReferenceVersion, Rollback, SchemaVersion,
    };

    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn version(sequence: u64, published_at: &str) -> Version {
        let content = ObjectRef {
            hash: ObjectHash::of(&sequence.to_be_bytes()),
            size: 1,
        };
        Version {
            format_version: FORMAT_VERSION,
            epoch: 7,
            sequence,
            schema_version: SchemaVersion { major: 1, minor: 0 },
            reference_version: ReferenceVersion(sequence),
            lineage: None,
            generated_at: String::new(),
            published_at: published_at.to_owned(),
            manifest: content,
            bootstrap: content,
            rollback: None,
        }
    }

    // One at each noon from the first of March on.
    fn daily(count: u64) -> History {
        let noon = |day: u64| version(day, &format!("2026-03-{day:02}T12:00:00Z"));
        let versions: Vec<Version> = (1..=count).rev().map(noon).collect();
        History {
            current: versions.first().cloned(),
            versions,
            unreadable: Vec::new(),
        }
    }

    #[track_caller]
    fn check(history: &History, newest: usize, min_age: Duration, now: &str, expected: &[u64]) {
        let keep = Keep { newest, min_age };
        let chosen = keep.chosen(history, now.parse().expect("a moment"));
        let sequences: Vec<u64> = chosen.into_iter().map(|(_, sequence)| sequence).collect();
        assert_eq!(sequences, expected, "{now}");
    }

    #[test]
    fn the_newest_are_retained() {
        let later = "2027-01-01T00:00:00Z";
        check(&daily(5), 2, DAY, later, &[4, 5]);
        check(&daily(5), 9, DAY, later, &[1, 2, 3, 4, 5]);
        check(&daily(5), 1, Duration::ZERO, "2026-03-05T12:00:00Z", &[5]);
    }

    #[test]
    fn the_age_of_a_version_begins_when_another_took_its_place() {
        // The third took the place of the second at noon of the third.
        check(&daily(3), 1, DAY, "2026-03-04T12:00:00Z", &[2, 3]);
        check(&daily(3), 1, DAY, "2026-03-04T12:00:01Z", &[3]);
        // However old it is.
        check(&daily(1), 1, DAY, "2027-01-01T00:00:00Z", &[1]);
    }

    #[test]
    fn a_clock_that_goes_wrong_keeps_too_much() {
        check(&daily(3), 1, DAY, "2026-03-01T00:00:00Z", &[1, 2, 3]);
        let mut history = daily(3);
        history.versions[1].published_at = "yesterday".to_owned();
        check(&history, 1, DAY, "2027-01-01T00:00:00Z", &[1, 2, 3]);
    }

    #[test]
    fn a_clock_that_was_behind_ends_nothing_earlier() {
        // The fourth said that it came before all others.
        let mut history = daily(5);
        history.versions[1].published_at = "1970-01-01T00:00:00Z".to_owned();
        check(&history, 1, DAY, "2026-03-04T06:00:00Z", &[2, 3, 4, 5]);
    }

    #[test]
    fn the_current_version_is_retained_also_where_a_newer_page_was_never_swapped_to() {
        let mut history = daily(5);
        history.current = Some(history.versions[2].clone());
        check(&history, 1, DAY, "2027-01-01T00:00:00Z", &[3, 4, 5]);
        history.current = None;
        check(&history, 1, DAY, "2027-01-01T00:00:00Z", &[5]);
    }

    #[test]
    fn what_a_retained_rollback_points_back_at_is_retained() {
        let mut history = daily(9);
        let to = |sequence| Some(Rollback { epoch: 7, sequence });
        history.versions[1].rollback = to(6);
        history.versions[3].rollback = to(2);
        history.versions[5].rollback = to(1);
        check(&history, 2, DAY, "2027-01-01T00:00:00Z", &[2, 6, 8, 9]);
    }
}
