//! The name that somebody may have meant.

/// The one of `names` that is spelt most like `wanted`; `None` where none is close.
pub(crate) fn closest<'n>(
    wanted: &str,
    names: impl IntoIterator<Item = &'n str>,
) -> Option<&'n str> {
    let wanted = plain(wanted);
    let most = if wanted.len() < 6 { 1 } else { 2 };
    names
        .into_iter()
        .map(|name| (distance(&wanted, &plain(name)), name))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

// `sort_order`, `sort-order` and `sortOrder` are one name to whoever mistakes them.
fn plain(name: &str) -> Vec<char> {
    let letters = name.chars().filter(|c| !matches!(c, '_' | '-' | ' '));
    letters.flat_map(char::to_lowercase).collect()
}

// How many letters must be changed, added, left out, or swapped with their neighbours.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let changed = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = changed.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
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
