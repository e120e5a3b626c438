//! A network of a test's own, in which any address may be used, or mounts of its own.
//!
//! Daemons pass on public addresses only, and listen to nobody about others. A test that is about that runs itself again
//! in a network namespace whose loopback has such addresses; from there nothing leads outside. One that is about a full
//! disk runs itself again where it may mount a small one that nobody else sees.

use std::env;
use std::process::{Command, Stdio};

use crate::process::find_program;
use crate::skip;

/// Set in the inner run.
const INSIDE: &str = "E2E_NAMESPACE";

/// Whether the calling test is inside, and may go on. Called outside it runs the test inside, to the end, and says no.
///
/// `name` is the test's own. All of 20.0.0.0/8 is this machine's there, as 127.0.0.0/8 is everywhere.
///
/// # Panics
/// When the inner test fails.
pub fn entered(name: &str) -> bool {
    if !inside(
        name,
        "--net",
        &["ip", "link"],
        "no network namespaces here (unshare of util-linux, ip of iproute2, and root or user namespaces)",
    ) {
        return false;
    }
    run(&["ip", "link", "set", "lo", "up"]);
    run(&["ip", "address", "add", "20.0.0.1/8", "dev", "lo"]);
    true
}

/// The same for mounts: what is mounted inside is seen there only, and gone with the test.
///
/// # Panics
/// When the inner test fails.
pub fn entered_with_mounts(name: &str) -> bool {
    let probe = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", "/mnt"];
    inside(name, "--mount", &probe, "no mounts of a test's own here (unshare and root or user namespaces)")
}

/// Whether this is the inner run; otherwise the test is run in a namespace of this kind, had as root, or as anybody where
/// user namespaces are allowed. The probe is what has to work in there.
fn inside(name: &str, kind: &str, probe: &[&str], without: &str) -> bool {
    if env::var_os(INSIDE).is_some() {
        return true;
    }
    let ways: [&[&str]; 2] = [&[kind], &["--map-root-user", kind]];
    let works = |way: &&&[&str]| {
        let tried = Command::new("unshare").args(**way).arg("--").args(probe).stdout(Stdio::null()).status();
        tried.is_ok_and(|status| status.success())
    };
    let programs = ["unshare", probe[0]].into_iter().all(|program| find_program(program).is_some());
    let Some(way) = programs.then(|| ways.iter().find(works)).flatten() else {
        skip::say(&skip::line(without));
        return false;
    };
    let test = env::current_exe().expect("a test is a program");
    let inner = Command::new("unshare")
        .args(*way)
        .arg("--")
        .arg(test)
        .args(["--exact", name, "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .expect("unshare has just run");
    let output = [inner.stdout, inner.stderr].concat();
    assert!(inner.status.success(), "inside:\n{}", String::from_utf8_lossy(&output));
    false
}

fn run(command: &[&str]) {
    let status = Command::new(command[0]).args(&command[1..]).status();
    assert!(status.is_ok_and(|status| status.success()), "{} failed", command.join(" "));
}
