//! Waiting for something to become true.

use std::fmt::Display;
use std::thread;
use std::time::{Duration, Instant};

/// Time between two looks at a condition. Short against anything a node does, long against the cost of a look.
const POLL: Duration = Duration::from_millis(5);

/// What a condition of [`eventually`] may answer: `bool`, or an `Option` whose content is handed on.
pub trait Condition {
    /// What is known once the condition is met.
    type Found;

    /// The finding, or `None` while there is reason to look again.
    fn met(self) -> Option<Self::Found>;
}

impl Condition for bool {
    type Found = ();

    fn met(self) -> Option<()> {
        self.then_some(())
    }
}

impl<T> Condition for Option<T> {
    type Found = T;

    fn met(self) -> Option<T> {
        self
    }
}

/// Looks at `condition` every few milliseconds until it is met, and returns what it found.
///
/// The condition is looked at once more after the deadline has passed, so that a slow look does not turn into a
/// failure. The deadline cannot interrupt a look that blocks; give calls inside the condition their own timeout.
///
/// # Panics
/// With `what` when the deadline passes; `what` should read as the thing that did not happen.
#[track_caller]
pub fn eventually<C: Condition>(
    deadline: Duration,
    what: impl Display,
    mut condition: impl FnMut() -> C,
) -> C::Found {
    let start = Instant::now();
    loop {
        let expired = start.elapsed() >= deadline;
        if let Some(found) = condition().met() {
            return found;
        }
        assert!(!expired, "did not happen within {deadline:?}: {what}");
        thread::sleep(POLL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_returns_what_the_condition_found_after_looking_as_often_as_needed() {
        let mut looks = 0;
        let found = eventually(Duration::from_secs(5), "three looks", || {
            looks += 1;
            (looks == 3).then_some("found")
        });
        assert_eq!((found, looks), ("found", 3));
    }

    #[test]
    #[should_panic(expected = "did not happen within 0ns: the impossible")]
    fn it_panics_with_the_name_of_what_did_not_happen() {
        eventually(Duration::ZERO, "the impossible", || false);
    }
}
