//! As whom the server runs.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::{Gid, Uid, User, geteuid};

use crate::error::EmbeddedError;

/// Another user to run the server as. PostgreSQL refuses to run as root.
#[derive(Debug, Clone)]
pub(crate) struct RunAs {
    pub(crate) uid: Uid,
    pub(crate) gid: Gid,
}

/// Whose the data is, where there is any.
pub(crate) fn owner_of(data: &Path) -> Option<RunAs> {
    let metadata = fs::metadata(data).ok().filter(fs::Metadata::is_dir)?;
    let is_empty = fs::read_dir(data).is_ok_and(|mut entries| entries.next().is_none());
    (!is_empty).then(|| RunAs {
        uid: metadata.uid().into(),
        gid: metadata.gid().into(),
    })
}

/// Whom root runs the server as: whoever already owns the data, or else a user made for
/// such things.
pub(crate) fn unprivileged(owner: Option<&RunAs>) -> Result<Option<RunAs>, EmbeddedError> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    if let Some(owner) = owner.filter(|owner| !owner.uid.is_root()) {
        return Ok(Some(owner.clone()));
    }
    let user = ["postgres", "nobody"]
        .into_iter()
        .find_map(|name| User::from_name(name).ok().flatten())
        .ok_or(EmbeddedError::NoUser)?;
    Ok(Some(RunAs {
        uid: user.uid,
        gid: user.gid,
    }))
}

/// The name of a user, or the number where there is none.
pub(crate) fn name_of(uid: Uid) -> String {
    User::from_uid(uid)
        .ok()
        .flatten()
        .map_or_else(|| uid.to_string(), |user| user.name)
}
