//! The example workflow, run: every step but those that are the hosted service's own.
//!
//! A small runner takes the place of the service: it reads the file, picks the job of the
//! event, gives each step what the service would give, and stops at the first that fails.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use pretty_assertions::assert_eq;
use serde_json::json;
use snapshot_server::Options;
use yaml_rust2::{Yaml, YamlLoader};

use crate::support::{Project, publisher, repository};

// What the service keeps for the repository, by the names that expressions use.
type Kept = BTreeMap<&'static str, String>;

struct Workflow(Yaml);

// What a job has done: each step's name, and what it showed.
struct Done {
    steps: Vec<String>,
    summary: String,
    // The step that failed, with what it said.
    failed: Option<(String, String)>,
}

impl Workflow {
    fn read() -> Self {
        let path = repository().join("examples/ci/reference-data.yml");
        let text = fs::read_to_string(path).unwrap();
        Self(YamlLoader::load_from_str(&text).unwrap().remove(0))
    }

    // The one job whose condition the event meets.
    fn job(&self, event: &str) -> &Yaml {
        let jobs = self.0["jobs"].as_hash().unwrap();
        let meant = format!("github.event_name == '{event}'");
        let mut chosen = jobs
            .values()
            .filter(|job| job["if"].as_str() == Some(meant.as_str()));
        let job = chosen.next().unwrap();
        assert!(chosen.next().is_none());
        job
    }

    fn run(&self, event: &str, folder: &Path, kept: &Kept) -> Done {
        let job = self.job(event);
        let mut done = Done {
            steps: Vec::new(),
            summary: String::new(),
            failed: None,
        };
        for step in job["steps"].as_vec().unwrap() {
            let Some(script) = step["run"].as_str() else {
                assert!(step["uses"].as_str().is_some(), "{step:?}");
                continue;
            };
            assert!(step["if"].is_badvalue(), "the runner knows no condition");
            let name = step["name"].as_str().unwrap();
            // Each step has a summary of its own; the service shows one behind the other.
            let summary = tempfile::NamedTempFile::new().unwrap();
            let mut command = self.command([job, step], folder, kept);
            command.env("GITHUB_STEP_SUMMARY", summary.path());
            // As the service starts the shell where a step names none.
            let output = command.args(["-e", "-c", script]).output().unwrap();
            done.summary
                .push_str(&fs::read_to_string(summary.path()).unwrap());
            if !output.status.success() {
                let said = String::from_utf8(output.stderr).unwrap();
                done.failed = Some((name.to_owned(), said));
                return done;
            }
            done.steps.push(name.to_owned());
        }
        done
    }

    fn command(&self, parts: [&Yaml; 2], folder: &Path, kept: &Kept) -> Command {
        let mut command = Command::new("bash");
        // Nothing of our own environment, and the publisher that was built here.
        for (name, _) in publisher().get_envs() {
            command.env_remove(name);
        }
        let built = PathBuf::from(env!("CARGO_BIN_EXE_publisher"));
        let path = std::env::var("PATH").unwrap();
        command.env(
            "PATH",
            format!("{}:{path}", built.parent().unwrap().display()),
        );
        command.current_dir(folder);
        let named = parts.into_iter().filter_map(|part| part["env"].as_hash());
        for (name, value) in named.flatten() {
            let value = value.as_str().unwrap();
            let expression = value
                .strip_prefix("${{ ")
                .and_then(|v| v.strip_suffix(" }}"))
                .unwrap();
            command.env(name.as_str().unwrap(), &kept[expression]);
        }
        command
    }
}

#[test]
fn no_step_that_runs_what_a_pull_request_brings_is_given_a_secret() {
    let workflow = Workflow::read();
    for event in ["pull_request", "push"] {
        let job = workflow.job(event);
        // What a job is given, each of its steps is given.
        let of_job = job["env"].as_hash().into_iter().flatten();
        for (_, value) in of_job {
            assert!(!value.as_str().unwrap().contains("secrets."), "{event}");
        }
        for step in job["steps"].as_vec().unwrap() {
            let of_step = step["env"].as_hash().into_iter().flatten();
            let secret = of_step
                .into_iter()
                .any(|(_, value)| value.as_str().unwrap().contains("secrets."));
            let script = step["run"].as_str().unwrap_or_default();
            let runs_sql = ["check", "run", "types", "migrate", "preflight"]
                .iter()
                .any(|command| script.contains(&format!("publisher {command}")));
            assert!(!secret || event == "push" || !runs_sql, "{event}: {script}");
            // On a private database there is nothing to keep secret from.
            assert!(!script.contains("publisher check") || !secret, "{script}");
        }
    }
}

fn edit(project: &Project, from: &str, to: &str) {
    let grips = fs::read_to_string(project.path("json-source/grips.json")).unwrap();
    assert_eq!(grips.matches(from).count(), 1);
    project.source("grips", &grips.replace(from, to));
}

#[test]
fn the_example_workflow_plans_a_pull_request_and_publishes_a_merge() {
    if Command::new("rsync").arg("--version").output().is_err() {
        eprintln!("passed over: rsync is not installed");
        return;
    }
    let project = Project::exercise_app();
    let folder = project.path("");
    let store = tempfile::tempdir().unwrap();
    let workflow = Workflow::read();

    // What stands before readers: a server over the folder to which the workflow pushes. Its
    // first version is there before the server is.
    let server_of = |runtime: &tokio::runtime::Runtime| {
        let options = Options::new(store.path().to_owned(), ([127, 0, 0, 1], 0).into());
        let server = runtime.block_on(snapshot_server::bind(options)).unwrap();
        let url = format!("http://{}", server.local_addr());
        runtime.spawn(server.run(std::future::pending()));
        url
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let url = server_of(&runtime);
    let kept: Kept = BTreeMap::from([
        ("secrets.DATABASE_URL", project.database.url().to_owned()),
        ("vars.STORE", store.path().display().to_string()),
        ("vars.PUBLIC_URL", url.clone()),
        (
            "vars.TABLECAST",
            "the publisher is there already".to_owned(),
        ),
    ]);
    let merge = || workflow.run("push", &folder, &kept);
    let pull_request = || workflow.run("pull_request", &folder, &kept);

    let done = merge();
    assert_eq!(done.failed, None);
    assert_eq!(
        done.steps,
        [
            "Install the publisher",
            "Check the files",
            "Pull the store",
            "Migrate",
            "Seed",
            "Publish",
            "Parity",
            "Push the objects",
            "Push the version",
            "Parity of what is served",
            "Preflight",
        ]
    );
    assert_eq!(
        done.summary
            .matches("## Parity: all sides hold the same data")
            .count(),
        2
    );
    let first = fs::read(store.path().join("version.json")).unwrap();
    assert!(!store.path().join(".lock").exists());

    // A pull request shows what it would change, and changes nothing.
    edit(
        &project,
        "\"label\": \"Pronated\"",
        "\"label\": \"Overhand\"",
    );
    let before = project.database.everything();
    let done = pull_request();
    assert_eq!(done.failed, None);
    assert!(
        done.summary
            .starts_with("## What a merge would change\n```\n"),
        "{}",
        done.summary
    );
    assert!(
        done.summary.contains("label: \"Pronated\" -> \"Overhand\""),
        "{}",
        done.summary
    );
    assert!(
        done.summary
            .contains("## Parity: all sides hold the same data"),
        "{}",
        done.summary
    );
    assert_eq!(project.database.everything(), before);
    assert_eq!(fs::read(store.path().join("version.json")).unwrap(), first);

    // The merge takes the version on from the store, on a machine that has nothing else.
    fs::remove_dir_all(project.path("snapshots")).unwrap();
    let done = merge();
    assert_eq!(done.failed, None);
    let verified = project.json(&["verify", "--all", store.path().to_str().unwrap()]);
    assert_eq!(verified["faults"], json!([]));
    assert_eq!(verified["checked"]["versions"], 2);
    assert_eq!(
        done.summary.matches("FAILED").count(),
        0,
        "{}",
        done.summary
    );
    assert!(
        done.summary
            .contains("## Preflight\n```\npassed   migrations")
    );
    let served = project.json(&["parity", "--database", "--snapshot", &url]);
    assert_eq!(served["passed"], true);

    // A pull request that breaks a file ends at the check.
    edit(&project, "\"label\": \"Overhand\"", "\"label\": 7");
    let (step, said) = pull_request().failed.unwrap();
    assert_eq!(step, "Check the files");
    assert!(
        said.contains(
            "row 1 \"PRONATED\": column \"label\": expected a string, found the number 7"
        ),
        "{said}"
    );
}
