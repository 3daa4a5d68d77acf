//! Whether what is public is whole, and whether one can go back from it.

use snapshot_audit::verify::{Finding, Report, verify_within};
use snapshot_format::{MAX_VERSION_SIZE, Version};
use snapshot_store::history::{History, before, name, resolve};
use snapshot_store::{FetchError, Origin, Site};

use super::{listed, refused};
use crate::blocking::blocking;
use crate::config::Config;
use crate::error::Error;
use crate::output::Output;
use crate::preflight::Check;
use crate::words::counted;

/// The checks that look at what is public alone.
pub(super) struct Public {
    pub(super) snapshot: Check,
    pub(super) service: Check,
    pub(super) rollback: Check,
    /// What is current, if it can be read.
    pub(super) current: Option<Version>,
}

pub(super) async fn checks(
    config: &Config,
    output: Output,
    place: &str,
    rollback_to: Option<&str>,
) -> Public {
    let bar = output.progress().bytes("verify", 1);
    let moved = bar.clone();
    let (place, most) = (place.to_owned(), config.max_object_bytes);
    let rollback_to = rollback_to.map(str::to_owned);
    let found = blocking(move || {
        let origin = Origin::named(&place)?;
        let report = verify_within(&origin, true, most, &moved)?;
        let service = service(&origin, report.version.as_ref());
        let rollback = rollback(&origin, &report, rollback_to.as_deref());
        Ok::<_, FetchError>((report, service, rollback))
    });
    let found = found.await;
    bar.finish_and_clear();
    match found {
        Ok((report, service, rollback)) => Public {
            snapshot: snapshot(&report),
            service,
            rollback,
            current: report.version,
        },
        Err(error) => {
            let skipped =
                |check| Check::skipped(check, "nothing public could be read", "see `snapshot`");
            Public {
                snapshot: refused("snapshot", &error.into()),
                service: skipped("service"),
                rollback: skipped("rollback"),
                current: None,
            }
        }
    }
}

fn snapshot(report: &Report) -> Check {
    let Some(version) = &report.version else {
        return Check::failed(
            "snapshot",
            format!("{} has no version.json that can be read", report.origin),
            "`publisher run` makes the first version; --public names where apps read",
        );
    };
    let lines = |label: &str, findings: &[Finding]| -> Vec<String> {
        let line = |finding: &Finding| format!("{label}: {finding}");
        findings.iter().map(line).collect()
    };
    let mut found = lines("fault", &report.faults);
    found.extend(lines("warning", &report.warnings));
    if found.is_empty() {
        let checked = report.checked;
        return Check::passed(
            "snapshot",
            format!(
                "version {}, {}: {} objects, {} variants, {} bytes right, in {}",
                name(version.order()),
                version.reference_version,
                checked.objects,
                checked.variants,
                checked.bytes,
                counted(checked.versions, "version")
            ),
        );
    }
    let count = counted(report.faults.len(), "fault");
    let warnings = counted(report.warnings.len(), "warning");
    Check::failed(
        "snapshot",
        listed(
            &format!("{count} and {warnings} in {}", report.origin),
            &found,
        ),
        "`publisher verify --all --strict` shows each; docs/serving.md has the header fields",
    )
}

// snapshot-server, or what stands in its place, says by itself whether it can serve.
fn service(origin: &Origin, current: Option<&Version>) -> Check {
    let Some(site) = origin.site() else {
        return Check::skipped(
            "service",
            "a folder has none",
            "name the URL that apps read with --public",
        );
    };
    match ask(site, current) {
        Ok(check) => check,
        Err(error) => refused("service", &error.into()),
    }
}

const VERSION_PATH: &str = "api/v1/reference/version";

fn ask(site: &Site, current: Option<&Version>) -> Result<Check, FetchError> {
    let ready = site.ask_path("ready")?;
    let endpoint = site.ask_path(VERSION_PATH)?;
    let (ready, status) = (ready.status.as_u16(), endpoint.status.as_u16());
    if is_absent(ready) && is_absent(status) {
        // A static host or a bucket: version.json is its version endpoint.
        return Ok(Check::skipped(
            "service",
            format!(
                "{} is a static host: no /ready, no /{VERSION_PATH}",
                site.base()
            ),
            "nothing, if apps read version.json",
        ));
    }
    let mut wrong = Vec::new();
    if ready != 200 {
        wrong.push(format!("/ready: {ready}"));
    }
    if status == 200 {
        let bytes = endpoint.body.read_whole(VERSION_PATH, MAX_VERSION_SIZE)?;
        let answered: Option<serde_json::Value> = serde_json::from_slice(&bytes).ok();
        let said = answered
            .as_ref()
            .and_then(|body| body.get("referenceVersion"))
            .and_then(serde_json::Value::as_str);
        let expected = current.map(|version| version.reference_version.to_string());
        if said.map(str::to_owned) != expected {
            wrong.push(format!(
                "/{VERSION_PATH} says {}, and version.json {}",
                said.unwrap_or("no referenceVersion"),
                expected.as_deref().unwrap_or("nothing")
            ));
        }
    } else {
        wrong.push(format!("/{VERSION_PATH}: {status}"));
    }
    Ok(if wrong.is_empty() {
        Check::passed(
            "service",
            format!("/ready and /{VERSION_PATH} answer as version.json does"),
        )
    } else {
        Check::failed(
            "service",
            listed("not every answer is right", &wrong),
            "read what /ready says, and the server's log",
        )
    })
}

fn is_absent(status: u16) -> bool {
    matches!(status, 403 | 404 | 410)
}

fn rollback(origin: &Origin, report: &Report, wanted: Option<&str>) -> Check {
    match target(origin, wanted) {
        Err(error) => refused("rollback", &error),
        Ok(None) => Check::failed(
            "rollback",
            "there is no version before the current one",
            "publish once more before apps read it, so that there is one to go back to",
        ),
        Ok(Some(target)) => {
            let target_name = name(target.order());
            let state = target.reference_version;
            if report.faults.is_empty() {
                Check::passed(
                    "rollback",
                    format!(
                        "`publisher rollback --to {target_name}` goes back to {state}; it is intact"
                    ),
                )
            } else {
                Check::failed(
                    "rollback",
                    format!("{target_name}, {state}, is there; the history has faults"),
                    "see `snapshot`",
                )
            }
        }
    }
}

fn target(origin: &Origin, wanted: Option<&str>) -> Result<Option<Version>, Error> {
    let history = History::read(origin)?.fetched()?;
    let all = history.all();
    if let Some(wanted) = wanted {
        return Ok(Some(resolve(&all, wanted)?.clone()));
    }
    Ok(match history.current()? {
        Some(current) => before(&all, current).cloned(),
        None => None,
    })
}
