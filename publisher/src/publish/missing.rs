//! What a store lacks of a snapshot.

use futures_util::{StreamExt, TryStreamExt, stream};
use snapshot_format::Encoding;
use snapshot_store::{Store, StoreError};

use super::error::PublishError;
use super::rendered::RenderedObject;
use super::workers::CONCURRENT_REQUESTS;

/// An object of which the store lacks something.
#[derive(Debug)]
pub(super) struct MissingObject {
    /// The object.
    pub(super) object: RenderedObject,
    /// Whether it lacks the object itself.
    pub(super) itself: bool,
    /// The variants that it lacks.
    pub(super) encodings: Vec<Encoding>,
}

/// The objects of which `store` lacks something.
pub(super) async fn missing(
    store: &impl Store,
    objects: Vec<RenderedObject>,
) -> Result<Vec<MissingObject>, PublishError> {
    stream::iter(objects)
        .map(|object| missing_of(store, object))
        .buffer_unordered(CONCURRENT_REQUESTS)
        .try_filter_map(async |missing| Ok(missing))
        .try_collect()
        .await
}

// A publisher that was killed may have put some variants and not the object, or the other
// way round, so each is looked for.
async fn missing_of(
    store: &impl Store,
    object: RenderedObject,
) -> Result<Option<MissingObject>, PublishError> {
    let expected_bytes = object.digest.size;
    let itself = match store.size(&object.key).await? {
        None => true,
        Some(found_bytes) if found_bytes == expected_bytes => false,
        Some(found_bytes) => {
            return Err(PublishError::Store(StoreError::Damaged {
                location: store.location(&object.key),
                expected_bytes,
                found_bytes,
            }));
        }
    };
    let mut encodings = Vec::new();
    for &encoding in Encoding::of_object(expected_bytes) {
        let key = object.key.with_encoding(Some(encoding));
        if store.size(&key).await?.is_none() {
            encodings.push(encoding);
        }
    }
    let complete = !itself && encodings.is_empty();
    Ok((!complete).then_some(MissingObject {
        object,
        itself,
        encodings,
    }))
}
