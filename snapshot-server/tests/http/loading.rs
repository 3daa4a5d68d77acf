//! Which snapshots are taken, and which are not.

use snapshot_format::{Encoding, compress};

use crate::support::{Store, rows};

#[test]
fn a_new_version_is_served_without_a_restart() {
    let (mut store, first) = Store::published();
    let served = store.serve();
    assert!(
        served
            .next_event()
            .starts_with("serving seq:41 (1771938724-1, 2 tables, ")
    );
    let second = store.publish(&[("grips", rows(4)), ("muscles", rows(200))]);
    assert!(
        served
            .next_event()
            .starts_with("serving seq:42 (1771938724-2, 2 tables, ")
    );

    assert_eq!(served.get("/version.json", &[]).body, second.version_bytes);
    assert_eq!(
        served.get("/api/v1/reference/version", &[]).json()["sequence"],
        2
    );
    served.get(&second.bootstrap_path(), &[]).is(200);
    // Clients that are one version behind still find everything.
    for (path, bytes) in &first.objects {
        assert_eq!(&served.get(&format!("/{path}"), &[]).body, bytes, "{path}");
    }
}

#[test]
fn an_old_object_is_served_like_a_new_one() {
    let (mut store, first) = Store::published();
    let served = store.serve();
    served.next_event();
    let path = first.bootstrap_path();
    let fields = [("Accept-Encoding", "br"), ("Range", "bytes=0-4")];
    let before = served.get(&path, &fields);
    before.is(206);
    store.publish(&[("grips", rows(4)), ("muscles", rows(199))]);
    served.next_event();
    for _ in 0..2 {
        let mut after = served.get(&path, &fields);
        // The clock may have moved between the two.
        after.fields.retain(|(name, _)| name != "date");
        let mut before = before.clone();
        before.fields.retain(|(name, _)| name != "date");
        assert_eq!(after, before);
    }
}

/// Objects arrive before the version that names them, and readers of another
/// server may ask for them at once.
#[test]
fn an_object_that_arrives_is_found_soon() {
    let (mut store, _) = Store::published();
    let served = store.serve();
    served.next_event();
    let coming = store.render(&[("grips", rows(7))]);
    let path = coming.table_path("grips");
    let mut client = served.client();
    client.request("GET", &path, &[]).is_problem(404);
    store.put(&path, coming.bytes(&path));
    let begun = std::time::Instant::now();
    let reply = loop {
        let reply = client.request("GET", &path, &[]);
        if reply.status == 200 {
            break reply;
        }
        assert!(begun.elapsed() < crate::support::PATIENCE);
    };
    assert_eq!(reply.body, coming.bytes(&path));
}

#[test]
fn the_first_version_is_picked_up_when_it_appears() {
    let mut store = Store::empty();
    let served = store.serve();
    for path in [
        "/version.json",
        "/api/v1/reference/version",
        "/api/v1/reference/grips",
    ] {
        let reply = served.get(path, &[]);
        reply.is_problem(503);
        assert_eq!(reply.field("retry-after"), Some("1"));
    }
    let published = store.publish(&[("grips", rows(1))]);
    served.next_event();
    assert_eq!(
        served.get("/version.json", &[]).body,
        published.version_bytes
    );
}

#[test]
fn a_root_that_does_not_exist_yet_is_waited_for() {
    let mut store = Store::empty();
    let root = store.folder.path().join("later");
    let served = store.serve_with(|options| options.root.clone_from(&root));
    served.get("/health", &[]).is(200);
    let published = store.publish(&[("grips", rows(1))]);
    let elsewhere = store.folder.path().join("copy");
    std::fs::create_dir(&elsewhere).expect("a folder");
    for entry in [
        "versions",
        "manifests",
        "bootstrap",
        "tables",
        "version.json",
    ] {
        std::fs::rename(store.path(entry), elsewhere.join(entry)).expect("moved");
    }
    std::fs::rename(&elsewhere, &root).expect("the whole folder appears at once");
    served.next_event();
    assert_eq!(
        served.get("/version.json", &[]).body,
        published.version_bytes
    );
}

/// Each way in which a snapshot can be broken, and the words for it.
#[test]
fn a_damaged_snapshot_is_refused_and_the_last_good_one_stays() {
    let tables = [("grips", rows(3)), ("muscles", rows(201))];
    for damage in 0..11 {
        let (mut store, first) = Store::published();
        let served = store.serve();
        served.next_event();
        let second = store.render(&tables);
        let bootstrap = second.bootstrap_path();
        let muscles = second.table_path("muscles");
        let (broken, expected): (String, String) = match damage {
            0 => (
                String::new(),
                "version.json is not usable: not the JSON of a version".into(),
            ),
            1 => (
                second.manifest_path(),
                format!("failed to read {}", &second.manifest_path()[1..]),
            ),
            2 => (
                second.manifest_path(),
                format!("{} has ", &second.manifest_path()[1..]),
            ),
            3 => (
                bootstrap.clone(),
                format!("failed to read {}", &bootstrap[1..]),
            ),
            4 => (bootstrap.clone(), format!("{} has ", &bootstrap[1..])),
            5 => (muscles.clone(), format!("{} has hash ", &muscles[1..])),
            6 => (
                format!("{muscles}.zst"),
                format!("failed to read {}.zst", &muscles[1..]),
            ),
            7 => (
                format!("{muscles}.br"),
                format!("{}.br does not unpack to its object", &muscles[1..]),
            ),
            8 => (
                format!("{bootstrap}.gz"),
                format!("{}.gz does not unpack to its object", &bootstrap[1..]),
            ),
            // A second member or frame behind the first is a fault to `verify`.
            9 => (
                format!("{muscles}.gz"),
                format!(
                    "{}.gz does not unpack to its object: is followed by other bytes",
                    &muscles[1..]
                ),
            ),
            _ => (
                format!("{muscles}.zst"),
                format!(
                    "{}.zst does not unpack to its object: is followed by other bytes",
                    &muscles[1..]
                ),
            ),
        };
        for (path, bytes) in &second.objects {
            store.put(path, bytes);
        }
        match damage {
            0 => {}
            1 | 3 | 6 => store.remove(&broken),
            2 | 4 | 7 => {
                let bytes = second.bytes(&broken);
                store.put(broken.trim_start_matches('/'), &bytes[..bytes.len() - 5]);
            }
            5 => {
                let mut bytes = second.bytes(&broken).to_vec();
                bytes[100] ^= 1;
                store.put(broken.trim_start_matches('/'), &bytes);
            }
            8 => {
                let bytes = second.bytes(&format!("{muscles}.gz"));
                store.put(broken.trim_start_matches('/'), bytes);
            }
            _ => {
                let encoding = if damage == 9 {
                    Encoding::Gzip
                } else {
                    Encoding::Zstd
                };
                let mut bytes = second.bytes(&broken).to_vec();
                compress(encoding, 0, &mut &b""[..], &mut bytes).expect("memory");
                store.put(broken.trim_start_matches('/'), &bytes);
            }
        }
        if damage == 0 {
            store.put("version.json", b"{\"formatVersion\":1,");
        } else {
            store.swap(&second);
        }

        let event = served.next_event();
        assert!(
            event.starts_with(&format!("snapshot refused: {expected}")),
            "{damage}: {event}"
        );
        assert_eq!(served.get("/version.json", &[]).body, first.version_bytes);
        served
            .get(&first.bootstrap_path(), &[("Accept-Encoding", "br")])
            .is(200);
        let ready = served.get("/ready", &[]);
        ready.is(200);
        let refused = ready.json()["refused"]
            .as_str()
            .expect("a reason")
            .to_owned();
        assert!(refused.starts_with(&expected), "{refused}");

        // What was still on its way arrives: taken without a hand or a restart.
        if damage > 0 {
            store.put(broken.trim_start_matches('/'), second.bytes(&broken));
        }
        store.swap(&second);
        assert!(
            served.next_event().starts_with("serving seq:42"),
            "{damage}"
        );
        assert_eq!(
            served.get("/ready", &[]).json()["refused"],
            serde_json::json!(null)
        );
    }
}

/// A folder that was replaced by an older copy is followed, and said everywhere.
#[test]
fn a_step_back_is_followed_and_said() {
    let (mut store, first) = Store::published();
    let served = store.serve_with(|options| {
        options.metrics = Some(([127, 0, 0, 1], 0).into());
    });
    served.next_event();
    let second = store.publish(&[("grips", rows(4)), ("muscles", rows(200))]);
    assert!(!served.next_event().contains("warning"));
    let warning = || served.get("/ready", &[]).is(200).json()["warning"].clone();
    assert_eq!(warning(), serde_json::json!(null));

    store.swap(&first);
    let event = served.next_event();
    let older = "older than 1771938724-2, which was served before; \
                 clients that have it take nothing older";
    assert!(
        event.starts_with("serving seq:41 (1771938724-1, "),
        "{event}"
    );
    assert!(event.ends_with(&format!("; warning: {older}")), "{event}");
    assert_eq!(warning(), older);
    served.wait_for_gauge("snapshot_behind", 1);
    assert_eq!(served.get("/version.json", &[]).body, first.version_bytes);

    // The newest number again, first with other content.
    let text = String::from_utf8(second.version_bytes.clone()).expect("JSON");
    let other = text.replace("13:12:09Z", "13:12:10Z");
    store.put("version.json", other.as_bytes());
    let aside = "1771938724-2 was served before with other content; \
                 clients that have it do not see this one";
    let event = served.next_event();
    assert!(event.ends_with(&format!("; warning: {aside}")), "{event}");
    assert_eq!(warning(), aside);
    store.swap(&second);
    assert!(!served.next_event().contains("warning"));
    assert_eq!(warning(), serde_json::json!(null));
    served.wait_for_gauge("snapshot_behind", 0);

    // An epoch comes before every number.
    for (epoch, is_older) in [("1771938723", true), ("1771938725", false)] {
        store.put("version.json", text.replace("1771938724", epoch).as_bytes());
        assert_eq!(served.next_event().contains("warning: older"), is_older);
        assert_eq!(warning().is_string(), is_older);
    }
    store.swap(&second);
    assert!(
        served
            .next_event()
            .contains("warning: older than 1771938725-2")
    );
}

#[test]
fn a_damaged_old_object_is_not_served() {
    let (mut store, first) = Store::published();
    store.publish(&[("grips", rows(4))]);
    let path = first.table_path("muscles");
    let served = store.serve();
    served.next_event();
    store.put(path.trim_start_matches('/'), b"{\"rows\":[]}");
    served.get(&path, &[]).is_problem(404);
    assert!(
        served
            .next_event()
            .starts_with("object refused: tables/muscles/")
    );
}

#[test]
fn what_was_held_for_a_moment_only_is_still_there() {
    let (mut store, _) = Store::published();
    let served = store.serve();
    served.next_event();
    for count in 4..24 {
        // The names of the folder are remembered from here on.
        let nothing = "0".repeat(64);
        served
            .get(&format!("/manifests/{nothing}.json"), &[])
            .is(404);
        let brief = store.publish(&[("grips", rows(count))]);
        served.next_event();
        store.publish(&[("muscles", rows(count))]);
        served.next_event();
        served.get(&brief.manifest_path(), &[]).is(200);
        served.get(&brief.table_path("grips"), &[]).is(200);
    }
}

#[test]
fn a_version_that_contradicts_its_manifest_is_refused() {
    let (mut store, _) = Store::published();
    let served = store.serve();
    served.next_event();
    let mut second = store.publish(&[("grips", rows(2))]);
    served.next_event();
    second.version.generated_at = "2026-02-24T13:12:05Z".to_owned();
    second.version_bytes = second.version.to_bytes();
    store.swap(&second);
    let manifest = &second.manifest_path()[1..];
    assert_eq!(
        served.next_event(),
        format!("snapshot refused: version.json and {manifest} disagree about generatedAt")
    );
}

#[test]
fn what_is_held_survives_an_emptied_folder() {
    let (store, published) = Store::published();
    let served = store.serve();
    served.next_event();
    store.remove("version.json");
    std::fs::remove_dir_all(store.path("bootstrap")).expect("removed");
    assert_eq!(
        served.get("/version.json", &[]).body,
        published.version_bytes
    );
    served.get(&published.bootstrap_path(), &[]).is(200);
}

#[test]
fn a_budget_of_nothing_serves_the_same_bytes_from_files() {
    let mut store = Store::empty();
    let published = store.publish(&[("grips", rows(3)), ("muscles", rows(20_000))]);
    let served = store.serve_with(|options| options.memory_budget_bytes = 0);
    for (path, bytes) in &published.objects {
        assert_eq!(&served.get(&format!("/{path}"), &[]).body, bytes, "{path}");
    }
    let path = published.bootstrap_path();
    let object = published.bytes(&path);
    assert!(object.len() > 1_000_000, "several reads");
    let reply = served.get(&path, &[("Range", "bytes=100000-700000, -9")]);
    reply.is(206);
    let contains = |part: &[u8]| reply.body.windows(part.len()).any(|window| window == part);
    assert!(contains(&object[100_000..100_100]) && contains(&object[object.len() - 9..]));
    let part = served.get(&path, &[("Range", "bytes=100000-700000")]);
    assert_eq!(part.body, object[100_000..=700_000]);
}
