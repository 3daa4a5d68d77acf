//! The usual course.

use pretty_assertions::assert_eq;

use super::*;

#[tokio::test]
async fn a_published_version_resolves_completely() {
    let folder = Folder::new();
    let Published::Changed {
        version,
        objects_written,
        objects_reused,
        bytes,
        ..
    } = folder.publish_large(1).await.expect("published")
    else {
        panic!("a first publication changes the store")
    };
    assert_eq!(folder.resolves(), Some((1, ReferenceVersion(1))));
    assert_eq!((objects_written, objects_reused), (4, 0));
    assert_eq!(version.order(), (1_771_938_725, 1));
    assert_eq!(version.published_at, "2026-02-24T13:12:05Z");
    let stored: u64 = folder
        .files()
        .iter()
        .filter(|path| {
            path.starts_with(folder.path("tables")) || path.starts_with(folder.path("bootstrap"))
        })
        .filter(|path| path.is_file())
        .map(|path| fs::metadata(path).expect("a file").len())
        .sum();
    assert_eq!(bytes, stored);
    assert_eq!(folder.staged(), 0);
}

#[tokio::test]
async fn only_what_changed_is_put_again() {
    let folder = Folder::new();
    folder.publish_large(1).await.expect("published");
    let published = folder.publish_large(2).await.expect("published");
    let Published::Changed {
        objects_written,
        objects_reused,
        ..
    } = published
    else {
        panic!("another state changes the store")
    };
    // The bootstrap and the table that is another.
    assert_eq!((objects_written, objects_reused), (2, 2));
    assert_eq!(folder.resolves(), Some((2, ReferenceVersion(2))));
    assert_eq!(folder.pages(), [1, 2]);
}

#[tokio::test]
async fn unchanged_data_writes_nothing() {
    let folder = Folder::new();
    folder.publish_large(1).await.expect("published");
    let listing = || -> Vec<_> {
        let ours = [
            folder.path(".lock"),
            folder.path(".staging"),
            folder.root.clone(),
        ];
        let files = folder
            .files()
            .into_iter()
            .filter(|path| !ours.contains(path));
        files
            .map(|path| {
                let m = fs::symlink_metadata(&path).expect("there");
                (
                    path,
                    m.ino(),
                    m.len(),
                    m.mtime(),
                    m.mtime_nsec(),
                    m.ctime_nsec(),
                )
            })
            .collect()
    };
    let before = listing();
    let published = folder.publish_large(1).await.expect("published");
    assert!(
        matches!(published, Published::Unchanged { .. }),
        "{published}"
    );
    assert_eq!(listing(), before);
    assert_eq!(fs::read(folder.path(".lock")).expect("there"), b"");
}

#[tokio::test]
async fn a_web_server_may_read_what_was_published() {
    let folder = Folder::new();
    folder.publish_large(1).await.expect("published");
    for path in folder.files() {
        let metadata = fs::metadata(&path).expect("there");
        let wanted = match path.file_name().and_then(|name| name.to_str()) {
            Some(".lock") => 0o600,
            Some(".staging") => 0o700,
            _ if metadata.is_dir() => 0o755,
            _ => 0o644,
        };
        let mode = metadata.permissions().mode() & 0o777;
        assert_eq!(mode, wanted, "{}", path.display());
    }
}

#[tokio::test]
async fn other_programs_unpack_the_variants() {
    let folder = Folder::new();
    folder.publish_large(1).await.expect("published");
    for (program, arguments, extension) in [
        ("zstd", &["-dc"][..], "zst"),
        ("brotli", &["-dc"], "br"),
        ("gunzip", &["-c"], "gz"),
    ] {
        let extended = |path: &PathBuf| path.extension().is_some_and(|e| e == extension);
        let variants: Vec<_> = folder.files().into_iter().filter(extended).collect();
        assert_eq!(variants.len(), 3, "{extension}");
        for variant in variants {
            let output = Command::new(program).args(arguments).arg(&variant).output();
            let output = match output {
                Ok(output) => output,
                Err(error) => {
                    eprintln!("skipped: {program}: {error}");
                    break;
                }
            };
            assert!(output.status.success(), "{program} {}", variant.display());
            let object = fs::read(variant.with_extension("")).expect("the object");
            assert!(output.stdout == object, "{}", variant.display());
        }
    }
}

#[tokio::test]
async fn progress_goes_on_to_the_end() {
    let folder = Folder::new();
    let store = DirectoryStore::open(&folder.root, PATIENCE, |_| {}).await;
    let store = store.expect("opened");
    let events = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&events);
    let rendered = State::number(1).render(store.staging()).expect("rendered");
    let now = Timestamp::UNIX_EPOCH;
    publish(rendered, &store, Terms::at(now), move |event| {
        seen.lock().expect("no panic").push(event);
    })
    .await
    .expect("published");
    let events = events.lock().expect("no panic");
    let done = |event: &&Event| match event {
        Event::Compressing {
            done_bytes,
            total_bytes,
        } => done_bytes == total_bytes,
        Event::Putting { .. } => false,
    };
    assert!(events.iter().any(|event| done(&event)));
    // Three objects, two of them with three variants.
    let total = 9;
    assert_eq!(events.last(), Some(&Event::Putting { done: total, total }));
}

#[test]
fn the_outcome_is_told_to_machines() {
    let version = || -> Version {
        let hash = ObjectHash::of(b"");
        let text = format!(
            r#"{{"formatVersion":1,"epoch":7,"sequence":2,"schemaVersion":"1.0",
            "referenceVersion":"seq:42","generatedAt":"g","publishedAt":"p",
            "manifest":{{"hash":"{hash}","size":1}},"bootstrap":{{"hash":"{hash}","size":2}}}}"#
        );
        Version::parse(text.as_bytes()).expect("a version")
    };
    let json = |published: Published| {
        let mut value = serde_json::to_value(published).expect("JSON");
        let version = value.as_object_mut().expect("an object").remove("version");
        assert_eq!(version.expect("told")["sequence"], 2);
        value.to_string()
    };
    assert_eq!(
        json(Published::Unchanged { version: version() }),
        r#"{"outcome":"unchanged"}"#
    );
    let second = Duration::from_secs(1);
    let timings = Timings {
        variants: second,
        put: second / 2,
        swap: second / 4,
    };
    assert_eq!(
        json(Published::Changed {
            version: version(),
            notes: vec!["said elsewhere".to_owned()],
            objects_written: 1,
            objects_reused: 2,
            bytes: 3,
            timings,
        }),
        r#"{"bytes":3,"objectsReused":2,"objectsWritten":1,"outcome":"changed","timings":{"putMs":500,"swapMs":250,"variantsMs":1000}}"#
    );
}
