//! Why a peer is where it is, for a person.

use serde::Deserialize;

use super::peer::Connection;
use super::table::{Cell, Column, Table};
use super::text::line;
use super::{Style, Tone, text, time};

/// What this page shows of what the daemon says (`protocol::book::Explanation`). A newer daemon may say more.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Explanation {
    chain: String,
    address: String,
    source: String,
    state: String,
    score: u32,
    terms: Vec<Term>,
    obstacles: Vec<String>,
    on_trial: bool,
    was_connected: bool,
    known_to_node: bool,
    heard_from: Option<String>,
    group: String,
    first_seen: f64,
    last_seen: f64,
    uptime_seconds: u64,
    services: String,
    description: Option<String>,
    handshake_ms: Option<f64>,
    ping_ms: Option<f64>,
    delivery_ms: Option<f64>,
    promise_ms: Option<f64>,
    deliveries: u64,
    failures: u64,
    announced: u64,
    announced_first: u64,
    hung_up_after_block: u64,
    failures_in_a_row: u32,
    banned_until: Option<f64>,
    connection: Option<Connection>,
}

#[derive(Debug, Clone, Deserialize)]
struct Term {
    name: String,
    points: f64,
}

const TERMS: [Column; 3] = [Column::Left("term", 12), Column::Right("points"), Column::Left("for", 74)];

/// What each term is for; the daemon may know more of them.
const MEANINGS: [(&str, &str); 9] = [
    ("start", "where we know it from"),
    ("deliveries", "10 for each block of ours that it is proven to have; half after a day"),
    ("failures", "20 off for each dial and delivery that it failed; half after a day"),
    ("early", "up to 300: how early it announces blocks, compared with other peers"),
    ("lead", "200 off to 200: how much later we had heard of blocks without it"),
    ("delivery", "150 off to 150: how soon a block of ours is in its hands"),
    ("latency", "up to 50: handshake and pings"),
    ("uptime", "up to 50: how long it was connected"),
    ("reliability", "50 off to 50: how many of our dials it took"),
];

impl Explanation {
    /// The page. `now` is in Unix seconds.
    pub(crate) fn render(&self, now: f64, style: Style) -> String {
        let mut page = String::new();
        let title = style.heading(&text::clean(&self.address));
        let (chain, source) = (text::clean(&self.chain), text::clean(&self.source));
        line(&mut page, format_args!("{title}  {chain}, {source}, score {}\n", self.score));
        if self.terms.is_empty() {
            line(&mut page, format_args!("  A node of your own: it is not judged, and never dropped."));
        } else {
            page.push_str(&self.terms_table(style));
        }
        line(&mut page, format_args!(""));
        for (name, fact) in self.facts(now) {
            line(&mut page, format_args!("  {name:<16}{}", text::clean(&fact)));
        }
        for obstacle in self.obstacles.iter().map(|obstacle| text::clean(obstacle)) {
            let obstacle = style.paint(Tone::Doubtful, &format!("{:<16}{obstacle}", "not dialled"));
            line(&mut page, format_args!("  {obstacle}"));
        }
        page
    }

    /// The terms, their sum, and the score, which is the sum within its bounds and without its fraction.
    fn terms_table(&self, style: Style) -> String {
        let mut table = Table::new(&TERMS);
        let (mut exact, mut shown) = (0.0, 0);
        for term in &self.terms {
            // Tenths are given out so that what is shown adds up to the sum that is shown.
            exact += term.points;
            let tenths = (exact * 10.0).round() as i64 - shown;
            shown += tenths;
            let meaning = MEANINGS.iter().find(|(name, _)| *name == term.name).map(|(_, meaning)| *meaning);
            table.row([
                Cell::from(term.name.as_str()),
                points(tenths).into(),
                meaning.unwrap_or_default().into(),
            ]);
        }
        table.row([Cell::from("sum"), points(shown).into()]);
        let score = self.score.to_string();
        table.row([Cell::from("score"), score.into(), "the sum, rounded, from 0 to 1000".into()]);
        table.render(style)
    }

    fn facts(&self, now: f64) -> Vec<(&'static str, String)> {
        let ago = |at: f64| format!("{}, {} ago", time::utc(at as u64), text::span(now - at));
        let ms = |name: &str, value: Option<f64>| value.map(|ms| format!("{name} {ms:.1} ms"));
        let mut facts = vec![("state", self.state())];
        if let Some(description) = &self.description {
            facts.push(("description", text::clean(description)));
        }
        if let Some(connection) = &self.connection {
            let height = connection.height.map(|height| format!(", height {height}")).unwrap_or_default();
            facts.push(("software", format!("{}{height}", connection.user_agent.trim_matches('/'))));
        }
        facts.push(("first heard", ago(self.first_seen)));
        facts.push(("last alive", ago(self.last_seen)));
        facts.push((
            "connected",
            match (self.was_connected, self.uptime_seconds) {
                (false, _) => "never".to_owned(),
                (true, seconds) => format!("{}, all times together", text::span(seconds as f64)),
            },
        ));
        let latencies =
            [ms("handshake", self.handshake_ms), ms("ping", self.ping_ms), ms("delivery", self.delivery_ms)];
        let latencies: Vec<_> = latencies.into_iter().flatten().collect();
        facts.push((
            "mean times",
            match latencies.is_empty() {
                true => "not measured yet".to_owned(),
                false => latencies.join(", "),
            },
        ));
        facts.push((
            "our blocks",
            format!("{} proven to be there, {} failed", self.deliveries, self.failures),
        ));
        if self.hung_up_after_block > 0 {
            let times = text::count(usize::try_from(self.hung_up_after_block).unwrap_or(usize::MAX), "time");
            facts.push(("hung up", format!("{times} right after a block of ours, as one does that bans us")));
        }
        facts.push((
            "others' blocks",
            format!("{} announced, {} of them first", self.announced, self.announced_first),
        ));
        if let Some(later) = self.promise_ms {
            let promise = format!("without it blocks would come {later:.1} ms later, in the mean");
            facts.push(("promise", promise));
        }
        facts.push(("failed dials", format!("{} in a row", self.failures_in_a_row)));
        facts.push(("group", self.group.clone()));
        facts.push((
            "heard from",
            match &self.heard_from {
                Some(group) => format!("neighbourhood {group}"),
                None => "your configuration, a node of yours, or the chain itself".to_owned(),
            },
        ));
        let known = if self.known_to_node { "yes" } else { "no" };
        facts.push(("node has it", known.to_owned()));
        facts.push(("services", self.services.clone()));
        if let Some(until) = self.banned_until {
            facts.push(("banned until", time::utc(until as u64)));
        }
        facts
    }

    fn state(&self) -> String {
        let observed = self.connection.as_ref().is_some_and(|connection| connection.observer);
        let more = match (self.on_trial, observed) {
            (true, _) => ", on trial: it takes the place of another that is clearly worse, or it goes",
            (false, true) => ", as an observer: it is never pushed to",
            (false, false) if self.state == "idle" && self.obstacles.is_empty() => {
                ", and may be dialled at any time"
            }
            (false, false) => "",
        };
        format!("{}{more}", self.state)
    }
}

/// Points in tenths, as text.
fn points(tenths: i64) -> String {
    let sign = if tenths < 0 { "-" } else { "" };
    format!("{sign}{}.{}", tenths.unsigned_abs() / 10, tenths.unsigned_abs() % 10)
}

#[cfg(test)]
#[path = "explanation_tests.rs"]
mod tests;
