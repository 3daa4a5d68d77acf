//! What a person calls a version.

use snapshot_format::{ReferenceVersion, Version};

/// Why a text names no version.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// It has none of the forms.
    #[error("{name:?} is no way to name a version")]
    Malformed {
        /// The text that was given.
        name: String,
    },
    /// No version that is kept has that name.
    #[error("no version {name:?} is retained; {}", there(kept))]
    Unknown {
        /// The text that was given.
        name: String,
        /// What is kept, in ascending order.
        kept: Vec<(u64, u64)>,
    },
    /// The store held it once.
    #[error("version {} was pruned; {}", name(*order), there(kept))]
    Pruned {
        /// Epoch and sequence of the version that was there once.
        order: (u64, u64),
        /// What is kept, in ascending order.
        kept: Vec<(u64, u64)>,
    },
    /// Versions with different contents have it.
    #[error("{name:?} may be any of {}", list(candidates))]
    Ambiguous {
        /// The text that was given.
        name: String,
        /// The versions, in ascending order.
        candidates: Vec<(u64, u64)>,
    },
}

impl ResolveError {
    /// What may help, for people.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => {
                "name it as EPOCH-SEQUENCE, SEQUENCE, seq:N, or by four or more digits of its manifest's hash"
            }
            Self::Unknown { .. } | Self::Pruned { .. } => "`publisher history` lists them",
            Self::Ambiguous { .. } => "name one of them in full",
        }
    }
}

/// The version that a person means by `name`.
///
/// Where several publications have that name and one content, it is the newest of them.
///
/// # Errors
/// Where none has, or several of different contents do.
pub fn resolve<'a>(versions: &'a [Version], name: &str) -> Result<&'a Version, ResolveError> {
    let wanted = Name::parse(name).ok_or_else(|| ResolveError::Malformed {
        name: name.to_owned(),
    })?;
    let mut found: Vec<&Version> = versions.iter().filter(|v| wanted.fits(v)).collect();
    found.sort_by_key(|version| version.order());
    let Some(newest) = found.last() else {
        return Err(unknown(versions, name, &wanted));
    };
    if found.iter().any(|other| other.manifest != newest.manifest) {
        return Err(ResolveError::Ambiguous {
            name: name.to_owned(),
            candidates: found.iter().map(|version| version.order()).collect(),
        });
    }
    Ok(newest)
}

/// How a publication is named everywhere: `1795380688-57`.
pub fn name((epoch, sequence): (u64, u64)) -> String {
    format!("{epoch}-{sequence}")
}

// What a person may call a version.
enum Name<'a> {
    Publication(u64, u64),
    Sequence(u64),
    Reference(ReferenceVersion),
    Manifest(&'a str),
}

// Fewer digits are a slip of the finger rather than a hash.
const MIN_PREFIX: usize = 4;

impl<'a> Name<'a> {
    // Digits alone are a sequence, never a hash: a version that was pruned must not turn
    // into another one whose hash begins so.
    fn parse(name: &'a str) -> Option<Self> {
        let decimal = |text: &str| -> Option<u64> {
            let digits = text.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| text.parse().ok()).flatten()
        };
        if let Some(sequence) = decimal(name) {
            return Some(Self::Sequence(sequence));
        }
        if let Ok(reference) = name.parse() {
            return Some(Self::Reference(reference));
        }
        if let Some((epoch, sequence)) = name.split_once('-') {
            return Some(Self::Publication(decimal(epoch)?, decimal(sequence)?));
        }
        let hex = name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        (hex && (MIN_PREFIX..=64).contains(&name.len())).then_some(Self::Manifest(name))
    }

    fn fits(&self, version: &Version) -> bool {
        match *self {
            Self::Publication(epoch, sequence) => version.order() == (epoch, sequence),
            Self::Sequence(sequence) => version.sequence == sequence,
            Self::Reference(reference) => version.reference_version == reference,
            Self::Manifest(prefix) => version.manifest.hash.to_string().starts_with(prefix),
        }
    }

    // The publication that is meant, which a store may have held before what it keeps.
    fn publication(&self, kept: &[(u64, u64)]) -> Option<(u64, u64)> {
        match (self, kept.first()) {
            (Self::Publication(epoch, sequence), _) => Some((*epoch, *sequence)),
            (Self::Sequence(sequence), Some((epoch, _))) => Some((*epoch, *sequence)),
            _ => None,
        }
    }
}

fn unknown(versions: &[Version], name: &str, wanted: &Name<'_>) -> ResolveError {
    let mut kept: Vec<_> = versions.iter().map(Version::order).collect();
    kept.sort_unstable();
    let was_there = |&(epoch, sequence): &(u64, u64)| {
        let later = |other: &&(u64, u64)| other.0 == epoch && other.1 > sequence;
        sequence > 0 && kept.iter().any(|other| later(&other))
    };
    match wanted.publication(&kept).filter(was_there) {
        Some(order) => ResolveError::Pruned { order, kept },
        None => ResolveError::Unknown {
            name: name.to_owned(),
            kept,
        },
    }
}

fn list(orders: &[(u64, u64)]) -> String {
    let names: Vec<String> = orders.iter().map(|order| name(*order)).collect();
    names.join(", ")
}

// `there are 7-2 to 7-9 and 9-1`: many versions in few words.
fn there(kept: &[(u64, u64)]) -> String {
    let mut runs: Vec<((u64, u64), (u64, u64))> = Vec::new();
    for &order in kept {
        match runs.last_mut() {
            Some((_, last)) if (last.0, last.1.saturating_add(1)) == order => *last = order,
            _ => runs.push((order, order)),
        }
    }
    let words: Vec<String> = runs
        .into_iter()
        .map(|(first, last)| {
            if first == last {
                name(first)
            } else {
                format!("{} to {}", name(first), name(last))
            }
        })
        .collect();
    match kept.len() {
        0 => "the history is empty".to_owned(),
        1 => format!("there is {}", words.concat()),
        _ => format!("there are {}", words.join(", ")),
    }
}
