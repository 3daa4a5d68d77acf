//! No spelling that the contract calls equal ever fails, and no other value ever passes.

use std::collections::BTreeMap;

use proptest::prelude::*;
use snapshot_audit::parity::normalize::{Notes, Spelling};

use super::{Database, Scenario, Source};

const EVERY_TYPE: &str = "id text; b boolean?; n numeric?; i integer?; r real?; t text?; j jsonb?; a text[]?; \
     u uuid?; ts timestamp with time zone?; by bytea?";

#[derive(Debug, Clone)]
enum Json {
    Null,
    Bool(bool),
    // Digits, and how many of them stand behind the point.
    Number(i64, u32),
    Text(String),
    List(Vec<Json>),
    Map(BTreeMap<String, Json>),
}

fn any_json() -> impl Strategy<Value = Json> {
    json_of(
        (any::<i64>(), 0..12_u32).prop_map(|(digits, scale)| Json::Number(digits, scale)),
        any_text(),
    )
}

// Of few numbers and texts, so that two are often the same.
fn any_json_of(
    digits: std::ops::Range<i64>,
    scale: std::ops::Range<u32>,
) -> impl Strategy<Value = Json> {
    json_of(
        (digits, scale).prop_map(|(digits, scale)| Json::Number(digits, scale)),
        "[a ]{0,1}",
    )
}

fn json_of(
    number: impl Strategy<Value = Json> + Clone + 'static,
    text: impl Strategy<Value = String> + Clone + 'static,
) -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        number,
        text.clone().prop_map(Json::Text),
    ];
    leaf.prop_recursive(3, 16, 4, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Json::List),
            proptest::collection::btree_map(text.clone(), inner, 0..3).prop_map(Json::Map),
        ]
    })
}

fn any_text() -> impl Strategy<Value = String> + Clone {
    "[a-zA-Z \\\\\"/\u{e9}\u{301}\u{1f4aa}\t\n]{0,6}"
}

// Where a spelling may be one or another, the next of these bits decides.
struct Spell<'b> {
    bits: std::iter::Cycle<std::slice::Iter<'b, bool>>,
    out: String,
}

impl Spell<'_> {
    fn flip(&mut self) -> bool {
        *self.bits.next().expect("bits")
    }

    fn space(&mut self) {
        if self.flip() {
            let space = if self.flip() { "\n  " } else { " " };
            self.out.push_str(space);
        }
    }

    fn json(&mut self, value: &Json) {
        self.space();
        match value {
            Json::Null => self.out.push_str("null"),
            Json::Bool(value) => self.out.push_str(&value.to_string()),
            Json::Number(digits, scale) => self.number(*digits, *scale),
            Json::Text(text) => self.text(text),
            Json::List(elements) => {
                self.out.push('[');
                for (index, element) in elements.iter().enumerate() {
                    if index > 0 {
                        self.out.push(',');
                    }
                    self.json(element);
                }
                self.out.push(']');
            }
            Json::Map(members) => {
                let members: Vec<(String, Json)> = members
                    .iter()
                    .map(|(key, value)| (key.clone(), value.clone()))
                    .collect();
                self.members(members);
            }
        }
        self.space();
    }

    fn members(&mut self, mut members: Vec<(String, Json)>) {
        if self.flip() {
            members.reverse();
        }
        if self.flip() && members.len() > 1 {
            members.rotate_left(1);
        }
        self.out.push('{');
        for (index, (key, value)) in members.iter().enumerate() {
            if index > 0 {
                self.out.push(',');
            }
            self.space();
            self.text(key);
            self.space();
            self.out.push(':');
            self.json(value);
        }
        self.out.push('}');
    }

    fn number(&mut self, digits: i64, scale: u32) {
        let exponent = -i64::from(scale);
        let spelled = match (self.flip(), self.flip()) {
            (true, true) => format!("{digits}e{exponent}"),
            (true, false) => format!("{digits}.000E{exponent}"),
            (false, true) if digits != 0 => format!("{digits}00e{}", exponent - 2),
            (false, _) => {
                let negative = if digits < 0 { "-" } else { "" };
                let all = format!("{:0>1$}", digits.unsigned_abs(), scale as usize + 1);
                let (whole, fraction) = all.split_at(all.len() - scale as usize);
                let point = if fraction.is_empty() { "" } else { "." };
                format!("{negative}{whole}{point}{fraction}")
            }
        };
        self.out.push_str(&spelled);
    }

    fn text(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            if self.flip() || c.is_control() || matches!(c, '"' | '\\') {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    let unit = if self.flip() {
                        format!("\\u{unit:04x}")
                    } else {
                        format!("\\u{unit:04X}")
                    };
                    self.out.push_str(&unit);
                }
            } else {
                self.out.push(c);
            }
        }
        self.out.push('"');
    }
}

// The same row, with other bits for its spelling: what is null may be missing.
fn spelled(id: usize, row: &[(&str, Json)], bits: &[bool]) -> String {
    let mut spell = Spell {
        bits: bits.iter().cycle(),
        out: String::new(),
    };
    let mut members = vec![("id".to_owned(), Json::Text(format!("ROW {id}")))];
    for (name, value) in row {
        if !(matches!(value, Json::Null) && spell.flip()) {
            members.push(((*name).to_owned(), value.clone()));
        }
    }
    spell.members(members);
    spell.out
}

fn any_row() -> impl Strategy<Value = Vec<(&'static str, Json)>> {
    let text = || any_text().prop_map(Json::Text);
    let number = (any::<i64>(), 0..12_u32).prop_map(|(digits, scale)| Json::Number(digits, scale));
    let or_null = |some: BoxedStrategy<Json>| prop_oneof![1 => Just(Json::Null), 3 => some];
    (
        or_null(any::<bool>().prop_map(Json::Bool).boxed()),
        or_null(number.boxed()),
        or_null(
            (any::<i32>(), Just(0))
                .prop_map(|(n, s)| Json::Number(n.into(), s))
                .boxed(),
        ),
        or_null(
            (-999_i64..999, 0..2_u32)
                .prop_map(|(n, s)| Json::Number(n, s))
                .boxed(),
        ),
        or_null(text().boxed()),
        any_json(),
        or_null(
            proptest::collection::vec(text(), 0..4)
                .prop_map(Json::List)
                .boxed(),
        ),
    )
        .prop_map(|(b, n, i, r, t, j, a)| {
            vec![
                ("b", b),
                ("n", n),
                ("i", i),
                ("r", r),
                ("t", t),
                ("j", j),
                ("a", a),
            ]
        })
}

proptest! {
    #[test]
    fn another_spelling_of_the_same_rows_never_fails(
        rows in proptest::collection::vec(any_row(), 1..6),
        one in proptest::collection::vec(any::<bool>(), 40..80),
        other in proptest::collection::vec(any::<bool>(), 40..80),
        turn in 0_usize..6,
    ) {
        let write = |bits: &[bool]| -> Vec<String> {
            rows.iter().enumerate().map(|(id, row)| spelled(id, row, bits)).collect()
        };
        let (files, mut tables) = (write(&one), write(&other));
        let rows_count = tables.len();
        tables.rotate_left(turn % rows_count);
        let mut scenario = Scenario::of(EVERY_TYPE).source(&format!("[{}]", files.join(" ,\n")));
        scenario.database = tables;
        let report = scenario.report(Source, Database);
        prop_assert!(report.passed, "{:?}", report.differences);
        prop_assert_eq!(report.rows.equal, rows_count as u64);
        prop_assert!(report.rules.is_empty());
    }

    // Whatever normal form is, to normalize it again changes nothing.
    #[test]
    fn normal_form_is_its_own_normal_form(
        row in any_row(),
        bits in proptest::collection::vec(any::<bool>(), 40..80),
    ) {
        let contract = Scenario::of(EVERY_TYPE).contract();
        let normal = |text: &str| {
            contract.row(Spelling::Database, None, text, &mut Notes::default()).map(|normal| normal.row)
        };
        let once = normal(&spelled(1, &row, &bits));
        prop_assert!(once.is_ok());
        let once = once.unwrap_or_default();
        prop_assert_eq!(normal(&once), Ok(once.clone()));
    }

    // What is another value is another row, and nothing else is.
    #[test]
    fn two_rows_are_the_same_exactly_where_their_values_are(
        one in any_json_of(0..3, 0..2),
        other in any_json_of(0..3, 0..2),
        bits in proptest::collection::vec(any::<bool>(), 40..80),
    ) {
        let row = |value: &Json| spelled(1, &[("j", value.clone())], &bits);
        let mut scenario = Scenario::of(EVERY_TYPE).source(&format!("[{}]", row(&one)));
        scenario.database = vec![row(&other)];
        let report = scenario.report(Source, Database);
        prop_assert_eq!(report.passed, is_same(&one, &other), "{:?}", report.differences);
    }
}

// By the values that were drawn, without JSON or normal form.
fn is_same(one: &Json, other: &Json) -> bool {
    match (one, other) {
        (Json::Null, Json::Null) => true,
        (Json::Bool(a), Json::Bool(b)) => a == b,
        (Json::Text(a), Json::Text(b)) => a == b,
        (Json::Number(a, a_scale), Json::Number(b, b_scale)) => {
            i128::from(*a) * 10_i128.pow(*b_scale) == i128::from(*b) * 10_i128.pow(*a_scale)
        }
        (Json::List(a), Json::List(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b))
        }
        (Json::Map(a), Json::Map(b)) => {
            let same =
                |(a, b): ((&String, &Json), (&String, &Json))| a.0 == b.0 && is_same(a.1, b.1);
            a.len() == b.len() && a.iter().zip(b).all(same)
        }
        _ => false,
    }
}
