//! What did not hold about a block.

use std::fmt::Write;

use ledger::Finding;

use super::{Style, Tone, text};

/// A finding of an inspection here, in the daemon's words.
pub(crate) fn told(finding: &chain::Finding) -> Finding {
    let severity = match finding.severity {
        chain::Severity::Warning => "warning",
        chain::Severity::Error => "error",
    };
    Finding {
        check: finding.check.into(),
        severity: severity.into(),
        expected: finding.expected.clone(),
        found: finding.found.clone(),
    }
}

/// All of them, each with what was expected and found; nothing if there are none.
pub(crate) fn list(findings: &[Finding], style: Style) -> String {
    let mut lines = String::new();
    for finding in findings {
        let tone = if finding.is_error() { Tone::Bad } else { Tone::Doubtful };
        let severity = style.paint(tone, &text::clean(&finding.severity));
        let blanks = " ".repeat(9_usize.saturating_sub(finding.severity.chars().count()));
        let [check, expected, found] =
            [&finding.check, &finding.expected, &finding.found].map(|text| text::clean(text));
        write!(
            lines,
            "  {severity}{blanks}{check}\n           expected  {expected}\n           found     {found}\n"
        )
        .expect("a String takes any text");
    }
    lines
}
