//! What is counted, for Prometheus.
//!
//! One prefix, base units, the label `chain` everywhere, and no label whose values a stranger could choose.

use prometheus::{
    GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    core::Collector, exponential_buckets,
};

/// All metrics of the process.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    block_delivery_seconds: HistogramVec,
    blocks_total: IntCounterVec,
    block_judgements_total: IntCounterVec,
    final_word_changes_total: IntCounterVec,
    open_blocks: IntGaugeVec,
    journal_append_seconds: HistogramVec,
    /// Whether history is being written down: 1 or 0.
    pub ledger_available: IntGauge,
    /// Writes that wait for the ledger.
    pub ledger_pending: IntGauge,
    /// Writes that the ledger will never have.
    pub ledger_dropped: IntGauge,
    last_error_timestamp_seconds: IntGaugeVec,
    peer_deliveries_total: IntCounterVec,
    peer_delivery_success_ratio: GaugeVec,
    rpc_submissions_total: IntCounterVec,
    rpc_submit_seconds: HistogramVec,
    connected_peers: IntGaugeVec,
    connection_attempts_total: IntCounterVec,
    peer_disconnections_total: IntCounterVec,
    socket_errors_total: IntCounterVec,
    send_timeouts_total: IntCounterVec,
    send_queue_depth: IntGaugeVec,
    sent_bytes_total: IntCounterVec,
    received_bytes_total: IntCounterVec,
    peer_book_size: IntGaugeVec,
    peers_in_backoff: IntGaugeVec,
    peer_book_save_errors_total: IntCounterVec,
    node_tip_height: IntGaugeVec,
    node_up: IntGaugeVec,
    node_errors_total: IntCounterVec,
    first_echo_seconds: HistogramVec,
    block_final_seconds: HistogramVec,
    node_final_height: IntGaugeVec,
    peer_faults_total: IntCounterVec,
    open_deliveries: IntGaugeVec,
    tips_passed_on_total: IntCounterVec,
    chain_restarts_total: IntCounterVec,
    front_door_calls_total: IntCounterVec,
    /// Whether blocks are being written to disk before they are acknowledged: 1 or 0.
    pub journal_durable: IntGauge,
    /// Blocks that no node has yet, on disk.
    pub journal_open_blocks: IntGauge,
}

impl Metrics {
    /// Registers everything under the prefix `blockcast_`.
    ///
    /// # Panics
    /// If two metrics had the same name, which a test rules out.
    pub fn new() -> Self {
        let registry =
            Registry::new_custom(Some("blockcast".into()), None).expect("the prefix is a valid name");
        let of = Registrar(&registry);
        let delivery = exponential_buckets(0.000_25, 2.0, 18).expect("the bounds are positive");
        let info = of.gauge("build_info", "1, labelled with the version.", &["version"]);
        info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        Self {
            block_delivery_seconds: of.histogram(
                "block_delivery_seconds",
                "From receipt of a block to a stage of its delivery at each peer.",
                &["chain", "stage"],
                delivery.clone(),
            ),
            blocks_total: of.counter(
                "blocks_total",
                "Blocks whose last word the chain has spoken: confirmed, orphaned, rejected, chainlocked; by door.",
                &["chain", "source", "final"],
            ),
            block_judgements_total: of.counter(
                "block_judgements_total",
                "Blocks handed in, by door and by what our nodes made of them.",
                &["chain", "source", "result"],
            ),
            final_word_changes_total: of.counter(
                "final_word_changes_total",
                "Last words that the chain took back: reorganisations deeper than the confirmations asked for.",
                &["chain", "from", "to"],
            ),
            open_blocks: of.gauge(
                "open_blocks",
                "Blocks whose last word the chain has not spoken yet.",
                &["chain"],
            ),
            journal_append_seconds: of.histogram(
                "journal_append_seconds",
                "From handing a block to the journal until it is on disk.",
                &["chain"],
                delivery.clone(),
            ),
            ledger_available: of.plain("ledger_available", "Whether history is being written down: 1 or 0."),
            ledger_pending: of.plain("ledger_pending", "Writes that wait for the ledger."),
            ledger_dropped: of.plain("ledger_dropped", "Writes that the ledger will never have, since start."),
            last_error_timestamp_seconds: of.gauge(
                "last_error_timestamp_seconds",
                "When journal or ledger last failed, Unix seconds, by kind.",
                &["part", "kind"],
            ),
            peer_deliveries_total: of.counter(
                "peer_deliveries_total",
                "Deliveries to peers by outcome.",
                &["chain", "outcome"],
            ),
            peer_delivery_success_ratio: of.ratio(
                "peer_delivery_success_ratio",
                "Share of the peers that the last block was to reach which are proven to have it.",
                &["chain"],
            ),
            rpc_submissions_total: of.counter(
                "rpc_submissions_total",
                "Answers to submitblock by node and judgement.",
                &["chain", "node", "result"],
            ),
            rpc_submit_seconds: of.histogram(
                "rpc_submit_seconds",
                "From receipt of a block to the node's judgement.",
                &["chain", "node"],
                delivery.clone(),
            ),
            connected_peers: of.gauge(
                "connected_peers",
                "Peers with a finished handshake.",
                &["chain", "direction", "kind"],
            ),
            connection_attempts_total: of.counter(
                "connection_attempts_total",
                "Dials by result.",
                &["chain", "result"],
            ),
            peer_disconnections_total: of.counter(
                "peer_disconnections_total",
                "Connections ended, by reason.",
                &["chain", "reason"],
            ),
            socket_errors_total: of.counter(
                "socket_errors_total",
                "Sockets failed, by kind.",
                &["chain", "kind"],
            ),
            send_timeouts_total: of.counter(
                "send_timeouts_total",
                "Peers dropped because they took no bytes for five seconds.",
                &["chain"],
            ),
            send_queue_depth: of.gauge("send_queue_depth", "Bytes that wait for peers.", &["chain"]),
            sent_bytes_total: of.counter("sent_bytes_total", "Bytes sent to peers.", &["chain"]),
            received_bytes_total: of.counter(
                "received_bytes_total",
                "Bytes received from peers.",
                &["chain"],
            ),
            peer_book_size: of.gauge("peer_book_size", "Addresses in the peer book.", &["chain", "source"]),
            peers_in_backoff: of.gauge("peers_in_backoff", "Addresses not dialled for now.", &["chain"]),
            peer_book_save_errors_total: of.counter(
                "peer_book_save_errors_total",
                "Times that the peer book could not be saved.",
                &["chain"],
            ),
            node_tip_height: of.gauge("node_tip_height", "Height of a node's tip.", &["chain", "node"]),
            node_up: of.gauge("node_up", "Whether a node answers its RPC: 1 or 0.", &["chain", "node"]),
            node_errors_total: of.counter(
                "node_errors_total",
                "Failed questions to nodes by kind: refused, unauthorized, warming_up and so on.",
                &["chain", "node", "kind"],
            ),
            first_echo_seconds: of.histogram(
                "first_echo_seconds",
                "From receipt of a block to its first announcement by a peer that it was not sent to.",
                &["chain"],
                delivery,
            ),
            block_final_seconds: of.histogram(
                "block_final_seconds",
                "From receipt of a block to the chain's last word on it: chainlocked, or orphaned.",
                &["chain", "final"],
                exponential_buckets(0.125, 2.0, 14).expect("the bounds are positive"),
            ),
            node_final_height: of.gauge(
                "node_final_height",
                "Height of the newest block that a node says is final.",
                &["chain", "node"],
            ),
            peer_faults_total: of.counter(
                "peer_faults_total",
                "What peers did that no honest one does: forged_lock, unasked_for and so on.",
                &["chain", "kind"],
            ),
            open_deliveries: of.gauge("open_deliveries", "Blocks on their way.", &["chain"]),
            tips_passed_on_total: of.counter(
                "tips_passed_on_total",
                "New blocks of others that peers were told of.",
                &["chain"],
            ),
            chain_restarts_total: of.counter(
                "chain_restarts_total",
                "Actors rebuilt after a crash.",
                &["chain"],
            ),
            front_door_calls_total: of.counter(
                "front_door_calls_total",
                "Calls at the front door by how they were answered: accepted, refused, forwarded, denied and so on.",
                &["chain", "answer"],
            ),
            journal_durable: of
                .plain("journal_durable", "Whether blocks are on disk before they are acknowledged: 1 or 0."),
            journal_open_blocks: of.plain("journal_open_blocks", "Blocks on disk that no node has yet."),
            registry,
        }
    }

    /// The registry, for whoever serves `/metrics`.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// When journal or ledger last failed.
    pub fn last_error(&self, part: &str, kind: &str, unix_seconds: u64) {
        let seconds = i64::try_from(unix_seconds).unwrap_or(i64::MAX);
        self.last_error_timestamp_seconds.with_label_values(&[part, kind]).set(seconds);
    }

    /// The metrics of one chain.
    pub fn chain(&self, chain: &str) -> ChainMetrics {
        ChainMetrics { all: self.clone(), chain: chain.into() }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

struct Registrar<'a>(&'a Registry);

impl Registrar<'_> {
    fn register<C: Collector + Clone + 'static>(&self, metric: prometheus::Result<C>) -> C {
        let metric = metric.expect("names and labels are literals that a test has seen");
        self.0.register(Box::new(metric.clone())).expect("each name is registered once");
        metric
    }

    fn counter(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.register(IntCounterVec::new(Opts::new(name, help), labels))
    }

    fn gauge(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.register(IntGaugeVec::new(Opts::new(name, help), labels))
    }

    fn ratio(&self, name: &str, help: &str, labels: &[&str]) -> GaugeVec {
        self.register(GaugeVec::new(Opts::new(name, help), labels))
    }

    fn plain(&self, name: &str, help: &str) -> IntGauge {
        self.register(IntGauge::with_opts(Opts::new(name, help)))
    }

    fn histogram(&self, name: &str, help: &str, labels: &[&str], buckets: Vec<f64>) -> HistogramVec {
        self.register(HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets), labels))
    }
}

/// The metrics of one chain.
#[derive(Debug, Clone)]
pub struct ChainMetrics {
    all: Metrics,
    chain: String,
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident => $metric:ident [$($label:ident),*];)*) => {$(
        $(#[$doc])*
        pub fn $name(&self, $($label: &str),*) {
            self.all.$metric.with_label_values(&[self.chain.as_str(), $($label),*]).inc();
        }
    )*};
}

macro_rules! gauges {
    ($($(#[$doc:meta])* $name:ident => $metric:ident [$($label:ident),*];)*) => {$(
        $(#[$doc])*
        pub fn $name(&self, $($label: &str,)* value: usize) {
            let value = i64::try_from(value).unwrap_or(i64::MAX);
            self.all.$metric.with_label_values(&[self.chain.as_str(), $($label),*]).set(value);
        }
    )*};
}

macro_rules! timings {
    ($($(#[$doc:meta])* $name:ident => $metric:ident [$($label:ident),*];)*) => {$(
        $(#[$doc])*
        pub fn $name(&self, $($label: &str,)* took: std::time::Duration) {
            self.all.$metric.with_label_values(&[self.chain.as_str(), $($label),*]).observe(took.as_secs_f64());
        }
    )*};
}

impl ChainMetrics {
    counters! {
        /// The chain has spoken its last word on a block.
        block => blocks_total [source, final_];
        /// The nodes have judged a block.
        block_judged => block_judgements_total [source, result];
        /// The chain has taken its last word back.
        final_word_changed => final_word_changes_total [from, to];
        /// A peer's delivery has an outcome.
        peer_delivery => peer_deliveries_total [outcome];
        /// A node's answer has been judged.
        rpc_submission => rpc_submissions_total [node, result];
        /// A dial has ended.
        connection_attempt => connection_attempts_total [result];
        /// A connection has ended.
        peer_disconnection => peer_disconnections_total [reason];
        /// A socket has failed.
        socket_error => socket_errors_total [kind];
        /// A peer took no bytes for too long.
        send_timeout => send_timeouts_total [];
        /// A node did not answer a question.
        node_error => node_errors_total [node, kind];
        /// A peer did what no honest one does.
        peer_fault => peer_faults_total [kind];
        /// The peer book could not be saved.
        peer_book_save_failed => peer_book_save_errors_total [];
        /// Peers were told of a new block of others.
        tip_passed_on => tips_passed_on_total [];
        /// The chain's actors were rebuilt.
        restart => chain_restarts_total [];
        /// The pool was answered.
        front_door_call => front_door_calls_total [answer];
    }

    gauges! {
        /// Peers with a finished handshake.
        connected_peers => connected_peers [direction, kind];
        /// Bytes that wait for peers.
        send_queue_depth => send_queue_depth [];
        /// Addresses in the book.
        peer_book_size => peer_book_size [source];
        /// Addresses not dialled for now.
        peers_in_backoff => peers_in_backoff [];
        /// A node's height.
        node_tip_height => node_tip_height [node];
        /// Whether a node answers.
        node_up => node_up [node];
        /// The height up to which blocks are final, by a node's word.
        node_final_height => node_final_height [node];
        /// Blocks without a last word.
        open_blocks => open_blocks [];
        /// Blocks on their way.
        open_deliveries => open_deliveries [];
    }

    timings! {
        /// A stage of a delivery to a peer.
        delivery_stage => block_delivery_seconds [stage];
        /// A block is on disk.
        journal_append => journal_append_seconds [];
        /// A node's judgement.
        rpc_submit => rpc_submit_seconds [node];
        /// The chain's last word on a block.
        block_final => block_final_seconds [final_];
        /// The first announcement by a peer that the block was not sent to.
        first_echo => first_echo_seconds [];
    }

    /// Bytes went out.
    pub fn sent(&self, bytes: usize) {
        self.all.sent_bytes_total.with_label_values(&[&self.chain]).inc_by(bytes as u64);
    }

    /// Bytes came in.
    pub fn received(&self, bytes: usize) {
        self.all.received_bytes_total.with_label_values(&[&self.chain]).inc_by(bytes as u64);
    }

    /// The share of peers that are proven to have the last block.
    pub fn success_ratio(&self, ratio: f64) {
        self.all.peer_delivery_success_ratio.with_label_values(&[&self.chain]).set(ratio);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_registers_once_and_under_the_prefix() {
        let metrics = Metrics::new();
        let chain = metrics.chain("litecoin");
        chain.block("rest", "confirmed");
        chain.sent(5);
        let families = metrics.registry().gather();
        assert!(families.iter().all(|family| family.name().starts_with("blockcast_")));
        assert!(families.iter().any(|family| family.name() == "blockcast_blocks_total"));
    }
}
