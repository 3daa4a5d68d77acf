//! What `docs/plan.md` says of the plan's lines is there: each file, and each test in the file that is named behind it.

use std::fs;
use std::path::Path;

use crate::support::repository;

#[test]
fn every_file_and_test_that_the_page_names_is_there() {
    let text = fs::read_to_string(repository().join("docs/plan.md")).unwrap();
    let (mut files, mut tests) = (0, 0);
    let mut missing = Vec::new();
    for line in text.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").collect();
        // The first has the plan's own words.
        for (at, cell) in cells.iter().enumerate().skip(1) {
            let mut claims = Vec::new();
            for word in cell.split('`').skip(1).step_by(2) {
                if !is_path(word) {
                    // The last of three columns names tests, each before its file.
                    claims.extend((at == 2).then_some(word));
                    continue;
                }
                files += 1;
                let path = repository().join(word);
                if !path.exists() {
                    missing.push(format!("{word}: not there"));
                }
                let code = fs::read_to_string(path).unwrap_or_default();
                for claim in claims.drain(..) {
                    tests += 1;
                    if !code.contains(claim) {
                        missing.push(format!("{word}: no test {claim:?}"));
                    }
                }
            }
            let behind = |claim| format!("{claim:?}: no file behind it");
            missing.extend(claims.into_iter().map(behind));
        }
    }
    assert_eq!(missing, [""; 0]);
    assert!(files > 40 && tests > 35, "{files} files, {tests} tests");
}

#[test]
fn the_local_provider_is_there_until_the_version_in_which_it_may_go() {
    let page = fs::read_to_string(repository().join("docs/rollout.md")).unwrap();
    let (_, rest) = page.split_once("stay until ").unwrap();
    let (may_go_in, _) = rest.split_once(" at the earliest").unwrap();
    let package = repository().join("snapshot-client-ts/package.json");
    let package: serde_json::Value = serde_json::from_slice(&fs::read(package).unwrap()).unwrap();
    let number = |version: &str| -> Vec<u32> {
        let parts = version.split('.').map(|part| part.parse().unwrap());
        parts.collect()
    };
    let version = package["version"].as_str().unwrap();
    if number(version) >= number(may_go_in) {
        return;
    }
    for entry in ["./local", "./plan"] {
        let file = package["exports"][entry]["types"].as_str().unwrap();
        let source = file
            .replace("./dist/", "snapshot-client-ts/src/")
            .replace(".d.ts", ".ts");
        assert!(repository().join(&source).exists(), "{entry}: {source}");
    }
}

// Of this repository, by its form: a folder ends with `/`, a file has an ending.
fn is_path(word: &str) -> bool {
    let path = Path::new(word);
    let endings = ["mjs", "ts", "rs", "py", "md", "sql", "json", "yml"];
    let is_file = path
        .extension()
        .is_some_and(|ending| endings.iter().any(|known| ending == *known));
    word.contains('/') && (word.ends_with('/') || is_file) && !word.contains(' ')
}
