//! How values are written on the command line and in the file.

use std::str::FromStr;
use std::time::Duration;

use jiff::{SignedDuration, Span, SpanRelativeTo};
use snapshot_server::{AccessLog, ClientField, Cors};

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Format(pub(super) AccessLog);

impl FromStr for Format {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "off" => Ok(Self(AccessLog::Off)),
            "text" => Ok(Self(AccessLog::Text)),
            "json" => Ok(Self(AccessLog::Json)),
            _ => Err("write off, text or json"),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Field(pub(super) ClientField);

impl FromStr for Field {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "x-forwarded-for" => Ok(Self(ClientField::XForwardedFor)),
            "forwarded" => Ok(Self(ClientField::Forwarded)),
            _ => Err("write x-forwarded-for or forwarded"),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Who(pub(super) Cors);

impl FromStr for Who {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "any" => return Ok(Self(Cors::Any)),
            "none" => return Ok(Self(Cors::SameOrigin)),
            _ => {}
        }
        let is_origin = |text: &str| {
            let host = text
                .strip_prefix("https://")
                .or_else(|| text.strip_prefix("http://"));
            host.is_some_and(|host| !host.is_empty() && !host.contains(['/', ' ', '?', '#']))
        };
        let mut origins = Vec::new();
        for origin in text.split(',').map(str::trim) {
            if !is_origin(origin) {
                return Err(
                    "write any, none, or origins like https://app.example, with commas between",
                );
            }
            origins.push(origin.parse().map_err(|_| "an origin is ASCII")?);
        }
        Ok(Self(Cors::Origins(origins)))
    }
}

/// `500ms`, `30s`, `10m`, `1h 30m`, `7d`; a day has 24 hours. As `publisher` reads them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Time(pub(super) Duration);

impl FromStr for Time {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let span: Result<SignedDuration, _> = text
            .parse()
            .and_then(|span: Span| span.to_duration(SpanRelativeTo::days_are_24_hours()));
        let span = span.map_err(|_| "write a duration such as 500ms, 30s, 10m or 1h 30m")?;
        match Duration::try_from(span) {
            Ok(duration) if duration > Duration::ZERO => Ok(Self(duration)),
            _ => Err("the duration must be longer than nothing"),
        }
    }
}

/// `65536`, `64KiB`, `256MiB`, `1GiB`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Size(pub(super) u64);

impl FromStr for Size {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (number, unit) = split_number(text);
        let shift = match unit {
            "" | "B" => 0,
            "KiB" => 10,
            "MiB" => 20,
            "GiB" => 30,
            _ => return Err("write a number with KiB, MiB or GiB, such as 256MiB"),
        };
        let number: u64 = number
            .parse()
            .map_err(|_| "write a whole number, such as 256MiB")?;
        number
            .checked_mul(1 << shift)
            .map(Self)
            .ok_or("the size does not fit into 64 bits")
    }
}

fn split_number(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (number, unit.trim_start())
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn durations_have_units_and_an_end() {
        let check = |text: &str, expected: Result<Duration, &str>| {
            assert_eq!(text.parse::<Time>().map(|time| time.0), expected, "{text}");
        };
        for (text, seconds) in [
            ("500ms", 0.5),
            ("30s", 30.0),
            ("1.5s", 1.5),
            ("2 m", 120.0),
            ("2min", 120.0),
            ("1h", 3_600.0),
            ("1h 30m", 5_400.0),
            ("7d", 604_800.0),
        ] {
            check(text, Ok(Duration::from_secs_f64(seconds)));
        }
        for text in ["", "5", "s", "1y", "soon", "99999999999999999999s"] {
            check(
                text,
                Err("write a duration such as 500ms, 30s, 10m or 1h 30m"),
            );
        }
        for text in ["0s", "-1s", "1s ago"] {
            check(text, Err("the duration must be longer than nothing"));
        }
    }

    #[test]
    fn sizes_are_read_or_refused() {
        assert_eq!("65536".parse(), Ok(Size(65_536)));
        assert_eq!("1GiB".parse(), Ok(Size(1 << 30)));
        for text in [
            "",
            "MiB",
            "1MB",
            "-1",
            "99999999999999999999",
            "99999999999GiB",
        ] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }

    #[test]
    fn origins_are_read_or_refused() {
        let both = "https://a.example, http://localhost:3000"
            .parse::<Who>()
            .expect("origins");
        assert!(matches!(both.0, Cors::Origins(origins) if origins.len() == 2));
        for text in [
            "",
            "*",
            "a.example",
            "https://",
            "https://a/b",
            "https://a,b",
        ] {
            assert!(text.parse::<Who>().is_err(), "{text}");
        }
    }
}
