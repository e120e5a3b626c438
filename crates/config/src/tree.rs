//! A parsed file whose every value remembers where it came from, so that a variable can replace a value and a
//! problem still names the right origin.

use std::collections::BTreeMap;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::problem::{Kind, Place, Problem};

/// After this many the parser is only tripping over its own recovery.
const SYNTAX_PROBLEMS_SHOWN: usize = 5;

/// A value and its origin.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) value: Value,
    /// Where the value begins; for a table, its header.
    pub(crate) place: Place,
    /// Where its key begins; for an item of a list, the item.
    pub(crate) key_place: Place,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Text(String),
    /// TOML asks for 64 bits; the wider type keeps an over-long number printable in the message.
    Integer(i128),
    Boolean(bool),
    List(Vec<Item>),
    Table(Table),
    /// What no key of ours takes: floats, dates.
    Other {
        /// With its article: "a date".
        sort: &'static str,
        text: String,
    },
}

/// Keys in alphabetical order; a report is sorted by place in the end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table(pub(crate) BTreeMap<String, Item>);

impl Value {
    /// The type in words, with its article.
    pub(crate) fn sort(&self) -> &'static str {
        match self {
            Value::Text(_) => "a string",
            Value::Integer(_) => "a whole number",
            Value::Boolean(_) => "true or false",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
            Value::Other { sort, .. } => sort,
        }
    }

    /// The value for a message: short, on one line, without the user part of a URL.
    pub(crate) fn shown(&self) -> String {
        match self {
            Value::Text(text) => format!("{:?}", shorten(&without_login(text))),
            Value::Integer(number) => number.to_string(),
            Value::Boolean(boolean) => boolean.to_string(),
            Value::List(items) if items.is_empty() => "[]".to_owned(),
            Value::List(_) => "[ … ]".to_owned(),
            Value::Table(_) => "{ … }".to_owned(),
            Value::Other { text, .. } => shorten(text),
        }
    }
}

/// Like [`Value::shown`], but nothing at all of what is probably a secret that was put into the wrong key.
pub(crate) fn shown_under(key: &str, value: &Value) -> String {
    let key = key.to_ascii_lowercase();
    let secret = ["pass", "token", "secret", "auth", "credential", "pwd", "private"];
    if secret.iter().any(|word| key.contains(word)) { "(hidden)".to_owned() } else { value.shown() }
}

fn shorten(text: &str) -> String {
    const LIMIT: usize = 80;
    match text.char_indices().nth(LIMIT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// `http://user:password@host` becomes `http://…@host`, also where the URL is too broken to be parsed.
fn without_login(text: &str) -> String {
    let Some((login, host)) = text.rsplit_once('@') else { return text.to_owned() };
    match login.split_once("://") {
        Some((scheme, _)) => format!("{scheme}://…@{host}"),
        None => format!("…@{host}"),
    }
}

/// A key as it stands in a path: bare where TOML allows that, else quoted, so that no control character
/// reaches a terminal.
pub(crate) fn key_text(key: &str) -> String {
    let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if bare { key.to_owned() } else { format!("{:?}", shorten(key)) }
}

/// `parent.key`, or `key` at the top.
pub(crate) fn join(parent: &str, key: &str) -> String {
    let key = key_text(key);
    if parent.is_empty() { key } else { format!("{parent}.{key}") }
}

/// Parses a file, or says why it is not TOML.
pub(crate) fn parse(path: &Path, text: &str) -> Result<Table, Vec<Problem>> {
    let origin = Origin::new(path, text);
    let (document, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Ok(origin.table(document.get_ref()));
    }
    let problem = |error: &toml::de::Error| {
        let place = error.span().map_or_else(|| Place::file(path), |span| origin.place(span.start));
        // Only the message: the error's own Display would print the line, and with it perhaps a password.
        Problem::at(
            Kind::Syntax,
            place,
            format!("not valid TOML: {}", error.message()),
            remedy(error.message()),
        )
    };
    Err(errors.iter().take(SYNTAX_PROBLEMS_SHOWN).map(problem).collect())
}

fn remedy(message: &str) -> &'static str {
    if message.contains("duplicate key") {
        "keep one of the two"
    } else {
        "mend this line: `key = value`, strings in double quotes, `[table]`, `[[list of tables]]`"
    }
}

/// Turns byte offsets into lines and columns.
struct Origin<'a> {
    path: &'a Path,
    text: &'a str,
    /// The offset at which each line begins.
    lines: Vec<usize>,
}

impl<'a> Origin<'a> {
    fn new(path: &'a Path, text: &'a str) -> Self {
        let after_breaks = text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n').map(|(at, _)| at + 1);
        Origin { path, text, lines: std::iter::once(0).chain(after_breaks).collect() }
    }

    fn place(&self, offset: usize) -> Place {
        // Line 1 begins at 0, so at least one line begins at or before any offset.
        let line = self.lines.partition_point(|&start| start <= offset).max(1);
        let start = self.lines[line - 1];
        let column = self.text.get(start..offset).map_or(1, |before| before.chars().count() + 1);
        Place::File { path: self.path.to_owned(), line: Some(line), column: Some(column) }
    }

    fn table(&self, table: &DeTable<'_>) -> Table {
        let entry = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
            let name: &std::borrow::Cow<'_, str> = key.get_ref();
            (name.clone().into_owned(), self.item(value, key.span().start))
        };
        Table(table.iter().map(entry).collect())
    }

    /// The parser limits nesting to 80, so this recursion is bounded.
    fn item(&self, value: &Spanned<DeValue<'_>>, key_at: usize) -> Item {
        let read = match value.get_ref() {
            DeValue::String(text) => Value::Text(text.clone().into_owned()),
            DeValue::Integer(number) => match i128::from_str_radix(number.as_str(), number.radix()) {
                Ok(integer) => Value::Integer(integer),
                Err(_) => Value::Other { sort: "a number of absurd length", text: number.to_string() },
            },
            DeValue::Float(number) => Value::Other { sort: "a decimal number", text: number.to_string() },
            DeValue::Boolean(boolean) => Value::Boolean(*boolean),
            DeValue::Datetime(date) => Value::Other { sort: "a date or time", text: date.to_string() },
            DeValue::Array(items) => {
                Value::List(items.iter().map(|item| self.item(item, item.span().start)).collect())
            }
            DeValue::Table(table) => Value::Table(self.table(table)),
        };
        Item { value: read, place: self.place(value.span().start), key_place: self.place(key_at) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(line: usize, column: usize) -> Place {
        Place::File { path: "x.toml".into(), line: Some(line), column: Some(column) }
    }

    #[test]
    fn a_value_knows_its_line_and_column_in_characters() {
        let table = parse(Path::new("x.toml"), "# é\na = 1\n[\"ü\"]\nü = \"é\" # after\n").unwrap_err();
        assert_eq!(table[0].kind, Kind::Syntax, "a bare key with an umlaut is not TOML");

        let table = parse(Path::new("x.toml"), "# é\na = 1\nb = [\"é\", 2]\n[c]\nd = true").unwrap();
        assert_eq!(table.0["a"].place, file(2, 5));
        let Value::List(items) = &table.0["b"].value else { panic!("b is a list") };
        assert_eq!(items[1].place, file(3, 11));
        let Value::Table(c) = &table.0["c"].value else { panic!("c is a table") };
        assert_eq!((&c.0["d"].key_place, &c.0["d"].place), (&file(5, 1), &file(5, 5)));
    }

    #[test]
    fn windows_line_ends_do_not_shift_lines() {
        let table = parse(Path::new("x.toml"), "a = 1\r\n\r\nb = 2\r\n").unwrap();
        assert_eq!(table.0["b"].place, file(3, 5));
    }

    #[test]
    fn a_login_in_a_url_is_hidden_however_broken_the_url_is() {
        for text in ["http://u:canary@host:1", "u:canary@host", "http://u:can/ary@@host", "://canary@"] {
            let shown = Value::Text(text.to_owned()).shown();
            assert!(!shown.contains("canary") && !shown.contains("can/ary"), "{shown}");
        }
    }

    #[test]
    fn deep_nesting_is_an_error_and_not_a_stack_overflow() {
        let text = format!("a = {}{}", "[".repeat(50_000), "]".repeat(50_000));
        assert!(parse(Path::new("x.toml"), &text).is_err());
    }

    #[test]
    fn a_key_with_control_characters_is_escaped() {
        assert_eq!(join("http", "a\u{1b}[2J"), "http.\"a\\u{1b}[2J\"");
    }
}
