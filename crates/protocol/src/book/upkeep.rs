//! What there is to do, and when.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use rand::RngCore;

use super::{Address, Entry, Kind, PeerBook, State, selection::Wanted};

/// How long a cycle is, within which so many dials may begin: also how often to look at least.
pub(super) const CYCLE: Duration = Duration::from_secs(5);

/// How often there is work while there are enough peers and room for more.
pub(super) const GROWTH: Duration = Duration::from_secs(60);

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// Dial it; the book takes it that this is being done.
    Dial {
        /// Where.
        address: Address,
        /// Why.
        kind: Kind,
        /// Its score.
        score: u32,
    },
    /// Close the connection: someone better has its place.
    Drop {
        /// Whose.
        address: Address,
        /// Why, for the log.
        reason: &'static str,
    },
}

/// When what was done last.
#[derive(Debug, Clone, Default)]
pub(super) struct Rhythm {
    cycle: Option<Instant>,
    /// Dials begun in this cycle.
    dials: usize,
    grown: Option<Instant>,
    /// When those on trial were judged: for places, and for whether they are hopeless.
    rotated: Option<Instant>,
    weeded: Option<Instant>,
    /// Who is being dialled for a place on trial.
    on_trial: BTreeSet<Address>,
    /// Something has happened since there was last looked.
    stirred: bool,
}

/// How those on trial are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    /// The better take places, and nobody stays on trial for ever.
    Rotation,
    /// The hopeless go.
    Weeding,
}

impl Rhythm {
    pub(super) fn stir(&mut self) {
        self.stirred = true;
    }

    /// The dial of one has come to its end; whether it was for a place on trial.
    pub(super) fn end_of_dial(&mut self, address: &Address) -> bool {
        self.stirred = true;
        self.on_trial.remove(address)
    }

    /// Whether one is being dialled for a place on trial.
    pub(super) fn is_for_trial(&self, address: &Address) -> bool {
        self.on_trial.contains(address)
    }

    /// Whether those on trial are to be judged now, and how.
    pub(super) fn judges(
        &mut self,
        weeding: Duration,
        rotation: Duration,
        now: Instant,
    ) -> Option<Judgement> {
        let rotated = *self.rotated.get_or_insert(now);
        if now >= rotated + rotation {
            (self.rotated, self.weeded) = (Some(now), Some(now));
            return Some(Judgement::Rotation);
        }
        if now >= self.weeded.unwrap_or(rotated) + weeding {
            self.weeded = Some(now);
            return Some(Judgement::Weeding);
        }
        None
    }

    /// The next look may lead to more peers than are needed.
    pub(super) fn grow_at_once(&mut self) {
        self.grown = None;
    }

    /// Whether it is worth looking: another cycle has begun, or something has happened.
    fn wakes(&mut self, now: Instant) -> bool {
        let is_over = |since: Option<Instant>, after| since.is_none_or(|since| now >= since + after);
        if is_over(self.cycle, CYCLE) {
            (self.cycle, self.dials) = (Some(now), 0);
            return true;
        }
        std::mem::take(&mut self.stirred)
    }

    /// Whether there may be more peers than are needed. Once it is so, for a cycle.
    fn grows(&mut self, now: Instant) -> bool {
        match self.grown {
            Some(since) if now < since + CYCLE => true,
            Some(since) if now < since + GROWTH => false,
            _ => {
                self.grown = Some(now);
                true
            }
        }
    }
}

impl PeerBook {
    /// What there is to do now. To be asked several times a second; nearly always the answer is quick and empty.
    pub fn work(&mut self, rng: &mut impl RngCore, now: Instant) -> Vec<Task> {
        let mut tasks = self.dial_own(now);
        if self.rules.max == 0 || !self.rhythm.wakes(now) {
            return tasks;
        }
        self.rotate(now, &mut tasks);
        for address in self.fixed_to_dial(now) {
            if self.may_dial() == 0 {
                break;
            }
            tasks.extend(self.dial(&address, now));
        }
        self.dial_strangers(rng, now, &mut tasks);
        tasks
    }

    fn dial_own(&mut self, now: Instant) -> Vec<Task> {
        let due = |entry: &Entry| entry.state == State::Idle && entry.is_due(now);
        let is_due = |address: &&Address| self.entries.get(*address).is_some_and(due);
        let own: Vec<_> = self.own.iter().filter(is_due).cloned().collect();
        own.iter().filter_map(|address| self.begin(address, now)).collect()
    }

    fn dial_strangers(&mut self, rng: &mut impl RngCore, now: Instant, tasks: &mut Vec<Task>) {
        if self.may_dial() == 0 || (self.count(State::Connected) >= self.rules.min && !self.rhythm.grows(now))
        {
            return;
        }
        while self.may_dial() > 0 && self.has_room_for_strangers() {
            let crowd = self.crowd(now);
            let mut wishes = self.wishes(now).into_iter();
            let picked = wishes.find_map(|wanted| Some((self.pick(&crowd, wanted, rng, now)?, wanted)));
            let Some((address, wanted)) = picked else { return };
            if wanted.on_trial {
                self.rhythm.on_trial.insert(address.clone());
            }
            tasks.extend(self.dial(&address, now));
        }
    }

    /// Whom there is a place for, and who else will do if there is none of those.
    fn wishes(&self, now: Instant) -> Vec<Wanted> {
        let regular = |newcomer| Wanted { on_trial: false, newcomer };
        let trial = |newcomer| Wanted { on_trial: true, newcomer };
        let (places, for_newcomers) = (self.rules.max - self.rules.trials(), self.regular_newcomers());
        let regulars: Vec<_> = self.regulars().collect();
        let newcomers = regulars.iter().filter(|(_, entry)| entry.is_newcomer(now)).count();
        if regulars.len() >= places {
            vec![trial(None)]
        } else if self.others().count() < self.rules.min {
            vec![regular(None)]
        } else if newcomers >= for_newcomers {
            vec![regular(Some(false)), trial(Some(true))]
        } else if regulars.len() - newcomers >= places - for_newcomers {
            vec![regular(Some(true)), regular(None)]
        } else {
            vec![regular(None)]
        }
    }

    /// How many more dials may begin, for others than own nodes.
    fn may_dial(&self) -> usize {
        let dialing = self.count(State::Dialing);
        let room = self.rules.max.saturating_sub(dialing + self.count(State::Connected));
        let at_once = self.rules.dials_at_once.saturating_sub(dialing);
        room.min(at_once).min(self.rules.dials_per_cycle.saturating_sub(self.rhythm.dials))
    }

    /// Whether there is a place that is not kept for a fixed peer that is away.
    fn has_room_for_strangers(&self) -> bool {
        let is_away = |address: &&Address| {
            self.entries
                .get(*address)
                .is_some_and(|entry| entry.state == State::Idle && entry.kind.is_fixed())
        };
        let away = self.fixed.iter().filter(is_away).count();
        self.others().count() + away < self.rules.max
    }

    fn dial(&mut self, address: &Address, now: Instant) -> Option<Task> {
        self.rhythm.dials += 1;
        self.begin(address, now)
    }

    fn begin(&mut self, address: &Address, now: Instant) -> Option<Task> {
        let entry = self.entries.get_mut(address)?;
        entry.state = State::Dialing;
        self.busy.insert(address.clone());
        Some(Task::Dial { address: address.clone(), kind: entry.kind.clone(), score: entry.score(now) })
    }

    /// Entries with a connection, or on their way to one, that are not own nodes.
    pub(super) fn others(&self) -> impl Iterator<Item = (&Address, &Entry)> {
        let busy = self.busy.iter().filter_map(|address| self.entries.get_key_value(address));
        busy.filter(|(_, entry)| !entry.kind.is_own())
    }

    /// How many that are not own nodes are in a state.
    pub(super) fn count(&self, state: State) -> usize {
        self.others().filter(|(_, entry)| entry.state == state).count()
    }

    /// How many are connected besides own nodes.
    pub fn connected_others(&self) -> usize {
        self.count(State::Connected)
    }

    /// Whether the book knows so few that strangers must be asked whom they know: too few are connected that are no
    /// newcomers, and of those that could be dialled there are too few to change that.
    pub fn is_thin(&self, now: Instant) -> bool {
        let is_vouched_for = |(_, entry): &(&Address, &Entry)| !entry.is_newcomer(now);
        let connected = self.others().filter(|(_, entry)| entry.state == State::Connected);
        let wanted = (self.rules.max - self.rules.newcomers()).max(self.rules.max.min(1));
        if connected.filter(is_vouched_for).count() >= wanted {
            return false;
        }
        let crowd = self.crowd(now);
        let promising = |(address, entry): &(&Address, &Entry)| {
            entry.state == State::Idle
                && !entry.kind.is_own()
                && !entry.is_newcomer(now)
                && entry.strikes < 3
                && !self.is_banned(address, now)
                && crowd.objection(address, entry, &self.rules, now).is_none()
        };
        self.entries.iter().filter(promising).take(self.rules.max).count() < self.rules.max
    }
}

/// When seeds are asked: only while the [book is thin](PeerBook::is_thin), at first after a few seconds, in which our own
/// nodes may have told enough, and then with a pause that doubles from a minute to an hour.
#[derive(Debug, Clone, Copy)]
pub struct Seeding {
    due: Instant,
    pause: Duration,
}

impl Seeding {
    const AT_FIRST: Duration = Duration::from_secs(10);
    const PAUSE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3600));

    /// Begins.
    pub fn new(now: Instant) -> Self {
        Self { due: now + Self::AT_FIRST, pause: Self::PAUSE.0 }
    }

    /// Whether seeds are to be asked now.
    pub fn is_due(&mut self, thin: bool, now: Instant) -> bool {
        if !thin {
            self.pause = Self::PAUSE.0;
            return false;
        }
        let due = now >= self.due;
        if due {
            self.due = now + self.pause;
            self.pause = (2 * self.pause).min(Self::PAUSE.1);
        }
        due
    }
}
