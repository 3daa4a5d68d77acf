//! The database URL: split into its options, of which each is known, or named with what to
//! do instead. Two spellings, as libpq has them: `postgres://user@host/name?option=value` and
//! `host=... user=... option=value`.

use std::path::PathBuf;

use tokio_postgres::Config;

use super::super::answer::PgError;
use super::super::error::DatabaseError;
use super::tls::{Names, TlsOptions};

/// What the URL says.
#[derive(Debug, Clone)]
pub(super) struct Options {
    pub(super) driver: Config,
    /// `None`: not encrypted.
    pub(super) tls: Option<TlsOptions>,
}

/// What the driver takes of itself.
const DRIVERS: [&str; 18] = [
    "user",
    "password",
    "dbname",
    "options",
    "application_name",
    "sslnegotiation",
    "host",
    "hostaddr",
    "port",
    "connect_timeout",
    "tcp_user_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "target_session_attrs",
    "channel_binding",
    "load_balance_hosts",
];

/// Reads the URL. No error holds any part of it but an option's name: a password may stand
/// anywhere in a URL that is broken.
pub(super) fn parse(url: &str) -> Result<Options, DatabaseError> {
    let url = url.trim();
    let (base, pairs) = match url.split_once("://") {
        Some((scheme, _)) => {
            check_scheme(scheme)?;
            let (base, query) = url.split_once('?').unwrap_or((url, ""));
            (base.to_owned(), query_pairs(query)?)
        }
        None => (String::new(), words(url)?),
    };
    let mut ssl = Ssl::default();
    let mut left = Vec::new();
    for (name, value) in pairs {
        match name.as_str() {
            "sslmode" => ssl.mode = Some(value),
            "sslrootcert" => ssl.authorities = Some(value),
            "sslcert" => ssl.certificate = Some(value),
            "sslkey" => ssl.key = Some(value),
            // libpq's name for it.
            "keepalives_count" => left.push(("keepalives_retries".to_owned(), value)),
            known if DRIVERS.contains(&known) => left.push((name, value)),
            _ => return Err(unknown(&name)),
        }
    }
    let driver: Config = spelt(&base, &left).parse().map_err(unreadable)?;
    if driver.get_hosts().is_empty() && driver.get_hostaddrs().is_empty() {
        return Err(refused(
            "it names no host",
            "write it as postgres://user:password@host:5432/database",
        ));
    }
    Ok(Options {
        driver,
        tls: ssl.settle()?,
    })
}

// For the driver, which reads options from a whole text alone.
fn spelt(base: &str, options: &[(String, String)]) -> String {
    let each = options.iter();
    if base.is_empty() {
        let quoted = |value: &str| value.replace('\\', "\\\\").replace('\'', "\\'");
        let words = each.map(|(name, value)| format!("{name}='{}'", quoted(value)));
        return words.collect::<Vec<_>>().join(" ");
    }
    let query = each.map(|(name, value)| format!("{name}={}", encoded(value)));
    format!("{base}?{}", query.collect::<Vec<_>>().join("&"))
}

#[derive(Default)]
struct Ssl {
    mode: Option<String>,
    authorities: Option<String>,
    certificate: Option<String>,
    key: Option<String>,
}

impl Ssl {
    fn settle(self) -> Result<Option<TlsOptions>, DatabaseError> {
        let names = match self.mode.as_deref() {
            // `prefer` asks for an encryption that nobody has to trust.
            None | Some("disable" | "allow" | "prefer") => return Ok(None),
            Some("require" | "verify-full") => Names::Checked,
            Some("verify-ca") => Names::Any,
            Some(_) => {
                return Err(refused(
                    "sslmode is none of disable, prefer, require, verify-ca and verify-full",
                    "write sslmode=verify-full, or sslmode=disable",
                ));
            }
        };
        let own = match (self.certificate, self.key) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some((certificate.into(), key.into())),
            _ => {
                return Err(refused(
                    "sslcert and sslkey belong together, and one of them is missing",
                    "name both files, or none",
                ));
            }
        };
        let authorities = self.authorities.filter(|file| file != "system");
        Ok(Some(TlsOptions {
            names,
            authorities: authorities.map(PathBuf::from),
            own,
        }))
    }
}

fn check_scheme(scheme: &str) -> Result<(), DatabaseError> {
    if ["postgres", "postgresql"].contains(&scheme) {
        return Ok(());
    }
    let (what, hint) = if scheme.starts_with("postgres") && scheme.contains('+') {
        (
            "it names a driver behind a `+`, as SQLAlchemy's URLs do",
            "leave out the `+` and what follows it: postgresql://user:password@host:5432/database",
        )
    } else if scheme.starts_with("jdbc:") {
        (
            "it is a URL of JDBC",
            "leave out `jdbc:`, and write user and password before the host: \
             postgresql://user:password@host:5432/database",
        )
    } else {
        (
            "it does not begin with postgres://",
            "write it as postgres://user:password@host:5432/database",
        )
    };
    Err(refused(what, hint))
}

fn unknown(name: &str) -> DatabaseError {
    let hint = match name {
        "schema" | "currentSchema" | "search_path" => {
            "leave it out, and name the schema with --schema, TABLECAST_SCHEMA, or `schema = ...` \
             in tablecast.toml"
        }
        "pgbouncer" | "statement_cache_size" | "prepared_statements" | "prepareThreshold" => {
            "leave it out, and name the server itself: through a pooler that hands out \
             connections per transaction Tablecast does not work"
        }
        "ssl" | "sslaccept" => "write sslmode=verify-full, or sslmode=disable",
        "connection_limit" | "pool_timeout" | "pool_size" | "max_overflow" | "socket_timeout" => {
            "leave it out: it is for an application's pool; Tablecast uses one connection"
        }
        "sslpassword"
        | "sslcrl"
        | "sslcrldir"
        | "sslidentity"
        | "sslcompression"
        | "sslsni"
        | "ssl_min_protocol_version"
        | "ssl_max_protocol_version" => {
            "leave it out; of TLS there are sslmode, sslrootcert, sslcert and sslkey"
        }
        "passfile" | "service" | "servicefile" => {
            "write user, password and host into the URL itself"
        }
        "gssencmode" | "krbsrvname" | "gsslib" | "requirepeer" | "require_auth" => {
            "leave it out; users log in by password or by certificate"
        }
        "statement_timeout" => "leave it out, and use --statement-timeout",
        "lock_timeout" => "leave it out, and use --lock-timeout",
        _ => "leave it out",
    };
    // A name that is none may be a part of a password.
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.len() <= 32 && name.bytes().all(is_name) {
        refused(
            &format!("it has an option {name}, which is not known"),
            hint,
        )
    } else {
        refused("it has an option that is not known", hint)
    }
}

fn refused(what: &str, hint: &str) -> DatabaseError {
    DatabaseError::Url {
        source: PgError::said(what),
        hint: hint.to_owned(),
    }
}

fn unreadable(source: tokio_postgres::Error) -> DatabaseError {
    DatabaseError::Url {
        source: source.into(),
        hint: "write it as postgres://user:password@host:5432/database, and `@`, `:`, `/`, `?` and `#` \
               in a password as %40, %3A, %2F, %3F and %23"
            .to_owned(),
    }
}

fn encoded(value: &str) -> String {
    value
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

fn query_pairs(query: &str) -> Result<Vec<(String, String)>, DatabaseError> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decoded(name)?, decoded(value)?))
        })
        .collect()
}

fn decoded(text: &str) -> Result<String, DatabaseError> {
    let broken = || {
        refused(
            "a % in it is not followed by two digits from 0 to F",
            "write a % as %25",
        )
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = rest.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let digits = digits.filter(|two| two.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let value = digits.and_then(|two| u8::from_str_radix(two, 16).ok());
        bytes.push(value.ok_or_else(broken)?);
        rest = &rest[2..];
    }
    String::from_utf8(bytes).map_err(|_| broken())
}

// `name=value name = 'a value'`, with `\` before a quote or a backslash.
fn words(text: &str) -> Result<Vec<(String, String)>, DatabaseError> {
    let broken = || {
        refused(
            "it is neither a URL nor a list of name=value",
            "write it as postgres://user:password@host:5432/database",
        )
    };
    let mut pairs = Vec::new();
    let mut rest = text.chars().peekable();
    loop {
        while rest.next_if(|c| c.is_whitespace()).is_some() {}
        if rest.peek().is_none() {
            return Ok(pairs);
        }
        let mut name = String::new();
        while let Some(c) = rest.next_if(|c| *c != '=' && !c.is_whitespace()) {
            name.push(c);
        }
        while rest.next_if(|c| c.is_whitespace()).is_some() {}
        if rest.next() != Some('=') {
            return Err(broken());
        }
        while rest.next_if(|c| c.is_whitespace()).is_some() {}
        let quoted = rest.next_if_eq(&'\'').is_some();
        let mut value = String::new();
        loop {
            match rest.next() {
                Some('\\') => value.push(rest.next().ok_or_else(broken)?),
                Some('\'') if quoted => break,
                Some(c) if !quoted && c.is_whitespace() => break,
                Some(c) => value.push(c),
                None if quoted => return Err(broken()),
                None => break,
            }
        }
        pairs.push((name, value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn says(url: &str, expected: &str) {
        let error = parse(url).expect_err("it is refused");
        let source = std::error::Error::source(&error)
            .expect("there is one")
            .to_string();
        assert_eq!(
            format!("{source}; {}", error.hint().expect("there is one")),
            expected
        );
    }

    #[test]
    fn what_other_programs_write_is_named() {
        says(
            "postgres://a:geheim@h/d?schema=public",
            "it has an option schema, which is not known; leave it out, and name the schema with \
             --schema, TABLECAST_SCHEMA, or `schema = ...` in tablecast.toml",
        );
        says(
            "postgresql+psycopg2://a:geheim@h/d",
            "it names a driver behind a `+`, as SQLAlchemy's URLs do; leave out the `+` and what \
             follows it: postgresql://user:password@host:5432/database",
        );
        says(
            "host=h user=a password=geheim pgbouncer=true",
            "it has an option pgbouncer, which is not known; leave it out, and name the server itself: \
             through a pooler that hands out connections per transaction Tablecast does not work",
        );
        says(
            "postgres://a@h/d?sslmode=verify_full",
            "sslmode is none of disable, prefer, require, verify-ca and verify-full; write \
             sslmode=verify-full, or sslmode=disable",
        );
        says(
            "host=h sslmode=verify-full sslcert=a.pem",
            "sslcert and sslkey belong together, and one of them is missing; name both files, or none",
        );
    }

    #[test]
    fn no_message_holds_a_password() {
        for url in [
            "postgres://a:geheim@h/d?geheim=1",
            "postgres://a:gehe?im=geheim@h/d",
            "postgres://a:geheim%@h/d",
            "postgres://a:geheim@h:port/d",
            "mysql://a:geheim@h/d",
            "host=h password='geheim",
            "host=h password=ge heim",
            "geheim",
            "user=a password=geheim",
            "host=h port=geheim",
        ] {
            let Err(error) = parse(url) else { continue };
            let mut text = format!("{error} {error:?} {:?}", error.hint());
            let mut cause = std::error::Error::source(&error);
            while let Some(next) = cause {
                text.push_str(&next.to_string());
                cause = next.source();
            }
            // An option's name is told: geheim=1 is none of a password.
            let told = url.contains("?geheim") || url == "geheim";
            assert!(told || !text.contains("heim"), "{url}: {text}");
        }
    }

    #[test]
    fn options_reach_the_driver_in_both_spellings() {
        for url in [
            "postgres://ada:p%40%27ss@h:5433/d?sslmode=verify-ca&sslrootcert=%2Fa%20b.pem&application_name=x%26y",
            r"host=h port=5433 user=ada password='p@\'ss' dbname=d sslmode = verify-ca sslrootcert='/a b.pem' application_name=x&y",
        ] {
            let options = parse(url).expect("it is read");
            let expected = TlsOptions {
                names: Names::Any,
                authorities: Some("/a b.pem".into()),
                own: None,
            };
            assert_eq!(options.tls, Some(expected), "{url}");
            assert_eq!(options.driver.get_password(), Some(&b"p@'ss"[..]), "{url}");
            assert_eq!(options.driver.get_application_name(), Some("x&y"), "{url}");
            assert_eq!(options.driver.get_ports(), [5433], "{url}");
        }
    }
}
