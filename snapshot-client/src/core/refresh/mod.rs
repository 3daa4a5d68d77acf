//! One refresh: from a `version.json` to a generation whose objects are all verified and loaded.
//!
//! `docs/client.md` section 3 is this file in words.

mod objects;
mod rules;
mod tables;

use std::sync::Arc;

use snapshot_format::{Key, MAX_MANIFEST_SIZE, MAX_VERSION_SIZE, Manifest, ObjectHash, Version};

use super::io::{FetchRequest, Io};
use super::memory::{Generation, Memory};
use super::parse::{parse_manifest, parse_version};
use super::response::{VERSION_PATH, body_of};
use crate::error::{Error, ErrorCode};

use objects::{Wanted, fetch_objects};
use tables::{fetch_tables, load_bundled};

pub(crate) use rules::RefreshRules;

/// The newest generation, or `None` if the current version is the newest.
///
/// # Errors
/// If the newest version is refused, or one of its objects cannot be fetched and verified. What was
/// verified stays loaded, so that the next refresh fetches the rest.
pub(crate) fn refresh(
    io: &mut dyn Io,
    memory: &mut Memory,
    rules: &RefreshRules,
) -> Result<Option<Generation>, Error> {
    let mut version = fetch_version(io, memory, rules)?;
    for again in [false, true] {
        let current = rules.current.as_ref().map(Version::order);
        if current == Some(version.order()) {
            return Ok(None);
        }
        match fetch_generation(io, memory, rules, &version) {
            Err(error) if !again && error.code() == ErrorCode::ObjectMissing => {
                // Pruned since, or the pointer was an old one.
                let newer = parse_version(&fetch_version_bytes(io, rules, true)?)?;
                if newer.order() <= version.order() {
                    return Err(error);
                }
                check(memory, rules, &newer)?;
                version = newer;
            }
            result => return result.map(Some),
        }
    }
    unreachable!("the second try returns whatever comes of it")
}

fn fetch_version(io: &mut dyn Io, memory: &Memory, rules: &RefreshRules) -> Result<Version, Error> {
    let version = parse_version(&fetch_version_bytes(io, rules, rules.fresh)?)?;
    match check(memory, rules, &version) {
        Err(error) if error.code() == ErrorCode::VersionRegressed => {
            let version = parse_version(&fetch_version_bytes(io, rules, true)?)?;
            check(memory, rules, &version)?;
            Ok(version)
        }
        result => result.map(|()| version),
    }
}

fn check(memory: &Memory, rules: &RefreshRules, offered: &Version) -> Result<(), Error> {
    let name = name_of(offered.order());
    // Without a current version there is nothing to fall behind.
    if let (Some(current), Some(mark)) = (&rules.current, memory.mark) {
        if offered.order() < mark {
            let message = format!(
                "the server offers version {name}, and {} was verified already; some cache is behind",
                name_of(mark)
            );
            return Err(Error::new(ErrorCode::VersionRegressed, message));
        }
        if offered.order() == current.order() && offered.manifest.hash != current.manifest.hash {
            let message = format!("there are two versions {name} with different content");
            return Err(Error::new(ErrorCode::VersionConflict, message));
        }
    }
    if !rules.schema_majors.contains(&offered.schema_version.major) {
        let known: Vec<_> = rules.schema_majors.iter().map(u32::to_string).collect();
        let schema = offered.schema_version.to_string();
        let message = format!(
            "version {name} has schema {schema}, this app knows {}; update the app",
            known.join(", ")
        );
        return Err(Error::new(ErrorCode::SchemaUnsupported, message).with_offered(schema));
    }
    Ok(())
}

fn name_of((epoch, sequence): (u64, u64)) -> String {
    format!("{epoch}-{sequence}")
}

fn fetch_version_bytes(
    io: &mut dyn Io,
    rules: &RefreshRules,
    again: bool,
) -> Result<Vec<u8>, Error> {
    let request = FetchRequest {
        path: VERSION_PATH.to_owned(),
        limit_bytes: MAX_VERSION_SIZE as u64,
        again,
    };
    let result = io.fetch(std::slice::from_ref(&request)).remove(0);
    body_of(&request, result, rules.wall)
}

fn fetch_generation(
    io: &mut dyn Io,
    memory: &mut Memory,
    rules: &RefreshRules,
    version: &Version,
) -> Result<Generation, Error> {
    let hash = version.manifest.hash;
    let wanted = Wanted {
        key: Key::Manifest(hash),
        object: version.manifest,
        limit_bytes: MAX_MANIFEST_SIZE as u64,
    };
    fetch_objects(io, memory, rules, vec![wanted])?;
    let manifest = Arc::new(parse_manifest(hash, &memory.loaded[&hash])?);
    require_tables(rules, hash, &manifest)?;
    load_bundled(memory, rules, &manifest);
    fetch_tables(io, memory, rules, version, &manifest)?;
    Ok(Generation {
        version: version.clone(),
        manifest,
    })
}

fn require_tables(
    rules: &RefreshRules,
    hash: ObjectHash,
    manifest: &Manifest,
) -> Result<(), Error> {
    let missing: Vec<_> = rules
        .required_tables
        .iter()
        .filter(|key| !manifest.tables.contains_key(key.as_str()))
        .map(String::as_str)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let message = format!("the manifest {hash} lacks {}", missing.join(", "));
    Err(Error::new(ErrorCode::TableMissing, message))
}

#[cfg(test)]
mod tests;
