//! Being killed at one system call: strace sends the signal as the call is entered, so that it does not happen.
//!
//! Which calls there are is not written down here but looked up first, by watching the program do once what it is going to
//! be killed at. Two things are watched: the journal's thread, from a moment of our choice on; and, at the start of the
//! program, whatever touches the journal's files, for that is done before the thread is there.

use std::{
    collections::BTreeMap,
    fmt, fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, bail, ensure};

use super::program::{self, Home};

/// Calls that have to do with files.
const CLASS: &str = "trace=%file,%desc";

/// How long strace may take to end after the program has.
const PATIENCE: Duration = Duration::from_secs(10);

/// One call of a path: of those of that name the n-th.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Call {
    pub(super) name: String,
    pub(super) nth: usize,
}

impl Call {
    pub(super) fn new(name: &str, nth: usize) -> Self {
        Self { name: name.to_owned(), nth }
    }

    fn injection(&self) -> String {
        format!("inject={}:signal=SIGKILL:when={}", self.name, self.nth)
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.name, self.nth)
    }
}

/// strace on one thread. Dropping it lets go of the thread.
#[derive(Debug)]
pub(super) struct Tracer {
    strace: Child,
    log: PathBuf,
}

impl Tracer {
    /// Watches what a thread does with the journal's files, and kills its process at a call if one is given. Returns once
    /// it watches.
    ///
    /// # Errors
    /// Where the system does not allow it (`kernel.yama.ptrace_scope`), among others.
    pub(super) fn attach(home: &Home, thread: u32, call: Option<&Call>) -> anyhow::Result<Self> {
        let log = fresh_log(home)?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", "strace", "-p", &thread.to_string()]);
        command.args(options(home, call, &log)?).stdin(Stdio::null()).stderr(Stdio::piped());
        let mut strace = command.spawn().context("cannot run setpriv (util-linux)")?;
        let mut said = BufReader::new(strace.stderr.take().context("strace without standard error")?);
        let mut line = String::new();
        said.read_line(&mut line)?;
        let tracer = Self { strace, log };
        ensure!(line.contains("attached"), "strace: {}", line.trim());
        Ok(tracer)
    }

    /// What it saw; the program must be gone.
    pub(super) fn seen(mut self) -> anyhow::Result<Vec<String>> {
        self.strace.wait()?;
        Ok(calls(&fs::read_to_string(&self.log)?))
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // It fails where strace has ended, as it does with the thread that it watches.
        let _ = self.strace.kill().and_then(|()| self.strace.wait());
    }
}

/// The command behind which the program starts, to be killed at a call to the journal's files, if one is given.
///
/// `-D`: what we start becomes the program; strace is beside it, and ends with it.
pub(super) fn runner(home: &Home, call: Option<&Call>) -> anyhow::Result<Vec<String>> {
    let log = fresh_log(home)?;
    let strace = ["strace", "-D", "-f"].map(str::to_owned);
    Ok(strace.into_iter().chain(options(home, call, &log)?).collect())
}

/// What is watched. `-P`: only calls about these paths are seen, counted and injected into; how threads wake each other
/// is chance.
fn options(home: &Home, call: Option<&Call>, log: &Path) -> anyhow::Result<Vec<String>> {
    let mut options = vec!["-e".to_owned(), CLASS.to_owned(), "-o".to_owned(), text(log)?];
    options.extend(call.iter().flat_map(|call| ["-e".to_owned(), call.injection()]));
    for path in journal_files(&home.journal())? {
        options.extend(["-P".to_owned(), text(&path)?]);
    }
    Ok(options)
}

/// What was seen at the start of the program, which must be gone and had this process id.
pub(super) fn seen_at_start(home: &Home, process: u32) -> anyhow::Result<Vec<String>> {
    let log = log_path(home);
    // Its last line is about the process itself, and comes a moment after its end.
    let process = process.to_string();
    let is_last = |line: &str| line.split_ascii_whitespace().take(2).eq([process.as_str(), "+++"]);
    let read = || fs::read_to_string(&log).map_err(anyhow::Error::from);
    if !program::until(PATIENCE, || Ok(read()?.lines().any(is_last)))? {
        bail!("strace has not ended with the program");
    }
    Ok(calls(&read()?))
}

/// The call at which the program was killed: the last one seen, by its place among those of its name.
pub(super) fn killed_at(seen: &[String]) -> Option<Call> {
    let last = seen.last()?;
    Some(Call::new(last, seen.iter().filter(|name| *name == last).count()))
}

/// Every call of a path.
pub(super) fn path(seen: &[String]) -> Vec<Call> {
    let mut counts = BTreeMap::new();
    let mut call = |name: &String| {
        let count = counts.entry(name.clone()).or_insert(0);
        *count += 1;
        Call::new(name, *count)
    };
    seen.iter().map(&mut call).collect()
}

/// The names of the calls that a log tells of, in their order.
fn calls(log: &str) -> Vec<String> {
    let name = |line: &str| {
        // `-f` puts the thread's number before it.
        let line = line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ');
        let (name, _) = line.split_once('(')?;
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        is_name.then(|| name.to_owned())
    };
    log.lines().filter_map(name).collect()
}

/// The journal's directory, what is in it, and the file that will be begun next.
fn journal_files(journal: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = vec![journal.to_owned(), journal.join("lock")];
    let mut last = 0;
    for entry in fs::read_dir(journal)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let number = name.split('.').next().and_then(|digits| digits.parse::<u32>().ok());
        last = last.max(number.unwrap_or(0));
        if name.ends_with(".log") {
            files.push(journal.join(name));
        }
    }
    files.push(journal.join(format!("{:08}.log", last + 1)));
    Ok(files)
}

fn log_path(home: &Home) -> PathBuf {
    home.path().join("strace")
}

fn fresh_log(home: &Home) -> anyhow::Result<PathBuf> {
    let path = log_path(home);
    fs::write(&path, "")?;
    Ok(path)
}

fn text(path: &Path) -> anyhow::Result<String> {
    Ok(path.to_str().context("a temporary directory whose name is not UTF-8")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_read_with_and_without_threads() {
        let log = "write(11</j/1.log>, \"\\261o(\"..., 78) = 78\nfdatasync(11</j/1.log>) = ?\n+++ killed by SIGKILL +++\n";
        assert_eq!(calls(log), ["write", "fdatasync"]);
        let log = "7 openat(AT_FDCWD, \"/j\") = 3\n7 openat(AT_FDCWD, \"/j\") = ?\n7 +++ killed +++\n";
        let seen = calls(log);
        assert_eq!(killed_at(&seen), Some(Call::new("openat", 2)));
        assert_eq!(path(&seen), [Call::new("openat", 1), Call::new("openat", 2)]);
    }
}
