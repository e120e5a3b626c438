//! Overrides from the environment: `BLOCKCAST_CHAINS__LITECOIN__PEERS__MAX=40`.
//!
//! Rather than taking a variable's name apart, every name that could be set is spelt out from the schema, the
//! chain files and the node names, and looked up. So a node called `a__b` needs no rule, and the nearest name
//! to an unknown variable is at hand.

use std::collections::BTreeMap;

use crate::problem::{Kind, Place, Problem};
use crate::schema::{self, Schema, Shape};
use crate::suggestion;
use crate::tree::{Item, Table, Value};

/// What all variables of ours begin with.
const PREFIX: &str = "BLOCKCAST_";

/// The files as read. A chain is `None` if its file could not be parsed.
pub(crate) struct Files {
    pub(crate) process: Option<Table>,
    pub(crate) chains: BTreeMap<String, Option<Table>>,
}

/// Lays every `BLOCKCAST_` variable over the files.
pub(crate) fn apply(
    files: &mut Files,
    env: impl IntoIterator<Item = (String, String)>,
    problems: &mut Vec<Problem>,
) {
    let targets = targets(files);
    // Sorted, so that the same environment is always reported in the same way.
    let variables: BTreeMap<String, String> =
        env.into_iter().filter(|(name, _)| name.starts_with(PREFIX)).collect();
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for (name, value) in &variables {
        let upper = name.to_ascii_uppercase();
        if let Some(earlier) = seen.insert(upper.clone(), name) {
            let message = format!("sets the same key as {earlier}");
            problems.push(Problem::at(Kind::Conflict, variable(name), message, "unset one of the two"));
            continue;
        }
        if in_broken_file(&upper, files) {
            continue;
        }
        match find(name, &upper, &targets) {
            Ok(target) => set(files, target, name, value),
            Err(problem) => problems.push(problem),
        }
    }
}

/// Whether the variable is about a chain whose file is broken anyway: what it may set is not known then.
fn in_broken_file(upper: &str, files: &Files) -> bool {
    let broken = files.chains.iter().filter(|(_, table)| table.is_none());
    broken.into_iter().any(|(chain, _)| upper.starts_with(&chain_prefix(chain)))
}

fn variable(name: &str) -> Place {
    Place::Variable { name: name.to_owned() }
}

/// A name that the environment may use.
struct Target {
    variable: String,
    /// `None`: `blockcast.toml`.
    chain: Option<String>,
    steps: Vec<Step>,
    shape: &'static Shape,
}

#[derive(Clone)]
enum Step {
    Key(&'static str),
    Index(usize),
}

fn targets(files: &Files) -> Vec<Target> {
    let mut all = Vec::new();
    let empty = Table::default();
    let process = files.process.as_ref().unwrap_or(&empty);
    Walk { chain: None, all: &mut all }.table(&schema::PROCESS, Some(process), PREFIX, &[]);
    for (chain, table) in &files.chains {
        if let Some(table) = table {
            let walk = &mut Walk { chain: Some(chain), all: &mut all };
            walk.table(&schema::CHAIN, Some(table), &chain_prefix(chain), &[]);
        }
    }
    all
}

fn chain_prefix(chain: &str) -> String {
    format!("{PREFIX}CHAINS__{}__", spelt(chain))
}

/// A name as a variable spells it: upper case, and `_` for what a shell does not take.
fn spelt(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

struct Walk<'a> {
    chain: Option<&'a String>,
    all: &'a mut Vec<Target>,
}

impl Walk<'_> {
    fn table(&mut self, schema: &'static Schema, table: Option<&Table>, prefix: &str, steps: &[Step]) {
        for key in schema.0 {
            let variable = format!("{prefix}{}", spelt(key.name));
            let steps = [steps, &[Step::Key(key.name)]].concat();
            let value = table.and_then(|table| table.0.get(key.name)).map(|item| &item.value);
            let prefix = format!("{variable}__");
            match &key.shape {
                Shape::Table(inner) => {
                    let table = value.and_then(as_table);
                    self.table(inner, table, &prefix, &steps);
                }
                Shape::Tables { of, named: true } => self.named(of, value, &prefix, &steps),
                _ => {}
            }
            self.all.push(Target { variable, chain: self.chain.cloned(), steps, shape: &key.shape });
        }
    }

    fn named(&mut self, schema: &'static Schema, value: Option<&Value>, prefix: &str, steps: &[Step]) {
        let Some(Value::List(items)) = value else { return };
        for (index, item) in items.iter().enumerate() {
            let Some(table) = as_table(&item.value) else { continue };
            if let Some(Value::Text(name)) = table.0.get("name").map(|item| &item.value) {
                let steps = [steps, &[Step::Index(index)]].concat();
                self.table(schema, Some(table), &format!("{prefix}{}__", spelt(name)), &steps);
            }
        }
    }
}

fn as_table(value: &Value) -> Option<&Table> {
    match value {
        Value::Table(table) => Some(table),
        _ => None,
    }
}

fn find<'a>(name: &str, upper: &str, targets: &'a [Target]) -> Result<&'a Target, Problem> {
    let mut matches = targets.iter().filter(|target| target.variable == upper);
    // The value of an unknown variable is not shown: it may well be a secret.
    let unknown = |message: &str, remedy: String| {
        Err(Problem::at(Kind::UnknownVariable, variable(name), message, remedy))
    };
    let Some(target) = matches.next() else {
        let scalars = targets.iter().filter(|target| is_scalar(target.shape));
        // Compared without the prefix, which would make all names alike.
        let known = scalars.filter_map(|target| target.variable.strip_prefix(PREFIX));
        return match suggestion::nearest(upper.strip_prefix(PREFIX).unwrap_or(upper), known) {
            Some(near) => unknown("overrides no known key", format!("did you mean {PREFIX}{near}?")),
            None => unknown(
                "overrides no known key",
                format!(
                    "unset it; overrides look like {PREFIX}LOG__LEVEL or {PREFIX}CHAINS__LITECOIN__PEERS__MAX"
                ),
            ),
        };
    };
    if matches.next().is_some() {
        let remedy = "rename one of the two chain files or nodes that the variable could mean".to_owned();
        return unknown("could mean two keys", remedy);
    }
    match target.shape {
        Shape::Text | Shape::Integer | Shape::Boolean | Shape::NotBuilt(_) => Ok(target),
        Shape::Texts | Shape::Tables { .. } => {
            unknown("names a list, and lists cannot be overridden", "unset it, and edit the file".to_owned())
        }
        Shape::Table(_) => {
            let prefix = format!("{upper}__");
            let inside = targets.iter().filter(|t| t.variable.starts_with(&prefix) && is_scalar(t.shape));
            let names: Vec<&str> = inside.map(|target| target.variable.as_str()).collect();
            unknown("names a table, not a key", format!("use one of: {}", names.join(", ")))
        }
    }
}

fn is_scalar(shape: &Shape) -> bool {
    matches!(shape, Shape::Text | Shape::Integer | Shape::Boolean)
}

fn set(files: &mut Files, target: &Target, name: &str, text: &str) {
    // What does not read as its type stays a string, and the check of types names the variable.
    let value = match target.shape {
        Shape::Integer => text.parse().map_or_else(|_| Value::Text(text.to_owned()), Value::Integer),
        Shape::Boolean => text.parse().map_or_else(|_| Value::Text(text.to_owned()), Value::Boolean),
        _ => Value::Text(text.to_owned()),
    };
    let table = match &target.chain {
        None => files.process.as_mut(),
        Some(chain) => files.chains.get_mut(chain).and_then(Option::as_mut),
    };
    // A file that could not be parsed has no table; its own problem has been reported.
    let Some(table) = table else { return };
    set_in(table, &target.steps, value, &variable(name));
}

/// Follows `steps`, adding tables that are missing. A value that stands where a table should is left alone:
/// the check of types reports it.
fn set_in(table: &mut Table, steps: &[Step], value: Value, origin: &Place) {
    let [Step::Key(key), rest @ ..] = steps else { return };
    let new = |value| Item { value, place: origin.clone(), key_place: origin.clone() };
    if rest.is_empty() {
        table.0.insert((*key).to_owned(), new(value));
        return;
    }
    let item = table.0.entry((*key).to_owned()).or_insert_with(|| new(Value::Table(Table::default())));
    match (&mut item.value, rest) {
        (Value::List(items), [Step::Index(index), rest @ ..]) => {
            if let Some(Item { value: Value::Table(table), .. }) = items.get_mut(*index) {
                set_in(table, rest, value, origin);
            }
        }
        (Value::Table(table), _) => set_in(table, rest, value, origin),
        _ => {}
    }
}
