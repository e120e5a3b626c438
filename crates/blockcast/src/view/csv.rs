//! Tables for other programs: comma-separated values as RFC 4180 has them.

/// Adds a record. What could steer a terminal is escaped, as on every other page, so that no field has a second line.
pub(super) fn record<'a>(page: &mut String, fields: impl IntoIterator<Item = &'a str>) {
    let fields: Vec<_> = fields.into_iter().map(|field| quoted(&super::text::clean(field))).collect();
    page.push_str(&fields.join(","));
    page.push_str("\r\n");
}

/// A field, in quotes if it needs them: a blank at an end would not survive every reader without.
fn quoted(field: &str) -> String {
    let needs = field.contains([',', '"', '\r', '\n']) || field.starts_with(' ') || field.ends_with(' ');
    if needs { format!("\"{}\"", field.replace('"', "\"\"")) } else { field.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_and_quotes_stay_in_their_field_and_nothing_steers_the_terminal() {
        let mut page = String::new();
        record(&mut page, ["plain", "", "a,b", "say \"yes\"", " x", "1\r\n2", "\x1b[2J\u{9b}\u{202e}"]);
        let expected = "plain,,\"a,b\",\"say \"\"yes\"\"\",\" x\",1\\r\\n2,\\u{1b}[2J\\u{9b}\\u{202e}\r\n";
        assert_eq!(page, expected);
    }
}
