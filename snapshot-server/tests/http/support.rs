//! A store written by hand, a server on a free port, a client that hides nothing.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use snapshot_format::{Encoding, Key, Manifest, TableKey, Version, compress};
use snapshot_server::{Event, Listen, Options, Reload};
use tempfile::TempDir;
use tokio::sync::oneshot;

#[path = "../../../tests/support/made.rs"]
mod made;

use made::{Made, Tables};

/// Long enough for a loaded machine; no test waits for it when it passes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A store in a folder of its own.
pub(crate) struct Store {
    pub(crate) folder: TempDir,
    sequence: u64,
}

/// One version and the bytes behind it.
pub(crate) struct Published {
    pub(crate) version: Version,
    pub(crate) manifest: Manifest,
    pub(crate) version_bytes: Vec<u8>,
    pub(crate) objects: BTreeMap<String, Vec<u8>>,
}

impl Published {
    pub(crate) fn bootstrap_path(&self) -> String {
        format!("/{}", Key::Bootstrap(self.version.bootstrap.hash, None))
    }

    pub(crate) fn manifest_path(&self) -> String {
        format!("/{}", Key::Manifest(self.version.manifest.hash))
    }

    pub(crate) fn table_path(&self, table: &str) -> String {
        let key: TableKey = table.parse().expect("a table key");
        let hash = self.manifest.tables[&key].hash;
        format!("/{}", Key::Table(key, hash, None))
    }

    pub(crate) fn bytes(&self, path: &str) -> &[u8] {
        &self.objects[path.trim_start_matches('/')]
    }
}

impl Store {
    pub(crate) fn empty() -> Self {
        Self {
            folder: TempDir::new().expect("a temporary folder"),
            sequence: 0,
        }
    }

    /// A table without variants and one large enough to have them.
    pub(crate) fn published() -> (Self, Published) {
        let mut store = Self::empty();
        let published = store.publish(&[("grips", rows(3)), ("muscles", rows(200))]);
        (store, published)
    }

    /// Puts everything, then swaps, as a publisher does.
    pub(crate) fn publish(&mut self, tables: Tables<'_>) -> Published {
        let published = self.render(tables);
        published
            .objects
            .iter()
            .for_each(|(path, bytes)| self.put(path, bytes));
        self.swap(&published);
        published
    }

    /// The next version, with nothing of it put yet.
    pub(crate) fn render(&mut self, tables: Tables<'_>) -> Published {
        self.sequence += 1;
        let made = Made::of(40 + self.sequence, tables);
        let version = made.version(self.sequence);
        let Made {
            objects: keyed,
            manifest,
        } = made;
        let mut objects = BTreeMap::new();
        for (key, bytes) in keyed {
            add(&mut objects, &key, bytes);
        }
        let key = Key::Manifest(version.manifest.hash);
        add(&mut objects, &key, manifest.to_bytes());
        let (epoch, sequence) = version.order();
        let version_bytes = version.to_bytes();
        add(
            &mut objects,
            &Key::History { epoch, sequence },
            version_bytes.clone(),
        );
        Published {
            version,
            manifest,
            version_bytes,
            objects,
        }
    }

    pub(crate) fn swap(&self, published: &Published) {
        self.put("version.json", &published.version_bytes);
    }

    /// Whole or not at all, by a rename.
    pub(crate) fn put(&self, path: &str, bytes: &[u8]) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().expect("below the root")).expect("a folder");
        let temporary = path.with_extension("new");
        std::fs::write(&temporary, bytes).expect("a file");
        std::fs::rename(temporary, path).expect("a rename");
    }

    pub(crate) fn remove(&self, path: &str) {
        std::fs::remove_file(self.path(path)).expect("the file was there");
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path.trim_start_matches('/'))
    }

    /// Serves the store with settings for tests.
    pub(crate) fn serve(&self) -> Served {
        self.serve_with(|_| {})
    }

    pub(crate) fn serve_with(&self, change: impl FnOnce(&mut Options)) -> Served {
        let mut options = Options::new(self.folder.path(), ([127, 0, 0, 1], 0).into());
        options.poll_interval = Duration::from_millis(5);
        change(&mut options);
        Served::start(options)
    }
}

pub(crate) fn rows(count: usize) -> Vec<String> {
    (0..count)
        .map(|i| format!(r#"{{"id":"ROW_{i:04}","is_active":true,"label":"Row {i}"}}"#))
        .collect()
}

fn add(objects: &mut BTreeMap<String, Vec<u8>>, key: &Key, bytes: Vec<u8>) {
    let has_variants = matches!(key, Key::Bootstrap(..) | Key::Table(..));
    if has_variants {
        for &encoding in Encoding::of_object(bytes.len() as u64) {
            let mut variant = Vec::new();
            compress(encoding, bytes.len() as u64, &mut &bytes[..], &mut variant).expect("memory");
            objects.insert(key.with_encoding(Some(encoding)).path(), variant);
        }
    }
    objects.insert(key.path(), bytes);
}

/// A running server. It stops, and is waited for, when it is dropped.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) places: Vec<Listen>,
    pub(crate) metrics: Option<SocketAddr>,
    reload: Reload,
    options: Options,
    events: mpsc::Receiver<String>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Served {
    fn start(mut options: Options) -> Self {
        let (event, events) = mpsc::channel();
        options.observer = Arc::new(move |happened: &Event| {
            let _ = event.send(happened.to_string());
        });
        let (bound, address) = mpsc::channel();
        let own = options.clone();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                let server = snapshot_server::bind(options).await.expect("a free port");
                let ready = (
                    server.local_addr(),
                    server.places(),
                    server.metrics_addr(),
                    server.reload(),
                );
                bound
                    .send(ready)
                    .unwrap_or_else(|_| panic!("the test waits"));
                let shutdown = async { stopped.await.unwrap_or_default() };
                server.run(shutdown).await.expect("the server runs");
            });
        });
        let (address, places, metrics, reload) =
            address.recv_timeout(PATIENCE).expect("the server starts");
        Self {
            address,
            places,
            metrics,
            reload,
            options: own,
            events,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// The next thing that the server tells its operator.
    pub(crate) fn next_event(&self) -> String {
        self.events.recv_timeout(PATIENCE).expect("an event")
    }

    /// What SIGHUP does.
    pub(crate) fn reload(&self) {
        self.reload.now();
    }

    /// What SIGHUP does after the settings were changed.
    pub(crate) fn configure(&self, change: impl FnOnce(&mut Options)) {
        let mut options = self.options.clone();
        change(&mut options);
        self.reload.configure(&options).expect("options of ours");
    }

    /// Returns once the counters' page says so. Needs [`Options::metrics`].
    pub(crate) fn wait_for_gauge(&self, name: &str, expected: usize) {
        let begun = std::time::Instant::now();
        let line = format!("tablecast_{name} {expected}");
        let address = self.metrics.expect("a listener");
        loop {
            let page = Client::connect(address).request("GET", "/metrics", &[]);
            if page.text().lines().any(|found| found == line) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{line} in\n{}", page.text());
            std::thread::yield_now();
        }
    }

    /// Begins to stop; [`Served::wait`] or drop waits for the end.
    pub(crate) fn stop(&mut self) {
        self.stop
            .take()
            .expect("stopped once")
            .send(())
            .expect("the server runs");
    }

    pub(crate) fn wait(&mut self) {
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server does not panic");
        }
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address)
    }

    /// One GET on a connection of its own.
    pub(crate) fn get(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        self.client().request("GET", path, fields)
    }

    pub(crate) fn head(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        self.client().request("HEAD", path, fields)
    }

    /// Bytes as they are, answered once.
    pub(crate) fn raw(&self, request: impl AsRef<[u8]>) -> Reply {
        let mut client = self.client();
        client.send(request);
        client.reply("GET")
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.stop.take());
        // A test that fails must show its own panic, not this one.
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A connection that sends and reads exactly what it is told.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
    /// Lines of a chunk that are not read yet.
    chunk: VecDeque<String>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
        Self {
            stream: BufReader::new(stream),
            chunk: VecDeque::new(),
        }
    }

    pub(crate) fn stream(&mut self) -> &mut TcpStream {
        self.stream.get_mut()
    }

    pub(crate) fn socket(&self) -> &TcpStream {
        self.stream.get_ref()
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream
            .get_mut()
            .write_all(bytes.as_ref())
            .expect("the server reads");
    }

    pub(crate) fn request(&mut self, method: &str, path: &str, fields: &[(&str, &str)]) -> Reply {
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: test\r\n");
        for (name, value) in fields {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        self.send(request + "\r\n");
        self.reply(method)
    }

    /// Waits until the server has taken from the socket what was sent, as far as
    /// the system tells.
    pub(crate) fn wait_until_read(&mut self) {
        // A connection's queues in the kernel's table; elsewhere a moment must do.
        let local = self
            .stream
            .get_ref()
            .local_addr()
            .expect("an address")
            .port();
        let (needle, begun) = (format!("0100007F:{local:04X} "), std::time::Instant::now());
        while begun.elapsed() < PATIENCE {
            let Ok(table) = std::fs::read_to_string("/proc/net/tcp") else {
                return std::thread::sleep(Duration::from_millis(2));
            };
            // The server's end: our port is the remote one.
            let mut queue = table.lines().filter_map(|line| {
                let columns: Vec<_> = line.split_whitespace().collect();
                (format!("{} ", columns.get(2)?) == needle)
                    .then(|| columns.get(4).map(|q| q.ends_with(":00000000")))?
            });
            if queue.next_back() == Some(true) {
                return;
            }
            std::thread::yield_now();
        }
    }

    /// One response as it is: its head, and as much body as `method` gives.
    pub(crate) fn reply_bytes(&mut self, method: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).expect("a whole head");
            bytes.extend(byte);
        }
        let head = String::from_utf8(bytes.clone()).expect("ASCII");
        let has_body = method != "HEAD"
            && !head.starts_with("HTTP/1.1 304")
            && !head.starts_with("HTTP/1.1 204");
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        if let Some(length) = length.filter(|_| has_body) {
            let mut body = vec![0; length.parse().expect("digits")];
            self.stream.read_exact(&mut body).expect("the whole body");
            bytes.extend(body);
        }
        bytes
    }

    /// Reads one response. Its body must end where Content-Length says.
    pub(crate) fn reply(&mut self, method: &str) -> Reply {
        let (status, fields) = self.head().expect("a response");
        let mut reply = Reply {
            status,
            fields,
            body: Vec::new(),
        };
        assert_eq!(
            reply.field("transfer-encoding"),
            None,
            "every length is known"
        );
        // RFC 9112 §6.3: neither HEAD nor 204 nor 304 has a body.
        if method != "HEAD" && status != 304 && status != 204 {
            let length = reply
                .field("content-length")
                .expect("a length")
                .parse()
                .expect("digits");
            reply.body = vec![0; length];
            self.stream
                .read_exact(&mut reply.body)
                .expect("the whole body");
        }
        reply
    }

    /// Status and fields of one response, names in lower case.
    pub(crate) fn head(&mut self) -> Option<(u16, Vec<(String, String)>)> {
        let status_line = self.line()?;
        let mut words = status_line.splitn(3, ' ');
        // hyper answers HTTP/1.0 in its own version.
        assert!(
            matches!(words.next(), Some("HTTP/1.1" | "HTTP/1.0")),
            "{status_line}"
        );
        let status = words.next().and_then(|s| s.parse().ok()).expect("a status");
        let mut fields = Vec::new();
        while let Some(line) = self.line().filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':').expect("a field");
            fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        Some((status, fields))
    }

    /// What follows this at the beginning of a line, in a body without chunks.
    pub(crate) fn find_line(&mut self, beginning: &str) -> Option<String> {
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).expect("a readable line");
            if let Some(found) = line.strip_prefix(beginning) {
                return Some(found.trim_end().to_owned());
            }
            if line.is_empty() {
                return None;
            }
        }
    }

    /// A line of a chunked body, without its end; `None` after the last chunk.
    /// Lines must not go over the end of a chunk (RFC 9112 §7.1 would let them).
    pub(crate) fn chunked_line(&mut self) -> Option<String> {
        while self.chunk.is_empty() {
            let size = self.line().expect("a chunk's size");
            let size = usize::from_str_radix(&size, 16).expect("hexadecimal digits");
            let mut chunk = vec![0; size + 2];
            self.stream.read_exact(&mut chunk).expect("a whole chunk");
            assert!(chunk.ends_with(b"\r\n"));
            chunk.truncate(size);
            if size == 0 {
                return None;
            }
            let chunk = String::from_utf8(chunk).expect("UTF-8");
            assert!(chunk.ends_with('\n'), "a chunk of whole lines: {chunk:?}");
            self.chunk.extend(chunk.lines().map(str::to_owned));
        }
        self.chunk.pop_front()
    }

    /// Everything until the server closes.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => rest,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => rest,
            Err(error) => panic!("the server neither closed nor answered: {error}"),
        }
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("a readable line");
        line.strip_suffix("\r\n").map(str::to_owned)
    }
}

/// A response, field names in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// The only field line with that name.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut found = self.fields.iter().filter(|(held, _)| held == name);
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(
            found.next().is_none(),
            "{name} comes twice: {:?}",
            self.fields
        );
        value
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// An error as RFC 9457 wants it, and safe from every cache.
    #[track_caller]
    pub(crate) fn is_problem(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.field("content-type"), Some("application/problem+json"));
        assert_eq!(self.field("cache-control"), Some("no-store"));
        assert_eq!(self.json()["status"], status);
        assert_eq!(self.field("access-control-allow-origin"), Some("*"));
        self
    }

    #[track_caller]
    pub(crate) fn is(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }
}
