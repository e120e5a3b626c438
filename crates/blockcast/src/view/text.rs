//! Words and numbers.

use std::fmt::{Arguments, Write};

/// Text from elsewhere, made harmless for a terminal: control characters and those that turn the direction of writing
/// become visible escapes.
pub(crate) fn clean(text: &str) -> String {
    escape(text, |_| false)
}

/// The same for our own messages, which may have several lines.
pub(crate) fn clean_lines(text: &str) -> String {
    escape(text, |c| c == '\n')
}

fn escape(text: &str, allowed: impl Fn(char) -> bool) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        let directs =
            matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if (c.is_control() || directs) && !allowed(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// At most `width` characters, the last of them `…` if something was cut.
pub(crate) fn cut(text: &str, width: usize) -> String {
    match text.char_indices().nth(width) {
        None => text.into(),
        Some(_) => text.chars().take(width.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// Both ends of a hash: where the work shows in the first digits, the last tell blocks apart.
pub(crate) fn short(hash: &str) -> String {
    let digits: Vec<char> = hash.chars().collect();
    match digits.len() {
        0..=17 => clean(hash),
        length => clean(&digits[..8].iter().chain(&['…']).chain(&digits[length - 8..]).collect::<String>()),
    }
}

/// Its end only, where there is less room.
pub(crate) fn tail(hash: &str) -> String {
    match hash.char_indices().nth_back(7) {
        Some((at, _)) if at > 0 => clean(&format!("…{}", &hash[at..])),
        _ => clean(hash),
    }
}

/// Milliseconds to a tenth; nothing for what has not happened.
pub(crate) fn ms(value: Option<f64>) -> String {
    value.map(|ms| format!("{ms:.1}")).unwrap_or_default()
}

/// A span of time in its two largest units: `4d 3h`, `2m 5s`, `0.4s`.
pub(crate) fn span(seconds: f64) -> String {
    let whole = seconds.max(0.0) as u64;
    match whole {
        0..=9 => format!("{:.1}s", seconds.max(0.0)),
        10..=59 => format!("{whole}s"),
        60..=3599 => format!("{}m {}s", whole / 60, whole % 60),
        3600..=86399 => format!("{}h {}m", whole / 3600, whole % 3600 / 60),
        _ => format!("{}d {}h", whole / 86400, whole % 86400 / 3600),
    }
}

/// Adds a line to a page.
pub(crate) fn line(page: &mut String, text: Arguments<'_>) {
    writeln!(page, "{text}").expect("a String takes any text");
}

/// A number and its noun: `1 peer`, `2 peers`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_calls_itself_cannot_steer_the_terminal() {
        assert_eq!(clean("/Evil\x1b[2J\r\n\u{202e}x\u{9b}/é"), "/Evil\\u{1b}[2J\\r\\n\\u{202e}x\\u{9b}/é");
        assert_eq!(clean_lines("a\nb\r"), "a\nb\\r");
    }

    #[test]
    fn text_is_cut_by_characters() {
        assert_eq!(cut("añb", 3), "añb");
        assert_eq!(cut("añbc", 3), "añ…");
    }

    #[test]
    fn a_hash_is_known_by_its_end() {
        assert_eq!(
            (short("000000001234567890abcdef").as_str(), short("c433").as_str()),
            ("00000000…90abcdef", "c433")
        );
        assert_eq!((tail("1234567890abcdef").as_str(), tail("90abcdef").as_str()), ("…90abcdef", "90abcdef"));
        assert_eq!(tail("é\u{1b}234567"), "é\\u{1b}234567");
    }

    #[test]
    fn spans_have_at_most_two_units() {
        let spans =
            [(0.44, "0.4s"), (59.9, "59s"), (125.0, "2m 5s"), (7260.0, "2h 1m"), (356_400.0, "4d 3h")];
        for (seconds, expected) in spans {
            assert_eq!(span(seconds), expected);
        }
        assert_eq!(span(-1.0), "0.0s");
    }
}
