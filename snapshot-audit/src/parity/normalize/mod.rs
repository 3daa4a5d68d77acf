//! The normalization contract, clause by clause: what makes two rows the same data.
//!
//! Pure. Each side, whatever it is, gives a row as JSON; [`Contract::row`] writes it in the
//! one way in which equal data is equal text, and notes every rule without which it would
//! not have been. The clauses are those of `docs/normalization.md`:
//!
//! | clause | kept in |
//! | --- | --- |
//! | N1 rows are matched by their primary key | `row`, `compare` |
//! | N2 published rows stand in their declared order | `sides::snapshot` |
//! | N3 a key is there once on each side | `compare` |
//! | N4 a string is what it is, to the code point | `value` |
//! | N5 strings are trimmed where the settings say so | `row` |
//! | N6 the spaces that fill up a `char(n)` say nothing | `value` |
//! | N7 a missing column is null | [`Contract::fills`] |
//! | N8 unless the database has a default for it | [`Contract::fills`] |
//! | N9 the empty string is not null, unless the settings say so | `row` |
//! | N10 words that stand for null | `row` |
//! | N11 `true` and `false` are no numbers and no strings | `value` |
//! | N12 numbers are equal by value, exactly | `decimal::write` |
//! | N13 a `real` has two spellings | `value` |
//! | N14 moments, intervals, addresses, uuids and bytes are equal by value | `value` |
//! | N15 arrays keep their order | `value`, `values` |
//! | N16 unless the settings say that it is a set | `row` |
//! | N17 objects are compared by key | `value`, `values` |
//! | N18 what is published as text is read back | `value` |
//! | N19 types without a rule are compared as text | [`Rule::Exact`] |
//! | N20 keys that are no data are listed | `row` |
//! | N21 columns of the database alone are listed | [`Contract::fills`] |
//! | N22 inactive rows are not published | `compare` |
//! | N23 rows of administrators stand apart | `compare` |
//! | N24 a map's entries are rows | `row` |
//! | N25 a table is there on both sides | `compare` |

mod contract;
mod row;
mod rule;
mod value;

pub use self::contract::{ComparedColumn, Contract, Fill, Normal, Notes, Spelling, UsedRule};
pub use self::rule::Rule;
pub(super) use self::value::plain;
