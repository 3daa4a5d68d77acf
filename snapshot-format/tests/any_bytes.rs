//! Bytes from outside make nothing panic, and are taken only as what they are.
//!
//! The vectors, damaged, come closer to what matters than bytes by chance do.

use std::io::Write;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use snapshot_format::{Encoding, compress};

mod properties;

#[test]
fn the_properties_hold_for_the_vectors() {
    for bytes in samples() {
        hold(&bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_properties_hold_for_damaged_vectors(
        bytes in select(samples()),
        damages in prop::collection::vec(damage(), 1..4),
    ) {
        hold(&damages.iter().fold(bytes, |bytes, damage| damage.applied_to(bytes)));
    }

    #[test]
    fn the_properties_hold_for_any_bytes(bytes: Vec<u8>) {
        hold(&bytes);
    }

    #[test]
    fn the_properties_hold_for_what_looks_like_json(text in r#"[\[\]{},:"\\/u0-9a-fnrtl.eE+ \u{e9}-]{0,40}"#) {
        hold(text.as_bytes());
    }
}

fn hold(bytes: &[u8]) {
    for property in properties::ALL {
        property(bytes);
    }
}

#[derive(Debug, Clone)]
enum Damage {
    Cut(Index),
    Set(Index, u8),
    Insert(Index, u8),
    Repeat(Index, Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        any::<Index>().prop_map(Damage::Cut),
        any::<(Index, u8)>().prop_map(|(at, byte)| Damage::Set(at, byte)),
        any::<(Index, u8)>().prop_map(|(at, byte)| Damage::Insert(at, byte)),
        any::<(Index, Index)>().prop_map(|(from, to)| Damage::Repeat(from, to)),
    ]
}

impl Damage {
    fn applied_to(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        let places = bytes.len() + 1;
        match self {
            Self::Cut(at) => bytes.truncate(at.index(places)),
            Self::Insert(at, byte) => bytes.insert(at.index(places), *byte),
            Self::Set(at, byte) => {
                if let Some(place) = bytes.get_mut(at.index(places)) {
                    *place = *byte;
                }
            }
            Self::Repeat(from, to) => {
                let (from, to) = (from.index(places), to.index(places));
                bytes.extend_from_within(from.min(to)..from.max(to));
            }
        }
        bytes
    }
}

// Every text in the vectors, and a variant of each encoding.
fn samples() -> Vec<Vec<u8>> {
    let vectors = [
        include_str!("../../tests/vectors/canonical-json.json"),
        include_str!("../../tests/vectors/manifests.json"),
        include_str!("../../tests/vectors/numbers.json"),
        include_str!("../../tests/vectors/paths.json"),
        include_str!("../../tests/vectors/versions.json"),
    ];
    let mut samples = Vec::new();
    for file in vectors {
        let file: serde_json::Value = serde_json::from_str(file).expect("is JSON");
        let cases = file["cases"].as_array().expect("is an array");
        let members = cases
            .iter()
            .flat_map(|case| case.as_object().expect("an object").values());
        samples.extend(members.filter_map(|member| member.as_str().map(|s| s.as_bytes().to_vec())));
    }
    for (choice, encoding) in Encoding::ALL.into_iter().enumerate() {
        let object = br#"{"id":"NEUTRAL","is_active":true},"#.repeat(30);
        let mut sample = vec![0x78 | choice as u8];
        let mut variant = Vec::new();
        compress(
            encoding,
            object.len() as u64,
            &mut &object[..],
            &mut variant,
        )
        .expect("memory");
        sample.write_all(&variant).expect("memory");
        samples.push(sample);
    }
    samples
}
