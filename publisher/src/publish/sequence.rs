//! The order of publications.

use snapshot_format::{MAX_NUMBER, Version};

use super::error::PublishError;

/// The epoch and the sequence of the publication after `version`.
///
/// # Errors
/// Where there is none: its sequence is the highest.
pub(crate) fn following(version: &Version) -> Result<(u64, u64), PublishError> {
    if version.sequence < MAX_NUMBER {
        Ok((version.epoch, version.sequence + 1))
    } else {
        Err(PublishError::LastSequence)
    }
}
