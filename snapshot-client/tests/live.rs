//! Live reload: what a provider makes of the server's events, and of a server that has none.

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

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use snapshot_client::{
    Error, ReferenceDataProvider, RemoteConfig, RemoteProvider, Request, Response, Transport,
};

use published::Published;
use virtual_time::World;

/// A server whose streams end behind what they say, each connection another text.
#[derive(Default)]
struct Server {
    newest: Mutex<&'static str>,
    requests: Mutex<Vec<String>>,
    // What the connections to come say; nothing behind the last.
    streams: Mutex<Vec<String>>,
    connections: Mutex<usize>,
}

struct Scene {
    world: World,
    server: Arc<Server>,
    provider: RemoteProvider,
}

impl Scene {
    /// A provider that has version "one", polls once a day, and listens.
    fn new(streams: &[String]) -> Self {
        let world = World::new();
        let server = Arc::new(Server::default());
        *server.newest.lock().unwrap() = "one";
        *server.streams.lock().unwrap() = streams.to_vec();
        let mut config = RemoteConfig::new("http://store.example");
        config.runtime = Some(world.client().0);
        config.transport = Some(Arc::clone(&server) as Arc<dyn Transport>);
        config.poll_interval = Duration::from_secs(24 * 3600);
        config.live_reload = true;
        let provider = RemoteProvider::new(config).unwrap();
        world.settle().unwrap();
        server.requests.lock().unwrap().clear();
        Self {
            world,
            server,
            provider,
        }
    }

    fn advance(&self, seconds: u64) {
        let mut left = Duration::from_secs(seconds);
        loop {
            self.world.settle().unwrap();
            if left.is_zero() {
                return;
            }
            left -= self.world.advance(left);
        }
    }

    fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.server.requests.lock().unwrap())
    }

    fn connections(&self) -> usize {
        std::mem::take(&mut self.server.connections.lock().unwrap())
    }

    fn order(&self) -> (u64, u64) {
        self.provider.snapshot().unwrap().version().order()
    }
}

fn event(name: &str, version: &str) -> String {
    let text = Published::read(version).text;
    let text = String::from_utf8(text).unwrap();
    format!("event: {name}\ndata: {text}\n\n")
}

#[test]
fn an_announced_version_is_fetched_at_once_past_the_caches() {
    let scene = Scene::new(&[":\n".to_owned(), event("version", "two")]);
    *scene.server.newest.lock().unwrap() = "two";
    scene.advance(60);
    assert_eq!(scene.order(), Published::read("two").version.order());
    assert!(scene.requests()[0].starts_with("version.json?again="));
}

#[test]
fn an_event_of_another_name_and_the_current_version_cause_no_request() {
    let streams = [
        ":\n".to_owned(),
        event("message", "two"),
        event("version", "one"),
        event("version", "one"),
    ];
    let scene = Scene::new(&streams);
    scene.advance(60);
    assert!(scene.connections() > 4);
    assert_eq!(scene.requests(), [""; 0]);
}

#[test]
fn a_server_without_events_is_asked_for_them_ever_less_often() {
    let scene = Scene::new(&[]);
    scene.advance(3600);
    let first = scene.connections();
    assert!((8..20).contains(&first), "{first}");
    scene.advance(10 * 3600);
    let later = scene.connections();
    assert!((10..=22).contains(&later), "{later}");
}

#[test]
fn no_connection_is_opened_while_nothing_would_be_polled() {
    let scene = Scene::new(&[]);
    let quiet = |quiet: &dyn Fn(&RemoteProvider), loud: &dyn Fn(&RemoteProvider)| {
        scene.connections();
        quiet(&scene.provider);
        scene.advance(3600);
        assert_eq!(scene.connections(), 0);
        loud(&scene.provider);
        scene.advance(1);
        assert!(scene.connections() > 0);
    };
    quiet(&|provider| provider.set_active(false), &|provider| {
        provider.set_active(true)
    });
    quiet(&|provider| provider.set_online(false), &|provider| {
        provider.set_online(true)
    });
    quiet(&|provider| provider.stop(), &|provider| provider.start());
}

impl Transport for Server {
    fn get(&self, request: &Request) -> Result<Response, Error> {
        let path = request.url.trim_start_matches("http://store.example/");
        self.requests.lock().unwrap().push(path.to_owned());
        let newest = *self.newest.lock().unwrap();
        let body = match path.split('?').next().unwrap() {
            "version.json" => published::object(&format!("named/{newest}.json")),
            path => published::object(path),
        };
        Ok(Response {
            status: 200,
            body,
            ..Response::default()
        })
    }

    fn listen(
        &self,
        url: &str,
        each: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        assert_eq!(url, "http://store.example/events");
        *self.connections.lock().unwrap() += 1;
        let stream = {
            let mut streams = self.streams.lock().unwrap();
            if streams.is_empty() {
                return Ok(());
            }
            streams.remove(0)
        };
        let _ = each(stream.as_bytes());
        Ok(())
    }
}
