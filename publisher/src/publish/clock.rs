//! The clock that a publication is dated by, and what contradicts it.
//!
//! A store's epoch is the moment of its first publication, and orders it before or after
//! others for ever. So a clock that is wrong is refused where anything shows it: the
//! database's clock, the last publication, the data's own last change, and the format's
//! age. A machine that is alone with its database, both of them ahead, shows nothing.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use snapshot_format::Version;

use super::error::PublishError;
use crate::source::Problem;

/// By how much two clocks may differ: machines that ask the network for the time differ by
/// far less, and a wrong time zone by no less.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(30);

/// 2026-01-01T00:00:00Z: nothing was published in this format before.
const EARLIEST: Timestamp = Timestamp::constant(1_767_225_600, 0);

/// A store is not left alone for longer without a word of its operator. A date that is ahead
/// would keep every later publication from a clock that is right.
const LONGEST_REST: SignedDuration = SignedDuration::from_hours(366 * 24);

/// What time it is.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// The time.
    pub now: Timestamp,
    trust: Trust,
}

#[derive(Debug, Clone, Copy)]
enum Trust {
    Always,
    // Unless something contradicts it; on that day in any case.
    Until(Option<Date>),
}

/// What tells of the time beside the clock.
#[derive(Debug, Default)]
pub(super) struct Evidence<'e> {
    /// By how much this machine's clock is ahead of the database's.
    pub(super) ahead: Option<SignedDuration>,
    /// When the data was changed last.
    pub(super) generated_at: Option<&'e str>,
    /// The last publication.
    pub(super) last: Option<&'e Version>,
    /// Whether the last publication is all that tells of the time.
    pub(super) is_alone: bool,
}

impl Clock {
    /// A time that is taken as it is.
    pub fn at(now: Timestamp) -> Self {
        Self {
            now,
            trust: Trust::Always,
        }
    }

    /// This machine's, which may be wrong, unless the operator has said that it is right on
    /// this day (UTC).
    pub fn of_this_machine(allowed: Option<Date>) -> Self {
        Self {
            now: Timestamp::now(),
            trust: Trust::Until(allowed),
        }
    }

    /// What becomes `publishedAt`. Small differences between machines do not lead back.
    pub(crate) fn published_at(&self, last: Option<&Version>) -> String {
        let last = last.and_then(|last| last.published_at.parse::<Timestamp>().ok());
        let near = last.filter(|last| *last > self.now && !is_before(self.now, *last));
        in_seconds(near.unwrap_or(self.now))
    }

    /// The same as for a publication, where nothing but the last one tells of the time.
    pub(crate) fn check_after(&self, last: &Version) -> Result<(), PublishError> {
        self.check(&Evidence {
            last: Some(last),
            is_alone: true,
            ..Evidence::default()
        })
    }

    pub(super) fn check(&self, evidence: &Evidence<'_>) -> Result<(), PublishError> {
        let Trust::Until(allowed) = self.trust else {
            return Ok(());
        };
        let today = self.now.to_zoned(TimeZone::UTC).date();
        let reasons = self.contradictions(evidence);
        if reasons.is_empty() || allowed == Some(today) {
            return Ok(());
        }
        let now = in_seconds(self.now);
        let reason = |reason| Problem {
            place: None,
            message: format!("this machine's clock says {now}, but {reason}"),
        };
        Err(PublishError::Clock {
            reasons: reasons.into_iter().map(reason).collect(),
            today: today.to_string(),
        })
    }

    fn contradictions(&self, evidence: &Evidence<'_>) -> Vec<String> {
        let mut reasons = Vec::new();
        if let Some(ahead) = evidence.ahead
            && ahead.unsigned_abs() > TOLERANCE.unsigned_abs()
        {
            let theirs = self.now.checked_sub(ahead).unwrap_or(Timestamp::MIN);
            reasons.push(format!("the database's says {}", in_seconds(theirs)));
        }
        if is_before(self.now, EARLIEST) {
            let earliest = in_seconds(EARLIEST);
            reasons.push(format!(
                "nothing was published in this format before {earliest}"
            ));
        }
        let later = |moment: &str| {
            let moment = moment.parse::<Timestamp>().ok();
            moment.is_some_and(|moment| is_before(self.now, moment))
        };
        if let Some(moment) = evidence.generated_at.filter(|moment| later(moment)) {
            reasons.push(format!("the data was changed at {moment}"));
        }
        if let Some(last) = evidence.last.filter(|last| later(&last.published_at)) {
            let (epoch, sequence) = last.order();
            let moment = &last.published_at;
            reasons.push(format!(
                "version {epoch}-{sequence} was published at {moment}"
            ));
        }
        if let Some(last) = evidence.last.filter(|_| evidence.is_alone)
            && let Ok(moment) = last.published_at.parse::<Timestamp>()
            && self.now.duration_since(moment) > LONGEST_REST
        {
            let (epoch, sequence) = last.order();
            reasons.push(format!(
                "version {epoch}-{sequence} was published at {}, and nothing else tells of the time",
                last.published_at
            ));
        }
        reasons
    }
}

// By more than two clocks may differ.
fn is_before(now: Timestamp, moment: Timestamp) -> bool {
    moment.duration_since(now) > TOLERANCE
}

fn in_seconds(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use snapshot_format::{FORMAT_VERSION, ObjectHash, ObjectRef, ReferenceVersion, SchemaVersion};

    use super::*;

    const NOW: &str = "2026-12-01T12:00:00Z";

    fn clock(now: &str, allowed: Option<&str>) -> Clock {
        Clock {
            now: now.parse().expect("a moment"),
            trust: Trust::Until(allowed.map(|day| day.parse().expect("a day"))),
        }
    }

    fn published(at: &str) -> Version {
        let nothing = ObjectRef {
            hash: ObjectHash::of(b""),
            size: 0,
        };
        Version {
            format_version: FORMAT_VERSION,
            epoch: 7,
            sequence: 1,
            schema_version: SchemaVersion { major: 1, minor: 0 },
            reference_version: ReferenceVersion(1),
            lineage: None,
            generated_at: at.to_owned(),
            published_at: at.to_owned(),
            manifest: nothing,
            bootstrap: nothing,
            rollback: None,
        }
    }

    #[track_caller]
    fn refused(now: &str, evidence: &Evidence<'_>, reasons: &[&str]) {
        assert_eq!(clock(now, None).contradictions(evidence), reasons);
        let refused = clock(now, None).check(evidence).is_err();
        assert_eq!(refused, !reasons.is_empty());
        let allowed = clock(now, Some(&now[..10])).check(evidence);
        assert!(allowed.is_ok());
        let other_day = clock(now, Some("2031-05-06")).check(evidence).is_err();
        assert_eq!(other_day, refused);
        assert!(
            Clock::at(now.parse().expect("a moment"))
                .check(evidence)
                .is_ok()
        );
    }

    #[test]
    fn a_clock_that_nothing_contradicts_is_believed() {
        refused(NOW, &Evidence::default(), &[]);
        let last = published("2026-12-01T12:30:00Z");
        let evidence = Evidence {
            ahead: Some(SignedDuration::from_mins(-30)),
            generated_at: Some("2026-12-01T12:30:00Z"),
            last: Some(&last),
            is_alone: true,
        };
        refused(NOW, &evidence, &[]);
    }

    #[test]
    fn a_clock_that_is_a_year_ahead_of_all_that_tells_of_the_time_is_refused() {
        let last = published("2025-11-30T11:59:59Z");
        let alone = |is_alone| Evidence {
            last: Some(&last),
            is_alone,
            ..Evidence::default()
        };
        // With a database, whose clock tells too, a store may rest for years.
        refused(NOW, &alone(false), &[]);
        let reason =
            "version 7-1 was published at 2025-11-30T11:59:59Z, and nothing else tells of the time";
        refused(NOW, &alone(true), &[reason]);
        let last = published("2025-11-30T12:00:00Z");
        let evidence = Evidence {
            last: Some(&last),
            is_alone: true,
            ..Evidence::default()
        };
        refused(NOW, &evidence, &[]);
    }

    #[test]
    fn the_databases_clock_contradicts_it_either_way() {
        let ahead = |seconds| Evidence {
            ahead: Some(SignedDuration::from_secs(seconds)),
            ..Evidence::default()
        };
        refused(
            NOW,
            &ahead(1801),
            &["the database's says 2026-12-01T11:29:59Z"],
        );
        refused(
            NOW,
            &ahead(-1801),
            &["the database's says 2026-12-01T12:30:01Z"],
        );
        // Whatever a server says.
        let reasons = clock(NOW, None).contradictions(&ahead(i64::MIN));
        assert_eq!(reasons.len(), 1);
    }

    #[test]
    fn a_clock_of_before_the_format_or_the_data_or_the_last_version_is_refused() {
        refused(
            "1970-01-01T00:00:10Z",
            &Evidence::default(),
            &["nothing was published in this format before 2026-01-01T00:00:00Z"],
        );
        let last = published("2099-01-01T00:00:00Z");
        let evidence = Evidence {
            generated_at: Some("2026-12-01T12:30:01Z"),
            last: Some(&last),
            ..Evidence::default()
        };
        refused(
            NOW,
            &evidence,
            &[
                "the data was changed at 2026-12-01T12:30:01Z",
                "version 7-1 was published at 2099-01-01T00:00:00Z",
            ],
        );
    }

    #[test]
    fn a_small_difference_does_not_lead_back() {
        let published_at = |last: &str| clock(NOW, None).published_at(Some(&published(last)));
        assert_eq!(published_at("2026-12-01T11:00:00Z"), NOW);
        assert_eq!(published_at("2026-12-01T12:29:59Z"), "2026-12-01T12:29:59Z");
        assert_eq!(published_at("2099-01-01T00:00:00Z"), NOW);
        assert_eq!(published_at("yesterday"), NOW);
        assert_eq!(clock(NOW, None).published_at(None), NOW);
    }
}
