use super::*;
use crate::core::in_memory::version;
use crate::error::ErrorCode;
use crate::provider::{ReadyState, State};
use crate::snapshot::Source;

const AUTO: Rules = Rules {
    polling: Polling::Auto,
    live_reload: true,
    poll_interval: Duration::from_secs(300),
    stale_time: Duration::from_secs(300),
};

// The exact interval after a success, and half of the longest wait after a failure.
const RANDOM: f64 = 0.5;

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn snapshot(name: &str, source: Source) -> Arc<Snapshot> {
    Arc::new(Snapshot::new(version(name), source, []))
}

/// A provider that has read its cache at second 0, and is about to refresh.
fn opened(rules: Rules) -> ProviderState {
    let mut state = ProviderState::new(rules, true, at(0));
    state.begin(Some(snapshot("one", Source::Bundled)), at(0));
    state.threads.jobs.clear();
    state.opened(at(0));
    state.take_events();
    state
}

/// A provider that was confirmed at second 0, and polls again at second 300.
fn confirmed() -> ProviderState {
    let mut state = opened(AUTO);
    refresh(&mut state, None, 0);
    assert_eq!(state.timer(), Some(at(300)));
    state.take_events();
    state
}

/// A whole refresh at this second, with this outcome.
fn refresh(state: &mut ProviderState, error: Option<Error>, second: u64) {
    let life = state.life();
    assert!(state.refresh(Freshness::Any, at(second)).is_some());
    match error {
        None => state.succeeded(RANDOM, at(second)),
        Some(error) => state.failed(&error, RANDOM, at(second)),
    }
    state.finished(life, at(second));
    state.threads.jobs.clear();
}

fn lost() -> Option<Error> {
    Some(Error::new(ErrorCode::Network, "lost"))
}

fn names(state: &mut ProviderState) -> Vec<&'static str> {
    let name = |event: &Event| match event {
        Event::Ready(_) => Some("ready"),
        Event::Change(_) => Some("change"),
        Event::Error(_) => Some("error"),
        Event::Recovered => Some("recovered"),
        Event::UpdateRequired(_) => Some("updateRequired"),
        Event::Status(_) => None,
    };
    state.take_events().iter().filter_map(name).collect()
}

fn seen(state: &mut ProviderState, second: u64) -> State {
    state.status(at(second)).state
}

#[test]
fn a_start_asks_at_once() {
    let mut state = confirmed();
    state.stop(at(10));
    assert_eq!(
        (seen(&mut state, 10), state.timer()),
        (State::Stopped, None)
    );
    state.start(at(20));
    assert_eq!(
        (seen(&mut state, 20), state.timer()),
        (State::Idle, Some(at(20)))
    );
}

#[test]
fn the_foreground_and_the_network_are_followed_by_a_second_of_rest() {
    let mut state = confirmed();
    state.set_active(false, at(10));
    assert_eq!((seen(&mut state, 10), state.timer()), (State::Paused, None));
    state.set_active(true, at(1000));
    assert_eq!(state.timer(), Some(at(1001)));
    state.set_online(false, at(1000));
    assert_eq!(
        (seen(&mut state, 1000), state.timer()),
        (State::Offline, None)
    );
    state.set_online(true, at(2000));
    assert_eq!(state.timer(), Some(at(2001)));
    assert!(state.wants_events());
}

#[test]
fn what_is_not_due_yet_keeps_its_time_in_the_background() {
    let mut state = confirmed();
    state.set_active(false, at(10));
    state.set_active(true, at(20));
    assert_eq!(state.timer(), Some(at(300)));
    state.set_online(false, at(30));
    state.set_online(true, at(40));
    assert_eq!(state.timer(), Some(at(300)));
}

#[test]
fn what_failed_without_network_is_tried_when_there_is_one() {
    let mut state = opened(AUTO);
    for second in 0..20 {
        refresh(&mut state, lost(), second);
    }
    assert_eq!(seen(&mut state, 20), State::Backoff);
    let planned = state.timer().expect("a retry");
    assert!(planned > at(100), "{planned:?}");
    state.set_online(false, at(20));
    state.set_online(true, at(30));
    assert_eq!(state.timer(), Some(at(31)));
}

#[test]
fn nothing_is_polled_by_hand_in_the_background_or_without_network() {
    let manual = Rules {
        polling: Polling::Manual,
        ..AUTO
    };
    let state = opened(manual);
    assert_eq!((state.timer(), state.wants_events()), (None, false));
    let mut state = confirmed();
    state.set_active(false, at(1));
    assert_eq!((state.timer(), state.wants_events()), (None, false));
    let mut state = confirmed();
    state.set_online(false, at(1));
    assert_eq!((state.timer(), state.wants_events()), (None, false));
}

#[test]
fn one_refresh_runs_at_a_time_and_none_while_stopped() {
    let mut state = opened(AUTO);
    let first = state.refresh(Freshness::Any, at(0)).expect("it runs");
    let second = state
        .refresh(Freshness::PastCaches, at(0))
        .expect("it runs");
    assert!(Arc::ptr_eq(&first, &second));
    assert_eq!(state.threads.jobs.len(), 1);
    assert_eq!(seen(&mut state, 0), State::Refreshing);
    state.stop(at(0));
    assert!(state.refresh(Freshness::Any, at(0)).is_none());
}

#[test]
fn a_refresh_that_is_asked_for_while_the_cache_is_read_follows() {
    let mut state = ProviderState::new(AUTO, true, at(0));
    state.begin(None, at(0));
    let asked = state.refresh(Freshness::Any, at(0)).expect("it runs");
    assert_eq!(seen(&mut state, 0), State::Loading);
    state.opened(at(1));
    assert_eq!(seen(&mut state, 1), State::Refreshing);
    assert!(Arc::ptr_eq(&asked, state.cycle().expect("under way")));
}

#[test]
fn a_stop_and_a_flip_end_what_is_under_way() {
    let ends: [fn(&mut ProviderState); 3] = [
        |state| state.stop(at(1)),
        |state| state.dispose(at(1)),
        |state| state.flip(false, at(1)),
    ];
    for end in ends {
        let mut state = opened(AUTO);
        let life = state.life();
        state.refresh(Freshness::Any, at(0));
        assert!(!state.is_over(life));
        end(&mut state);
        assert!(state.is_over(life));
        assert!(state.cycle().is_none());
    }
}

#[test]
fn a_flip_there_and_back_ends_what_was_under_way() {
    let mut state = opened(AUTO);
    let life = state.life();
    state.refresh(Freshness::Any, at(0));
    state.flip(false, at(1));
    state.flip(true, at(1));
    assert!(state.is_running() && state.is_over(life));
}

#[test]
fn a_flag_that_is_flipped_on_asks_at_once() {
    let mut state = confirmed();
    state.flip(false, at(10));
    state.flip(true, at(20));
    state.opened(at(21));
    assert_eq!(state.timer(), Some(at(21)));
}

#[test]
fn an_old_refresh_does_not_end_a_new_one() {
    let mut state = opened(AUTO);
    let old = state.life();
    state.refresh(Freshness::Any, at(0));
    state.stop(at(1));
    state.start(at(1));
    state.refresh(Freshness::Any, at(1));
    assert!(state.is_over(old), "also while it runs again");
    state.finished(old, at(2));
    assert!(state.cycle().is_some());
    assert_eq!(
        (seen(&mut state, 2), state.cycles()),
        (State::Refreshing, 1)
    );
}

#[test]
fn a_flip_shows_the_newest_that_is_known_and_back_the_bundled() {
    let mut state = confirmed();
    let fetched = snapshot("two", Source::Network);
    state.snapshots.fetched = Some(Arc::clone(&fetched));
    state.show(fetched, at(1));
    let order = |name| Some(version(name).order());
    state.flip(false, at(2));
    assert_eq!(
        (state.snapshots.order(), state.is_on()),
        (order("one"), false)
    );
    assert_eq!(
        (seen(&mut state, 2), state.ready(at(2))),
        (State::Idle, ReadyState::Bundled)
    );
    assert!(
        state.is_fresh(at(9999)),
        "nobody else confirms what is bundled"
    );
    state.flip(true, at(3));
    assert_eq!(
        (state.snapshots.order(), state.is_on()),
        (order("two"), true)
    );
    assert_eq!(seen(&mut state, 3), State::Loading);

    // Of two that are equal the bundled one.
    state.flip(false, at(4));
    state.snapshots.fetched = Some(snapshot("one", Source::Cache));
    state.flip(true, at(5));
    let current = state.snapshots.current.as_deref().map(Snapshot::source);
    assert_eq!(current, Some(Source::Bundled));
}

#[test]
fn a_disposed_provider_follows_no_flag_and_no_start() {
    let mut state = confirmed();
    state.dispose(at(1));
    state.flip(false, at(2));
    state.start(at(2));
    assert!(state.is_on() && state.is_disposed() && !state.is_running());
    assert!(state.threads.jobs.is_empty());
}

#[test]
fn only_a_newer_version_that_is_announced_is_asked_for() {
    let fresh = |state: &ProviderState| match state.threads.jobs.front() {
        Some(Job::Refresh { fresh, .. }) => Some(*fresh),
        _ => None,
    };
    let mut state = confirmed();
    state.announce(version("one").order(), at(1));
    assert_eq!(fresh(&state), None);
    state.announce(version("two").order(), at(1));
    assert_eq!(fresh(&state), Some(true));
    let mut state = confirmed();
    state.stop(at(1));
    state.announce(version("two").order(), at(1));
    assert_eq!(fresh(&state), None);
}

#[test]
fn a_version_announced_during_a_refresh_is_asked_for_behind_it_once() {
    let mut state = confirmed();
    let life = state.life();
    state.refresh(Freshness::Any, at(1));
    state.announce(version("two").order(), at(1));
    assert_eq!(state.threads.jobs.len(), 1);
    state.succeeded(RANDOM, at(2));
    state.finished(life, at(2));
    assert_eq!(state.threads.jobs.len(), 2, "some cache was behind");
    state.finished(life, at(3));
    assert_eq!(state.threads.jobs.len(), 2, "the poll does the rest");

    let mut state = confirmed();
    state.refresh(Freshness::Any, at(1));
    state.announce(version("two").order(), at(1));
    state.show(snapshot("two", Source::Network), at(2));
    state.finished(life, at(2));
    assert_eq!(state.threads.jobs.len(), 1, "it was fetched");
}

#[test]
fn failures_are_counted_reported_and_over_with_a_success() {
    let mut state = confirmed();
    refresh(&mut state, lost(), 1);
    assert_eq!(state.timer(), Some(at(2)));
    refresh(&mut state, lost(), 2);
    assert_eq!(state.timer(), Some(at(4)));
    let status = state.status(at(2));
    assert_eq!((status.failures, status.last_error.clone()), (2, lost()));
    assert_eq!(names(&mut state), ["error", "error"]);
    refresh(&mut state, None, 4);
    assert_eq!((state.failures(), state.last_error()), (0, None));
    assert_eq!(names(&mut state), ["recovered"]);
    refresh(&mut state, None, 304);
    assert_eq!(names(&mut state), [""; 0]);
}

#[test]
fn an_update_that_is_required_is_reported_once_for_each_offer() {
    let offer = |schema: &str| {
        let error = Error::new(ErrorCode::SchemaUnsupported, "unknown");
        Some(error.with_offered(schema.to_owned()))
    };
    let mut state = confirmed();
    for (schema, expected) in [
        ("2.0", &["error", "updateRequired"][..]),
        ("2.0", &["error"]),
        ("3.0", &["error", "updateRequired"]),
    ] {
        refresh(&mut state, offer(schema), 1);
        assert_eq!(names(&mut state), expected, "{schema}");
        assert_eq!(state.status(at(1)).update_required.as_deref(), Some(schema));
    }
    refresh(&mut state, None, 2);
    assert_eq!(state.status(at(2)).update_required, None);
    refresh(&mut state, offer("3.0"), 3);
    assert!(names(&mut state).contains(&"updateRequired"));
}

#[test]
fn a_version_is_confirmed_for_the_stale_time_and_no_longer() {
    let state = confirmed();
    assert_eq!(state.ready(at(300)), ReadyState::UpToDate);
    assert_eq!(state.ready(at(301)), ReadyState::Bundled);
    assert!(state.is_fresh(at(300)) && !state.is_fresh(at(301)));
}

#[test]
fn the_storage_fails_once_until_it_works_again() {
    let mut state = confirmed();
    let full = || Error::new(ErrorCode::StorageFull, "full");
    for (reported, works) in [(1, false), (0, true), (1, true), (1, false), (0, false)] {
        state.storage_failed(full());
        assert_eq!(names(&mut state).len(), reported);
        if works {
            state.storage_works();
        }
    }
}

#[test]
fn the_first_data_is_reported_ready_also_behind_an_empty_cache() {
    let mut state = ProviderState::new(AUTO, true, at(0));
    state.begin(None, at(0));
    assert_eq!(names(&mut state), [""; 0]);
    state.opened(at(0));
    assert_eq!(names(&mut state), ["ready"]);
    let one = snapshot("one", Source::Network);
    state.show(Arc::clone(&one), at(1));
    assert_eq!(names(&mut state), ["change", "ready"]);
    state.show(one, at(1));
    assert_eq!(names(&mut state), [""; 0]);
    state.show(snapshot("two", Source::Network), at(2));
    assert_eq!(names(&mut state), ["change"]);
}

#[test]
fn a_status_is_reported_when_it_changes_and_is_the_same_until_then() {
    let mut state = confirmed();
    let status = state.status(at(1));
    state.set_active(true, at(1));
    assert!(Arc::ptr_eq(&status, &state.status(at(2))));
    assert_eq!(state.take_events(), []);
    state.set_active(false, at(3));
    let [Event::Status(status)] = &state.take_events()[..] else {
        panic!("one status is reported");
    };
    assert_eq!(
        (status.state, status.next_refresh_at),
        (State::Paused, None)
    );
}

#[test]
fn without_a_thread_whoever_waits_gets_an_error() {
    let mut state = confirmed();
    let cycle = state.refresh(Freshness::Any, at(1)).expect("it runs");
    let error = lost().expect("an error");
    state.abandon(&error);
    let result = cycle.result.get().expect("a result");
    assert_eq!(result.error, Some(error));
    assert!(state.cycle().is_none() && !state.has_work());
    assert_eq!(names(&mut state), ["error"]);
}
