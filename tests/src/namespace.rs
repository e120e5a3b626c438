//! A network of a test's own, in which any address may be used.
//!
//! Daemons pass on public addresses only, and listen to nobody about others. A test that is about that runs itself again
//! in a network namespace whose loopback has such addresses; from there nothing leads outside.

use std::env;
use std::process::{Command, Stdio};

use crate::process::find_program;
use crate::skip;

/// Set in the inner run.
const INSIDE: &str = "E2E_NETWORK_NAMESPACE";

/// How a network namespace is had: as root, or as anybody where user namespaces are allowed.
const WAYS: [&[&str]; 2] = [&["--net"], &["--map-root-user", "--net"]];

/// Whether the calling test is inside, and may go on. Called outside it runs the test inside, to the end, and says no.
///
/// `name` is the test's own. All of 20.0.0.0/8 is this machine's there, as 127.0.0.0/8 is everywhere.
///
/// # Panics
/// When the inner test fails.
pub fn entered(name: &str) -> bool {
    if env::var_os(INSIDE).is_some() {
        run(&["ip", "link", "set", "lo", "up"]);
        run(&["ip", "address", "add", "20.0.0.1/8", "dev", "lo"]);
        return true;
    }
    let works = |way: &&&[&str]| {
        let tried =
            Command::new("unshare").args(**way).args(["--", "ip", "link"]).stdout(Stdio::null()).status();
        tried.is_ok_and(|status| status.success())
    };
    let programs = ["unshare", "ip"].into_iter().all(|program| find_program(program).is_some());
    let Some(way) = programs.then(|| WAYS.iter().find(works)).flatten() else {
        skip::say(&skip::line(
            "no network namespaces here (unshare of util-linux, ip of iproute2, and root or user namespaces)",
        ));
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
