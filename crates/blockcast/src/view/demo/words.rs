//! The demo's words: what a temperament is, and what an outcome means at a peer of which that is known.

use simnet::Temperament;

use crate::commands::demo::record::Peer;

/// A time in milliseconds, or in seconds where these are easier to grasp.
pub(super) fn after(ms: f64) -> String {
    match ms {
        ..9.95 => format!("{ms:.1} ms"),
        ..999.5 => format!("{ms:.0} ms"),
        _ => format!("{:.2} s", ms / 1e3),
    }
}

/// A size in bytes, rounded to three figures.
pub(super) fn size(bytes: usize) -> String {
    let kilobytes = bytes as f64 / 1e3;
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..9_995 => format!("{kilobytes:.2} kB"),
        9_995..99_950 => format!("{kilobytes:.1} kB"),
        99_950..999_500 => format!("{kilobytes:.0} kB"),
        _ => format!("{:.2} MB", kilobytes / 1e3),
    }
}

/// Words in a row: `a`, `a and b`, `a, b and c`.
pub(super) fn list(words: &[impl AsRef<str>]) -> String {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    match words.as_slice() {
        [] => String::new(),
        [only] => (*only).into(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// Where a temperament stands in lists: the honest one first, then those that keep their word.
pub(super) fn rank(temperament: Temperament) -> usize {
    let same = |other: &Temperament| other.name() == temperament.name();
    Temperament::ALL.iter().position(same).unwrap_or(usize::MAX)
}

/// What a temperament is, for the list at the start.
pub(super) fn about(temperament: Temperament) -> String {
    match temperament {
        Temperament::Honest => "take a block, check it, say that they have it, pass it on".into(),
        Temperament::Slow { by } => {
            format!("honest, but a block keeps them busy for {:.1} s", by.as_secs_f64())
        }
        Temperament::Deaf => "reads nothing after the handshake".into(),
        Temperament::Mute => "reads everything and never says a word".into(),
        Temperament::Zombie => "answers pings, ignores blocks".into(),
        Temperament::Cutting => "hangs up in the middle of each block".into(),
        Temperament::Down => "is not there: connections are refused".into(),
        Temperament::Flapping { .. } => "honest, but away for some seconds every now and then".into(),
    }
}

/// Why the outcome is what it is, and whether the engine counts it as a success.
pub(super) fn reason(peer: &Peer) -> String {
    let cause = cause(peer);
    // Where nothing was tried there is nothing to count.
    if peer.called_accepted || peer.connections == 0 { cause } else { format!("{cause} (not counted)") }
}

fn cause(peer: &Peer) -> String {
    use Temperament as T;
    let cause = match (peer.temperament, peer.outcome.as_str()) {
        (T::Deaf, "open") => "sent, but it reads nothing",
        (T::Deaf, "disconnected") => "took no byte for 5 s, so it was cut off",
        (T::Mute, "open") => "sent and read, not a word back so far",
        (T::Mute, "timed_out") => "sent and read, not a word back for a minute",
        (T::Zombie, "processed_unproven") => "answers the ping behind it, does not have it",
        (T::Cutting, "disconnected") => "hung up in the middle of the block",
        (T::Flapping { .. }, "disconnected") => "went away before it could answer",
        (T::Flapping { .. }, "accepted" | "already_had") => "is there this time",
        (T::Flapping { .. }, "not_connected") => "is away; gets the block when it is back",
        (T::Deaf | T::Cutting, "not_connected") => "is dialled again after a pause",
        (_, "accepted") => "says that it has it",
        (_, "already_had") => "had it from others",
        (_, "open") => "sent, no answer yet",
        (_, "disconnected") => "the connection ended before it answered",
        (_, "timed_out") => "sent, no answer for a minute",
        (_, "processed_unproven") => "has read it and does not say that it has it",
        (_, "not_connected") => "is not connected",
        (_, "withheld") => return withheld(peer.detail.as_deref()),
        (_, _) => return peer.detail.clone().unwrap_or_default(),
    };
    cause.into()
}

fn withheld(reason: Option<&str>) -> String {
    match reason {
        Some("parent_unknown") => "not sent, it never showed that it has the parent".into(),
        Some(other) => format!("not sent ({other})"),
        None => "not sent".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_have_about_three_figures() {
        for (ms, expected) in
            [(0.04, "0.0 ms"), (9.94, "9.9 ms"), (9.96, "10 ms"), (999.4, "999 ms"), (999.6, "1.00 s")]
        {
            assert_eq!(after(ms), expected);
        }
        for (bytes, expected) in [
            (999, "999 bytes"),
            (9_994, "9.99 kB"),
            (20_000, "20.0 kB"),
            (400_499, "400 kB"),
            (999_999, "1.00 MB"),
        ] {
            assert_eq!(size(bytes), expected);
        }
    }

    #[test]
    fn lists_end_with_an_and() {
        let lists = [&[][..], &["a"], &["a", "b"], &["a", "b", "c"]].map(list);
        assert_eq!(lists, ["", "a", "a and b", "a, b and c"]);
    }

    #[test]
    fn every_outcome_of_every_temperament_has_a_reason_that_fits_and_only_a_success_counts() {
        let peer = |temperament, outcome: &str, called_accepted| Peer {
            name: "x".into(),
            address: String::new(),
            temperament,
            observer: false,
            has_block: false,
            called_accepted,
            outcome: outcome.into(),
            detail: Some("parent_unknown".into()),
            outcome_ms: None,
            connections: 1,
        };
        for temperament in Temperament::ALL {
            assert!(!reason(&peer(temperament, "accepted", true)).contains("not counted"));
            for outcome in protocol::delivery::Outcome::KINDS.into_iter().chain(["open", "not_connected"]) {
                let reason = reason(&peer(temperament, outcome, false));
                assert!(reason.ends_with(" (not counted)") && reason.chars().count() > 20, "{reason}");
                assert!(reason.chars().count() <= 65, "{reason}");
            }
        }
        let away = Peer { connections: 0, ..peer(Temperament::FLAPPING, "not_connected", false) };
        assert_eq!(reason(&away), "is away; gets the block when it is back");
    }
}
