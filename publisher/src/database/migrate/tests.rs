use super::files::{Migration, has_no_statement, version_of};
use super::history::{Applied, pending};
use super::*;

fn migration(version: i64, checksum: &str) -> Migration {
    let file = format!("V{version:04}__x.sql");
    Migration {
        version,
        file,
        sql: "SELECT;".to_owned(),
        checksum: checksum.to_owned(),
    }
}

fn applied(version: i64, checksum: &str) -> Applied {
    let Migration {
        version,
        file,
        checksum,
        ..
    } = migration(version, checksum);
    Applied {
        version,
        file,
        checksum,
    }
}

#[track_caller]
fn check(history: &[Applied], available: &[Migration], expected: Result<&[i64], &str>) {
    let pending = pending(history, available).map_err(|error| error.to_string());
    let versions = pending.map(|p| p.iter().map(|m| m.version).collect::<Vec<_>>());
    assert_eq!(versions.as_deref().map_err(String::as_str), expected);
}

#[test]
fn what_the_history_lacks_is_pending() {
    check(&[], &[migration(1, "a"), migration(2, "b")], Ok(&[1, 2]));
    check(
        &[applied(1, "a")],
        &[migration(1, "a"), migration(2, "b")],
        Ok(&[2]),
    );
    check(&[applied(1, "a")], &[migration(1, "a")], Ok(&[]));
}

#[test]
fn a_history_that_does_not_match_the_folder_is_refused() {
    let edited = "V0001__x.sql was edited after it had been applied";
    check(&[applied(1, "a")], &[migration(1, "b")], Err(edited));
    let gone = "V0001__x.sql was applied to this database, and is not in the folder any more";
    check(&[applied(1, "a")], &[migration(2, "b")], Err(gone));
    let late = "V0001__x.sql comes before V0002__x.sql, which has been applied already";
    check(
        &[applied(2, "b")],
        &[migration(1, "a"), migration(2, "b")],
        Err(late),
    );
}

#[test]
fn a_migration_is_known_by_its_name() {
    assert_eq!(version_of("V0001__create_country.sql"), Some(1));
    for file in [
        "V1.sql",
        "V1__.sql",
        "1__a.sql",
        "V1_a.sql",
        "V__a.sql",
        "Vx__a.sql",
    ] {
        assert_eq!(version_of(file), None, "{file}");
    }
}

#[test]
fn a_file_without_a_statement_is_known() {
    for sql in [
        "",
        " \n",
        "-- later",
        "-- a\n/* b /* c */ d */ ;",
        "\u{feff}",
        "/* open",
    ] {
        assert!(has_no_statement(sql), "{sql:?}");
    }
    for sql in ["SELECT", "-- a\nSELECT", "/* a */ x", "/* a /* */ */ ;-"] {
        assert!(!has_no_statement(sql), "{sql:?}");
    }
}

#[test]
fn a_block_ends_where_no_text_of_the_file_does() {
    for sql in [
        "$tablecast_0$",
        "$tablecast_1$ $tablecast_0$",
        "$tablecast_0",
        "'",
    ] {
        let block = within_a_block(sql);
        let words: Vec<&str> = block.split(char::is_whitespace).collect();
        let outer = words[3];
        let inner = words[words.len() - 3].trim_end_matches(';');
        assert!(
            outer != inner && !sql.contains(outer) && !sql.contains(inner),
            "{block}"
        );
        assert_eq!(block.matches(outer).count(), 2, "{block}");
        assert_eq!(block.matches(inner).count(), 2, "{block}");
    }
}

#[test]
fn a_place_is_counted_in_characters() {
    assert_eq!(line_at("ä\nb\nc", 1), 1);
    assert_eq!(line_at("ä\nb\nc", 3), 2);
    assert_eq!(line_at("ä\nb\nc", 5), 3);
}
