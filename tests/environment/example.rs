//! `.env.example`, and what a help page says of variables; for the tests of both programs.

use std::collections::{BTreeMap, BTreeSet};

/// What a variable stands for: the comment above it, and the value behind its `=`.
pub(crate) struct Example {
    /// Every sentence above it.
    pub(crate) comment: String,
    /// Without quotes.
    pub(crate) value: String,
}

/// Each variable of `.env.example`.
pub(crate) fn examples() -> BTreeMap<String, Example> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../.env.example");
    let text = std::fs::read_to_string(file).expect("the example is there");
    let (mut examples, mut comment) = (BTreeMap::new(), String::new());
    for line in text.lines() {
        let assigned = line
            .strip_prefix('#')
            .and_then(|line| line.split_once('='))
            .filter(|(name, _)| name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'));
        if let Some((name, value)) = assigned {
            let example = Example {
                comment: comment.clone(),
                value: value.trim_matches('"').to_owned(),
            };
            assert!(
                examples.insert(name.to_owned(), example).is_none(),
                "{name}"
            );
        } else if let Some(sentence) = line.strip_prefix("# ") {
            comment = format!("{comment} {sentence}");
        } else {
            assert_eq!(line, "");
            comment.clear();
        }
    }
    examples
}

/// Each variable of a help page, with the default that stands beside it, if one does.
fn variables(help: &str) -> Vec<(String, Option<String>)> {
    let mut found = Vec::new();
    let is_flag = |line: &str| line.trim_start().starts_with('-');
    let mut flags: Vec<String> = Vec::new();
    for line in help.lines() {
        match flags.last_mut() {
            Some(flag) if !is_flag(line) => {
                flag.push(' ');
                flag.push_str(line.trim());
            }
            _ => flags.push(line.trim().to_owned()),
        }
    }
    for flag in flags {
        let bracket = |name: &str| {
            let (_, rest) = flag.split_once(&format!("[{name}: "))?;
            Some(rest.split(']').next()?.to_owned())
        };
        if let Some(variable) = bracket("env") {
            // Some show their present value, and some do not.
            let name = variable
                .split_once('=')
                .map_or(&*variable, |(name, _)| name);
            found.push((name.to_owned(), bracket("default")));
        }
    }
    found
}

/// Each variable that a help page names has its default in the example; gives their names.
pub(crate) fn check(examples: &BTreeMap<String, Example>, help: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (name, default) in variables(help) {
        let example = examples
            .get(&name)
            .unwrap_or_else(|| panic!(".env.example lacks {name}"));
        // What only verifies has a setting for its default, which has one itself.
        if let Some(default) = default.filter(|default| !default.starts_with("the setting ")) {
            assert!(
                example.value == default || example.comment.contains(&default),
                "{name}: the default is {default}, and .env.example says {:?}",
                example.value
            );
        }
        names.insert(name);
    }
    names
}
