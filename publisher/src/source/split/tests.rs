use super::*;

// Hands its bytes out in pieces of a few, so that every refill is met.
struct Trickle<'a>(&'a [u8], usize);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.1.min(self.0.len()).min(buffer.len());
        buffer[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

fn split_in_pieces(text: &[u8], piece: usize) -> std::result::Result<Vec<String>, String> {
    let place = |error: SplitError| match error {
        SplitError::Syntax {
            position: (line, column),
            message,
        } => {
            format!("{line}:{column}: {message}")
        }
        SplitError::Io(error) => error.to_string(),
    };
    let mut reader = RowReader::new(Trickle(text, piece)).map_err(place)?;
    let mut rows = Vec::new();
    while let Some(row) = reader.next_row().map_err(place)? {
        let (line, column) = row.position;
        let key = row.key.map(String::from_utf8_lossy).unwrap_or_default();
        rows.push(format!(
            "{line}:{column} {key}{}",
            String::from_utf8_lossy(row.bytes)
        ));
    }
    assert_eq!(reader.finish().expect("memory"), blake3::hash(text));
    Ok(rows)
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    for piece in [1, 2, 3, 1000] {
        let rows = split_in_pieces(text.as_bytes(), piece).expect("can be split");
        assert_eq!(rows, expected, "{text} in pieces of {piece}");
    }
}

#[track_caller]
fn refused(text: &str, expected: &str) {
    for piece in [1, 1000] {
        assert_eq!(
            split_in_pieces(text.as_bytes(), piece),
            Err(expected.to_owned()),
            "{text}"
        );
    }
}

#[test]
fn a_list_is_split_into_its_rows() {
    check("[]", &[]);
    check(
        " [\n {\"a\":\"}\"},\n\n  [1,[2]] , 3 ]\n",
        &["2:2 {\"a\":\"}\"}", "4:3 [1,[2]]", "4:13 3"],
    );
    check("[\"\\\\\",\"\\\"]\"]", &["1:2 \"\\\\\"", "1:7 \"\\\"]\""]);
}

#[test]
fn a_map_is_split_into_keys_and_rows() {
    check(
        "{ \"a\" : 1,\n\"b\":{\"c\":[]}}",
        &["1:3 \"a\"1", "2:1 \"b\"{\"c\":[]}"],
    );
}

#[test]
fn notes_without_end_are_passed_over() {
    let notes = "\"_note\":1,".repeat(300_000);
    let text = format!("{{{notes}\"a\":2}}");
    let reader = RowReader::new(text.as_bytes()).expect("a map");
    let mut reader = reader.without_notes(Some("_"));
    let row = reader.next_row().expect("a row").expect("one");
    assert_eq!((row.number, row.bytes), (300_001, &b"2"[..]));
}

#[test]
fn a_byte_order_mark_is_passed_over() {
    check("\u{feff}[{}]", &["1:2 {}"]);
}

#[test]
fn a_broken_row_with_balanced_brackets_does_not_hide_the_next() {
    check("[{a b},{\"c\":1}]", &["1:2 {a b}", "1:8 {\"c\":1}"]);
}

#[test]
fn a_row_that_breaks_off_is_handed_out_and_is_the_last() {
    check("[{\"a\":1},{\"b\":", &["1:2 {\"a\":1}", "1:10 {\"b\":"]);
    check("[\"abc", &["1:2 \"abc"]);
}

#[test]
fn what_is_no_list_of_rows_is_refused_at_its_place() {
    refused("", "1:1: the file is empty");
    refused(" \n ", "2:2: the file is empty");
    refused("3", "1:1: the file is neither a list nor a map of rows");
    refused("[1 2]", "1:4: expected `,` or `]` behind a row, found '2'");
    refused("[1,]", "1:4: a comma before the closing bracket");
    refused(
        "[1",
        "1:3: the file ends before the closing `]`; it may be cut off",
    );
    refused("[1]x", "1:4: expected the end of the file, found 'x'");
    refused("{1:2}", "1:2: expected a key in double quotes, found '1'");
    refused("{\"a\" 2}", "1:6: expected `:` behind the key, found '2'");
}

#[test]
fn a_row_beyond_the_bound_is_refused() {
    let text = format!("[\"{}\"]", "x".repeat(MAX_ROW_SIZE));
    let expected = "1:2: a row has at most 16777216 bytes; this one has more";
    // In large pieces: small ones would take minutes.
    assert_eq!(
        split_in_pieces(text.as_bytes(), 1 << 20),
        Err(expected.to_owned())
    );
}
