//! What a publication would do to the rows that are public.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::BufReader;

use snapshot_audit::{
    diff::{DiffError, RowCounts, RowShape, diff_rows},
    published::Rows,
};
use snapshot_format::{
    Key, Manifest, ObjectHash, SchemaVersion, TableEntry, TableKey, TableReader,
};
use snapshot_store::Store;

use super::fault::Fault;
use super::read_back;
use super::rendered::{Rendered, RenderedObject};
use crate::words::with_causes;

/// What is known by the object that is public and the one that would follow.
pub(super) type Counted = BTreeMap<(TableKey, ObjectHash, ObjectHash), RowCounts>;

/// What would become of the rows of each table of both whose object differs. What is wrong
/// with the public ones is given as a fault.
pub(super) async fn changes(
    store: &impl Store,
    public: &Manifest,
    rendered: &Rendered,
    counted: &mut Counted,
) -> Result<BTreeMap<TableKey, RowCounts>, Fault> {
    let changes = row_changes(store, public, rendered, counted).await;
    let changes = changes.into_iter();
    changes
        .map(|(table, counts)| Ok((table, counts?)))
        .collect()
}

/// The same with a fault for each table that has one.
pub(super) async fn row_changes(
    store: &impl Store,
    public: &Manifest,
    rendered: &Rendered,
    counted: &mut Counted,
) -> Vec<(TableKey, Result<RowCounts, Fault>)> {
    let next = &rendered.manifest;
    let mut rows = Vec::new();
    for (table, old) in &public.tables {
        let Some(new) = next.tables.get(table) else {
            continue;
        };
        if new.hash != old.hash {
            let sides = Sides {
                table,
                old: (old, public.schema_version),
                new: (new, next.schema_version),
            };
            let counts = match counted.entry((table.clone(), old.hash, new.hash)) {
                Entry::Occupied(known) => Ok(*known.get()),
                Entry::Vacant(unknown) => {
                    let counts = sides.compare(store, &rendered.objects).await;
                    counts.map(|counts| *unknown.insert(counts))
                }
            };
            rows.push((table.clone(), counts));
        }
    }
    rows
}

struct Sides<'m> {
    table: &'m TableKey,
    old: (&'m TableEntry, SchemaVersion),
    new: (&'m TableEntry, SchemaVersion),
}

impl Sides<'_> {
    async fn compare(
        &self,
        store: &impl Store,
        objects: &[RenderedObject],
    ) -> Result<RowCounts, Fault> {
        let (old, new) = (self.old.0, self.new.0);
        let Some(shape) = RowShape::of(old, new) else {
            // Another primary key: no row is one of before.
            return Ok(RowCounts {
                removed: old.rows,
                added: new.rows,
                ..RowCounts::default()
            });
        };
        let key = Key::Table(self.table.clone(), old.hash, None);
        let fault = |message: String| Fault {
            location: store.location(&key),
            message,
        };
        let content = match store.open(&key) {
            Ok(Some(content)) => BufReader::with_capacity(read_back::READ_SIZE, content),
            Ok(None) => return Err(fault("is missing".to_owned())),
            Err(error) => return Err(fault(with_causes(&error))),
        };
        let public = TableReader::new(content, self.old.1, self.table);
        let mut public = public.map_err(|error| fault(with_causes(&error)))?;
        let mut next = self
            .rendered(objects)
            .map_err(|error| fault(with_causes(&error)))?;
        let counted = diff_rows(&shape, &mut public, &mut *next, &mut |_| {});
        counted.map_err(|error| fault(with_causes(&error)))
    }

    fn rendered<'o>(&self, objects: &'o [RenderedObject]) -> Result<Box<dyn Rows + 'o>, DiffError> {
        let key = Key::Table(self.table.clone(), self.new.0.hash, None);
        let object = objects.iter().find(|object| object.key == key);
        let object = object.expect("the objects are the manifest's");
        let content = BufReader::with_capacity(read_back::READ_SIZE, object.bytes().reader());
        let reader = TableReader::new(content, self.new.1, self.table);
        Ok(Box::new(
            reader.map_err(snapshot_audit::published::RowsError::from)?,
        ))
    }
}
