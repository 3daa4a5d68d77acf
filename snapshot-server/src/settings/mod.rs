//! What the command line, the environment and the configuration file say.
//!
//! One struct describes them all, so a key of the file is the flag without its
//! hyphens in front, and neither can have what the other lacks.

mod values;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;
use serde::Deserialize;
use serde::de::{self, Deserializer};
use snapshot_server::{Listen, Options, Proxy, TlsFiles};

use values::{Field, Format, Size, Time, Who};

/// Everything that can be set. What is left out keeps its default.
#[derive(Clone, Debug, Default, PartialEq, Args, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Settings {
    /// The folder that `publisher` writes [default: snapshots]
    #[arg(long, value_name = "DIR", env = "SNAPSHOT_ROOT")]
    root: Option<PathBuf>,

    /// Read through links below the folder too: a mounted ConfigMap is made of them
    ///
    /// Without it a link below the folder is refused, and so is a snapshot that
    /// needs one; the folder itself may be a link in either case. With it,
    /// whoever can write there can publish any file that the server may read,
    /// if its content is what its name says. [default: false]
    #[arg(
        long,
        value_name = "BOOL",
        env = "SNAPSHOT_FOLLOW_LINKS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    follow_links: Option<bool>,

    /// Where to listen: 127.0.0.1:8080, https://0.0.0.0:443, unix:/run/name.sock or systemd
    ///
    /// May be given several times, or with commas between. Port 0 takes a free
    /// port and prints it. Every place speaks HTTP/1.1 and HTTP/2. `systemd`
    /// takes over the sockets of a .socket unit. `proxy:` in front of a place,
    /// as in proxy:127.0.0.1:8080, makes every connection there begin with a
    /// header of the PROXY protocol. [default: 127.0.0.1:8080]
    #[arg(
        long,
        value_name = "PLACE",
        env = "SNAPSHOT_LISTEN",
        value_delimiter = ','
    )]
    #[serde(deserialize_with = "texts")]
    listen: Vec<Listen>,

    /// The certificate chain in PEM, for https; a renewed one is taken without a restart
    #[arg(long, value_name = "FILE", env = "SNAPSHOT_TLS_CERT")]
    tls_cert: Option<PathBuf>,

    /// The certificate's private key in PEM
    #[arg(long, value_name = "FILE", env = "SNAPSHOT_TLS_KEY")]
    tls_key: Option<PathBuf>,

    /// Where to serve /metrics for Prometheus, apart from the public [default: nowhere]
    #[arg(long, value_name = "ADDR", env = "SNAPSHOT_METRICS")]
    metrics: Option<SocketAddr>,

    /// Proxies that are believed when they name the client: addresses, networks, unix
    ///
    /// With commas between, as in 10.0.0.0/8,unix: for the access log, and for
    /// the limit of one client. Where it is set, only these may connect to a
    /// place with proxy: in front. [default: none]
    #[arg(
        long,
        value_name = "PROXY",
        env = "SNAPSHOT_TRUSTED_PROXIES",
        value_delimiter = ','
    )]
    #[serde(deserialize_with = "texts")]
    trusted_proxies: Vec<Proxy>,

    /// Where they name it: x-forwarded-for or forwarded [default: x-forwarded-for]
    #[arg(long, value_name = "FIELD", env = "SNAPSHOT_CLIENT_FIELD")]
    #[serde(deserialize_with = "text")]
    client_field: Option<Field>,

    /// One line for each request on standard output: off, text or json [default: off]
    #[arg(long, value_name = "FORMAT", env = "SNAPSHOT_ACCESS_LOG")]
    #[serde(deserialize_with = "text")]
    access_log: Option<Format>,

    /// Which web pages may read the data: any, none, or origins with commas between
    ///
    /// The data is public, so the default is any, which every cache can store
    /// once for all. [default: any]
    #[arg(long, value_name = "WHO", env = "SNAPSHOT_CORS")]
    #[serde(deserialize_with = "text")]
    cors: Option<Who>,

    /// Cache-Control of version.json and of /api [default: public, max-age=5, stale-if-error=86400]
    #[arg(long, value_name = "VALUE", env = "SNAPSHOT_POINTER_CACHE_CONTROL")]
    pointer_cache_control: Option<String>,

    /// How often version.json is compared [default: 500ms]
    #[arg(long, value_name = "DURATION", env = "SNAPSHOT_POLL_INTERVAL")]
    #[serde(deserialize_with = "text")]
    poll_interval: Option<Time>,

    /// Objects in memory; larger ones are sent from their files [default: 256MiB]
    #[arg(long, value_name = "SIZE", env = "SNAPSHOT_MEMORY")]
    #[serde(deserialize_with = "text")]
    memory: Option<Size>,

    /// Bytes from files that may wait for slow clients, all together [default: 64MiB]
    #[arg(long, value_name = "SIZE", env = "SNAPSHOT_IN_FLIGHT")]
    #[serde(deserialize_with = "text")]
    in_flight: Option<Size>,

    /// Threads that serve; 0 is one for each processor [default: 0]
    #[arg(long, value_name = "N", env = "SNAPSHOT_THREADS")]
    threads: Option<usize>,

    /// Open connections; at the limit the one that waited longest gives way [default: 16384]
    #[arg(long, value_name = "N", env = "SNAPSHOT_MAX_CONNECTIONS")]
    max_connections: Option<usize>,

    /// Of these, how many one client's address may have; 0 is no limit [default: 12288]
    ///
    /// Who has more gives up its own that waited longest. Over IPv6 all addresses
    /// of one /64 count as one. Trusted proxies, whose addresses many clients
    /// share, have no such limit.
    #[arg(long, value_name = "N", env = "SNAPSHOT_MAX_CONNECTIONS_PER_CLIENT")]
    max_connections_per_client: Option<usize>,

    /// Who may listen at /events, at most half of the connections [default: 4096]
    ///
    /// Whoever comes later is answered 503, and polls.
    #[arg(long, value_name = "N", env = "SNAPSHOT_MAX_LISTENERS")]
    max_listeners: Option<usize>,

    /// Of these, how many one client's address may be; 0 is no limit [default: a quarter]
    ///
    /// With few listeners 16, and never more than half of them.
    ///
    /// Over IPv6 all addresses of one /64 count as one. Clients of a trusted proxy
    /// are told apart by what it says; where it says nothing there is no such limit.
    #[arg(long, value_name = "N", env = "SNAPSHOT_MAX_LISTENERS_PER_CLIENT")]
    max_listeners_per_client: Option<usize>,

    /// Between two signs of life on /events [default: 15s]
    ///
    /// Shorter than what a proxy in front waits for the next byte.
    #[arg(long, value_name = "DURATION", env = "SNAPSHOT_HEARTBEAT")]
    #[serde(deserialize_with = "text")]
    heartbeat: Option<Time>,

    /// How long a connection may wait between requests [default: 120s]
    ///
    /// Must be longer than the keep-alive of a CDN or proxy in front.
    #[arg(long, value_name = "DURATION", env = "SNAPSHOT_IDLE_TIMEOUT")]
    #[serde(deserialize_with = "text")]
    idle_timeout: Option<Time>,

    /// How long a request's head may take from its first byte [default: 10s]
    #[arg(long, value_name = "DURATION", env = "SNAPSHOT_HEAD_TIMEOUT")]
    #[serde(deserialize_with = "text")]
    head_timeout: Option<Time>,

    /// How long a client may read nothing of its response [default: 30s]
    #[arg(long, value_name = "DURATION", env = "SNAPSHOT_STALL_TIMEOUT")]
    #[serde(deserialize_with = "text")]
    stall_timeout: Option<Time>,

    /// How long a stopping server lets running requests finish [default: 10s]
    #[arg(long, value_name = "DURATION", env = "SNAPSHOT_STOP_TIMEOUT")]
    #[serde(deserialize_with = "text")]
    stop_timeout: Option<Time>,
}

/// Why a configuration file is not used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error("failed to read {}", path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{} is not usable", path.display())]
    Toml {
        path: PathBuf,
        source: Box<toml::de::Error>,
    },
    #[error("tls-cert and tls-key go together; one of them is missing")]
    HalfOfTls,
}

impl Settings {
    /// Reads a file; paths in it are relative to where the server was started.
    pub(crate) fn read(path: &Path) -> Result<Self, SettingsError> {
        let path = path.to_owned();
        match snapshot_store::read_to_string(&path) {
            Ok(text) => toml::from_str(&text).map_err(|source| SettingsError::Toml {
                path,
                source: Box::new(source),
            }),
            Err(source) => Err(SettingsError::Read { path, source }),
        }
    }

    /// These settings where they say something, else those.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            root: self.root.or(other.root),
            follow_links: self.follow_links.or(other.follow_links),
            listen: either(self.listen, other.listen),
            tls_cert: self.tls_cert.or(other.tls_cert),
            tls_key: self.tls_key.or(other.tls_key),
            metrics: self.metrics.or(other.metrics),
            trusted_proxies: either(self.trusted_proxies, other.trusted_proxies),
            client_field: self.client_field.or(other.client_field),
            access_log: self.access_log.or(other.access_log),
            cors: self.cors.or(other.cors),
            pointer_cache_control: self.pointer_cache_control.or(other.pointer_cache_control),
            poll_interval: self.poll_interval.or(other.poll_interval),
            memory: self.memory.or(other.memory),
            in_flight: self.in_flight.or(other.in_flight),
            threads: self.threads.or(other.threads),
            max_connections: self.max_connections.or(other.max_connections),
            max_connections_per_client: self
                .max_connections_per_client
                .or(other.max_connections_per_client),
            max_listeners: self.max_listeners.or(other.max_listeners),
            max_listeners_per_client: self
                .max_listeners_per_client
                .or(other.max_listeners_per_client),
            heartbeat: self.heartbeat.or(other.heartbeat),
            idle_timeout: self.idle_timeout.or(other.idle_timeout),
            head_timeout: self.head_timeout.or(other.head_timeout),
            stall_timeout: self.stall_timeout.or(other.stall_timeout),
            stop_timeout: self.stop_timeout.or(other.stop_timeout),
        }
    }

    /// The defaults with these settings over them.
    pub(crate) fn into_options(self) -> Result<Options, SettingsError> {
        let mut options = Options::default();
        set(&mut options.root, self.root);
        set(&mut options.follow_links, self.follow_links);
        if !self.listen.is_empty() {
            options.listen = self.listen;
        }
        options.tls = match (self.tls_cert, self.tls_key) {
            (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
            (None, None) => None,
            _ => return Err(SettingsError::HalfOfTls),
        };
        options.metrics = self.metrics;
        options.trusted_proxies.proxies = self.trusted_proxies;
        let field = self.client_field.map(|field| field.0);
        set(&mut options.trusted_proxies.field, field);
        set(
            &mut options.access_log,
            self.access_log.map(|format| format.0),
        );
        set(&mut options.cors, self.cors.map(|who| who.0));
        set(
            &mut options.pointer_cache_control,
            self.pointer_cache_control,
        );
        set(
            &mut options.poll_interval,
            self.poll_interval.map(|time| time.0),
        );
        set(
            &mut options.memory_budget_bytes,
            self.memory.map(|size| size.0),
        );
        set(
            &mut options.in_flight_bytes,
            self.in_flight.map(|size| size.0),
        );
        set(&mut options.threads, self.threads);
        set(&mut options.max_connections, self.max_connections);
        set(
            &mut options.max_connections_per_client,
            self.max_connections_per_client,
        );
        set(&mut options.max_listeners, self.max_listeners);
        options.max_listeners_per_client = self.max_listeners_per_client;
        let timeouts = &mut options.timeouts;
        set(&mut timeouts.heartbeat, self.heartbeat.map(|time| time.0));
        set(&mut timeouts.idle, self.idle_timeout.map(|time| time.0));
        set(&mut timeouts.head, self.head_timeout.map(|time| time.0));
        set(&mut timeouts.stall, self.stall_timeout.map(|time| time.0));
        set(&mut timeouts.stop, self.stop_timeout.map(|time| time.0));
        Ok(options)
    }
}

fn either<T>(these: Vec<T>, others: Vec<T>) -> Vec<T> {
    if these.is_empty() { others } else { these }
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

/// A value that is written as text in the file too.
fn text<'de, D: Deserializer<'de>, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: FromStr<Err: std::fmt::Display>,
{
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(de::Error::custom)
}

fn texts<'de, D: Deserializer<'de>, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    T: FromStr<Err: std::fmt::Display>,
{
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts
        .iter()
        .map(|text| text.parse().map_err(de::Error::custom))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::{CommandFactory, Parser};
    use pretty_assertions::assert_eq;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        settings: Settings,
    }

    fn flags(words: &[&str]) -> Settings {
        let words = ["snapshot-server"].iter().chain(words);
        Line::try_parse_from(words)
            .expect("a command line")
            .settings
    }

    #[test]
    fn every_flag_is_a_key_of_the_file() {
        for flag in Line::command()
            .get_arguments()
            .filter_map(|flag| flag.get_long())
        {
            if flag == "help" {
                continue;
            }
            // A value of no type that any key has: what is refused is the value.
            let error = toml::from_str::<Settings>(&format!("{flag} = {{}}")).expect_err("a table");
            assert!(
                !error.message().contains("unknown field"),
                "{flag}: {error}"
            );
        }
        assert!(toml::from_str::<Settings>("roots = \"a\"").is_err());
    }

    #[test]
    fn a_file_says_what_flags_say() {
        let file = toml::from_str::<Settings>(
            "root = \"a\"\nfollow-links = true\nlisten = [\"127.0.0.1:1\", \"unix:b\"]\nmemory = \"1MiB\"\n\
             idle-timeout = \"2m\"\naccess-log = \"json\"\nmax-connections = 9\ncors = \"none\"\n\
             trusted-proxies = [\"10.0.0.0/8\", \"unix\"]\nclient-field = \"forwarded\"\n\
             max-connections-per-client = 0",
        );
        let line = flags(&[
            "--root=a",
            "--follow-links",
            "--listen=127.0.0.1:1,unix:b",
            "--memory=1MiB",
            "--idle-timeout=2m",
            "--access-log=json",
            "--max-connections=9",
            "--cors=none",
            "--trusted-proxies=10.0.0.0/8,unix",
            "--client-field=forwarded",
            "--max-connections-per-client=0",
        ]);
        assert_eq!(file.expect("a file"), line);
    }

    #[test]
    fn flags_come_before_the_file() {
        let file = flags(&["--root=file", "--memory=1KiB", "--listen=127.0.0.1:1"]);
        let both = flags(&["--root=flag", "--stop-timeout=1s"]).or(file);
        let options = both.into_options().expect("options");
        assert_eq!(options.root, Path::new("flag"));
        assert_eq!(options.memory_budget_bytes, 1024);
        assert_eq!(options.listen, ["127.0.0.1:1".parse().expect("a place")]);
        assert_eq!(options.timeouts.stop, Duration::from_secs(1));
        assert_eq!(options.timeouts.idle, Duration::from_secs(120));
    }

    #[test]
    fn the_help_tells_the_true_defaults() {
        let help = Line::command().render_long_help().to_string();
        // However the lines were broken.
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        let Options {
            root,
            memory_budget_bytes,
            in_flight_bytes,
            max_connections,
            max_connections_per_client,
            max_listeners,
            timeouts,
            ..
        } = Options::default();
        for default in [
            root.display().to_string(),
            format!("{}MiB", memory_budget_bytes >> 20),
            format!("{}MiB", in_flight_bytes >> 20),
            max_connections.to_string(),
            max_connections_per_client.to_string(),
            max_listeners.to_string(),
            format!("{}s", timeouts.heartbeat.as_secs()),
            format!("{}s", timeouts.idle.as_secs()),
            format!("{}s", timeouts.head.as_secs()),
            format!("{}s", timeouts.stall.as_secs()),
            format!("{}s", timeouts.stop.as_secs()),
            format!("{}ms", Options::default().poll_interval.as_millis()),
            Options::default().pointer_cache_control,
        ] {
            assert!(
                help.contains(&format!("[default: {default}]")),
                "{default} in\n{help}"
            );
        }
    }
}
