//! What is still to be written, of bounded size.
//!
//! While the file cannot be written, reports go on changing: of each delivery and each block the newest is kept, and of
//! many the newest ones.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::{Fate, NotRecorded, Report};

/// How many deliveries, and how many fates, wait at most.
pub(crate) const MANY: usize = 1000;

/// How many bytes of blocks wait at most.
const RAW: usize = 64 << 20;

/// What waits for an answer.
pub(crate) type Answer = oneshot::Sender<Result<(), NotRecorded>>;

/// A delivery is known by its chain, hash, form and time.
type DeliveryKey = (String, String, String, u64);

/// A delivery that is to be written.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) report: Report,
    pub(crate) raw: Option<Bytes>,
    pub(crate) answers: Vec<Answer>,
}

/// What is still to be written.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    records: HashMap<DeliveryKey, Record>,
    order: VecDeque<DeliveryKey>,
    fates: HashMap<(String, String), Fate>,
    fate_order: VecDeque<(String, String)>,
    raw_bytes: usize,
    /// How many were let go of.
    pub(crate) dropped: u64,
}

impl Pending {
    pub(crate) fn len(&self) -> usize {
        self.records.len() + self.fates.len()
    }

    pub(crate) fn record(&mut self, report: Report, raw: Option<Bytes>, answer: Answer) {
        let key = (report.chain.clone(), report.hash.clone(), report.form.clone(), report.received_unix_ms);
        let fits = |raw: &Bytes, held: usize| held.saturating_add(raw.len()) <= RAW;
        let raw = raw.filter(|raw| fits(raw, self.raw_bytes));
        self.raw_bytes += raw.as_ref().map_or(0, Bytes::len);
        if let Some(waiting) = self.records.get_mut(&key) {
            waiting.report = report;
            if let Some(replaced) = raw.and_then(|raw| waiting.raw.replace(raw)) {
                self.raw_bytes -= replaced.len();
            }
            waiting.answers.push(answer);
            return;
        }
        if self.records.len() == MANY
            && let Some(oldest) = self.order.pop_front()
            && let Some(gone) = self.records.remove(&oldest)
        {
            self.raw_bytes -= gone.raw.map_or(0, |raw| raw.len());
            self.dropped += 1;
        }
        self.order.push_back(key.clone());
        self.records.insert(key, Record { report, raw, answers: vec![answer] });
    }

    pub(crate) fn fate(&mut self, chain: String, hash: String, fate: Fate) {
        let key = (chain, hash);
        if self.fates.insert(key.clone(), fate).is_some() {
            return;
        }
        if self.fate_order.len() == MANY
            && let Some(oldest) = self.fate_order.pop_front()
        {
            self.fates.remove(&oldest);
            self.dropped += 1;
        }
        self.fate_order.push_back(key);
    }

    /// Deliveries in the order in which they came.
    pub(crate) fn records(&self) -> impl Iterator<Item = &Record> {
        self.order.iter().filter_map(|key| self.records.get(key))
    }

    pub(crate) fn fates(&self) -> impl Iterator<Item = (&str, &str, &Fate)> {
        self.fates.iter().map(|((chain, hash), fate)| (chain.as_str(), hash.as_str(), fate))
    }

    /// Whoever waits for an answer gets this one; what is pending stays so.
    pub(crate) fn answer(&mut self, result: &Result<(), NotRecorded>) {
        for answer in self.records.values_mut().flat_map(|record| record.answers.drain(..)) {
            // Nobody may be waiting any more.
            let (Ok(()) | Err(_)) = answer.send(result.clone());
        }
    }

    /// Everything is written.
    pub(crate) fn clear(&mut self) {
        let dropped = self.dropped;
        *self = Self { dropped, ..Self::default() };
    }
}
