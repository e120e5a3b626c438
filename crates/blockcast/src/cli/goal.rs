//! What a command waits for that sends a block on its way.

use std::time::Duration;

use clap::Args;

/// How long the daemon itself waits if nothing is asked for (DESIGN §5), in seconds.
const DEFAULT_WAIT: u16 = 4;

/// What to wait for, and for how long.
#[derive(Debug, Args)]
pub(crate) struct Waiting {
    /// What to wait for: `node` (a node's verdict) or `peers:N` (N peers proven to have the block)
    #[arg(long = "wait", value_name = "GOAL", default_value = "node", value_parser = parse_goal)]
    pub(crate) goal: Goal,
    /// For how many seconds to wait, at most; the daemon's own limit is 4 by default
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u16).range(1..=3600))]
    pub(crate) timeout: Option<u16>,
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goal {
    /// A node's verdict.
    Node,
    /// That many peers that are proven to have the block.
    Peers(usize),
}

impl Waiting {
    /// The same as the query of a request.
    pub(crate) fn query(&self) -> String {
        let goal = match self.goal {
            Goal::Node => "node".to_owned(),
            Goal::Peers(wanted) => format!("peers:{wanted}"),
        };
        let timeout = self.timeout.map(|seconds| format!("&timeout={seconds}")).unwrap_or_default();
        format!("wait={goal}{timeout}")
    }

    /// How long the daemon waits before it answers, at most.
    pub(crate) fn longest(&self) -> Duration {
        Duration::from_secs(self.timeout.unwrap_or(DEFAULT_WAIT).into())
    }
}

fn parse_goal(text: &str) -> Result<Goal, String> {
    let peers = |number: &str| number.parse().ok().filter(|wanted| *wanted > 0).map(Goal::Peers);
    match text.split_once(':') {
        None if text == "node" => Some(Goal::Node),
        Some(("peers", number)) => peers(number),
        _ => None,
    }
    .ok_or_else(|| "write `node`, or `peers:N` with N at least 1".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_a_node_or_a_number_of_peers() {
        assert_eq!(parse_goal("node"), Ok(Goal::Node));
        assert_eq!(parse_goal("peers:3"), Ok(Goal::Peers(3)));
        for wrong in ["", "nodes", "node:1", "peers", "peers:", "peers:0", "peers:-1", "peers:x"] {
            assert!(parse_goal(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_daemon_is_asked_to_wait_for_the_goal() {
        assert_eq!(Waiting { goal: Goal::Node, timeout: None }.query(), "wait=node");
        let waiting = Waiting { goal: Goal::Peers(3), timeout: Some(10) };
        assert_eq!(
            (waiting.query().as_str(), waiting.longest()),
            ("wait=peers:3&timeout=10", Duration::from_secs(10))
        );
    }
}
