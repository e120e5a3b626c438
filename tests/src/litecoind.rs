//! litecoind, which Debian has a package of.

use crate::daemon::Daemon;
use crate::program::{self, Program};
use crate::skip;

/// A node that runs litecoind; `Litecoind::start(Options::default())` is one.
pub type Litecoind = Daemon;

/// litecoind 0.21: what is found on PATH.
pub static LITECOIND: Program = Program {
    name: "litecoind",
    chain: "litecoin",
    path: || "litecoind".into(),
    args: &["-fallbackfee=0.001", "-upnp=0"],
    ban_list: "banlist.dat",
    has_onion_bind: true,
    mine: program::mine_to_descriptor,
    has_wallet: true,
    settle: |_| (),
};

/// Whether this machine can run litecoind. If not it says so on standard error, past the test harness's capture.
///
/// # Panics
/// When it cannot and the environment has `CI` set.
pub fn available() -> bool {
    let Some(missing) = skip::missing(&["litecoind", "setpriv"]) else { return true };
    let line = skip::line(&format!("{missing} not on PATH; ./tests/run installs it on Debian"));
    assert!(std::env::var_os("CI").is_none(), "CI is set, yet: {line}");
    skip::say(&line);
    false
}
