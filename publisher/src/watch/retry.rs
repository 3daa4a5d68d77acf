//! Steering: whether what was seen calls for a round, and when one is tried again. Pure.

use std::time::{Duration, Instant};

use super::Inputs;

/// What to do after a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Nothing is to be done.
    Rest,
    /// A round, about the files of these names.
    Round(Vec<String>),
}

/// How a round ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It said the last word about its inputs: they are public, or they have problems that
    /// only an edit mends.
    Settled,
    /// The world was in its way; the same inputs may pass later.
    Failed,
}

/// What the rounds so far have left to be done.
#[derive(Debug, Default)]
pub(crate) struct Retry {
    seen: Option<Inputs>,
    backoff: Backoff,
    retry_at: Option<Instant>,
}

impl Retry {
    /// When to look, where no hint is given: a failed round is tried again.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.retry_at
    }

    /// What is to be done about these inputs at `now`.
    pub(crate) fn decide(&self, inputs: &Inputs, now: Instant) -> Decision {
        let retry = self.retry_at.is_some_and(|at| at <= now);
        match &self.seen {
            Some(seen) if seen == inputs && !retry => Decision::Rest,
            Some(seen) => Decision::Round(inputs.changes_since(seen)),
            None => Decision::Round(Vec::new()),
        }
    }

    /// Takes in how a round about `inputs` ended. Gives how long to wait before it is
    /// tried again.
    pub(crate) fn ended(&mut self, inputs: Inputs, ended: Ended, now: Instant) -> Option<Duration> {
        self.seen = Some(inputs);
        match ended {
            Ended::Settled => {
                self.backoff = Backoff::default();
                self.retry_at = None;
                None
            }
            Ended::Failed => {
                let pause = self.backoff.next_pause();
                self.retry_at = Some(now + pause);
                Some(pause)
            }
        }
    }

    /// Calls for a round at once, whatever the files hold.
    pub(crate) fn again(&mut self, now: Instant) {
        self.retry_at = Some(now);
    }
}

/// Pauses that grow with each failure.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(250);
    const LONGEST: Duration = Duration::from_secs(10);

    /// How long to wait after one failure more.
    pub(super) fn next_pause(&mut self) -> Duration {
        let pause = Self::FIRST.saturating_mul(1 << self.failures.min(16));
        self.failures += 1;
        pause.min(Self::LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(text: &str) -> Inputs {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("grips.json"), text).expect("written");
        Inputs::look(&super::super::Places {
            source: folder.path().into(),
            migrations: folder.path().join("none"),
            settings: folder.path().join("none.toml"),
        })
    }

    fn round(names: &[&str]) -> Decision {
        Decision::Round(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn the_first_look_is_a_round_and_the_same_contents_are_none() {
        let (mut retry, now) = (Retry::default(), Instant::now());
        assert_eq!(retry.decide(&inputs("[]"), now), round(&[]));
        assert_eq!(retry.ended(inputs("[]"), Ended::Settled, now), None);
        assert_eq!(retry.decide(&inputs("[]"), now), Decision::Rest);
        assert_eq!(retry.decide(&inputs("[1]"), now), round(&["grips.json"]));
    }

    #[test]
    fn what_the_world_stopped_is_tried_again_less_and_less_often() {
        let (mut retry, now) = (Retry::default(), Instant::now());
        let mut pauses = Vec::new();
        for _ in 0..8 {
            let pause = retry.ended(inputs("[]"), Ended::Failed, now);
            pauses.push(pause.expect("tried again").as_millis());
            assert_eq!(retry.decide(&inputs("[]"), now), Decision::Rest);
            let later = now + pause.expect("tried again");
            assert_eq!(retry.due(), Some(later));
            assert_eq!(retry.decide(&inputs("[]"), later), round(&[]));
        }
        assert_eq!(pauses, [250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
        assert_ne!(retry.backoff, Backoff::default());
        retry.ended(inputs("[]"), Ended::Settled, now);
        assert_eq!(retry.backoff, Backoff::default());
        assert!(retry.due().is_none());
    }

    #[test]
    fn an_edit_does_not_wait_for_the_pause() {
        let (mut retry, now) = (Retry::default(), Instant::now());
        retry.ended(inputs("[]"), Ended::Failed, now);
        assert_eq!(retry.decide(&inputs("[1]"), now), round(&["grips.json"]));
    }

    #[test]
    fn a_round_may_be_called_for() {
        let (mut retry, now) = (Retry::default(), Instant::now());
        retry.ended(inputs("[]"), Ended::Settled, now);
        retry.again(now);
        assert_eq!(retry.decide(&inputs("[]"), now), round(&[]));
    }
}
