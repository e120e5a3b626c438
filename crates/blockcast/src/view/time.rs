//! Times of day, in UTC: whoever reads a report at 3 a.m. compares it with logs of other machines.

/// The days from 0000-03-01 to 1970-01-01.
const DAYS_TO_1970: u64 = 719_468;

/// `2026-11-20 13:29:05 UTC`, from Unix seconds.
pub(crate) fn utc(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (rest / 3600, rest % 3600 / 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// The same to the millisecond, from Unix milliseconds.
pub(crate) fn utc_ms(milliseconds: u64) -> String {
    let text = utc(milliseconds / 1000);
    text.replace(" UTC", &format!(".{:03} UTC", milliseconds % 1000))
}

/// The date of a day counted from 1970-01-01, in the Gregorian calendar. In years that begin in March, the leap day
/// is the last of its year, and months follow one another in a pattern of 153 days for five.
fn date(days: u64) -> (u64, u64, u64) {
    const DAYS_OF_ERA: u64 = 146_097; // 400 years
    let days = days + DAYS_TO_1970;
    let (era, day) = (days / DAYS_OF_ERA, days % DAYS_OF_ERA);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day_of_month = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next, month, day_of_month)
}

/// The days from 1970-01-01 to a date; nothing if there is no such date, or it is not in the years that we tell.
pub(crate) fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) {
        return None;
    }
    // As in `date`: the year begins in March, so that the leap day is its last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    let days = (365 * year + leap_days + (153 * month + 2) / 5 + day).checked_sub(DAYS_TO_1970 + 1)?;
    // A day that its month does not have would be one of the next.
    (day >= 1 && date(days).2 == day).then_some(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_seconds_are_known_times() {
        for (seconds, expected) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_317_972_665, "2011-10-07 07:31:05 UTC"), // Litecoin's genesis block
            (1_735_689_599, "2024-12-31 23:59:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
            (4_294_967_295, "2106-02-07 06:28:15 UTC"), // the last time that a header can hold
        ] {
            assert_eq!(utc(seconds), expected);
        }
        assert_eq!(utc_ms(1_317_972_665_007), "2011-10-07 07:31:05.007 UTC");
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let mut before = date(0);
        for days in 1..100_000 {
            let today = date(days);
            let (year, month, day) = before;
            let follows = today == (year, month, day + 1)
                || today == (year, month + 1, 1) && day >= 28
                || today == (year + 1, 1, 1) && (month, day) == (12, 31);
            assert!(follows, "{before:?} {today:?}");
            assert_eq!(super::days(today.0, today.1, today.2), Some(days));
            before = today;
        }
    }

    #[test]
    fn a_day_that_its_month_does_not_have_is_none() {
        for (year, month, day) in [(2026, 2, 29), (2026, 4, 31), (2026, 1, 0), (2026, 1, 32), (1969, 12, 31)]
        {
            assert_eq!(days(year, month, day), None);
        }
        assert_eq!((days(2026, 0, 1), days(2026, 13, 1), days(2026, 1, 99)), (None, None, None));
    }
}
