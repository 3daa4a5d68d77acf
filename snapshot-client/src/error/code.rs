//! The names of errors, which all clients share.

use std::fmt;

/// What went wrong, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// No response, or one cut off.
    Network,
    /// None in time.
    Timeout,
    /// Another status than 200, in [`Error::status`].
    HttpStatus,
    /// A body that is not a version, a manifest or a table: a captive portal, a proxy's page.
    NotJson,
    /// More bytes than allowed.
    TooLarge,
    /// Bytes that are not what their name says.
    HashMismatch,
    /// 404 or 410 for an object that the newest version names.
    ObjectMissing,
    /// A pointer older than one already verified.
    VersionRegressed,
    /// The same order, another manifest.
    VersionConflict,
    /// A `formatVersion` that this client does not know.
    FormatUnsupported,
    /// A major of `schemaVersion` that this app does not know.
    SchemaUnsupported,
    /// A required table is not in the manifest.
    TableMissing,
    /// The cache cannot be read or written.
    StorageUnavailable,
    /// There is no room.
    StorageFull,
    /// A stored value is not what it should be.
    CacheCorrupt,
    /// Nothing is bundled, cached or fetched.
    NoData,
    /// The server has not confirmed the version in time.
    Stale,
    /// No table of that key.
    UnknownTable,
    /// The caller gave up waiting.
    Aborted,
    /// The provider is no more.
    Disposed,
    /// A listener panicked.
    Listener,
    /// The configuration makes no sense.
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

    /// Whether the same may work later without a change of the app.
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
