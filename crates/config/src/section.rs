//! Reading keys out of a table whose keys and types have been checked against the schema.
//!
//! A value of the wrong type has been reported by that check, so here it counts as absent, except that it is not
//! reported a second time as missing.

use std::collections::BTreeMap;

use crate::address::Fault;
use crate::problem::{Kind, Place, Problem, Report};
use crate::settings::Word;
use crate::suggestion;
use crate::tree::{self, Item, Table, Value};

/// A table of a file, or one that is absent and so has no keys.
#[derive(Clone)]
pub(crate) struct Section<'a> {
    table: &'a Table,
    place: Place,
    path: String,
}

/// A value with what a problem about it needs.
#[derive(Clone)]
pub(crate) struct Found<T> {
    pub(crate) value: T,
    pub(crate) key: String,
    place: Place,
    /// The value for a message; `None` for a default, which no file holds.
    shown: Option<String>,
}

impl<T> Found<T> {
    pub(crate) fn problem(
        &self,
        kind: Kind,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Problem {
        let problem = Problem::at(kind, self.place.clone(), message, remedy).with_key(&self.key);
        Problem { value: self.shown.clone(), ..problem }
    }

    /// The same place with another value.
    pub(crate) fn with<U>(&self, value: U) -> Found<U> {
        Found { value, key: self.key.clone(), place: self.place.clone(), shown: self.shown.clone() }
    }

    /// Parses the value, or turns the fault into a problem.
    pub(crate) fn parsed<U>(
        &self,
        parse: impl FnOnce(&T) -> Result<U, Fault>,
        report: &mut Report,
    ) -> Option<U> {
        let parsed = parse(&self.value);
        report.keep(parsed.map_err(|fault| self.problem(Kind::BadValue, fault.message, fault.remedy)))
    }
}

impl Found<&str> {
    /// The meaning of a word, or a problem that lists the words.
    pub(crate) fn word<W: Word>(&self, report: &mut Report) -> Option<W> {
        if let Some((_, meaning)) = W::WORDS.iter().find(|(word, _)| *word == self.value) {
            return Some(*meaning);
        }
        let words: Vec<&str> = W::WORDS.iter().map(|(word, _)| *word).collect();
        let message = format!("not one of: {}", words.join(", "));
        let remedy = match suggestion::nearest(self.value, words.iter().copied()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("write one of them, such as \"{}\"", words[0]),
        };
        report.problem(self.problem(Kind::BadValue, message, remedy));
        None
    }
}

static NO_KEYS: Table = Table(BTreeMap::new());

impl<'a> Section<'a> {
    /// A whole file; a problem with an absent key has no line.
    pub(crate) fn root(table: &'a Table, file: Place) -> Self {
        Section { table, place: file, path: String::new() }
    }

    /// Whether the file has the key, with a good value or not.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.0.contains_key(key)
    }

    fn found<T>(&self, key: &str, read: impl FnOnce(&'a Value) -> Option<T>) -> Option<Found<T>> {
        let item = self.table.0.get(key)?;
        let value = read(&item.value)?;
        Some(found(item, tree::join(&self.path, key), value))
    }

    pub(crate) fn text(&self, key: &str) -> Option<Found<&'a str>> {
        self.found(key, as_text)
    }

    pub(crate) fn boolean(&self, key: &str) -> Option<Found<bool>> {
        self.found(key, |value| match value {
            Value::Boolean(boolean) => Some(*boolean),
            _ => None,
        })
    }

    /// A number from `range`, or a problem that names the range.
    pub(crate) fn number(
        &self,
        key: &str,
        range: std::ops::RangeInclusive<usize>,
        report: &mut Report,
    ) -> Option<Found<usize>> {
        let number = self.found(key, |value| match value {
            Value::Integer(number) => Some(*number),
            _ => None,
        })?;
        match usize::try_from(number.value) {
            Ok(value) if range.contains(&value) => Some(number.with(value)),
            _ => {
                let message = format!("not a number from {} to {}", range.start(), range.end());
                report.problem(number.problem(Kind::BadValue, message, "choose a number from that range"));
                None
            }
        }
    }

    /// The same, or the default where the key is absent.
    pub(crate) fn number_or(
        &self,
        key: &str,
        default: usize,
        range: std::ops::RangeInclusive<usize>,
        report: &mut Report,
    ) -> Option<Found<usize>> {
        if self.has(key) { self.number(key, range, report) } else { Some(self.default(key, default)) }
    }

    /// The strings of a list; `None` if the key is absent.
    pub(crate) fn texts(&self, key: &str) -> Option<Vec<Found<&'a str>>> {
        let items = self.list(key)?;
        Some(items.filter_map(|(item, path)| Some(found(item, path, as_text(&item.value)?))).collect())
    }

    /// The tables of a list; none if the key is absent.
    pub(crate) fn sections(&self, key: &str) -> Vec<Section<'a>> {
        let items = self.list(key).into_iter().flatten();
        items.filter_map(|(item, path)| section(item, path)).collect()
    }

    /// How many entries a list has, whatever they are; 0 if the key is absent, 1 if it is not even a list. More
    /// than [`sections`](Self::sections) yields means that a problem with them has been reported.
    pub(crate) fn entries(&self, key: &str) -> usize {
        match self.table.0.get(key).map(|item| &item.value) {
            Some(Value::List(items)) => items.len(),
            Some(_) => 1,
            None => 0,
        }
    }

    fn list(&self, key: &str) -> Option<impl Iterator<Item = (&'a Item, String)> + use<'a>> {
        let Value::List(items) = &self.table.0.get(key)?.value else { return None };
        let path = tree::join(&self.path, key);
        Some(items.iter().enumerate().map(move |(index, item)| (item, format!("{path}[{index}]"))))
    }

    /// The table under `key`, if it is there.
    pub(crate) fn section(&self, key: &str) -> Option<Section<'a>> {
        section(self.table.0.get(key)?, tree::join(&self.path, key))
    }

    /// The table under `key`, or an empty one.
    pub(crate) fn section_or_empty(&self, key: &str) -> Section<'a> {
        self.section(key).unwrap_or_else(|| Section {
            table: &NO_KEYS,
            place: self.place.clone(),
            path: tree::join(&self.path, key),
        })
    }

    /// A string that must be there; `remedy` says what to write if it is not.
    pub(crate) fn required(&self, key: &str, remedy: &str, report: &mut Report) -> Option<Found<&'a str>> {
        if !self.has(key) {
            report.problem(self.missing(key, remedy));
        }
        self.text(key)
    }

    /// A problem with a key that is not there.
    pub(crate) fn missing(&self, key: &str, remedy: &str) -> Problem {
        self.problem(Kind::Missing, "missing", remedy).with_key(tree::join(&self.path, key))
    }

    /// A problem with the table as a whole.
    pub(crate) fn problem(
        &self,
        kind: Kind,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Problem {
        let problem = Problem::at(kind, self.place.clone(), message, remedy);
        if self.path.is_empty() { problem } else { problem.with_key(&self.path) }
    }

    /// A value that no file holds.
    pub(crate) fn default<T>(&self, key: &str, value: T) -> Found<T> {
        Found { value, key: tree::join(&self.path, key), place: self.place.clone(), shown: None }
    }
}

fn as_text(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

fn found<T>(item: &Item, key: String, value: T) -> Found<T> {
    Found { value, key, place: item.place.clone(), shown: Some(item.value.shown()) }
}

fn section(item: &Item, path: String) -> Option<Section<'_>> {
    match &item.value {
        Value::Table(table) => Some(Section { table, place: item.place.clone(), path }),
        _ => None,
    }
}
