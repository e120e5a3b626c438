//! "Did you mean …?"

/// The candidate that `wanted` is most likely a slip of, or `None` if all are too far from it: a wild guess costs
/// an operator more time than the plain list of what is known.
pub(crate) fn nearest<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = wanted.to_ascii_lowercase();
    // A hostile key of a megabyte must not cost a megabyte squared.
    if wanted.len() > 128 {
        return None;
    }
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let known = candidate.to_ascii_lowercase();
            let distance = strsim::osa_distance(&wanted, &known);
            // `password` for `password_file` is five edits away, and yet plainly what was meant.
            let begins = wanted.len() >= 3 && (known.starts_with(&wanted) || wanted.starts_with(&known));
            (begins || distance <= (known.len() / 3).max(1)).then_some((distance, candidate))
        })
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// "did you mean `x`?" or "known here: …".
pub(crate) fn hint(wanted: &str, known: &[&str]) -> String {
    match nearest(wanted, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("use one of: {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swapped_letters_wrong_case_plurals_and_beginnings_find_the_key() {
        let known = ["url", "cookie_file", "user", "password_file", "node"];
        for (slip, meant) in [
            ("ulr", "url"),
            ("URL", "url"),
            ("nodes", "node"),
            ("password", "password_file"),
            ("usr", "user"),
        ] {
            assert_eq!(nearest(slip, known), Some(meant), "{slip}");
        }
    }

    #[test]
    fn a_word_that_is_far_from_everything_gets_the_list_instead_of_a_guess() {
        assert_eq!(nearest("banana", ["url", "user"]), None);
        assert_eq!(hint("banana", &["url", "user"]), "use one of: url, user");
    }

    #[test]
    fn a_huge_key_is_not_compared() {
        assert_eq!(nearest(&"u".repeat(1 << 20), ["url"]), None);
    }
}
