use super::*;

#[track_caller]
fn refused(text: &str, offset: usize, message: &str) {
    let mut parser = Parser::new(text);
    let error = parser
        .value()
        .and_then(|_| parser.end())
        .expect_err("is not JSON");
    assert_eq!(
        (error.offset, error.message.as_ref()),
        (offset, message),
        "{text}"
    );
}

#[track_caller]
fn faults(text: &str, expected: &[(usize, FaultKind)]) {
    let mut parser = Parser::new(text);
    parser.value().expect("is JSON");
    let found: Vec<_> = parser
        .into_faults()
        .into_iter()
        .map(|f| (f.offset, f.kind))
        .collect();
    assert_eq!(found, expected, "{text}");
}

#[test]
fn what_is_not_json_is_refused_at_its_place() {
    refused("", 0, "expected a value, but the text ends");
    refused("[1 2]", 3, "expected `,` or `]`, found '2'");
    refused("[1,]", 3, "a comma before the closing bracket");
    refused("{\"a\":1,}", 7, "a comma before the closing bracket");
    refused("{a:1}", 1, "expected a key in double quotes, found 'a'");
    refused("{\"a\" 1}", 5, "expected `:`, found '1'");
    refused("[01]", 2, "a number does not start with a zero");
    refused("[1.]", 3, "expected a digit, found ']'");
    refused("[-]", 2, "expected a digit, found ']'");
    refused("[nul]", 1, "expected a value, found 'n'");
    refused("[NaN]", 1, "expected a value, found 'N'");
    refused(
        "\"a\tb\"",
        2,
        "a control character in a string must be escaped",
    );
    refused("\"abc", 4, "the text ends inside a string");
    refused("\"\\u12g4\"", 3, "\\u takes four hexadecimal digits");
    refused(
        "\"\\x\"",
        2,
        "expected an escape: \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u, found 'x'",
    );
    refused("1 x", 2, "expected the end, found 'x'");
    let deep = "[".repeat(MAX_DEPTH + 1);
    refused(&deep, MAX_DEPTH, "nested deeper than 128 levels");
}

#[test]
fn what_two_readers_may_take_differently_is_noted() {
    let duplicate = FaultKind::DuplicateKey("a".into());
    faults(
        r#"{"a":1,"b":[{"a":1,"\u0061":2}],"a":3}"#,
        &[(19, duplicate.clone()), (32, duplicate)],
    );
    faults(
        r#"["\ud800","\udc00x","\ud83d\ude00"]"#,
        &[
            (2, FaultKind::LoneSurrogate(0xd800)),
            (11, FaultKind::LoneSurrogate(0xdc00)),
        ],
    );
    faults(r#""a\u0000b""#, &[(2, FaultKind::Nul)]);
    faults(
        r#""\ud800\u0041""#,
        &[(1, FaultKind::LoneSurrogate(0xd800))],
    );
}

#[test]
fn many_keys_are_compared_too() {
    let mut text: String = (0..100).map(|i| format!("\"k{i}\":0,")).collect();
    text = format!("{{{text}\"k7\":1}}");
    let mut parser = Parser::new(&text);
    parser.value().expect("is JSON");
    assert_eq!(parser.into_faults().len(), 1);
}

#[test]
fn members_come_with_their_places() {
    let mut members = Vec::new();
    let mut parser = Parser::new(r#" {"a" : "\u00e9", "b":[1, {}]} "#);
    parser
        .object(|member| members.push(member))
        .expect("is an object");
    parser.end().expect("nothing follows");
    assert_eq!(members[0].value, Value::String("é".into()));
    assert_eq!((members[0].key_offset, members[0].offset), (2, 8));
    assert_eq!(members[1].value, Value::Array("[1, {}]"));
}
