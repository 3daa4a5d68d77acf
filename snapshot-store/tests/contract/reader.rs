//! What every reader promises.

use std::io::Read;
use std::thread;

use snapshot_format::{Key, ObjectHash};
use snapshot_store::{FetchError, Order, Page, Reader};

use crate::places::Place;

fn object(bytes: &[u8]) -> Key {
    Key::Bootstrap(ObjectHash::of(bytes), None)
}

fn page(sequence: u64) -> Key {
    Key::History { epoch: 7, sequence }
}

async fn publish(place: &Place, sequences: &[u64]) {
    for sequence in sequences {
        let bytes = format!("page {sequence}");
        place.lay(&page(*sequence), bytes.as_bytes()).await;
    }
}

fn pages(reader: &dyn Reader, current: Option<Order>) -> Vec<(Order, Vec<u8>)> {
    let read = |key: &Key| reader.get(key, 100);
    let pages = Page::all(reader, current, &read).expect("can be listed or asked for");
    let read = pages.into_iter();
    read.map(|page| (page.order, page.bytes.expect("it comes")))
        .collect()
}

pub(crate) async fn what_lies_there_is_read_whole_and_in_pieces(place: &Place) {
    let bytes: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
    let key = object(&bytes);
    place.lay(&key, &bytes).await;
    let reader = place.reader();
    let whole = reader.get(&key, bytes.len()).expect("read");
    assert!(whole.as_ref() == Some(&bytes));
    let mut fetched = reader.open(&key).expect("opened").expect("there");
    assert_eq!(fetched.size_bytes, Some(bytes.len() as u64));
    let (mut seen, mut piece) = (Vec::new(), [0; 1000]);
    loop {
        let read = fetched.read(&mut piece).expect("read");
        if read == 0 {
            break;
        }
        seen.extend_from_slice(&piece[..read]);
    }
    assert!(seen == bytes);
    let empty = object(b"");
    place.lay(&empty, b"").await;
    assert_eq!(reader.get(&empty, 0).expect("read"), Some(Vec::new()));
}

pub(crate) async fn what_does_not_lie_there_is_no_error(place: &Place) {
    let reader = place.reader();
    for key in [Key::Version, object(b"{}"), page(1)] {
        assert!(reader.open(&key).expect("told").is_none(), "{key}");
        assert_eq!(reader.get(&key, 100).expect("told"), None, "{key}");
    }
    // Also where something else lies beside it.
    place.lay(&object(b"[]"), b"[]").await;
    assert!(reader.open(&object(b"{}")).expect("told").is_none());
}

pub(crate) async fn what_is_too_long_is_not_taken_in(place: &Place) {
    place.lay(&Key::Version, b"12345").await;
    let reader = place.reader();
    let fits = reader.get(&Key::Version, 5).expect("fits");
    assert_eq!(fits.as_deref(), Some(&b"12345"[..]));
    let error = reader.get(&Key::Version, 4).expect_err("longer");
    assert!(matches!(
        &error,
        FetchError::TooLarge { limit_bytes: 4, .. }
    ));
    let location = reader.location(&Key::Version);
    assert_eq!(
        error.to_string(),
        format!("{location} is longer than the 4 bytes that it may have")
    );
}

pub(crate) async fn what_was_replaced_is_read_anew(place: &Place) {
    let reader = place.reader();
    for bytes in [&b"first"[..], b"second, and longer"] {
        place.lay(&Key::Version, bytes).await;
        let read = reader.get(&Key::Version, 100).expect("read");
        assert_eq!(read.as_deref(), Some(bytes));
    }
}

pub(crate) async fn a_history_that_can_be_listed_is_in_ascending_order(place: &Place) {
    publish(place, &[10, 9, 11]).await;
    let later = Key::History {
        epoch: 8,
        sequence: 1,
    };
    place.lay(&later, b"page 1").await;
    place.lay(&object(b"{}"), b"{}").await;
    if let Some(orders) = place.reader().orders().expect("listed") {
        assert_eq!(orders, [(7, 9), (7, 10), (7, 11), (8, 1)]);
    }
}

pub(crate) async fn each_page_of_the_history_is_found(place: &Place) {
    publish(place, &[1, 2, 3]).await;
    let expected = [1, 2, 3].map(|n| ((7, n), format!("page {n}").into_bytes()));
    assert_eq!(pages(place.reader(), Some((7, 3))), expected);
}

pub(crate) async fn a_page_that_is_missing_hides_none_that_can_be_listed(place: &Place) {
    publish(place, &[1, 3, 4]).await;
    let reader = place.reader();
    let found = pages(reader, Some((7, 4)));
    let sequences: Vec<u64> = found.iter().map(|((_, sequence), _)| *sequence).collect();
    // Who cannot list goes down from the current one to the first gap.
    if reader.orders().expect("told").is_some() {
        assert_eq!(sequences, [1, 3, 4]);
    } else {
        assert_eq!(sequences, [3, 4]);
    }
}

pub(crate) async fn a_place_without_a_publication_has_no_history(place: &Place) {
    let reader = place.reader();
    reader.check().expect("it is there");
    assert!(
        reader
            .orders()
            .expect("told")
            .is_none_or(|orders| orders.is_empty())
    );
    assert_eq!(pages(reader, None), []);
}

pub(crate) async fn a_place_says_where_a_key_lies(place: &Place) {
    let reader = place.reader();
    for key in [Key::Version, object(b"{}"), page(1)] {
        let location = reader.location(&key);
        assert!(location.ends_with(&format!("/{key}")), "{location}");
    }
}

pub(crate) async fn many_may_read_at_once(place: &Place) {
    let key = object(b"{}");
    place.lay(&key, b"{}").await;
    let reader = place.reader();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let read = reader.get(&key, 2).expect("read");
                assert_eq!(read.as_deref(), Some(&b"{}"[..]));
            });
        }
    });
}
