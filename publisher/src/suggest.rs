//! The name that somebody may have meant.

/// The one of `names` that is spelt most like `wanted`; `None` where none is close.
pub(crate) fn closest<'n>(
    wanted: &str,
    names: impl IntoIterator<Item = &'n str>,
) -> Option<&'n str> {
    let wanted = plain(wanted);
    let length = wanted.chars().count();
    let most = if length < 6 { 1 } else { 2 };
    let distance = |name: &str| {
        let name = plain(name);
        // Of names of other lengths the distance need not be computed.
        let apart = length.abs_diff(name.chars().count());
        (apart <= most).then(|| strsim::osa_distance(&wanted, &name))
    };
    names
        .into_iter()
        .filter_map(|name| Some((distance(name).filter(|far| *far <= most)?, name)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

// `sort_order`, `sort-order` and `sortOrder` are one name to whoever mistakes them.
fn plain(name: &str) -> String {
    let letters = name.chars().filter(|c| !matches!(c, '_' | '-' | ' '));
    letters.flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(wanted: &str, expected: Option<&str>) {
        let names = ["id", "label", "sort_order", "category_id", "is_active"];
        assert_eq!(closest(wanted, names), expected);
    }

    #[test]
    fn another_spelling_and_a_slip_of_the_finger_are_close() {
        check("sortOrder", Some("sort_order"));
        check("sort-ordre", Some("sort_order"));
        check("lable", Some("label"));
        check("Labels", Some("label"));
        check("catgory_ids", Some("category_id"));
    }

    #[test]
    fn another_word_is_not() {
        check("labour", None);
        check("icon", None);
        check("", None);
    }
}
