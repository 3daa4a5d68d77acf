//! The names of errors, which all clients share.

use std::fmt;

/// The kind of an error; all clients share the names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// No response came, or one that was cut off.
    Network,
    /// No whole response came in time.
    Timeout,
    /// The response has another status than 200: [`Error::status`](crate::Error::status).
    HttpStatus,
    /// The body is no version, manifest or table: perhaps a captive portal's or a proxy's page.
    NotJson,
    /// The body has more bytes than allowed.
    TooLarge,
    /// The bytes do not have the hash that names them.
    HashMismatch,
    /// The server answers 404 or 410 for an object that the newest version names.
    ObjectMissing,
    /// The server offers a version older than one that was verified already.
    VersionRegressed,
    /// The server offers the current version with another manifest.
    VersionConflict,
    /// The server offers a `formatVersion` that this client does not know.
    FormatUnsupported,
    /// The server offers a major of `schemaVersion` that this app does not know.
    SchemaUnsupported,
    /// The manifest lacks a required table.
    TableMissing,
    /// The storage failed, or did not answer in time.
    StorageUnavailable,
    /// The storage has no room.
    StorageFull,
    /// A cached value is missing or damaged.
    CacheCorrupt,
    /// Nothing is bundled, cached or fetched; or what the app ships cannot be read.
    NoData,
    /// The server has not confirmed the current version in time.
    Stale,
    /// The snapshot has no table of this key.
    UnknownTable,
    /// The caller gave up waiting.
    Aborted,
    /// The provider was disposed, so nothing is fetched or shown any more.
    Disposed,
    /// A listener of the app panicked; all others were told nevertheless.
    Listener,
    /// The configuration is refused: the message names the field and what it may be.
    Config,
}

impl ErrorCode {
    /// The name that all clients share, such as `hash_mismatch`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Timeout => "timeout",
            Self::HttpStatus => "http_status",
            Self::NotJson => "not_json",
            Self::TooLarge => "too_large",
            Self::HashMismatch => "hash_mismatch",
            Self::ObjectMissing => "object_missing",
            Self::VersionRegressed => "version_regressed",
            Self::VersionConflict => "version_conflict",
            Self::FormatUnsupported => "format_unsupported",
            Self::SchemaUnsupported => "schema_unsupported",
            Self::TableMissing => "table_missing",
            Self::StorageUnavailable => "storage_unavailable",
            Self::StorageFull => "storage_full",
            Self::CacheCorrupt => "cache_corrupt",
            Self::NoData => "no_data",
            Self::Stale => "stale",
            Self::UnknownTable => "unknown_table",
            Self::Aborted => "aborted",
            Self::Disposed => "disposed",
            Self::Listener => "listener",
            Self::Config => "config",
        }
    }

    /// Whether the same call may succeed later, without a change of the app.
    pub fn is_retryable(self) -> bool {
        !matches!(
            self,
            Self::FormatUnsupported
                | Self::SchemaUnsupported
                | Self::UnknownTable
                | Self::Disposed
                | Self::Listener
                | Self::Config
        )
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
