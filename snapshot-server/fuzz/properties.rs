//! What must be true whatever bytes come. The fuzz targets try it for as long as one
//! likes, the tests for a moment; nobody else needs these doors.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use snapshot_format::{Digest, Key};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::runtime::{Builder, Runtime};

use crate::options::Options;
use crate::rules::Rules;
use crate::shared::Shared;
use crate::snapshot::content::Budget;
use crate::snapshot::load::Folder;
use crate::snapshot::watch;
use crate::socket::serve;
use crate::socket::stream::Stream;

#[expect(dead_code, reason = "the example has a main function")]
#[path = "../examples/sample-snapshot.rs"]
mod sample;

impl Stream for DuplexStream {}

/// A server of a small snapshot, with its two ways to answer.
pub struct Ways {
    runtime: Runtime,
    fast: Arc<Shared>,
    by_hyper: Arc<Shared>,
}

impl Ways {
    /// Writes the snapshot into this folder.
    pub fn over(folder: &Path) -> Self {
        sample::write(folder, 3, 3_000).expect("a snapshot");
        let shared = |fast| {
            let mut options = Options::new(folder, ([127, 0, 0, 1], 0).into());
            options.fast_path = fast;
            options.observer = Arc::new(|_| {});
            let shared = Arc::new(Shared::new(options).expect("options"));
            assert_eq!(watch::look(&shared), watch::Outcome::Swapped);
            shared
        };
        Self {
            runtime: Builder::new_current_thread()
                .enable_time()
                .build()
                .expect("a runtime"),
            fast: shared(true),
            by_hyper: shared(false),
        }
    }

    /// Whatever a client sends, in whatever pieces: both ways give the same
    /// bytes, each response is whole, and nothing is left unanswered for ever.
    pub fn check_request(&self, bytes: &[u8]) {
        let (cut, bytes) = bytes.split_first().map_or((0, bytes), |(c, b)| (*c, b));
        let (first, second) = bytes.split_at(usize::from(cut).min(bytes.len()));
        let answer = |shared| {
            let response = converse(shared, first, second);
            self.runtime.block_on(response)
        };
        // HTTP/2 begins the same way and orders its frames as it likes.
        if bytes.starts_with(b"PRI * HTTP/2") {
            let _ = (answer(&self.fast), answer(&self.by_hyper));
            return;
        }
        let (fast, by_hyper) = (
            undated(&answer(&self.fast)),
            undated(&answer(&self.by_hyper)),
        );
        assert_eq!(text(&fast), text(&by_hyper), "to {:?}", text(bytes));
    }
}

/// All that the server says until it is done.
async fn converse(shared: &Arc<Shared>, first: &[u8], second: &[u8]) -> Vec<u8> {
    let (mut client, server) = tokio::io::duplex(1 << 20);
    let talk = async {
        // A server that has had enough takes no more.
        let _ = client.write_all(first).await;
        tokio::task::yield_now().await;
        let _ = client.write_all(second).await;
        let _ = client.shutdown().await;
        let mut said = Vec::new();
        let _ = client.read_to_end(&mut said).await;
        said
    };
    let (said, ()) = tokio::join!(talk, serve::speak_to(server, shared));
    said
}

/// Without what the clock says, which goes on while the two are asked: the dates, and how long
/// the snapshot has been loaded, with the lengths that this changes.
fn undated(answer: &[u8]) -> Vec<u8> {
    let answer = without(answer, b"date: ", |rest| rest.len().min(29));
    let number = |rest: &[u8]| rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let timeless = without(&answer, b"\"loadedForSeconds\":", number);
    if timeless == answer {
        return answer;
    }
    without(&timeless, b"content-length: ", number)
}

/// Without each of these names, and as many bytes behind it as `value` says.
fn without(mut answer: &[u8], name: &[u8], value: impl Fn(&[u8]) -> usize) -> Vec<u8> {
    let mut rest = Vec::new();
    while let Some(at) = answer.windows(name.len()).position(|part| part == name) {
        let (before, behind) = answer.split_at(at);
        rest.extend(before);
        let behind = &behind[name.len()..];
        answer = &behind[value(behind)..];
    }
    rest.extend(answer);
    rest
}

fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// A snapshot in a folder, to be damaged.
pub struct Damageable {
    folder: PathBuf,
    files: BTreeMap<String, Vec<u8>>,
}

impl Damageable {
    /// Writes the snapshot into this folder.
    pub fn over(folder: &Path) -> Self {
        sample::write(folder, 2, 1_500).expect("a snapshot");
        let mut files = BTreeMap::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(next) = folders.pop() {
            for entry in fs::read_dir(next).expect("a folder").flatten() {
                if entry.path().is_dir() {
                    folders.push(entry.path());
                } else {
                    let name = entry.path().strip_prefix(folder).map(Path::to_owned);
                    let name = name.expect("below it").to_string_lossy().into_owned();
                    files.insert(name, fs::read(entry.path()).expect("a file"));
                }
            }
        }
        let folder = folder.to_owned();
        Self { folder, files }
    }

    /// Whatever one file holds instead: what is taken is what its names say.
    ///
    /// The bytes say which file, how it is changed and by what.
    pub fn check_load(&self, bytes: &[u8]) {
        let [which, how, bytes @ ..] = bytes else {
            return;
        };
        let names: Vec<_> = self.files.keys().collect();
        let name = names[usize::from(*which) % names.len()];
        let whole = &self.files[name];
        let damaged = match how % 3 {
            0 => bytes.to_vec(),
            1 => overwritten(whole, bytes),
            _ => whole[..whole.len().min(bytes.len())].to_vec(),
        };
        let path = self.folder.join(name);
        fs::write(&path, &damaged).expect("written");
        self.load(damaged == *whole);
        fs::write(&path, whole).expect("written");
    }

    fn load(&self, is_intact: bool) {
        let folder = Folder {
            root: self.folder.clone(),
            follows_links: false,
            budget: Budget::new(1 << 20),
        };
        let options = Options::new(&self.folder, ([127, 0, 0, 1], 0).into());
        let Ok(Some(version)) = folder.read_version() else {
            assert!(!is_intact);
            return;
        };
        let pointer = Rules::of(&options).expect("options").pointer_cache_control;
        let Ok(snapshot) = folder.load(version, &pointer, None) else {
            assert!(!is_intact);
            return;
        };
        for (path, resource) in &snapshot.resources {
            let Some(key) = Key::parse(path.trim_start_matches('/')) else {
                continue;
            };
            if let (Some(hash), None) = (key.hash(), key.encoding()) {
                let mut loaded = Vec::new();
                let mut reader = resource.representation(None).content.reader();
                reader.read_to_end(&mut loaded).expect("memory");
                assert_eq!(Digest::of(&loaded).hash, hash, "{path}");
            }
        }
    }
}

/// At the place that the first two bytes say.
fn overwritten(whole: &[u8], bytes: &[u8]) -> Vec<u8> {
    let [high, low, patch @ ..] = bytes else {
        return whole.to_vec();
    };
    let at = usize::from(u16::from_be_bytes([*high, *low])) % (whole.len() + 1);
    let mut changed = whole.to_vec();
    let end = (at + patch.len()).min(changed.len());
    changed.splice(at..end, patch.iter().copied());
    changed
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Parts of requests, so that many of them together are nearly one.
    fn pieces() -> impl Strategy<Value = Vec<u8>> {
        const PARTS: [&str; 36] = [
            "GET ",
            "HEAD ",
            "OPTIONS ",
            "POST ",
            "BREW ",
            "/version.json",
            "/nothing",
            "/%7",
            "*",
            "?a=b",
            "http://a/version.json",
            " HTTP/1.1\r\n",
            " HTTP/1.0\r\n",
            " HTTP/2.0\r\n",
            "Host: a\r\n",
            "Host : a\r\n",
            "Accept-Encoding: gzip\r\n",
            "Accept-Encoding: br;q=0\r\n",
            "If-None-Match: *\r\n",
            "Range: bytes=0-3\r\n",
            "Content-Length: 3\r\n",
            "abc",
            "Transfer-Encoding: chunked\r\n",
            "Transfer-Encoding: , chunked,\r\n",
            "3;a=b\r\nabc\r\n",
            "0 junk\r\n",
            "#frag",
            "Connection: , keep-alive\r\n",
            "Content-Length: 0\r\n",
            "0\r\n\r\n",
            "Connection: close\r\n",
            "Expect: 100-continue\r\n",
            "\r\n",
            "\n",
            "\0",
            " ",
        ];
        let part = prop_oneof![
            9 => proptest::sample::select(&PARTS[..]).prop_map(|part| part.as_bytes().to_vec()),
            1 => vec(any::<u8>(), 0..8),
        ];
        (any::<u8>(), vec(part, 0..24))
            .prop_map(|(cut, parts)| [vec![cut], parts.concat()].concat())
    }

    #[test]
    fn both_ways_give_the_same_bytes_to_anything() {
        let folder = tempfile::tempdir().expect("a folder");
        let ways = Ways::over(folder.path());
        ways.check_request(b"\x05GET /version.json HTTP/1.1\r\nHost: a\r\n\r\n");
        proptest!(|(bytes in pieces())| ways.check_request(&bytes));
    }

    #[test]
    fn what_is_taken_is_what_its_names_say() {
        let folder = tempfile::tempdir().expect("a folder");
        let damageable = Damageable::over(folder.path());
        // Nothing is damaged where no byte is other.
        damageable.check_load(&[0, 1]);
        let config = ProptestConfig::with_cases(64);
        proptest!(config, |(bytes in vec(any::<u8>(), 2..200))| damageable.check_load(&bytes));
    }
}
