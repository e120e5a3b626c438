//! Spans of time and moments as people write them.

use crate::view::time;

/// Where numbers begin to be milliseconds: as seconds this is the year 5138, as milliseconds 1973.
const FIRST_MILLISECONDS: u64 = 100_000_000_000;

/// A moment in the past, as the command line names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// So many seconds ago.
    Ago(u64),
    /// In Unix milliseconds.
    At(u64),
}

impl Moment {
    /// In Unix milliseconds, if it is that time now.
    pub(crate) fn unix_ms(self, now_ms: u64) -> u64 {
        match self {
            Self::Ago(seconds) => now_ms.saturating_sub(seconds.saturating_mul(1000)),
            Self::At(at) => at,
        }
    }
}

/// For clap, which puts the value and the option before what is wrong.
pub(super) fn parse(text: &str) -> Result<Moment, String> {
    let moment = span(text).map(Moment::Ago).or_else(|| unix(text)).or_else(|| utc(text));
    moment.ok_or_else(|| {
        "write how long ago it was (90m, 24h, 7d), a day or a time in UTC (2026-11-20, 2026-11-20T13:29:05), or Unix \
         seconds or milliseconds"
            .into()
    })
}

/// A number and `s`, `m`, `h` or `d`, in seconds.
pub(super) fn span(text: &str) -> Option<u64> {
    let (number, unit) = match text.chars().next_back()? {
        's' => (text.strip_suffix('s')?, 1),
        'm' => (text.strip_suffix('m')?, 60),
        'h' => (text.strip_suffix('h')?, 3600),
        'd' => (text.strip_suffix('d')?, 86_400),
        _ => return None,
    };
    digits(number)?.checked_mul(unit)
}

fn unix(text: &str) -> Option<Moment> {
    let number = digits(text)?;
    Some(Moment::At(if number < FIRST_MILLISECONDS { number * 1000 } else { number }))
}

/// A date, or a date and a time to the minute, second or a fraction of it, as our own pages write it or with a `T`.
fn utc(text: &str) -> Option<Moment> {
    let text = text.strip_suffix(" UTC").or_else(|| text.strip_suffix('Z')).unwrap_or(text);
    let (date, time) = match text.split_once(['T', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let [year, month, day] = parts(date, '-', [4, 2, 2])?;
    let days = time::days(year, month, day)?;
    let in_day = match time {
        None => 0,
        Some(time) => {
            let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
            let [hour, minute, second] =
                parts(time, ':', [2, 2, 2]).or_else(|| parts(time, ':', [2, 2]).map(|[h, m]| [h, m, 0]))?;
            if hour > 23 || minute > 59 || second > 59 || fraction.len() > 9 {
                return None;
            }
            let scale = 10_u64.pow(u32::try_from(fraction.len()).ok()?);
            ((hour * 60 + minute) * 60 + second) * 1000 + digits(fraction)? * 1000 / scale
        }
    };
    Some(Moment::At(days * 86_400_000 + in_day))
}

/// Numbers of so many digits each.
fn parts<const N: usize>(text: &str, between: char, widths: [usize; N]) -> Option<[u64; N]> {
    let mut numbers = [0; N];
    let mut parts = text.split(between);
    for (number, width) in numbers.iter_mut().zip(widths) {
        *number = digits(parts.next().filter(|part| part.len() == width)?)?;
    }
    parts.next().is_none().then_some(numbers)
}

/// A number without a sign.
fn digits(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_so_long_ago_a_day_a_time_or_a_number() {
        const DAY: u64 = 1_795_132_800_000;
        for (text, expected) in [
            ("90m", Moment::Ago(5400)),
            ("24h", Moment::Ago(86_400)),
            ("0s", Moment::Ago(0)),
            ("2026-11-20", Moment::At(DAY)),
            ("2026-11-20T13:29", Moment::At(DAY + 48_540_000)),
            ("2026-11-20T13:29:05Z", Moment::At(DAY + 48_545_000)),
            ("2026-11-20 13:29:05 UTC", Moment::At(DAY + 48_545_000)),
            ("2026-11-20 13:29:05.042", Moment::At(DAY + 48_545_042)),
            ("2024-02-29", Moment::At(1_709_164_800_000)),
            ("1970-01-01", Moment::At(0)),
            ("1795132800", Moment::At(DAY)),
            ("1795132800042", Moment::At(DAY + 42)),
        ] {
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_moment_is_told_the_forms() {
        for wrong in [
            "",
            "yesterday",
            "24H",
            "-24h",
            "1.5h",
            "h",
            "é",
            "2026-11",
            "2026-11-31",
            "2025-02-29",
            "2026-13-01",
            "2026-00-01",
            "1969-12-31",
            "26-11-20",
            "2026-11-20T",
            "2026-11-20T24:00",
            "2026-11-20T13:60",
            "2026-11-20T13",
            "2026-11-20T13:29:05+01:00",
            "2026-11-20T13:29:05.",
            "+1795132800",
            "99999999999999999999",
            "99999999999999999999d",
        ] {
            let error = parse(wrong).expect_err(wrong);
            assert!(error.contains("24h") && error.contains("2026-11-20"), "{error}");
        }
    }

    #[test]
    fn long_ago_is_no_earlier_than_the_beginning() {
        assert_eq!(Moment::Ago(60).unix_ms(100_000), 40_000);
        assert_eq!(Moment::Ago(u64::MAX).unix_ms(100_000), 0);
        assert_eq!(Moment::At(5).unix_ms(100_000), 5);
    }
}
