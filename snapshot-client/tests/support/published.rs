//! The versions that the conformance kit publishes, read without the client's code.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use snapshot_client::Version;

/// One version, as `make_store.py` of the kit wrote it.
pub struct Published {
    pub name: String,
    pub text: Vec<u8>,
    pub version: Version,
    pub bootstrap: Vec<u8>,
    /// Its manifest's hash.
    pub manifest: String,
    /// Hashes by table key.
    pub objects: BTreeMap<String, String>,
    /// Rows by table key.
    pub tables: BTreeMap<String, Vec<Value>>,
}

impl Published {
    pub fn read(name: &str) -> Self {
        let text = object(&format!("named/{name}.json"));
        let json: Value = serde_json::from_slice(&text).unwrap();
        let hash = |part: &str| json[part]["hash"].as_str().unwrap().to_owned();
        let manifest = object(&format!("manifests/{}.json", hash("manifest")));
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        let rows = |key: &str, entry: &Value| {
            let table = object(&format!(
                "tables/{key}/{}.json",
                entry["hash"].as_str().unwrap()
            ));
            let table: Value = serde_json::from_slice(&table).unwrap();
            table["rows"].as_array().unwrap().clone()
        };
        let tables = manifest["tables"].as_object().unwrap();
        let hash_of = |entry: &Value| entry["hash"].as_str().unwrap().to_owned();
        Self {
            name: name.to_owned(),
            manifest: hash("manifest"),
            objects: tables
                .iter()
                .map(|(key, entry)| (key.clone(), hash_of(entry)))
                .collect(),
            version: serde_json::from_slice(&text).unwrap(),
            bootstrap: object(&format!("bootstrap/{}.json", hash("bootstrap"))),
            tables: tables
                .iter()
                .map(|(key, entry)| (key.clone(), rows(key, entry)))
                .collect(),
            text,
        }
    }
}

/// The bytes at this path of the kit's store.
pub fn object(path: &str) -> Vec<u8> {
    let store = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/conformance/store");
    fs::read(store.join(path)).unwrap()
}
