//! What is wrong, where, and what to do about it.

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

/// What sort of mistake a [`Problem`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// A file or directory is missing, unreadable, too large, or not UTF-8.
    File,
    /// The file is not TOML.
    Syntax,
    /// No such key.
    UnknownKey,
    /// A `BLOCKCAST_` variable that overrides nothing.
    UnknownVariable,
    /// A string where a number belongs, and the like.
    WrongType,
    /// A required key is absent.
    Missing,
    /// The value is of the right type but not one that is allowed.
    BadValue,
    /// Two settings, each fine alone, exclude each other.
    Conflict,
    /// The design has it, this version does not.
    NotBuilt,
    /// A password or token file is missing, empty, or not one line of text.
    Secret,
    /// Allowed, but worth knowing. Only in [`Config::warnings`](crate::Config::warnings).
    Caution,
}

impl Kind {
    /// A stable name, for metric labels and for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::File => "file",
            Kind::Syntax => "syntax",
            Kind::UnknownKey => "unknown_key",
            Kind::UnknownVariable => "unknown_variable",
            Kind::WrongType => "wrong_type",
            Kind::Missing => "missing",
            Kind::BadValue => "bad_value",
            Kind::Conflict => "conflict",
            Kind::NotBuilt => "not_built",
            Kind::Secret => "secret",
            Kind::Caution => "caution",
        }
    }
}

/// Where a value came from. The order (files by name and line, then variables) is the order of a report.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// A file or directory, as the caller named the configuration directory.
    File {
        /// The directory given to [`load`](crate::load), joined with the file's place in it.
        #[serde(serialize_with = "path_text")]
        path: PathBuf,
        /// Counted from 1. `None` where the whole file is meant, as for a key that is absent.
        line: Option<usize>,
        /// In characters, counted from 1.
        column: Option<usize>,
    },
    /// An environment variable.
    Variable {
        /// Its name as it was given.
        name: String,
    },
}

impl Place {
    /// A file as a whole.
    pub(crate) fn file(path: &Path) -> Place {
        Place::File { path: path.to_owned(), line: None, column: None }
    }

    /// The same without line and column.
    fn whole(&self) -> Place {
        match self {
            Place::File { path, .. } => Place::file(path),
            Place::Variable { .. } => self.clone(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File { path, line, column } => {
                write!(f, "{}", path.display())?;
                for number in [line, column].into_iter().flatten() {
                    write!(f, ":{number}")?;
                }
                Ok(())
            }
            Place::Variable { name } => write!(f, "{}", name.escape_debug()),
        }
    }
}

/// One mistake (or, among the warnings, one caution). `Display` puts it on one line, beginning with the place in
/// the form that editors and `grep -n` use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize)]
#[error("{place}: {}{message}; {remedy}", subject(.key, .value))]
pub struct Problem {
    /// What sort of mistake.
    pub kind: Kind,
    /// The file and line, or the variable.
    pub place: Place,
    /// The path of the key within its file, such as `node[0].rpc.url`; lists count from 0.
    pub key: Option<String>,
    /// The offending value as TOML would write it, shortened, secrets hidden.
    pub value: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

impl Problem {
    /// A stable name for the sort of mistake, for metric labels and for programs.
    pub fn kind(&self) -> &'static str {
        self.kind.as_str()
    }

    /// A problem with a place as a whole: a file that is not there, a variable that means nothing.
    pub(crate) fn at(
        kind: Kind,
        place: Place,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Problem {
        Problem { kind, place, key: None, value: None, message: message.into(), remedy: remedy.into() }
    }

    /// Names the key.
    pub(crate) fn with_key(mut self, key: impl Into<String>) -> Problem {
        self.key = Some(key.into());
        self
    }
}

fn subject(key: &Option<String>, value: &Option<String>) -> String {
    match (key, value) {
        (Some(key), Some(value)) => format!("{key} = {value}: "),
        (Some(key), None) => format!("{key}: "),
        (None, _) => String::new(),
    }
}

/// Everything that is wrong with a configuration, in the order of files and lines; never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize)]
#[error("{}", listing(.0))]
#[serde(transparent)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// The problems, one by one.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }

    /// The [`Kind`] of the first problem, as a stable name.
    pub fn kind(&self) -> &'static str {
        self.0.first().map_or("none", Problem::kind)
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

fn listing(problems: &[Problem]) -> String {
    let plural = if problems.len() == 1 { "" } else { "s" };
    let mut text = format!("{} problem{plural} in the configuration:", problems.len());
    for problem in problems {
        text.push('\n');
        text.push_str(&problem.to_string());
    }
    text
}

/// What a load has found so far.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) problems: Vec<Problem>,
    pub(crate) warnings: Vec<Problem>,
}

impl Report {
    pub(crate) fn problem(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    pub(crate) fn warning(&mut self, problem: Problem) {
        self.warnings.push(problem);
    }

    /// Puts problems and warnings in the order of files and lines, and drops "`url` is missing" beside "`ulr` is
    /// unknown, did you mean `url`?": that is one mistake.
    pub(crate) fn settle(&mut self) {
        let slips: HashSet<(Place, String)> = self
            .problems
            .iter()
            .filter(|problem| problem.kind == Kind::UnknownKey)
            .filter_map(|slip| {
                let key = slip.key.as_deref()?;
                let meant = slip.remedy.strip_prefix("did you mean `")?.strip_suffix("`?")?;
                let parent = key.rfind('.').map_or("", |dot| &key[..=dot]);
                Some((slip.place.whole(), format!("{parent}{meant}")))
            })
            .collect();
        self.problems.retain(|problem| {
            let key = problem.key.clone().unwrap_or_default();
            problem.kind != Kind::Missing || !slips.contains(&(problem.place.whole(), key))
        });
        let by_place = |a: &Problem, b: &Problem| a.place.cmp(&b.place);
        self.problems.sort_by(by_place);
        self.warnings.sort_by(by_place);
    }

    /// Passes a value on, or files its problem.
    pub(crate) fn keep<T>(&mut self, result: Result<T, Problem>) -> Option<T> {
        result.map_err(|problem| self.problem(problem)).ok()
    }
}

/// A path as text: serde refuses a path that is not UTF-8, and a report must not fail for that.
pub(crate) fn path_text<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}
