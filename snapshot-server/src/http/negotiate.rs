//! Which content coding a client gets, by RFC 9110 §12.5.3.
//!
//! Pure: field values in, a choice out. Two rules are ours. Between codings that
//! the client weighs alike the server's order decides, which is the order in
//! which the available ones are given. And a coding that is accepted only
//! through `*` comes after identity: `*` is what tools send that decode
//! nothing.

use snapshot_format::Encoding;

/// What the client may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// The object as it is.
    Identity,
    /// One of its variants.
    Coded(Encoding),
    /// Nothing we have: the client refuses identity too.
    NotAcceptable,
}

/// Chooses among `available`, best first, by the values of every
/// `Accept-Encoding` field line.
pub(crate) fn negotiate<'a>(
    fields: impl IntoIterator<Item = &'a [u8]>,
    available: &[Encoding],
) -> Choice {
    let mut wishes = Wishes::default();
    let mut asked = false;
    for field in fields {
        asked = true;
        field
            .split(|byte| *byte == b',')
            .for_each(|member| wishes.note(member));
    }
    // Without the field any coding would be allowed, and nothing says that the
    // client can decode one.
    if !asked {
        return Choice::Identity;
    }

    let mut best: Option<(Rank, Choice)> = None;
    let identity = (wishes.identity(), Choice::Identity);
    let coded = available
        .iter()
        .map(|&encoding| (wishes.coded(encoding), Choice::Coded(encoding)));
    for (rank, choice) in coded.chain([identity]) {
        if let Some(rank) = rank
            && best.is_none_or(|(other, _)| rank > other)
        {
            best = Some((rank, choice));
        }
    }
    best.map_or(Choice::NotAcceptable, |(_, choice)| choice)
}

/// A weight in thousandths, then how the client came to accept it.
type Rank = (u16, Reason);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reason {
    Wildcard,
    Identity,
    Named,
}

/// The weights that the client gave, in thousandths; `None` where it said nothing.
#[derive(Debug, Default)]
struct Wishes {
    zstd: Option<u16>,
    brotli: Option<u16>,
    gzip: Option<u16>,
    identity: Option<u16>,
    any: Option<u16>,
}

impl Wishes {
    /// Notes one member of the list; one that breaks the grammar says nothing.
    fn note(&mut self, member: &[u8]) {
        let (coding, weight) = match member.iter().position(|byte| *byte == b';') {
            Some(at) => (&member[..at], weight(&member[at + 1..])),
            None => (member, Some(1000)),
        };
        let coding = coding.trim_ascii();
        let wish = if coding.eq_ignore_ascii_case(b"zstd") {
            &mut self.zstd
        } else if coding.eq_ignore_ascii_case(b"br") {
            &mut self.brotli
        // RFC 9110 §8.4.1.3: x-gzip is equivalent to gzip.
        } else if coding.eq_ignore_ascii_case(b"gzip") || coding.eq_ignore_ascii_case(b"x-gzip") {
            &mut self.gzip
        } else if coding.eq_ignore_ascii_case(b"identity") {
            &mut self.identity
        } else if coding == b"*" {
            &mut self.any
        } else {
            return;
        };
        *wish = wish.or(weight);
    }

    fn coded(&self, encoding: Encoding) -> Option<Rank> {
        let named = match encoding {
            Encoding::Zstd => self.zstd,
            Encoding::Brotli => self.brotli,
            Encoding::Gzip => self.gzip,
        };
        acceptable(named, Reason::Named)
            .unwrap_or_else(|| acceptable(self.any, Reason::Wildcard).unwrap_or(None))
    }

    /// RFC 9110 §12.5.3: no coding is acceptable unless `identity;q=0` or
    /// `*;q=0` excludes it; a client that names codings prefers them to none.
    fn identity(&self) -> Option<Rank> {
        acceptable(self.identity.or(self.any), Reason::Identity)
            .unwrap_or(Some((0, Reason::Identity)))
    }
}

/// `None`: nothing was said. `Some(None)`: excluded.
fn acceptable(weight: Option<u16>, reason: Reason) -> Option<Option<Rank>> {
    weight.map(|weight| (weight > 0).then_some((weight, reason)))
}

/// `weight = OWS ";" OWS "q=" qvalue`, what stands after the semicolon.
fn weight(parameter: &[u8]) -> Option<u16> {
    let value = match parameter.trim_ascii() {
        [b'q' | b'Q', b'=', value @ ..] => value,
        _ => return None,
    };
    let (whole, decimals) = match value {
        [whole] | [whole, b'.'] => (whole, &[][..]),
        [whole, b'.', decimals @ ..] if decimals.len() <= 3 => (whole, decimals),
        _ => return None,
    };
    let digits = decimals.iter().chain(std::iter::repeat(&b'0')).take(3);
    let thousandths = std::iter::once(whole)
        .chain(digits)
        .try_fold(0_u16, |sum, digit| {
            digit
                .is_ascii_digit()
                .then(|| sum * 10 + u16::from(digit - b'0'))
        });
    thousandths.filter(|&weight| weight <= 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Encoding; 3] = [Encoding::Zstd, Encoding::Brotli, Encoding::Gzip];
    const ZSTD: Choice = Choice::Coded(Encoding::Zstd);
    const BROTLI: Choice = Choice::Coded(Encoding::Brotli);
    const GZIP: Choice = Choice::Coded(Encoding::Gzip);

    #[track_caller]
    fn check(lines: &[&str], expected: Choice) {
        let fields = lines.iter().map(|line| line.as_bytes());
        assert_eq!(
            negotiate(fields, &ALL),
            expected,
            "Accept-Encoding: {lines:?}"
        );
    }

    #[test]
    fn a_client_that_says_nothing_gets_the_plain_bytes() {
        check(&[], Choice::Identity);
        check(&[""], Choice::Identity);
        check(&["*"], Choice::Identity);
        check(&["deflate"], Choice::Identity);
        check(&["notgzip, gzipped, xgzip"], Choice::Identity);
    }

    #[test]
    fn named_codings_come_in_the_servers_order() {
        check(&["gzip, br, zstd"], ZSTD);
        check(&["gzip, deflate, br"], BROTLI);
        check(&["gzip"], GZIP);
        check(&["GZip"], GZIP);
        check(&["x-gzip"], GZIP);
        check(&["gzip", "br"], BROTLI);
        check(&["gzip, identity"], GZIP);
        check(&[" , gzip\t;q=1 ,"], GZIP);
        check(&["gzip, *"], GZIP);
    }

    #[test]
    fn weights_decide_before_the_servers_order() {
        check(&["gzip;q=1, br;q=0.5"], GZIP);
        check(&["gzip;q=1.000, br;q=0.999, zstd;q=0.9"], GZIP);
        check(&["identity, gzip;q=0.5"], Choice::Identity);
        check(&["gzip;q=0.001"], GZIP);
        check(&["identity;q=0.5, *;q=0.9"], ZSTD);
        check(&["br;q=0.2, *;q=0.1"], BROTLI);
        check(&["gzip ; Q=0.3 , br;q=0."], GZIP);
    }

    #[test]
    fn a_weight_of_zero_excludes() {
        check(&["gzip;q=0"], Choice::Identity);
        check(&["gzip;q=0, br;q=0.0, zstd;q=0.000"], Choice::Identity);
        check(&["zstd;q=0, *;q=0.5, identity;q=0"], BROTLI);
        check(&["gzip, *;q=0"], GZIP);
        check(&["gzip, identity;q=0"], GZIP);
        check(&["*, identity;q=0"], ZSTD);
    }

    #[test]
    fn nothing_is_acceptable_when_the_plain_bytes_are_refused_too() {
        check(&["identity;q=0"], Choice::NotAcceptable);
        check(&["*;q=0"], Choice::NotAcceptable);
        check(&["deflate, *;q=0"], Choice::NotAcceptable);
        check(&["*;q=0, identity;q=0.1"], Choice::Identity);
    }

    #[test]
    fn a_member_outside_the_grammar_says_nothing() {
        check(&["gzip;q=2"], Choice::Identity);
        check(&["gzip;q=0.1234"], Choice::Identity);
        check(&["gzip;q=-1, br;q=x, zstd;level=3"], Choice::Identity);
        check(&["gzip;q=, br"], BROTLI);
        check(&["gzip;q"], Choice::Identity);
        check(&["gz\u{ff}ip, br"], BROTLI);
    }

    #[test]
    fn only_what_there_is_can_be_chosen() {
        let accept = [b"gzip, br, zstd".as_slice()];
        assert_eq!(negotiate(accept, &[]), Choice::Identity);
        assert_eq!(negotiate(accept, &[Encoding::Gzip]), GZIP);
        assert_eq!(
            negotiate([b"gzip, identity;q=0".as_slice()], &[]),
            Choice::NotAcceptable
        );
    }

    proptest::proptest! {
        #[test]
        fn what_is_excluded_is_never_chosen(
            field in "((gzip|br|zstd|identity|\\*|x)(;q=(0|1|0\\.[0-9]{1,3}))?,? ?){0,6}|\\PC{0,40}",
        ) {
            let excluded = format!("{field}, zstd;q=0, br;q=0, gzip;q=0, identity;q=0, *;q=0");
            // The first mention of a coding counts, so only what the field itself names is left.
            let name = match negotiate([excluded.as_bytes()], &ALL) {
                Choice::NotAcceptable => "",
                Choice::Identity => "identity",
                Choice::Coded(encoding) => encoding.content_coding(),
            };
            proptest::prop_assert!(field.to_ascii_lowercase().contains(name), "{name}");
        }
    }
}
