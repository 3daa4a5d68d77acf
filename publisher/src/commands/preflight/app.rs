//! Whether what the app ships is what is public: with the flag off it reads that.

use std::io;
use std::path::Path;

use snapshot_audit::diff::read_manifest;
use snapshot_format::{ObjectHash, Version};
use snapshot_store::Origin;
use snapshot_store::history::name;

use super::super::parity::{Sides, compare};
use super::{PreflightArgs, listed, refused};
use crate::blocking::blocking;
use crate::bundle::write_sqlite;
use crate::config::Config;
use crate::error::Error;
use crate::preflight::Check;
use crate::words::counted;

const BUNDLE: &str = "`publisher bundle` writes it anew; ship that with the app's next release";

/// A check for each thing that the app ships.
pub(super) async fn checks(
    args: &PreflightArgs,
    config: &Config,
    place: &str,
    current: Option<&Version>,
) -> Vec<Check> {
    if args.app.is_none() && args.app_sqlite.is_none() {
        return vec![Check::skipped(
            "app",
            "not compared: nobody said what it ships",
            "name it with --app or --app-sqlite",
        )];
    }
    let Some(current) = current else {
        return vec![Check::skipped(
            "app",
            "there is nothing public to compare with",
            "see `snapshot`",
        )];
    };
    let mut checks = Vec::new();
    if let Some(folder) = &args.app {
        checks.push(if folder.join("version.json").exists() {
            bundled_folder(folder, current)
        } else {
            own_files(args, config, folder, place).await
        });
    }
    if let Some(file) = &args.app_sqlite {
        checks.push(bundled_sqlite(file, current, place).await);
    }
    checks
}

// The two files that hold data are named by the pointer, so they are right if their hashes are.
fn bundled_folder(folder: &Path, current: &Version) -> Check {
    let files = [
        ("manifest.json", current.manifest.hash),
        ("bootstrap.json", current.bootstrap.hash),
    ];
    let mut wrong = Vec::new();
    for (file, expected) in files {
        match hash_of(&folder.join(file)) {
            Ok(hash) if hash == expected => {}
            Ok(_) => wrong.push(format!("{file} is of another version")),
            Err(error) => wrong.push(format!("{file}: {error}")),
        }
    }
    match snapshot_store::read(&folder.join("version.json")) {
        Ok(bytes) => match Version::parse(&bytes) {
            Ok(shipped)
                if shipped.manifest == current.manifest
                    && shipped.bootstrap == current.bootstrap => {}
            Ok(shipped) => wrong.push(format!(
                "version.json is {}, {}",
                name(shipped.order()),
                shipped.reference_version
            )),
            Err(error) => wrong.push(format!("version.json: {error}")),
        },
        Err(error) => wrong.push(format!("version.json: {error}")),
    }
    verdict("app", &folder.display().to_string(), &wrong, current)
}

fn verdict(check: &'static str, what: &str, wrong: &[String], current: &Version) -> Check {
    let public = format!(
        "version {}, {}",
        name(current.order()),
        current.reference_version
    );
    if wrong.is_empty() {
        Check::passed(check, format!("{what} holds {public}"))
    } else {
        Check::failed(
            check,
            listed(&format!("{what} does not hold {public}"), wrong),
            BUNDLE,
        )
    }
}

// A FIFO or a device is refused, and keeps nobody waiting.
fn hash_of(path: &Path) -> io::Result<ObjectHash> {
    let file = snapshot_store::open_file(path)?;
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(file)?;
    let hex = hasher.finalize().to_hex();
    hex.parse().map_err(io::Error::other)
}

// One state of the data gives one file, byte for byte.
async fn bundled_sqlite(file: &Path, current: &Version, place: &str) -> Check {
    let (shipped, version, place) = (file.to_owned(), current.clone(), place.to_owned());
    let same = blocking(move || {
        let origin = Origin::named(&place)?;
        let manifest = read_manifest(&origin, &version)?;
        let folder = tempfile::tempdir().map_err(|source| Error::Write {
            path: std::env::temp_dir(),
            source,
        })?;
        let fresh = folder.path().join("reference.db");
        write_sqlite(
            &origin,
            &manifest,
            &fresh,
            &indicatif::ProgressBar::hidden(),
        )?;
        let read =
            |path: &Path| hash_of(path).map_err(|error| format!("{}: {error}", path.display()));
        Ok::<_, Error>(read(&shipped).and_then(|hash| Ok(hash == read(&fresh)?)))
    });
    let what = file.display().to_string();
    match same.await {
        Err(error) => refused("app-sqlite", &error),
        Ok(Err(reason)) => verdict("app-sqlite", &what, &[reason], current),
        Ok(Ok(true)) => verdict("app-sqlite", &what, &[], current),
        Ok(Ok(false)) => verdict(
            "app-sqlite",
            &what,
            &["its bytes are others".to_owned()],
            current,
        ),
    }
}

async fn own_files(args: &PreflightArgs, config: &Config, folder: &Path, place: &str) -> Check {
    let what = folder.display();
    let config = Config {
        source: folder.to_owned(),
        ..config.clone()
    };
    let sides = Sides::files_and_snapshot(place, args.common.output);
    match compare(config, &sides).await {
        Err(error) => refused("app", &error),
        Ok(report) if report.passed => Check::passed("app", format!("{what} holds what is public")),
        Ok(report) => Check::failed(
            "app",
            format!(
                "{what} does not hold what is public: {}",
                counted(report.difference_count, "difference")
            ),
            format!("`publisher parity --source {what} --snapshot {place}` shows each"),
        ),
    }
}
