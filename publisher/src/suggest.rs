//! The name that somebody may have meant.

/// The one of `names` that is spelt most like `wanted`; `None` where none is close.
///
/// It takes the time of reading `wanted` and the names, however long `wanted` is.
pub(crate) fn closest<'n>(
    wanted: &str,
    names: impl IntoIterator<Item = &'n str>,
) -> Option<&'n str> {
    let wanted = plain(wanted);
    let most = if wanted.len() < 6 { 1 } else { 2 };
    names
        .into_iter()
        .filter_map(|name| Some((distance(&wanted, &plain(name), most)?, name)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

// `sort_order`, `sort-order` and `sortOrder` are one name to whoever mistakes them.
fn plain(name: &str) -> Vec<char> {
    let letters = name.chars().filter(|c| !matches!(c, '_' | '-' | ' '));
    letters.flat_map(char::to_lowercase).collect()
}

// How many letters must be changed, added, left out, or swapped with their neighbours;
// `None` for more than `most`. What lies further than that from the diagonal is not looked at.
fn distance(a: &[char], b: &[char], most: usize) -> Option<usize> {
    if a.len().abs_diff(b.len()) > most {
        return None;
    }
    let far = most + 1;
    let mut before = vec![far; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).map(|j| j.min(far)).collect();
    let mut row = vec![far; b.len() + 1];
    for i in 1..=a.len() {
        let (from, to) = (i.saturating_sub(most).max(1), (i + most).min(b.len()));
        row[from - 1] = if from == 1 { i.min(far) } else { far };
        for j in from..=to {
            let changed = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            // The diagonal's edge has no neighbour on one side.
            let above = if j < i + most { last[j] } else { far };
            let mut least = changed.min(above + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            row[j] = least.min(far);
        }
        if row[from - 1..=to].iter().all(|distance| *distance > most) {
            return None;
        }
        std::mem::swap(&mut before, &mut last);
        std::mem::swap(&mut last, &mut row);
    }
    Some(last[b.len()]).filter(|distance| *distance <= most)
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
