//! `blockcast check-config [--live] DIR`: what is wrong with a configuration, before it matters.

mod live;
mod p2p;

use std::fmt::Write;

use config::{Auth, Chain, Config, Node};

use crate::cli::CheckConfig;
use crate::view::{Style, Tone, text};
use crate::{client, output, settings};

pub(crate) fn run(args: &CheckConfig) -> anyhow::Result<bool> {
    let config = settings::load(&args.dir)?;
    for warning in &config.warnings {
        eprintln!("warning: {}", text::clean(&warning.to_string()));
    }
    output::print(&summary(&config))?;
    if !args.live {
        return Ok(true);
    }
    output::print("\n")?;
    let style = Style::of_stdout();
    let mut all_well = true;
    client::block_on(async {
        for chain in config.enabled_chains() {
            for check in live::check(chain).await? {
                all_well &= check.result.is_ok();
                output::print(&check.render(style))?;
            }
        }
        Ok(())
    })?;
    Ok(all_well)
}

/// One thing that was tried against a node.
#[derive(Debug)]
pub(crate) struct Check {
    /// `litecoin/a`
    pub(crate) node: String,
    /// `rpc` or `p2p`
    pub(crate) path: &'static str,
    pub(crate) result: Result<String, Failure>,
}

/// Why it failed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// A stable word: that of the error, or `wrong_network`.
    pub(crate) kind: &'static str,
    pub(crate) message: String,
}

impl Check {
    fn render(&self, style: Style) -> String {
        let (mark, what) = match &self.result {
            Ok(what) => (style.paint(Tone::Good, "ok  "), text::clean(what)),
            Err(Failure { kind, message }) => {
                (style.paint(Tone::Bad, "FAIL"), format!("{kind}: {}", text::clean(message)))
            }
        };
        format!("{mark}  {} {}  {what}\n", self.node, self.path)
    }
}

/// The configuration in short, as it was understood.
fn summary(config: &Config) -> String {
    let mut page = String::new();
    let mut line = |text: String| writeln!(page, "{text}").expect("a String takes any text");
    line("The configuration is in order.".into());
    line(format!("  data_dir    {}", config.data_dir.display()));
    let token = config
        .http
        .token
        .as_ref()
        .map_or_else(|| "no token".to_owned(), |token| format!("token from {}", token.path().display()));
    line(format!("  http        {}, {token}", config.http.listen));
    line(format!("  log         {}, {}", config.log.level, config.log.format));
    for chain in config.chains.values() {
        let enabled = if chain.enabled { "" } else { ", NOT ENABLED" };
        line(format!("\n{}: {} {}{enabled}", chain.name, chain.chain, chain.network));
        for node in &chain.nodes {
            line(format!("  node {:<6} {}", node.name, about_node(node)));
        }
        line(format!("  peers       {}", about_peers(chain)));
        line(match &chain.front_door {
            Some(door) => format!("  front door  {}, user {}", door.listen, door.user),
            None => "  front door  none: pools cannot hand in blocks by JSON-RPC".into(),
        });
    }
    page
}

fn about_node(node: &Node) -> String {
    let login = match &node.rpc.auth {
        Auth::CookieFile(path) => format!("cookie {}", path.display()),
        Auth::Password { user, password } => {
            format!("user {user}, password from {}", password.path().display())
        }
    };
    let p2p = match &node.p2p {
        Some(address) => format!("p2p {address}"),
        None => "no p2p".into(),
    };
    format!("{}, rpc {} ({login}), {p2p}", node.role, node.rpc.url)
}

fn about_peers(chain: &Chain) -> String {
    let peers = &chain.peers;
    if !peers.enabled {
        return "none: blocks go to your own nodes only".into();
    }
    let discovery: Vec<&str> = peers.discovery.iter().map(|source| source.as_str()).collect();
    let discovery = if discovery.is_empty() {
        "no discovery".to_owned()
    } else {
        format!("found by {}", discovery.join(", "))
    };
    let proxy = peers.proxy.as_ref().map_or_else(String::new, |proxy| format!(", through {}", proxy.address));
    format!(
        "{} to {}, {}, {} fixed, {discovery}{proxy}",
        peers.min,
        peers.max,
        text::count(peers.observers, "observer"),
        peers.fixed.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_example_in_the_source_is_in_order_and_summed_up_like_this() {
        let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config");
        let config = config::load(Path::new(examples), [], engine::KNOWN_CHAINS).unwrap();
        let expected = "\
The configuration is in order.
  data_dir    data
  http        127.0.0.1:7904, no token
  log         info, text

dash: dash mainnet
  node a      primary, rpc http://127.0.0.1:9998 (cookie /var/lib/dashd/.cookie), p2p 127.0.0.1:9999
  peers       5 to 20, 1 observer, 0 fixed, found by node, chain, gossip, dns, seeds
  front door  none: pools cannot hand in blocks by JSON-RPC

dogecoin: dogecoin mainnet
  node a      primary, rpc http://127.0.0.1:22555 (cookie /var/lib/dogecoind/.cookie), p2p 127.0.0.1:22556
  node b      backup, rpc http://127.0.0.1:22655 (cookie /var/lib/dogecoind-b/.cookie), p2p 127.0.0.1:22656
  node c      backup, rpc http://10.0.0.3:22555 (cookie /etc/blockcast/dogecoin-node-c.cookie), p2p 10.0.0.3:22556
  peers       5 to 20, 1 observer, 0 fixed, found by node, chain, gossip, dns, seeds
  front door  none: pools cannot hand in blocks by JSON-RPC

litecoin: litecoin mainnet
  node a      primary, rpc http://127.0.0.1:9332 (cookie /var/lib/litecoind/.cookie), p2p 127.0.0.1:9333
  peers       5 to 20, 1 observer, 0 fixed, found by node, chain, gossip, dns, seeds
  front door  none: pools cannot hand in blocks by JSON-RPC
";
        assert_eq!(summary(&config), expected);
    }

    #[test]
    fn each_result_is_one_line() {
        let check = |result| Check { node: "litecoin/a".into(), path: "rpc", result };
        let ok = check(Ok("main, height 5".to_owned())).render(Style::default());
        assert_eq!(ok, "ok    litecoin/a rpc  main, height 5\n");
        let failure = Failure { kind: "http", message: "it says\n<html>".into() };
        let failed = check(Err(failure)).render(Style::default());
        assert_eq!(failed, "FAIL  litecoin/a rpc  http: it says\\n<html>\n");
    }
}
