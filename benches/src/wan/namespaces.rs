//! Network namespaces of our own.
//!
//! They have no names and are bound nowhere: a namespace is there for as long as a process is in it, and its devices go
//! with it. So there is nothing to clean up, also when a measurement is killed.

use std::{
    fs::File,
    io,
    net::Ipv4Addr,
    os::fd::AsFd,
    process::{Command, Output},
};

use anyhow::{Context, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// What runs a program in a network namespace of its own: as root, and as somebody who may be root of a user namespace.
const RUNNERS: [&[&str]; 2] = [&["unshare", "--net", "--"], &["unshare", "--map-root-user", "--net", "--"]];

/// The way to run a program in a network namespace of its own, if there is one.
///
/// # Errors
/// Why there is none, in words for whoever reads the figures.
pub(crate) fn runner() -> Result<&'static [&'static str], String> {
    let mut reasons = Vec::new();
    for runner in RUNNERS {
        // Makes and loses a device: that needs the namespace, the right to it, /dev/net/tun and iproute2.
        let attempt = [runner, &["ip", "tuntap", "add", "dev", "probe", "mode", "tun"]].concat();
        match output(&attempt) {
            Ok(output) if output.status.success() => return Ok(runner),
            Ok(output) => reasons.push(words(&output)),
            Err(error) => reasons.push(format!("{} (Debian: util-linux): {error}", attempt[0])),
        }
    }
    reasons.dedup();
    Err(format!(
        "no network namespaces with TUN devices here (needed: root or user namespaces, /dev/net/tun, unshare of util-linux, ip of iproute2): {}",
        reasons.join("; ")
    ))
}

/// Moves the calling thread, and what it starts from now on, into another process's network namespace.
///
/// # Errors
/// When that process has ended, or this one may not.
pub(super) fn enter(process: u32) -> anyhow::Result<()> {
    let link = format!("/proc/{process}/ns/net");
    let link = File::open(&link).with_context(|| format!("cannot open {link}"))?;
    move_into_link_name_space(link.as_fd(), Some(LinkNameSpaceType::Network))
        .context("cannot enter the other network namespace")
}

/// Gives a device of the calling thread's namespace its address and that of the other end, and sets it up.
///
/// # Errors
/// When `ip` fails.
pub(super) fn set_up(device: &str, here: Ipv4Addr, there: Ipv4Addr) -> anyhow::Result<()> {
    let (here, there) = (here.to_string(), there.to_string());
    ip(&["address", "add", &here, "peer", &there, "dev", device])?;
    // Packets are to wait in the emulated buffer. The device's own queue only has to hold what comes while the program
    // that empties it has not got a core: 10,000 packets are 120 ms of a gigabit.
    ip(&["link", "set", "dev", device, "mtu", "1500", "txqueuelen", "10000", "up"])
}

fn ip(arguments: &[&str]) -> anyhow::Result<()> {
    let output = output(&[&["ip"], arguments].concat()).context("ip (Debian: iproute2)")?;
    ensure!(output.status.success(), "ip {}: {}", arguments.join(" "), words(&output));
    Ok(())
}

fn output(command: &[&str]) -> io::Result<Output> {
    Command::new(command[0]).args(&command[1..]).output()
}

fn words(output: &Output) -> String {
    let words = String::from_utf8_lossy(&output.stderr);
    if words.trim().is_empty() { output.status.to_string() } else { words.trim().replace('\n', ", ") }
}
