//! The Rust client reads what the publisher published and the server serves: with its flag off, on,
//! and without network.

#[allow(dead_code, reason = "an app calls what these scenarios leave out")]
#[path = "../snapshot-client/examples/exercise_config_service/service.rs"]
mod service;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use snapshot_client::{
    Bundled, Error, ErrorCode, Event, HttpTransport, LocalProvider, Polling, ProviderKind,
    ReadOptions, ReadyState, ReferenceConfig, ReferenceDataProvider, RefreshStatus, RemoteConfig,
    RemoteProvider, Request, Response, Signal, Snapshot, SourceFolder, Switch, SystemRuntime,
    Transport, create_reference_provider,
};
use snapshot_format::MAX_OBJECT_SIZE;

use crate::support::serving::{Server, serve};
use crate::support::{Project, tracked};
use service::ExerciseConfigService;

/// What a client does outside of its memory.
#[derive(Default)]
struct Outside {
    threads: AtomicUsize,
    urls: Mutex<Vec<String>>,
}

struct CountedRuntime(SystemRuntime, Arc<Outside>);
struct CountedTransport(HttpTransport, Arc<Outside>);

fn published() -> Project {
    let project = Project::exercise_app();
    project.run(&["run", "--quiet"]).succeeded();
    project
}

/// Every row of every table.
fn rows_of(snapshot: &Snapshot) -> BTreeMap<String, Value> {
    let rows = |key: &str| json!(snapshot.table(key).unwrap().rows().unwrap());
    snapshot
        .table_keys()
        .map(|key| (key.to_owned(), rows(key)))
        .collect()
}

fn remote(server: &Server, outside: &Arc<Outside>) -> RemoteConfig {
    let mut config = RemoteConfig::new(&server.base_url);
    let http = HttpTransport::new(&server.base_url).unwrap();
    config.transport = Some(Arc::new(CountedTransport(http, Arc::clone(outside))));
    config.runtime = Some(Arc::new(CountedRuntime(
        SystemRuntime::new(),
        Arc::clone(outside),
    )));
    // As long as a loaded machine needs.
    config.init_timeout = Duration::from_secs(60);
    config.request_timeout = Duration::from_secs(60);
    config.storage_timeout = Duration::from_secs(60);
    config
}

#[test]
fn flag_off_and_on_give_equal_data_offline_included() {
    let project = published();
    let server = serve(&project);
    let bundled = Bundled::from_folder(&project.path("snapshots")).unwrap();
    let local = rows_of(&LocalProvider::new(&bundled).snapshot().unwrap());
    assert_eq!(local.len(), 23);

    // Off: the local data, no thread, no connection, no cache.
    let outside = Arc::<Outside>::default();
    let switch = Switch::new(false);
    let cache = project.path("cache");
    let config = remote(&server, &outside).cached_in(&cache);
    let config = ReferenceConfig::new(switch.clone(), bundled.clone(), config);
    let provider = create_reference_provider(config).unwrap();
    assert_eq!(provider.wait_for_ready(None), ReadyState::Bundled);
    assert_eq!(provider.refresh().status, RefreshStatus::Skipped);
    let off = rows_of(&provider.bootstrap(ReadOptions::confirmed()).unwrap());
    assert_eq!(off, local);
    assert_eq!(provider.kind(), ProviderKind::Local);
    assert_eq!(outside.threads.load(Ordering::SeqCst), 0);
    assert!(outside.urls().is_empty());
    assert!(!cache.exists());

    // On: the server confirms it, and nothing is fetched twice.
    switch.set(true);
    let on = provider.bootstrap(ReadOptions::confirmed()).unwrap();
    assert_eq!(rows_of(&on), local);
    assert_eq!(provider.status().ready, ReadyState::UpToDate);
    assert_eq!(
        outside.urls(),
        [format!("{}/version.json", server.base_url)]
    );
    drop(provider);

    // On, with nothing shipped: all of it comes by the network.
    let provider = RemoteProvider::new(remote(&server, &outside).cached_in(&cache)).unwrap();
    let fetched = provider.bootstrap(ReadOptions::confirmed()).unwrap();
    assert_eq!(rows_of(&fetched), local);
    drop(provider);

    // On, without network, from the cache alone.
    let config = remote(&server, &outside).cached_in(&cache);
    drop(server);
    let provider = RemoteProvider::new(config).unwrap();
    let cached = provider
        .bootstrap(ReadOptions::allow_stale_cache())
        .unwrap();
    assert_eq!(rows_of(&cached), local);
    assert_eq!(provider.refresh().status, RefreshStatus::Failed);
}

#[test]
fn an_object_above_the_usual_bound_is_taken_by_whom_it_was_told_and_the_server_says_so() {
    const TABLES: &str = "CREATE TABLE grips (id integer PRIMARY KEY, label text NOT NULL);";
    let project = Project::new(&[TABLES, &tracked(&["grips"])]);
    project.file(
        "tablecast.toml",
        "max_object_bytes = 40000000\n[tables.grips]\nbootstrap = false\n",
    );
    project.run(&["migrate", "--quiet"]).succeeded();
    // Each row has a mebibyte.
    project.database.execute(
        "INSERT INTO grips SELECT n, repeat('x', 1048576) FROM generate_series(1, 32) AS n",
    );
    project.run(&["publish", "--quiet"]).succeeded();
    let size = project.manifest()["tables"]["grips"]["size"]
        .as_u64()
        .unwrap();
    assert!(size > MAX_OBJECT_SIZE);
    let server = serve(&project);

    let mut ready = TcpStream::connect(server.base_url.trim_start_matches("http://")).unwrap();
    let request = "GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    ready.write_all(request.as_bytes()).unwrap();
    let mut reply = String::new();
    ready.read_to_string(&mut reply).unwrap();
    let warning = format!(
        "\"warning\":\"grips has {size} bytes and is larger than the {MAX_OBJECT_SIZE} that a client takes; only \
         clients with a larger maxObjectBytes see this version\""
    );
    assert!(reply.contains(&warning), "{reply}");

    for (most, code) in [
        (None, Some(ErrorCode::TooLarge)),
        (Some(size - 1), Some(ErrorCode::TooLarge)),
        (Some(size), None),
    ] {
        let mut config = remote(&server, &Arc::default());
        config.polling = Polling::Manual;
        if let Some(most) = most {
            config.max_object_bytes = most;
        }
        let provider = RemoteProvider::new(config).unwrap();
        let refreshed = provider.refresh();
        assert_eq!(refreshed.error.map(|error| error.code()), code, "{most:?}");
        let rows = provider.snapshot().map(|snapshot| {
            let grips = snapshot.table("grips").unwrap();
            grips.rows().unwrap().len()
        });
        assert_eq!(rows, if code.is_some() { None } else { Some(32) });
    }
}

#[test]
fn a_service_over_the_provider_says_the_same_with_the_flag_off_and_on() {
    let project = published();
    let server = serve(&project);
    let source = SourceFolder::new(project.path("json-source"));
    let source = source.map("equipmentIcons", &["id", "equipment_id"], "value");
    let bundled = Bundled::from_source(&source).unwrap();
    let switch = Switch::new(false);
    let config = remote(&server, &Arc::default());
    let config = ReferenceConfig::new(switch.clone(), bundled, config);
    let provider = create_reference_provider(config).unwrap();
    let service = ExerciseConfigService::new(Arc::clone(&provider));
    let off = everything(&service);
    assert_eq!(
        provider.snapshot().unwrap().version().epoch,
        0,
        "nobody published it"
    );

    switch.set(true);
    assert_eq!(provider.refresh().status, RefreshStatus::Updated);
    assert_eq!(provider.snapshot().unwrap().version(), &version(&project));
    pretty_assertions::assert_eq!(everything(&service), off);
}

/// On the way between client and server, where bytes are counted.
fn counted(server: &Server) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let address = server.base_url.trim_start_matches("http://").to_owned();
    let bytes = Arc::<AtomicUsize>::default();
    let counter = Arc::clone(&bytes);
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let server = TcpStream::connect(&address).unwrap();
            let (mut from_client, mut to_server) =
                (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || io::copy(&mut from_client, &mut to_server));
            let counter = Arc::clone(&counter);
            std::thread::spawn(move || pass_on(server, client, &counter));
        }
    });
    (url, bytes)
}

// Counts the bodies: each is as long as its head says.
fn pass_on(server: TcpStream, mut client: TcpStream, counter: &AtomicUsize) -> io::Result<()> {
    let mut server = BufReader::new(server);
    loop {
        let mut size = 0;
        loop {
            let mut line = String::new();
            if server.read_line(&mut line)? == 0 {
                return Ok(());
            }
            client.write_all(line.as_bytes())?;
            if let Some(length) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                size = length.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; size];
        server.read_exact(&mut body)?;
        counter.fetch_add(size, Ordering::SeqCst);
        client.write_all(&body)?;
    }
}

#[test]
fn an_idle_poll_moves_a_kibibyte_and_an_edited_row_four() {
    let project = published();
    let server = serve(&project);
    let (url, bytes) = counted(&server);
    let mut config = RemoteConfig::new(url);
    config.polling = Polling::Manual;
    config.request_timeout = Duration::from_secs(60);
    let provider = RemoteProvider::new(config).unwrap();
    assert_eq!(provider.refresh().status, RefreshStatus::Updated);
    bytes.store(0, Ordering::SeqCst);
    assert_eq!(provider.refresh().status, RefreshStatus::NotModified);
    let idle = bytes.swap(0, Ordering::SeqCst);
    assert!((1..=1024).contains(&idle), "{idle}");

    let path = "json-source/torsoOrientations.json";
    let rows = std::fs::read_to_string(project.path(path)).unwrap();
    project.file(path, rows.replacen("\"label\": \"", "\"label\": \"New ", 1));
    project.run(&["run", "--quiet"]).succeeded();
    let newest = version(&project);
    let polled = || {
        bytes.store(0, Ordering::SeqCst);
        provider.refresh()
    };
    let result = until(polled, |result| result.version.as_ref() == Some(&newest));
    assert_eq!(result.changed_tables, ["torsoOrientations"]);
    let moved = bytes.load(Ordering::SeqCst);
    assert!((1025..=4096).contains(&moved), "{moved}");
}

#[test]
fn a_version_is_there_as_soon_as_the_server_tells_of_it() {
    let project = published();
    let server = serve(&project);
    let (tell, told) = mpsc::channel();
    let outside = Arc::<Outside>::default();
    let mut config = remote(&server, &outside);
    // No poll comes in time.
    config.poll_interval = Duration::from_secs(24 * 3600);
    config.live_reload = true;
    let config = config.on_event(move |event| {
        if let Event::Change(change) = event {
            let _ = tell.send((change.to.clone(), change.changed_tables.clone()));
        }
    });
    let switch = Switch::new(false);
    let bundled = Bundled::from_folder(&project.path("snapshots")).unwrap();
    let provider =
        create_reference_provider(ReferenceConfig::new(switch.clone(), bundled, config)).unwrap();
    let next = || told.recv_timeout(Duration::from_secs(120)).unwrap();
    let _bundled = next();
    assert_eq!(outside.threads.load(Ordering::SeqCst), 0);
    switch.set(true);
    until(
        || outside.urls(),
        |urls| urls.iter().any(|url| url.ends_with("/events")),
    );

    let grips = std::fs::read_to_string(project.path("json-source/grips.json")).unwrap();
    project.source(
        "grips",
        &grips.replacen("\"Pronated\"", "\"Palms down\"", 1),
    );
    project.run(&["run", "--quiet"]).succeeded();
    assert_eq!(next(), (version(&project), vec!["grips".to_owned()]));
    // A cache may still have had the version before.
    assert!(
        outside
            .urls()
            .iter()
            .any(|url| url.contains("/version.json?again="))
    );
    drop(provider);
}

/// What a service gives to all its screens.
fn everything(service: &ExerciseConfigService) -> Vec<String> {
    let muscles = service.primary_muscles().unwrap();
    let below = muscles
        .iter()
        .map(|muscle| service.muscles_below(&muscle.id).unwrap());
    let below = format!("{:?}", below.collect::<Vec<_>>());
    let motions = service.motions().unwrap();
    let motion = motions.iter().map(|motion| {
        let paths = service.motion_paths_of(&motion.id).unwrap();
        format!(
            "{paths:?} {:?}",
            service.muscle_targets(&motion.id).unwrap()
        )
    });
    let categories = service.equipment_categories().unwrap();
    let equipment = categories
        .iter()
        .flat_map(|each| service.equipment_of(&each.id).unwrap());
    let equipment: Vec<_> = equipment.collect();
    let icons = equipment
        .iter()
        .map(|each| service.equipment_icon(&each.id).unwrap());
    let icons = format!("{:?}", icons.collect::<Vec<_>>());
    assert!(equipment.len() > 80 && motions.len() > 80 && muscles.len() > 5);
    let lists = [
        service.exercise_categories(),
        service.cardio_types(),
        service.training_focus(),
        service.grips(),
    ];
    let lists = lists.map(|list| format!("{:?}", list.unwrap()));
    motion
        .chain(lists)
        .chain([below, icons, format!("{equipment:?}")])
        .collect()
}

/// A folder of source files shows every value that the files have as it is published; what it has
/// not is what only the database knows.
#[test]
fn source_files_show_what_is_published_of_them() {
    let project = published();
    let source = SourceFolder::new(project.path("json-source"));
    let source = source.map("equipmentIcons", &["id", "equipment_id"], "value");
    let local = rows_of(
        &LocalProvider::new(&Bundled::from_source(&source).unwrap())
            .snapshot()
            .unwrap(),
    );
    let mut only_published = BTreeSet::new();
    for (key, local) in &local {
        let mut published = project.published(key);
        let columns: BTreeSet<_> = local[0].as_object().unwrap().keys().cloned().collect();
        for row in published.as_array_mut().unwrap() {
            row.as_object_mut().unwrap().retain(|column, _| {
                let known = columns.contains(column);
                if !known {
                    only_published.insert(format!("{key}.{column}"));
                }
                known
            });
        }
        pretty_assertions::assert_eq!(local, &published, "{key}");
    }
    let defaults = [
        "common_names",
        "icon",
        "is_active",
        "label",
        "short_description",
        "sort_order",
    ];
    let expected = defaults.map(|column| format!("equipmentIcons.{column}"));
    assert!(only_published.iter().eq(&expected), "{only_published:?}");
    assert_eq!(local.len(), 23);
}

#[test]
fn an_edit_reaches_the_app_with_the_tables_that_it_changed() {
    let project = published();
    let server = serve(&project);
    let outside = Arc::<Outside>::default();
    let mut config = remote(&server, &outside).cached_in(project.path("cache"));
    config.polling = Polling::Manual;
    let provider = RemoteProvider::new(config).unwrap();
    assert_eq!(provider.refresh().status, RefreshStatus::Updated);
    outside.urls.lock().unwrap().clear();

    let grips = std::fs::read_to_string(project.path("json-source/grips.json")).unwrap();
    project.source(
        "grips",
        &grips.replacen("\"Pronated\"", "\"Palms down\"", 1),
    );
    project.run(&["run", "--quiet"]).succeeded();
    // The server takes a new version by itself, when it has verified it.
    let newest = version(&project);
    let result = until(
        || provider.refresh(),
        |result| result.version.as_ref() == Some(&newest),
    );
    assert_eq!(result.changed_tables, ["grips"]);
    let grips = provider.table("grips", ReadOptions::confirmed()).unwrap();
    assert_eq!(
        grips.row("PRONATED").unwrap().unwrap()["label"],
        "Palms down"
    );
    let objects: Vec<_> = outside
        .urls()
        .into_iter()
        .filter(|url| !url.ends_with("version.json"))
        .collect();
    let hash = grips.hash().unwrap();
    let expected = [
        format!(
            "{}/manifests/{}.json",
            server.base_url, newest.manifest.hash
        ),
        format!("{}/tables/grips/{hash}.json", server.base_url),
    ];
    assert_eq!(objects, expected);
}

/// Asks again and again, for a generous time, until the answer is this.
fn until<T>(ask: impl Fn() -> T, is_it: impl Fn(&T) -> bool) -> T {
    for _ in 0..600 {
        let answer = ask();
        if is_it(&answer) {
            return answer;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("not within a minute");
}

fn version(project: &Project) -> snapshot_client::Version {
    serde_json::from_value(project.version()).unwrap()
}

impl Outside {
    fn urls(&self) -> Vec<String> {
        self.urls.lock().unwrap().clone()
    }
}

impl snapshot_client::Runtime for CountedRuntime {
    fn now(&self) -> Duration {
        self.0.now()
    }

    fn wall(&self) -> SystemTime {
        self.0.wall()
    }

    fn random(&self) -> f64 {
        self.0.random()
    }

    fn spawn(&self, name: &str, work: Box<dyn FnOnce() + Send>) -> io::Result<()> {
        self.1.threads.fetch_add(1, Ordering::SeqCst);
        self.0.spawn(name, work)
    }

    fn wait(&self, signal: &Signal, seen: u64, until: Option<Duration>, idle: bool) {
        self.0.wait(signal, seen, until, idle);
    }
}

impl Transport for CountedTransport {
    fn get(&self, request: &Request) -> Result<Response, Error> {
        self.1.urls.lock().unwrap().push(request.url.clone());
        self.0.get(request)
    }

    fn listen(
        &self,
        url: &str,
        each: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        self.1.urls.lock().unwrap().push(url.to_owned());
        self.0.listen(url, each)
    }
}
