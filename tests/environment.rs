//! `.env.example` is held to the programs: it has every variable, with what it does and its default.

mod example;

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use crate::documents::{commands, help_of_command};
use crate::support::repository;

#[test]
fn the_example_has_every_variable_with_its_default() {
    let examples = example::examples();
    let helps = commands()
        .into_iter()
        .map(|command| help_of_command(&command));
    let mut documented: BTreeSet<String> = helps
        .flat_map(|help| example::check(&examples, &help))
        .collect();
    assert!(documented.len() > 10, "{documented:?}");

    let elsewhere = [
        ("PORT", "dev", "${PORT:-8080}"),
        (
            "POSTGRES_PASSWORD",
            "compose.yml",
            "${POSTGRES_PASSWORD:-only-for-development}",
        ),
        (
            "USE_BACKEND_REFERENCE",
            "snapshot-client-ts/src/plan.ts",
            "'USE_BACKEND_REFERENCE'",
        ),
        (
            "VITE_USE_BACKEND_REFERENCE",
            "snapshot-client-ts/src/plan.ts",
            "'VITE_USE_BACKEND_REFERENCE'",
        ),
        (
            "EXPO_PUBLIC_USE_BACKEND_REFERENCE",
            "snapshot-client-ts/src/plan.ts",
            "'EXPO_PUBLIC_USE_BACKEND_REFERENCE'",
        ),
    ];
    for (name, file, text) in elsewhere {
        let code = fs::read_to_string(repository().join(file)).unwrap();
        assert!(code.contains(text), "{file} has no {text}");
        documented.insert(name.to_owned());
    }
    // The server's own tests judge its variables.
    let names = examples
        .keys()
        .filter(|name| !name.starts_with("SNAPSHOT_"));
    assert_eq!(names.cloned().collect::<BTreeSet<_>>(), documented);
    for (name, example) in &examples {
        assert!(example.comment.len() > 20, "{name} has no comment");
    }
}

#[test]
fn a_copy_of_the_example_is_a_shells_and_sets_nothing() {
    let script = "before=$(set -a; env | sort); set -eua; . ./.env.example; set +a; \
                  after=$(env | sort); [ \"$before\" = \"$after\" ]";
    let status = Command::new("bash")
        .args(["-c", script])
        .current_dir(repository())
        .status();
    assert!(status.unwrap().success());
    let uncommented = "sed 's/^#\\([A-Z_]*=\\)/\\1/' .env.example >\"$1\"; set -a; . \"$1\"; set +a; \
                       printf %s \"$SNAPSHOT_POINTER_CACHE_CONTROL\"";
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new("bash")
        .args(["-ceu", uncommented, "-"])
        .arg(folder.path().join(".env"))
        .current_dir(repository())
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "public, max-age=5, stale-if-error=86400"
    );
}
