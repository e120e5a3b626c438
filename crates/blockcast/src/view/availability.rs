//! Whether the history could be asked.

use serde::Deserialize;

use super::text;

/// What the daemon says of its history beside every answer that is taken from there.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Availability {
    available: bool,
    why: Option<String>,
}

impl Availability {
    /// What whoever reads the answer has to know, if anything.
    pub(crate) fn note(&self) -> Option<String> {
        let why = self.why.as_deref().unwrap_or("the daemon does not say why");
        let note = || format!("the history is not available, only blocks on their way: {}", text::clean(why));
        (!self.available).then(note)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_note_only_if_the_history_is_missing() {
        assert_eq!(Availability { available: true, why: None }.note(), None);
        let missing = Availability { available: false, why: Some("disk\x1b full".into()) };
        let expected = "the history is not available, only blocks on their way: disk\\u{1b} full";
        assert_eq!(missing.note().as_deref(), Some(expected));
    }
}
