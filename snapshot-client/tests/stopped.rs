//! A provider that is stopped in the middle of something, and started again.

#![allow(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected has failed"
)]
#![allow(unreachable_pub, missing_docs, reason = "what tests share is theirs")]

#[allow(dead_code, reason = "other tests need more of it")]
#[path = "support/published.rs"]
mod published;
#[allow(dead_code, reason = "the conformance driver needs all of it")]
#[path = "support/virtual_time.rs"]
mod virtual_time;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use snapshot_client::{
    Error, MemoryStorage, ReferenceDataProvider, RemoteConfig, RemoteProvider, Request, Response,
    Signal, Source, State, Storage, Transport,
};

use virtual_time::World;

/// Serves the kit's version "one".
struct Server;

/// A storage whose first read waits until the test lets it go on.
struct SlowStorage {
    values: MemoryStorage,
    world: World,
    go_on: Signal,
}

fn config(world: &World, storage: impl Storage) -> RemoteConfig {
    let mut config = RemoteConfig::new("http://store.example");
    config.runtime = Some(world.client().0);
    config.transport = Some(Arc::new(Server));
    config.storage = Some(Arc::new(storage));
    config
}

/// A device on which version "one" is cached.
fn filled(world: &World) -> MemoryStorage {
    let values = MemoryStorage::new();
    let provider = RemoteProvider::new(config(world, values.clone())).unwrap();
    world.settle().unwrap();
    assert!(provider.snapshot().is_some());
    values
}

/// A provider that was stopped while it read its cache, whose storage has answered since.
fn stopped_while_loading(world: &World) -> RemoteProvider {
    let go_on = Signal::new();
    let storage = SlowStorage {
        values: filled(world),
        world: world.clone(),
        go_on: go_on.clone(),
    };
    let provider = RemoteProvider::new(config(world, storage)).unwrap();
    world.settle().unwrap();
    assert_eq!(provider.status().state, State::Loading);
    provider.stop();
    go_on.give();
    world.settle().unwrap();
    assert_eq!(provider.status().state, State::Stopped);
    provider
}

#[test]
fn a_provider_stopped_while_it_read_its_cache_polls_once_it_is_started() {
    let world = World::new();
    let provider = stopped_while_loading(&world);
    provider.start();
    world.settle().unwrap();
    assert_eq!(provider.status().state, State::Idle);
    assert!(provider.status().next_refresh_at.is_some());
    assert_eq!(provider.status().ready.as_str(), "up-to-date");
}

#[test]
fn a_provider_stopped_while_it_read_its_cache_reads_it_once_it_is_started() {
    let world = World::new();
    let provider = stopped_while_loading(&world);
    provider.set_online(false);
    provider.start();
    world.settle().unwrap();
    let source = provider.snapshot().map(|snapshot| snapshot.source());
    assert_eq!(source, Some(Source::Cache));
}

#[test]
fn nobody_waits_for_a_cache_that_a_stopped_provider_does_not_read() {
    let world = World::new();
    let provider = stopped_while_loading(&world);
    let before = world.now();
    assert_eq!(
        provider
            .wait_for_ready(Some(Duration::from_secs(5)))
            .as_str(),
        "no-data"
    );
    assert_eq!(world.now(), before);
}

impl Transport for Server {
    fn get(&self, request: &Request) -> Result<Response, Error> {
        let path = request.url.trim_start_matches("http://store.example/");
        let path = match path {
            "version.json" => "named/one.json",
            path => path,
        };
        Ok(Response {
            status: 200,
            body: published::object(path),
            ..Response::default()
        })
    }
}

impl Storage for SlowStorage {
    fn read(&self, key: &str) -> io::Result<Option<Vec<u8>>> {
        self.world.blocked(&self.go_on, 0);
        self.values.read(key)
    }

    fn write(&self, key: &str, value: &[u8]) -> io::Result<()> {
        self.values.write(key, value)
    }

    fn remove(&self, key: &str) -> io::Result<()> {
        self.values.remove(key)
    }
}
