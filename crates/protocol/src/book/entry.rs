//! What the book knows about one address.

use std::time::{Duration, Instant};

use super::{
    Backoff, Kind, Score, Term,
    address::Group,
    buckets::Place,
    score::{self, Average, Fading},
};

/// How long a connection must have lasted to count as a success.
const LASTING: Duration = Duration::from_secs(60);

/// How many counted failures in a row, and over how long at least, before a peer may be dropped.
const HOPELESS: (u32, Duration) = (3, Duration::from_secs(24 * 3600));

/// How long it holds that a node of ours is connected to a peer: nodes are asked every half hour.
const KNOWN_FOR: Duration = Duration::from_secs(65 * 60);

/// How soon one is dialled again that was connected for long: between the two, by jitter.
const SOON: (f64, f64) = (1.0, 5.0);

/// How long one whom only strangers have named must have been connected, all times together, to be no newcomer.
const ESTABLISHED: Duration = Duration::from_secs(24 * 3600);

/// Whether there is a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// No.
    Idle,
    /// One is being made.
    Dialing,
    /// Yes, with the handshake done.
    Connected,
}

impl State {
    /// The word for status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Dialing => "dialing",
            Self::Connected => "connected",
        }
    }
}

/// What a peer has shown.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) earned: Fading,
    pub(super) lost: Fading,
    /// Dials taken and not taken, fading.
    pub(super) taken: Fading,
    pub(super) refused: Fading,
    /// Milliseconds.
    pub(super) handshake: Option<Average>,
    /// Milliseconds.
    pub(super) ping: Option<Average>,
    /// Milliseconds.
    pub(super) delivery: Option<Average>,
    /// 0 to 1.
    pub(super) early: Option<Average>,
    /// Milliseconds.
    pub(super) lead: Option<Average>,
    /// All earlier connections together.
    pub(super) uptime: Duration,
    /// Blocks that it announced, and those that it announced first.
    pub(super) announced: u64,
    pub(super) announced_first: u64,
    /// How often it hung up right after a block of ours.
    pub(super) hung_up_after_block: u64,
}

impl Record {
    pub(super) fn new(now: Instant) -> Self {
        let nothing = Fading::new(0.0, now);
        Self {
            earned: nothing,
            lost: nothing,
            taken: nothing,
            refused: nothing,
            handshake: None,
            ping: None,
            delivery: None,
            early: None,
            lead: None,
            uptime: Duration::ZERO,
            announced: 0,
            announced_first: 0,
            hung_up_after_block: 0,
        }
    }
}

/// One address.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Why it is here.
    pub kind: Kind,
    /// Whether there is a connection.
    pub state: State,
    /// Proven deliveries.
    pub deliveries: u64,
    /// Failed deliveries.
    pub failures: u64,
    /// When we first heard of it, Unix seconds.
    pub first_seen: f64,
    /// When it was last alive, Unix seconds: as we saw it, or else as others say.
    pub last_seen: f64,
    /// When we last had a connection or an answer of it in this run, Unix seconds; 0: never.
    pub(super) met: f64,
    /// What it offers, as bits, as far as is known.
    pub services: u64,
    /// When a node of ours last said that it is connected to it, Unix seconds; 0: never.
    pub(super) named_by_node: f64,
    /// Whose neighbour told us of it first; `None` if our own node, our configuration or the chain did.
    pub(super) heard_from: Option<Group>,
    pub(super) place: Place,
    pub(super) record: Record,
    pub(super) backoff: Backoff,
    pub(super) due: Instant,
    /// When the present connection was made.
    pub(super) since: Option<Instant>,
    /// Whether the present connection is there to find out what it is worth.
    pub(super) on_trial: bool,
    /// How many blocks came since the present connection was made.
    pub(super) blocks_here: u32,
    /// Failures in a row that count, and when the first was, Unix seconds.
    pub(super) strikes: u32,
    pub(super) struck: f64,
}

impl Entry {
    pub(super) fn new(kind: Kind, heard_from: Option<Group>, unix: f64, now: Instant) -> Self {
        Self {
            backoff: kind.backoff(),
            named_by_node: if kind == Kind::Discovered(super::Source::Node) { unix } else { 0.0 },
            kind,
            state: State::Idle,
            deliveries: 0,
            failures: 0,
            first_seen: unix,
            last_seen: unix,
            met: 0.0,
            services: 0,
            heard_from,
            place: Place::Reserved,
            record: Record::new(now),
            due: now,
            since: None,
            on_trial: false,
            blocks_here: 0,
            strikes: 0,
            struck: 0.0,
        }
    }

    /// The parts of its score. Our own nodes have none.
    pub fn terms(&self, now: Instant) -> Vec<Term> {
        let record = &self.record;
        let term = |name, points| Term { name, points };
        let round_trips = [record.handshake, record.ping];
        let measured = round_trips.iter().flatten().count().max(1) as f64;
        let latency: f64 = round_trips.iter().map(|mean| score::points(*mean, now, score::latency)).sum();
        vec![
            term("start", self.kind.start()),
            term("deliveries", record.earned.at(now)),
            term("failures", -record.lost.at(now)),
            term("early", score::points(record.early, now, score::early)),
            term("lead", score::lead(record.lead, now)),
            term("delivery", score::points(record.delivery, now, score::delivery)),
            term("latency", latency / measured),
            term("uptime", score::uptime(self.uptime(now))),
            term("reliability", score::reliability(record.taken.at(now), record.refused.at(now))),
        ]
    }

    /// The score as it is now, [`Score::OWN`] for our own nodes.
    pub fn score(&self, now: Instant) -> u32 {
        if self.kind.is_own() { Score::OWN } else { self.points(now).round() as u32 }
    }

    pub(super) fn points(&self, now: Instant) -> f64 {
        let sum: f64 = self.terms(now).iter().map(|term| term.points).sum();
        sum.clamp(0.0, Score::MAX)
    }

    /// What it gives us, as far as that is known: its score without what it has for being known, or here.
    pub(super) fn merit(&self, now: Instant) -> f64 {
        let of_merit = |term: &Term| !matches!(term.name, "start" | "deliveries" | "uptime");
        self.terms(now).iter().filter(|term| of_merit(term)).map(|term| term.points).sum()
    }

    /// How long it was connected, all times together.
    pub fn uptime(&self, now: Instant) -> Duration {
        let present = self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        self.record.uptime.saturating_add(present)
    }

    /// The mean of late pings, in milliseconds.
    pub fn ping_ms(&self) -> Option<f64> {
        self.record.ping.map(|mean| mean.value)
    }

    /// The mean time of late handshakes, in milliseconds.
    pub fn handshake_ms(&self) -> Option<f64> {
        self.record.handshake.map(|mean| mean.value)
    }

    /// The mean time until a block of ours was in its hands, in milliseconds.
    pub fn delivery_ms(&self) -> Option<f64> {
        self.record.delivery.map(|mean| mean.value)
    }

    /// How many blocks of others it announced to us, and how many before all our other peers.
    pub fn announced(&self) -> (u64, u64) {
        (self.record.announced, self.record.announced_first)
    }

    /// How often it hung up on us right after a block of ours: what a peer does that bans us.
    pub fn hung_up_after_block(&self) -> u64 {
        self.record.hung_up_after_block
    }

    /// When it may be dialled again.
    pub fn due(&self) -> Instant {
        self.due
    }

    /// Whether it may be dialled.
    pub fn is_due(&self, now: Instant) -> bool {
        self.due <= now
    }

    /// Failures to connect in a row.
    pub fn failures_in_a_row(&self) -> u32 {
        self.backoff.failures()
    }

    /// Whether it has shown that it is what we look for.
    pub fn is_proven(&self) -> bool {
        self.deliveries > 0
    }

    /// Whether nobody but strangers has named it, and it has not been here for long: what a flood of addresses is made of.
    pub fn is_newcomer(&self, now: Instant) -> bool {
        self.kind == Kind::Discovered(super::Source::Gossip) && self.uptime(now) < ESTABLISHED
    }

    /// Whether it stands where peers stand that we were connected to.
    pub fn was_connected(&self) -> bool {
        matches!(self.place, Place::Tried { .. })
    }

    /// Whether the book is better off without it: nobody named it, it never had a block of ours, its score is next to
    /// nothing, and that by failures over a day.
    pub(super) fn is_hopeless(&self, unix: f64, now: Instant) -> bool {
        !self.kind.is_own()
            && !self.kind.is_fixed()
            && self.state == State::Idle
            && !self.is_proven()
            && self.has_failed_for_long(unix)
            && self.points(now) < Score::DROPPED_BELOW
    }

    /// Whether it has failed several times in a row, and over a day.
    pub(super) fn has_failed_for_long(&self, unix: f64) -> bool {
        let (strikes, span) = HOPELESS;
        self.strikes >= strikes && unix - self.struck >= span.as_secs_f64()
    }

    /// Whether it is a stranger without a place, who stays only while there is a connection.
    pub(super) fn is_homeless(&self) -> bool {
        self.kind.is_discovered() && self.place == Place::Reserved && self.state == State::Idle
    }

    /// Whether a node of ours is connected to it, as far as we know: it said so when it was last asked, or before.
    pub fn is_known_to_node(&self, unix: f64) -> bool {
        unix - self.named_by_node < KNOWN_FOR.as_secs_f64()
    }

    /// It was heard of again, as something else perhaps.
    pub(super) fn heard_as(&mut self, kind: Kind, heard_from: Option<Group>, unix: f64, now: Instant) {
        if kind == Kind::Discovered(super::Source::Node) {
            self.named_by_node = unix;
        }
        if kind != self.kind && self.kind.gives_way_to(&kind) {
            self.backoff = kind.backoff().after(self.backoff.failures());
            if kind.is_own() || kind.is_fixed() {
                // Whatever it was left alone for as a stranger.
                self.due = self.due.min(now);
            }
            self.kind = kind;
            self.heard_from = heard_from;
        }
    }

    /// A dial or a handshake failed.
    pub(super) fn failed(&mut self, counts: bool, jitter: f64, unix: f64, now: Instant) {
        if counts {
            self.record.lost.add(Score::FAILED, now);
            self.record.refused.add(1.0, now);
            if self.strikes == 0 {
                self.struck = unix;
            }
            self.strikes = self.strikes.saturating_add(1);
        }
        self.wait(jitter, now);
    }

    fn wait(&mut self, jitter: f64, now: Instant) {
        (self.state, self.since) = (State::Idle, None);
        self.on_trial = false;
        self.due = now + self.backoff.fail(jitter);
    }

    pub(super) fn connected(&mut self, handshake: Option<Duration>, unix: f64, now: Instant) {
        self.state = State::Connected;
        self.due = now;
        self.since = Some(now);
        self.blocks_here = 0;
        (self.last_seen, self.met) = (unix, unix);
        self.record.taken.add(1.0, now);
        if let Some(time) = handshake {
            score::note(&mut self.record.handshake, milliseconds(time), now);
        }
    }

    /// Only a connection that lasted forgives the failures before it: a node that greets and hangs up (because it is
    /// full, or dislikes us, or is busy with itself) is left alone for longer each time.
    pub(super) fn disconnected(&mut self, jitter: f64, unix: f64, now: Instant) {
        let lasted = self.since.take().map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        self.record.uptime = self.record.uptime.saturating_add(lasted);
        (self.last_seen, self.met) = (unix, unix);
        if lasted >= LASTING {
            self.backoff.succeed();
            self.strikes = 0;
        }
        let failures = self.backoff.failures();
        self.wait(jitter, now);
        if lasted >= LASTING && !self.kind.is_own() {
            // The first time it may be the line that was cut, and all others with it: nobody else is to have its place.
            self.backoff = self.backoff.after(failures);
            let (least, most) = SOON;
            self.due = now + Duration::from_secs_f64(least + (most - least) * jitter.clamp(0.0, 1.0));
        }
    }

    /// It can be reached, and is of no use; that will not change soon.
    pub(super) fn unsuitable(&mut self, unix: f64, now: Instant) {
        self.since = None;
        if !self.kind.is_own() {
            self.backoff = self.backoff.at_longest();
        }
        self.failed(true, 1.0, unix, now);
    }

    pub(super) fn hung_up_after_our_block(&mut self) {
        self.record.hung_up_after_block = self.record.hung_up_after_block.saturating_add(1);
    }

    pub(super) fn misbehaved(&mut self, now: Instant) {
        self.record.lost.add(Score::FAILED, now);
    }

    pub(super) fn pinged(&mut self, round_trip: Duration, unix: f64, now: Instant) {
        (self.last_seen, self.met) = (unix, unix);
        score::note(&mut self.record.ping, milliseconds(round_trip), now);
    }

    pub(super) fn delivered(&mut self, after: Option<Duration>, now: Instant) {
        self.deliveries = self.deliveries.saturating_add(1);
        self.record.earned.add(Score::DELIVERED, now);
        if let Some(after) = after {
            score::note(&mut self.record.delivery, milliseconds(after), now);
        }
    }

    pub(super) fn delivery_failed(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        self.record.lost.add(Score::FAILED, now);
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
