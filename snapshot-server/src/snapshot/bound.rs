//! What clients take of an object. The server has no bound of its own, since an app may take
//! more; that others will not is said. Pure.

use snapshot_format::{MAX_OBJECT_SIZE, Manifest};

/// What is to be said of objects that are larger than what a client takes unless it is told
/// otherwise.
pub(crate) fn beyond_clients(manifest: &Manifest) -> Option<String> {
    let bootstrap = ("bootstrap", manifest.bootstrap.size);
    let tables = manifest.tables.iter();
    let tables = tables.map(|(table, entry)| (table.as_str(), entry.size));
    let larger: Vec<_> = std::iter::once(bootstrap)
        .chain(tables)
        .filter(|(_, size)| *size > MAX_OBJECT_SIZE)
        .collect();
    let &(largest, size) = larger.iter().max_by_key(|(_, size)| *size)?;
    let others = match larger.len() - 1 {
        0 => String::new(),
        1 => ", as 1 other object is,".to_owned(),
        more => format!(", as {more} other objects are,"),
    };
    Some(format!(
        "{largest} has {size} bytes and is{others} larger than the {MAX_OBJECT_SIZE} that a client takes; \
         only clients with a larger maxObjectBytes see this version"
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use snapshot_format::{
        Digest, ReferenceVersion, SchemaVersion, TableEntry, TableKey, content_hash,
    };

    use super::*;

    #[track_caller]
    fn check(bootstrap: u64, tables: &[(&str, u64)], expected: Option<&str>) {
        let sized = |size| Digest {
            size,
            ..Digest::of(b"")
        };
        let entry = |&(name, size): &(&str, u64)| {
            let key: TableKey = name.parse().expect("a table key");
            let entry = TableEntry::new(sized(size), 1, 1, BTreeMap::new(), Vec::new());
            (key, entry)
        };
        let manifest = Manifest {
            format_version: 1,
            schema_version: SchemaVersion { major: 1, minor: 0 },
            reference_version: ReferenceVersion(1),
            generated_at: String::new(),
            content_hash: content_hash(std::iter::empty()),
            bootstrap: sized(bootstrap).into(),
            tables: tables.iter().map(entry).collect(),
        };
        assert_eq!(beyond_clients(&manifest).as_deref(), expected);
    }

    #[test]
    fn an_object_that_clients_may_not_take_is_said() {
        const MOST: u64 = MAX_OBJECT_SIZE;
        check(MOST, &[("grips", MOST), ("muscles", 1)], None);
        let end = "larger than the 33554432 that a client takes; \
                   only clients with a larger maxObjectBytes see this version";
        check(
            1,
            &[("grips", MOST + 1)],
            Some(&format!("grips has 33554433 bytes and is {end}")),
        );
        check(
            MOST + 1,
            &[("grips", 1)],
            Some(&format!("bootstrap has 33554433 bytes and is {end}")),
        );
        check(
            MOST + 1,
            &[("grips", MOST + 5), ("muscles", MOST + 2)],
            Some(&format!(
                "grips has 33554437 bytes and is, as 2 other objects are, {end}"
            )),
        );
    }
}
