//! What the kit's commands say, as the client's own values.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use snapshot_client::{Bundled, Error, Polling, ReadOptions, RemoteConfig};
use snapshot_format::{
    BootstrapHeader, BootstrapWriter, ReferenceVersion, SchemaVersion, TableKey,
};

pub fn config_of(command: &Value) -> Result<RemoteConfig, String> {
    let mut config = RemoteConfig::new(command["baseUrl"].as_str().unwrap_or_default());
    for (field, value) in command["config"].as_object().into_iter().flatten() {
        let wrong = || format!("{field} is {value}");
        match field.as_str() {
            "pollIntervalMs" => {
                let ms = value.as_f64().filter(|ms| *ms >= 0.0).ok_or_else(wrong)?;
                config.poll_interval = Duration::from_secs_f64(ms / 1000.0);
            }
            "polling" if value == "manual" => config.polling = Polling::Manual,
            "namespace" => config.namespace = value.as_str().map(str::to_owned),
            "schemaMajors" => {
                config.schema_majors =
                    serde_json::from_value(value.clone()).map_err(|_| wrong())?;
            }
            "requiredTables" => {
                config.required_tables =
                    serde_json::from_value(value.clone()).map_err(|_| wrong())?;
            }
            "maxObjectBytes" => config.max_object_bytes = value.as_u64().ok_or_else(wrong)?,
            _ => return Err(wrong()),
        }
    }
    Ok(config)
}

// What an app ships, as the kit's line has it: the rows' text is that of the published object,
// which a parsed row would no longer be.
#[derive(Deserialize)]
struct Create<'a> {
    #[serde(borrow)]
    bundled: Option<Shipped<'a>>,
}

#[derive(Deserialize)]
struct Shipped<'a> {
    version: Value,
    #[serde(borrow)]
    bootstrap: Bootstrap<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bootstrap<'a> {
    schema_version: SchemaVersion,
    reference_version: ReferenceVersion,
    generated_at: String,
    #[serde(borrow)]
    tables: BTreeMap<TableKey, Vec<&'a RawValue>>,
}

pub fn bundled_of(line: &str) -> Result<Option<Bundled>, String> {
    let create: Create<'_> = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let Some(Shipped { version, bootstrap }) = create.bundled else {
        return Ok(None);
    };
    let bootstrap = published(bootstrap).map_err(|error| error.to_string())?;
    let bundled = Bundled::from_bytes(version.to_string().as_bytes(), &bootstrap);
    bundled.map(Some).map_err(text_of)
}

fn published(bootstrap: Bootstrap<'_>) -> std::io::Result<Vec<u8>> {
    let header = BootstrapHeader {
        schema_version: bootstrap.schema_version,
        reference_version: bootstrap.reference_version,
        generated_at: bootstrap.generated_at,
    };
    let mut writer = BootstrapWriter::new(Vec::new(), &header)?;
    for (key, rows) in bootstrap.tables {
        writer.table(&key)?;
        for row in rows {
            writer.row(row.get().as_bytes())?;
        }
    }
    writer.finish()
}

pub fn client_of(command: &Value) -> String {
    command["client"].as_str().unwrap_or_default().to_owned()
}

pub fn as_of(command: &Value) -> String {
    command["as"].as_str().unwrap_or_default().to_owned()
}

pub fn ms_of(command: &Value, field: &str) -> Duration {
    Duration::from_secs_f64(command[field].as_f64().unwrap_or(0.0).max(0.0) / 1000.0)
}

pub fn read_options(command: &Value) -> ReadOptions {
    let options = if command["allowStaleCache"] == true {
        ReadOptions::allow_stale_cache()
    } else {
        ReadOptions::confirmed()
    };
    match command.get("timeoutMs") {
        Some(_) => options.within(ms_of(command, "timeoutMs")),
        None => options,
    }
}

pub fn text_of(error: Error) -> String {
    error.to_string()
}
