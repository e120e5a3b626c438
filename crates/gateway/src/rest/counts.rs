//! Sums over the metrics' time series: the status counts with the same counters as Prometheus, so that the two never
//! disagree.

use std::collections::BTreeMap;

use prometheus::{Registry, proto::Metric};

/// The counters of one chain, as they were at one moment.
pub(super) struct Counts {
    /// Blocks summed up.
    pub(super) blocks: u64,
    /// Peer deliveries by outcome.
    pub(super) outcomes: BTreeMap<String, u64>,
}

impl Counts {
    pub(super) fn of(registry: &Registry, chain: &str) -> Self {
        let mut counts = Self { blocks: 0, outcomes: BTreeMap::new() };
        for family in registry.gather() {
            let of_chain = family.get_metric().iter().filter(|metric| label(metric, "chain") == Some(chain));
            match family.name() {
                "blockcast_block_judgements_total" => counts.blocks = of_chain.map(value).sum(),
                "blockcast_peer_deliveries_total" => {
                    for metric in of_chain {
                        let outcome = label(metric, "outcome").unwrap_or_default().to_owned();
                        *counts.outcomes.entry(outcome).or_default() += value(metric);
                    }
                }
                _ => {}
            }
        }
        counts
    }

    /// How many deliveries had one of these outcomes.
    pub(super) fn with(&self, outcomes: &[&str]) -> u64 {
        outcomes.iter().filter_map(|outcome| self.outcomes.get(*outcome)).sum()
    }
}

fn label<'a>(metric: &'a Metric, name: &str) -> Option<&'a str> {
    metric.get_label().iter().find(|label| label.name() == name).map(|label| label.value())
}

/// A counter's value; counters of events stay far below 2^53.
fn value(metric: &Metric) -> u64 {
    metric.get_counter().get_value() as u64
}

#[cfg(test)]
mod tests {
    use relay::Metrics;

    use super::*;

    #[test]
    fn only_the_chain_that_is_asked_for_is_counted() {
        let metrics = Metrics::new();
        let (ours, other) = (metrics.chain("litecoin"), metrics.chain("dogecoin"));
        ours.block_judged("rest", "accepted");
        ours.block_judged("cli", "refused");
        ours.peer_delivery("accepted");
        ours.peer_delivery("timed_out");
        ours.peer_delivery("accepted");
        other.block_judged("rest", "accepted");
        other.peer_delivery("accepted");
        let counts = Counts::of(metrics.registry(), "litecoin");
        assert_eq!(counts.blocks, 2);
        assert_eq!(counts.with(&["accepted", "already_had"]), 2);
        assert_eq!(counts.with(&["timed_out"]), 1);
        assert_eq!(Counts::of(metrics.registry(), "dash").blocks, 0);
    }
}
