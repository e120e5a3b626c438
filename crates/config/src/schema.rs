//! The one list of known keys. What it does not hold is an error; what it holds can be overridden by name.

use crate::problem::{Kind, Place, Problem};
use crate::suggestion;
use crate::tree::{self, Item, Table, Value};

/// The keys of a table.
pub(crate) struct Schema(pub(crate) &'static [Key]);

/// A known key.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
}

/// What belongs under a key.
pub(crate) enum Shape {
    Text,
    Integer,
    Boolean,
    /// A list of strings.
    Texts,
    Table(&'static Schema),
    Tables {
        of: &'static Schema,
        /// Whether the entries go by their `name` in the environment.
        named: bool,
    },
    /// In the design, not in this version; with what to do instead.
    NotBuilt(&'static str),
}

const fn key(name: &'static str, shape: Shape) -> Key {
    Key { name, shape }
}

/// `blockcast.toml`
pub(crate) static PROCESS: Schema = Schema(&[
    key("data_dir", Shape::Text),
    key("http", Shape::Table(&HTTP)),
    key("log", Shape::Table(&LOG)),
    key("ledger", Shape::Table(&LEDGER)),
]);

static LEDGER: Schema = Schema(&[
    key("keep_days", Shape::Integer),
    key("max_megabytes", Shape::Integer),
    key("raw_blocks", Shape::Integer),
]);

static HTTP: Schema = Schema(&[key("listen", Shape::Text), key("token_file", Shape::Text)]);

static LOG: Schema = Schema(&[key("level", Shape::Text), key("format", Shape::Text)]);

/// `chains/NAME.toml`
pub(crate) static CHAIN: Schema = Schema(&[
    key("chain", Shape::Text),
    key("network", Shape::Text),
    key("enabled", Shape::Boolean),
    key("acknowledge", Shape::Text),
    key("confirmations", Shape::Integer),
    key("node", Shape::Tables { of: &NODE, named: true }),
    key("peers", Shape::Table(&PEERS)),
    key("front_door", Shape::Table(&FRONT_DOOR)),
    key("parameters", Shape::Text),
]);

static NODE: Schema = Schema(&[
    key("name", Shape::Text),
    key("role", Shape::Text),
    key("rpc", Shape::Table(&RPC)),
    key("p2p", Shape::Text),
]);

static RPC: Schema = Schema(&[
    key("url", Shape::Text),
    key("cookie_file", Shape::Text),
    key("user", Shape::Text),
    key("password_file", Shape::Text),
]);

static PEERS: Schema = Schema(&[
    key("enabled", Shape::Boolean),
    key("max", Shape::Integer),
    key("min", Shape::Integer),
    key("observers", Shape::Integer),
    key("fixed", Shape::Tables { of: &FIXED_PEER, named: false }),
    key("discovery", Shape::Texts),
    key("proxy", Shape::Text),
    key("proxy_password_file", Shape::Text),
    key("dials_at_once", Shape::Integer),
    key("dials_per_cycle", Shape::Integer),
    key("connect_timeout", Shape::Integer),
    key("per_group", Shape::Integer),
    key("asn_file", Shape::Text),
    key("per_asn", Shape::Integer),
    key("country_file", Shape::Text),
    key("per_country", Shape::Integer),
    key("pass_on_tips", Shape::Boolean),
    key(
        "upload_limit",
        Shape::NotBuilt("remove it; to use less bandwidth, lower `peers.max` or shape the traffic outside"),
    ),
]);

static FIXED_PEER: Schema =
    Schema(&[key("address", Shape::Text), key("priority", Shape::Text), key("description", Shape::Text)]);

static FRONT_DOOR: Schema = Schema(&[
    key("listen", Shape::Text),
    key("user", Shape::Text),
    key("password_file", Shape::Text),
    key("deny", Shape::Texts),
]);

impl Schema {
    fn get(&self, name: &str) -> Option<&'static Shape> {
        self.0.iter().find(|key| key.name == name).map(|key| &key.shape)
    }

    fn names(&self) -> Vec<&'static str> {
        self.0.iter().filter(|key| !matches!(key.shape, Shape::NotBuilt(_))).map(|key| key.name).collect()
    }

    /// The path of the table that does have `name`: the usual mistake in TOML is a good key below the wrong header.
    fn home(&self, name: &str, path: &str) -> Option<String> {
        self.0.iter().find_map(|key| {
            let (inner, path) = match key.shape {
                Shape::Table(inner) => (inner, join(path, key.name)),
                Shape::Tables { of, .. } => (of, join(path, &format!("{}[]", key.name))),
                _ => return None,
            };
            if inner.get(name).is_some() { Some(join(&path, name)) } else { inner.home(name, &path) }
        })
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// Finds every unknown key and every value of the wrong type in a file. What passes has the shape of the schema.
pub(crate) fn check(file: &Table, schema: &'static Schema, problems: &mut Vec<Problem>) {
    Check { root: schema, problems }.table(file, schema, "");
}

struct Check<'a> {
    root: &'static Schema,
    problems: &'a mut Vec<Problem>,
}

impl Check<'_> {
    fn table(&mut self, table: &Table, schema: &'static Schema, path: &str) {
        for (name, item) in &table.0 {
            let path = tree::join(path, name);
            match schema.get(name) {
                Some(shape) => self.item(item, shape, &path),
                None => self.problems.push(Problem {
                    kind: Kind::UnknownKey,
                    place: item.key_place.clone(),
                    key: Some(path),
                    value: Some(tree::shown_under(name, &item.value)),
                    message: "unknown key".to_owned(),
                    remedy: self.whereabouts(name, schema),
                }),
            }
        }
    }

    fn whereabouts(&self, name: &str, schema: &Schema) -> String {
        let names = schema.names();
        if suggestion::nearest(name, names.iter().copied()).is_none() {
            if self.root.get(name).is_some() {
                return format!("`{name}` belongs at the top of the file, before the first [table]");
            }
            if let Some(home) = self.root.home(name, "") {
                return format!("it belongs elsewhere, as `{home}`");
            }
        }
        suggestion::hint(name, &names)
    }

    fn item(&mut self, item: &Item, shape: &'static Shape, path: &str) {
        match (shape, &item.value) {
            (Shape::Text, Value::Text(_))
            | (Shape::Integer, Value::Integer(_))
            | (Shape::Boolean, Value::Boolean(_)) => {}
            (Shape::Texts, Value::List(items)) => {
                for (index, item) in items.iter().enumerate() {
                    self.item(item, &Shape::Text, &format!("{path}[{index}]"));
                }
            }
            (Shape::Table(schema), Value::Table(table)) => self.table(table, schema, path),
            (Shape::Tables { of, .. }, Value::List(items)) => {
                for (index, item) in items.iter().enumerate() {
                    let path = format!("{path}[{index}]");
                    match &item.value {
                        Value::Table(table) => self.table(table, of, &path),
                        _ => self.wrong_type(item, "a table", "write { key = value, … }", &path),
                    }
                }
            }
            (Shape::NotBuilt(instead), _) => self.problems.push(Problem {
                kind: Kind::NotBuilt,
                place: item.key_place.clone(),
                key: Some(path.to_owned()),
                value: Some(item.value.shown()),
                message: "this version does not have this key yet".to_owned(),
                remedy: (*instead).to_owned(),
            }),
            (Shape::Text, _) => self.wrong_type(item, "a string", "put the value in double quotes", path),
            (Shape::Integer, _) => {
                self.wrong_type(item, "a whole number", "write digits only, without quotes", path);
            }
            (Shape::Boolean, _) => {
                self.wrong_type(item, "true or false", "write true or false, without quotes", path);
            }
            (Shape::Texts, _) => self.wrong_type(item, "a list of strings", "write [\"one\", \"two\"]", path),
            (Shape::Table(_), _) => {
                self.wrong_type(
                    item,
                    "a table",
                    &format!("write one [{path}] or {{ key = value, … }}"),
                    path,
                );
            }
            (Shape::Tables { .. }, _) => {
                let remedy = format!("write [[{path}]] with two brackets, or [{{ key = value, … }}]");
                self.wrong_type(item, "a list of tables", &remedy, path);
            }
        }
    }

    fn wrong_type(&mut self, item: &Item, expected: &str, remedy: &str, path: &str) {
        let remedy = match item.place {
            Place::Variable { .. } => format!("set the variable to {expected}"),
            Place::File { .. } => remedy.to_owned(),
        };
        let name = path.rsplit('.').next().unwrap_or(path);
        self.problems.push(Problem {
            kind: Kind::WrongType,
            place: item.place.clone(),
            key: Some(path.to_owned()),
            value: Some(tree::shown_under(name, &item.value)),
            message: format!("expected {expected}, found {}", item.value.sort()),
            remedy,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every key below a schema, without the parents.
    fn keys(schema: &'static Schema, all: &mut Vec<&'static str>) {
        for key in schema.0 {
            all.push(key.name);
            match key.shape {
                Shape::Table(inner) | Shape::Tables { of: inner, .. } => keys(inner, all),
                _ => {}
            }
        }
    }

    #[test]
    fn the_example_files_explain_every_key_that_exists() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config");
        let files = [
            ("blockcast.toml", &PROCESS),
            ("chains/dash.toml", &CHAIN),
            ("chains/dogecoin.toml", &CHAIN),
            ("chains/litecoin.toml", &CHAIN),
        ];
        for (file, schema) in files {
            let text = std::fs::read_to_string(format!("{directory}/{file}")).expect(file);
            let mut all = Vec::new();
            keys(schema, &mut all);
            let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
            for key in all {
                assert!(words.contains(&key), "{file} says nothing of `{key}`");
            }
        }
    }
}
