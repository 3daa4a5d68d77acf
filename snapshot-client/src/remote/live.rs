//! Live reload: a refresh as soon as the server announces a version. An event only notifies: the
//! version is fetched and verified as ever, and polling goes on.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use snapshot_format::Version;

use super::shared::Shared;
use crate::core::sse::{EventReader, ServerEvent};

// Also for a server that knows no events: it may be replaced.
const MAX_WAIT: Duration = Duration::from_secs(3600);
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// Listens as long as it is wanted.
pub(super) fn run(shared: &Arc<Shared>) {
    let mut failures: u32 = 0;
    loop {
        let mut reader = EventReader::default();
        let heard = listen(shared, &mut reader);
        failures = if heard { 0 } else { failures.saturating_add(1) };
        let wait = FIRST_WAIT
            .saturating_mul(1 << failures.min(12))
            .min(MAX_WAIT);
        let wait = wait
            .mul_f64(shared.settings.runtime.random())
            .max(reader.retry.unwrap_or(FIRST_WAIT));
        if !pause(shared, wait.min(MAX_WAIT)) {
            return;
        }
    }
}

// Whether anything came.
fn listen(shared: &Arc<Shared>, reader: &mut EventReader) -> bool {
    let url = format!("{}events", shared.settings.base_url);
    let mut heard = false;
    // How a connection ends says nothing that the next would not say, too.
    let _ = shared.settings.transport.listen(&url, &mut |bytes| {
        if !shared.state().wants_events() {
            return ControlFlow::Break(());
        }
        let Ok(events) = reader.push(bytes) else {
            return ControlFlow::Break(());
        };
        heard = true;
        for event in events {
            follow(shared, &event);
        }
        ControlFlow::Continue(())
    });
    heard
}

fn follow(shared: &Arc<Shared>, event: &ServerEvent) {
    if event.event != "version" {
        return;
    }
    if let Ok(announced) = Version::parse(event.data.as_bytes()) {
        shared.change(|state, now| state.announce(announced.order(), now));
    }
}

/// Waits; whether a connection is still wanted then.
fn pause(shared: &Arc<Shared>, time: Duration) -> bool {
    let runtime = &shared.settings.runtime;
    let until = runtime.now() + time;
    loop {
        let seen = shared.signal.count();
        {
            let mut state = shared.state();
            if !state.wants_events() {
                state.threads.listening = false;
                return false;
            }
        }
        if runtime.now() >= until {
            return true;
        }
        runtime.wait(&shared.signal, seen, Some(until), true);
    }
}
