//! A server and a cache in memory, for tests of the decisions.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use snapshot_format::{Key, MAX_OBJECT_SIZE, Manifest, Version};

use super::io::{FetchRequest, Io};
use super::parse::{parse_manifest, parse_version};
use super::refresh::RefreshRules;
use crate::error::Error;
use crate::transport::Response;

/// Serves the versions of the conformance kit, caches in memory, and writes down what was asked.
#[derive(Default)]
pub(crate) struct InMemory {
    /// Bodies by path that are served in place of the kit's, each once, the last one for ever.
    pub(crate) bodies: BTreeMap<String, Vec<Vec<u8>>>,
    /// The values of the cache.
    pub(crate) values: BTreeMap<String, Vec<u8>>,
    /// What was asked, in order: `fetch PATH`, `again PATH`, `read KEY`, `write KEY`, `remove KEY`.
    pub(crate) actions: Vec<String>,
    /// What another process writes, as key and value, at the first action that begins so.
    pub(crate) meanwhile: Option<(&'static str, String, Vec<u8>)>,
}

impl InMemory {
    /// A server whose `version.json` is the kit's version of this name, and an empty cache.
    pub(crate) fn serving(name: &str) -> Self {
        let mut io = Self::default();
        io.publish(name);
        io
    }

    /// From now on the kit's version of this name is the newest.
    pub(crate) fn publish(&mut self, name: &str) {
        self.serve("version.json", vec![named(name)]);
    }

    /// These bodies are served at this path, each once, the last one for ever. An empty body is a 404.
    pub(crate) fn serve(&mut self, path: &str, bodies: Vec<Vec<u8>>) {
        self.bodies.insert(path.to_owned(), bodies);
    }

    /// What was asked since the last call.
    pub(crate) fn asked(&mut self) -> Vec<String> {
        std::mem::take(&mut self.actions)
    }

    fn act(&mut self, action: String) {
        let begins = |at: &mut (&'static str, String, Vec<u8>)| action.starts_with(at.0);
        if let Some((_, key, value)) = self.meanwhile.take_if(begins) {
            self.values.insert(key, value);
        }
        self.actions.push(action);
    }

    fn body(&mut self, path: &str) -> Vec<u8> {
        match self.bodies.get_mut(path) {
            Some(bodies) if bodies.len() > 1 => bodies.remove(0),
            Some(bodies) => bodies[0].clone(),
            None => kit(path),
        }
    }
}

impl Io for InMemory {
    fn fetch(&mut self, requests: &[FetchRequest]) -> Vec<Result<Response, Error>> {
        let answer = |request: &FetchRequest| {
            let verb = if request.again { "again" } else { "fetch" };
            self.act(format!("{verb} {}", request.path));
            let body = self.body(&request.path);
            let status = if body.is_empty() { 404 } else { 200 };
            Ok(Response {
                status,
                body,
                ..Response::default()
            })
        };
        requests.iter().map(answer).collect()
    }

    fn read(&mut self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        self.act(format!("read {key}"));
        Ok(self.values.get(key).cloned())
    }

    fn write(&mut self, key: &str, value: Vec<u8>) -> Result<(), Error> {
        self.act(format!("write {key}"));
        self.values.insert(key.to_owned(), value);
        Ok(())
    }

    fn remove(&mut self, key: &str) -> Result<(), Error> {
        self.act(format!("remove {key}"));
        self.values.remove(key);
        Ok(())
    }
}

/// The rules of an app that knows schema 1, ships nothing and has this version.
pub(crate) fn rules(current: Option<Version>) -> RefreshRules {
    RefreshRules {
        current,
        schema_majors: vec![1],
        required_tables: Vec::new(),
        max_object_bytes: MAX_OBJECT_SIZE,
        bundled: None,
        fresh: false,
        wall: SystemTime::UNIX_EPOCH,
    }
}

/// The `version.json` of this name.
pub(crate) fn named(name: &str) -> Vec<u8> {
    kit(&format!("named/{name}.json"))
}

/// The version of this name.
pub(crate) fn version(name: &str) -> Version {
    parse_version(&named(name)).expect("a version of the kit")
}

/// The file at this path of the kit's store; empty if there is none.
pub(crate) fn kit(path: &str) -> Vec<u8> {
    let store = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/conformance/store");
    fs::read(store.join(path)).unwrap_or_default()
}

/// The manifest of the version of this name.
pub(crate) fn manifest(name: &str) -> Manifest {
    let hash = version(name).manifest.hash;
    parse_manifest(hash, &kit(&Key::Manifest(hash).path())).expect("a manifest of the kit")
}
