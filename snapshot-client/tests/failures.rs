//! Whatever fails, in whatever order: the current version is one that was published, never goes
//! back, is the bundled one at least, and is the newest once the failures stop.

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

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use snapshot_client::{
    Bundled, Error, ErrorCode, MemoryStorage, ReferenceDataProvider, RemoteConfig, RemoteProvider,
    Request, Response, Signal, Storage, Transport,
};

use published::Published;
use virtual_time::World;

// In their order. The schema of "major" is one that the client does not know.
const NAMES: [&str; 12] = [
    "one",
    "two",
    "three",
    "every",
    "added",
    "removed",
    "minor",
    "major",
    "rolled-back",
    "after-major",
    "rebuilt",
    "rebuilt-next",
];

/// What happens to one request.
#[derive(Debug, Clone)]
enum NetworkFailure {
    None,
    Lost,
    Hangs,
    Status(usize),
    Page,
    Flipped(usize),
    Cut(usize),
    Long(usize),
    Old(usize),
    Panics,
}

/// What happens to one access to the storage.
#[derive(Debug, Clone, Copy)]
enum DeviceFailure {
    None,
    Full,
    Hangs,
    Kills,
}

#[derive(Debug, Clone)]
enum Step {
    Publish { ahead: usize },
    Network(Vec<NetworkFailure>),
    Device(Vec<DeviceFailure>),
    Advance { ms: u64 },
    Restart,
    Damage { at: usize },
    Background(bool),
    Flight(bool),
}

/// The world around a client: a server, a network, a device, and a clock.
struct Surroundings {
    time: World,
    server: Arc<Server>,
    device: Device,
    listed: Arc<Vec<Published>>,
}

struct Server {
    listed: Arc<Vec<Published>>,
    published: Mutex<usize>,
    failures: Mutex<VecDeque<NetworkFailure>>,
    time: World,
    // Given when the test is over: requests that hang end.
    over: Signal,
}

#[derive(Clone)]
struct Device {
    values: MemoryStorage,
    failures: Arc<Mutex<VecDeque<DeviceFailure>>>,
    time: World,
    over: Signal,
}

struct Process {
    device: Device,
    dead: Arc<AtomicBool>,
}

fn network_failure() -> impl Strategy<Value = NetworkFailure> {
    let at = || 0..5000_usize;
    prop_oneof![
        4 => Just(NetworkFailure::None),
        1 => Just(NetworkFailure::Lost),
        1 => Just(NetworkFailure::Hangs),
        1 => at().prop_map(NetworkFailure::Status),
        1 => Just(NetworkFailure::Page),
        2 => at().prop_map(NetworkFailure::Flipped),
        1 => at().prop_map(NetworkFailure::Cut),
        1 => at().prop_map(NetworkFailure::Long),
        2 => at().prop_map(NetworkFailure::Old),
        1 => Just(NetworkFailure::Panics),
    ]
}

fn device_failure() -> impl Strategy<Value = DeviceFailure> {
    prop_oneof![
        4 => Just(DeviceFailure::None),
        1 => Just(DeviceFailure::Full),
        1 => Just(DeviceFailure::Hangs),
        1 => Just(DeviceFailure::Kills),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..4_usize).prop_map(|ahead| Step::Publish { ahead }),
        4 => prop::collection::vec(network_failure(), 1..30).prop_map(Step::Network),
        2 => prop::collection::vec(device_failure(), 0..25).prop_map(Step::Device),
        6 => (1_000..900_000_u64).prop_map(|ms| Step::Advance { ms }),
        3 => Just(Step::Restart),
        2 => (0..1000_usize).prop_map(|at| Step::Damage { at }),
        1 => any::<bool>().prop_map(Step::Background),
        1 => any::<bool>().prop_map(Step::Flight),
    ]
}

/// As many as CI has time for; `PROPTEST_CASES` gives more.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(64)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn failures_of_every_kind_with_a_bundled_snapshot(steps in prop::collection::vec(step(), 3..40)) {
        play(&steps, true);
    }

    #[test]
    fn failures_of_every_kind_with_nothing_bundled(steps in prop::collection::vec(step(), 3..40)) {
        play(&steps, false);
    }
}

fn play(steps: &[Step], bundled: bool) {
    let mut world = Surroundings::new();
    let mut client = Client::begin(&world, bundled);
    // After a restart the version may be an older one only if the device has lost something.
    let mut is_healthy = true;
    for step in steps {
        match step {
            Step::Publish { ahead } => world.publish(*ahead),
            Step::Network(failures) => {
                *world.server.failures.lock().unwrap() = failures.clone().into()
            }
            Step::Device(failures) => {
                *world.device.failures.lock().unwrap() = failures.clone().into();
                // Death loses nothing that was current.
                let loses = |failure: &DeviceFailure| {
                    matches!(failure, DeviceFailure::Full | DeviceFailure::Hangs)
                };
                is_healthy &= !failures.iter().any(loses);
            }
            Step::Advance { ms } => world.advance(Duration::from_millis(*ms)),
            Step::Damage { at } => {
                world.device.damage(*at);
                is_healthy = false;
            }
            Step::Background(background) => client.provider.set_active(!background),
            Step::Flight(flight) => client.provider.set_online(!flight),
            Step::Restart => {
                client.process_dead.store(true, Ordering::SeqCst);
                world.device.failures.lock().unwrap().clear();
            }
        }
        world.advance(Duration::ZERO);
        // The next one may be killed in its first moment, too; the dead are not looked at.
        while client.process_dead.load(Ordering::SeqCst) {
            client.provider.dispose();
            let before = client.before.take().filter(|_| is_healthy);
            client = Client {
                before,
                ..Client::begin(&world, bundled)
            };
            world.advance(Duration::from_millis(1));
        }
        client.check(&world);
    }
    world.server.failures.lock().unwrap().clear();
    world.device.failures.lock().unwrap().clear();
    if client.process_dead.load(Ordering::SeqCst) {
        client.provider.dispose();
        client = Client::begin(&world, bundled);
    }
    client.provider.set_active(true);
    client.provider.set_online(true);
    // Behind the longest that a server may ask us to wait.
    world.advance(Duration::from_secs(2 * 3600));
    client.check(&world);
    let newest = world.newest();
    if newest.name != "major" {
        let current = client
            .provider
            .snapshot()
            .map(|current| current.version().clone());
        assert_eq!(
            current.as_ref(),
            Some(&newest.version),
            "the newest is reached"
        );
    }
    client.provider.dispose();
    world.end();
}

struct Client {
    provider: RemoteProvider,
    process_dead: Arc<AtomicBool>,
    bundled: bool,
    // The order of the version that was current last.
    before: Option<(u64, u64)>,
}

impl Client {
    fn begin(world: &Surroundings, bundled: bool) -> Self {
        let dead = Arc::<AtomicBool>::default();
        let process = Process {
            device: world.device.clone(),
            dead: Arc::clone(&dead),
        };
        let mut config = RemoteConfig::new("http://store.example");
        config.runtime = Some(world.time.client().0);
        config.transport = Some(Arc::clone(&world.server) as Arc<dyn Transport>);
        config.storage = Some(Arc::new(process));
        if bundled {
            let first = &world.listed[0];
            config.bundled = Some(Bundled::from_bytes(&first.text, &first.bootstrap).unwrap());
        }
        Self {
            provider: RemoteProvider::new(config).unwrap(),
            process_dead: dead,
            bundled,
            before: None,
        }
    }

    fn check(&mut self, world: &Surroundings) {
        let Some(snapshot) = self.provider.snapshot() else {
            assert!(!self.bundled, "what is bundled is always there");
            return;
        };
        let version = snapshot.version();
        let published = world.listed.iter().find(|each| each.version == *version);
        let published = published.expect("only a published version is current");
        let keys: Vec<_> = snapshot.table_keys().collect();
        assert!(
            keys.iter().eq(published.tables.keys()),
            "its tables are those that were published"
        );
        for key in keys {
            let table = snapshot.table(key).unwrap();
            assert_eq!(
                table.rows().unwrap(),
                published.tables[key],
                "rows of {key}"
            );
        }
        assert!(
            self.before <= Some(version.order()),
            "a version never goes back"
        );
        self.before = Some(version.order());
    }
}

impl Surroundings {
    fn new() -> Self {
        let listed: Arc<Vec<_>> =
            Arc::new(NAMES.iter().map(|name| Published::read(name)).collect());
        let (time, over) = (World::new(), Signal::new());
        Self {
            server: Arc::new(Server {
                listed: Arc::clone(&listed),
                published: Mutex::new(0),
                failures: Mutex::default(),
                time: time.clone(),
                over: over.clone(),
            }),
            device: Device {
                values: MemoryStorage::new(),
                failures: Arc::default(),
                time: time.clone(),
                over,
            },
            time,
            listed,
        }
    }

    fn publish(&mut self, ahead: usize) {
        let mut published = self.server.published.lock().unwrap();
        *published = (*published + ahead).min(NAMES.len() - 1);
    }

    fn newest(&self) -> &Published {
        &self.listed[*self.server.published.lock().unwrap()]
    }

    /// Time passes, timer by timer, and what each sets off is over before the next.
    fn advance(&self, time: Duration) {
        let mut left = time;
        loop {
            self.settle();
            if left.is_zero() {
                break;
            }
            left -= self.time.advance(left);
        }
    }

    // What a server does not answer is under way as long as the test lasts.
    fn settle(&self) {
        self.time.settle().unwrap();
    }

    fn end(&self) {
        self.server.over.give();
    }
}

impl Transport for Server {
    fn get(&self, request: &Request) -> Result<Response, Error> {
        let failure = self
            .failures
            .lock()
            .unwrap()
            .pop_front()
            .unwrap_or(NetworkFailure::None);
        let path = request.url.trim_start_matches("http://store.example/");
        let path = path.split('?').next().unwrap();
        let published = *self.published.lock().unwrap();
        let is_version = path == "version.json";
        let mut body = if is_version {
            self.listed[published].text.clone()
        } else {
            published::object(path)
        };
        let answer = |status, body| Response {
            status,
            body,
            ..Response::default()
        };
        match failure {
            NetworkFailure::None => {}
            NetworkFailure::Lost => return Err(Error::new(ErrorCode::Network, "connection lost")),
            NetworkFailure::Hangs => {
                self.time.request(|| self.over.wait(0, None));
                return Err(Error::new(ErrorCode::Network, "the test is over"));
            }
            NetworkFailure::Status(at) => {
                let status = [404, 410, 403, 500, 503, 304][at % 6];
                let retry_after = Some(at.to_string());
                return Ok(Response {
                    retry_after,
                    ..answer(status, Vec::new())
                });
            }
            NetworkFailure::Page => body = b"<!doctype html>".to_vec(),
            // A version has no hash: one that is damaged and still a version cannot be noticed.
            NetworkFailure::Flipped(_) if is_version => drop(body.remove(0)),
            NetworkFailure::Flipped(at) => {
                let index = at % body.len();
                body[index] ^= 1 << (at % 8);
            }
            NetworkFailure::Cut(at) => body.truncate(at % body.len()),
            NetworkFailure::Long(more) => body.resize(body.len() + more + 1, b' '),
            NetworkFailure::Old(at) if is_version => {
                body = self.listed[at % (published + 1)].text.clone()
            }
            NetworkFailure::Old(_) => {}
            NetworkFailure::Panics => {
                std::panic::resume_unwind(Box::new("a transport that panics"))
            }
        }
        Ok(answer(200, body))
    }
}

impl Device {
    fn damage(&self, at: usize) {
        let keys = self.values.keys();
        if keys.is_empty() {
            return;
        }
        let key = &keys[at % keys.len()];
        let mut value = self.values.read(key).unwrap().unwrap();
        if !value.is_empty() {
            let index = at.wrapping_mul(7919) % value.len();
            value[index] ^= 1;
        }
        self.values.write(key, &value).unwrap();
    }
}

impl Process {
    fn access<T>(&self, run: impl FnOnce(&MemoryStorage) -> io::Result<T>) -> io::Result<T> {
        let dead = || self.dead.load(Ordering::SeqCst);
        if !dead() {
            let failure = self.device.failures.lock().unwrap().pop_front();
            match failure.unwrap_or(DeviceFailure::None) {
                DeviceFailure::None => {}
                DeviceFailure::Full => return Err(io::ErrorKind::StorageFull.into()),
                DeviceFailure::Hangs => self.device.time.blocked(&self.device.over, 0),
                DeviceFailure::Kills => self.dead.store(true, Ordering::SeqCst),
            }
        }
        // What a dead process was about to do it does not do.
        if dead() || self.device.over.count() > 0 {
            Err(io::Error::other("killed"))
        } else {
            run(&self.device.values)
        }
    }
}

impl Storage for Process {
    fn read(&self, key: &str) -> io::Result<Option<Vec<u8>>> {
        self.access(|values| values.read(key))
    }

    fn write(&self, key: &str, value: &[u8]) -> io::Result<()> {
        self.access(|values| values.write(key, value))
    }

    fn remove(&self, key: &str) -> io::Result<()> {
        self.access(|values| values.remove(key))
    }
}
