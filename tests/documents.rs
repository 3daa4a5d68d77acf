//! The manual is held to the programs: every command, flag, environment variable and setting stands in it, and
//! it names none that does not exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::publisher;

const SHARED: &str = "What all commands share";

#[test]
fn the_manual_has_every_command_and_flag_and_no_other() {
    let manual = page("docs/cli.md");
    let shared = section(&manual, |title| title == SHARED).expect("a section of shared flags");
    let mut everywhere = BTreeSet::new();
    for command in commands() {
        let help = help_of_command(&command);
        let name = format!("publisher {command}");
        let section = section(&manual, |title| title.split(", ").any(|part| part == name))
            .unwrap_or_else(|| panic!("docs/cli.md has no section \"{name}\""));
        for word in flags(&help).chain(variables(&help)) {
            assert!(
                has_word(section, word) || has_word(shared, word),
                "docs/cli.md, section \"{name}\", does not name {word}"
            );
            everywhere.insert(word.to_owned());
        }
    }
    everywhere.extend(flags(&help_of_server()).map(str::to_owned));
    everywhere.extend(["--version".to_owned(), "--help".to_owned()]);
    for flag in flags(&manual) {
        assert!(
            everywhere.contains(flag),
            "docs/cli.md names {flag}, which no command has"
        );
    }
}

#[test]
fn the_settings_page_has_every_setting_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let settings = page("docs/settings.md");
    for (place, text) in [
        ("at the top", "no_such_setting = 1"),
        ("of a table", "[tables.grips]\nno_such_setting = 1"),
        (
            "of a column's parity",
            "[tables.grips.parity.label]\nno_such_setting = 1",
        ),
    ] {
        fs::write(folder.path().join("tablecast.toml"), text).unwrap();
        let mut check = publisher();
        let output = check
            .arg("check")
            .current_dir(folder.path())
            .output()
            .unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        let (_, expected) = message
            .split_once("expected one of ")
            .unwrap_or_else(|| panic!("no list of settings in: {message}"));
        let names: Vec<_> = expected.split('`').skip(1).step_by(2).collect();
        assert!(names.len() >= 3, "{message}");
        for name in names {
            assert!(
                ["`{name}`", "[{name}.", "[{name}]"]
                    .iter()
                    .any(|form| settings.contains(&form.replace("{name}", name))),
                "docs/settings.md does not name `{name}` {place}"
            );
        }
    }
}

#[test]
fn the_first_page_is_short_and_its_links_lead_somewhere() {
    assert!(page("README.md").lines().count() <= 120);
    let root = root();
    let pages = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"].map(str::to_owned);
    let docs = fs::read_dir(root.join("docs")).unwrap();
    let docs = docs.map(|entry| format!("docs/{}", entry.unwrap().file_name().to_str().unwrap()));
    for name in pages
        .into_iter()
        .chain(docs.filter(|name| name.ends_with(".md")))
    {
        let text = page(&name);
        for target in text
            .split("](")
            .skip(1)
            .map(|rest| rest.split(')').next().unwrap())
        {
            if target.contains("://") {
                continue;
            }
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let from = Path::new(&name).parent().unwrap();
            let to = if path.is_empty() {
                name.as_str().into()
            } else {
                from.join(path)
            };
            assert!(
                root.join(&to).exists(),
                "{name} links to {target}, which is not there"
            );
            if !anchor.is_empty() {
                let linked = fs::read_to_string(root.join(&to)).unwrap();
                let found = linked
                    .lines()
                    .filter_map(|line| line.strip_prefix('#'))
                    .any(|title| slug(title.trim_start_matches('#')) == anchor);
                assert!(
                    found,
                    "{name} links to {target}, and no title there has that anchor"
                );
            }
        }
    }
}

#[test]
fn each_sentence_of_the_security_page_has_a_test_that_is_there() {
    let text = page("docs/security.md");
    let untested: Vec<_> = text.lines().filter(|line| line.ends_with("| |")).collect();
    assert_eq!(untested, [""; 0], "sentences without a test");
    let rows = text.lines().filter_map(|line| {
        line.strip_prefix("| ")?
            .strip_suffix(" |")?
            .rsplit_once(" | ")
    });
    let mut held = 0;
    for (sentence, tests) in rows {
        let mut names = Vec::new();
        for word in tests.split('`').skip(1).step_by(2) {
            let path = root().join(word);
            if !path.exists() {
                names.push(word);
                continue;
            }
            let code = code_in(&path);
            for name in names.drain(..) {
                assert!(
                    code.contains(name),
                    "{sentence} {word} has no test \"{name}\""
                );
                held += 1;
            }
        }
        assert_eq!(names, [""; 0], "{sentence}");
    }
    assert!(held > 50, "{held} tests are named");
}

// What stands in a file, or in every source file below a folder.
fn code_in(path: &Path) -> String {
    if path.is_file() {
        return fs::read_to_string(path).unwrap();
    }
    let entries = fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let source = entries
        .filter(|path| path.is_dir() || path.extension().is_some_and(|ending| ending == "rs"));
    source.map(|path| code_in(&path)).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn page(name: &str) -> String {
    let path = root().join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

// The text under a title of the second level.
fn section(page: &str, is_it: impl Fn(&str) -> bool) -> Option<&str> {
    page.split("\n## ")
        .skip(1)
        .find(|part| is_it(part.lines().next().unwrap_or_default()))
}

pub fn commands() -> Vec<String> {
    let names = commands_in(&help_of(&["--help"]));
    assert!(names.len() > 10, "{names:?}");
    names
}

fn commands_in(help: &str) -> Vec<String> {
    let list = help.split_once("Commands:\n").map_or("", |(_, list)| list);
    let list = list.split("\n\n").next().unwrap_or_default();
    let names = list
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.filter_map(|line| line.split_whitespace().next());
    names
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

// With that of its own commands.
pub fn help_of_command(command: &str) -> String {
    let mut help = help_of(&[command, "--help"]);
    for below in commands_in(&help) {
        help += &help_of(&[command, &below, "--help"]);
    }
    help
}

fn help_of(arguments: &[&str]) -> String {
    let output = publisher().args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

// The server is a program of its own, which may not be built beside this one: its
// settings stand in its own page, and the flags that the manual shows are looked up there.
fn help_of_server() -> String {
    page("docs/serving.md")
}

fn flags(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
        .filter(|word| {
            word.len() > 3 && word.starts_with("--") && word.as_bytes()[2].is_ascii_lowercase()
        })
}

fn variables(text: &str) -> impl Iterator<Item = &str> {
    text.split("[env:").skip(1).filter_map(|rest| {
        rest.split(|c: char| !(c.is_ascii_uppercase() || c == '_'))
            .find(|word| word.len() > 1)
    })
}

fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'))
        .any(|found| found == word)
}

// As the sites that show Markdown make anchors.
fn slug(title: &str) -> String {
    title
        .trim()
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}
