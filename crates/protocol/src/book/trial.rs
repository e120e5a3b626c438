//! Places on trial: who gets one, and who stays.
//!
//! A few places at the end are there to find out what peers are worth that we do not know. Every half hour those who have
//! them are judged, against the worst of those that have the other places. Who is clearly better takes its place; who is
//! in between goes after [`UNDECIDED`] blocks. Who cannot be better, as far as can be told, goes after a quarter of an hour,
//! so that most of the time is spent on the few that may be worth it.
//!
//! What counts is what each [promises](super::promise). Where no blocks were seen it is the *merit*: the score without what
//! one has for being known, or here.

use std::time::{Duration, Instant};

use rand::{Rng, RngCore};

use super::{
    Address, Entry, PeerBook, State, Task,
    promise::{Promise, SEEN, Scale},
    selection::Crowd,
    upkeep::Judgement,
};

/// How often places change hands, and how often it is seen who is hopeless.
const ROTATION: Duration = Duration::from_secs(30 * 60);
const WEEDING: Duration = Duration::from_secs(15 * 60);

/// How long one must have been connected to lose its place, or to be judged where no blocks come. A little less than
/// [`ROTATION`]: whoever was dialled right after one is judged at the next.
const TRIAL: Duration = Duration::from_secs(28 * 60);

/// With how many blocks one must have been seen to take a place, and after how many it goes if it has none.
const DECIDED: u32 = 24;
const UNDECIDED: u32 = 60;

/// After this long it goes in any case: blocks may come seldom, or no more.
const PATIENCE: Duration = Duration::from_secs(6 * 3600);

/// By how much one must be better: a tenth, and so many milliseconds or points.
const CLEARLY: (f64, f64, f64) = (1.1, 0.1, 10.0);

/// How often it is somebody known who gets a place on trial, while there are unknown ones.
const SECOND_CHANCE: f64 = 1.0 / 8.0;

/// What one is worth for a place.
#[derive(Debug, Clone, Copy)]
struct Worth {
    promise: Option<Promise>,
    merit: f64,
}

impl Worth {
    fn of(entry: &Entry, scale: Scale, now: Instant) -> Self {
        Self { promise: entry.promise(scale, now), merit: entry.merit(now) }
    }

    fn is_clearly_better(&self, than: &Self) -> bool {
        let (times, milliseconds, points) = CLEARLY;
        match (self.promise, than.promise) {
            (Some(promise), Some(than)) => promise.value > times * than.value + milliseconds,
            _ => self.merit > than.merit + (times - 1.0) * than.merit.abs() + points,
        }
    }

    /// Whether more blocks may show that it is better.
    fn may_be_better(&self, than: &Self) -> bool {
        match (self.promise, than.promise) {
            (Some(promise), Some(than)) => promise.at_best > than.value,
            _ => self.is_clearly_better(than),
        }
    }

    /// Which is looked at first: whoever promises most at best; after those that promise anything, the others by merit.
    fn order(&self, other: &Self) -> std::cmp::Ordering {
        let key =
            |worth: &Self| worth.promise.map_or((f64::MIN, worth.merit), |promise| (promise.at_best, 0.0));
        let ((a, c), (b, d)) = (key(self), key(other));
        a.total_cmp(&b).then(c.total_cmp(&d))
    }
}

/// What becomes of one on trial.
enum Verdict {
    /// It takes this one's place.
    Replaces(Address),
    Stays,
    Goes,
}

impl PeerBook {
    /// Those that have a place, or are on their way to one, that is not for finding out.
    pub(super) fn regulars(&self) -> impl Iterator<Item = (&Address, &Entry)> {
        self.others().filter(|(address, entry)| !entry.on_trial && !self.rhythm.is_for_trial(address))
    }

    /// How many places newcomers may have besides those on trial.
    pub(super) fn regular_newcomers(&self) -> usize {
        self.rules.newcomers().saturating_sub(self.rules.trials())
    }

    /// Whose place one on trial may take, and what that one is worth: the worst of those that may lose it, whom nobody
    /// named and who have been there for a while. Newcomers contend with newcomers for the places that are theirs; only
    /// while they have not even those they contend with all.
    fn rival(&self, of: &Entry, scale: Scale, now: Instant) -> Option<(Address, Worth)> {
        let newcomers = self.regulars().filter(|(_, entry)| entry.is_newcomer(now)).count();
        let among_newcomers = of.is_newcomer(now) && newcomers >= self.regular_newcomers();
        let may_lose = |entry: &Entry| {
            entry.state == State::Connected
                && !entry.on_trial
                && !entry.kind.is_fixed()
                && has_been_here(entry, TRIAL, now)
                && (!among_newcomers || entry.is_newcomer(now))
        };
        let settled = self.others().filter(|(_, entry)| may_lose(entry));
        let mut settled: Vec<_> =
            settled.map(|(address, entry)| (address, Worth::of(entry, scale, now))).collect();
        if of.promise(scale, now).is_some() && settled.iter().any(|(_, worth)| worth.promise.is_some()) {
            settled.retain(|(_, worth)| worth.promise.is_some());
            let value = |worth: &Worth| worth.promise.map_or(0.0, |promise| promise.value);
            settled.sort_by(|(_, a), (_, b)| value(a).total_cmp(&value(b)));
        } else {
            settled.sort_by(|(_, a), (_, b)| a.merit.total_cmp(&b.merit));
        }
        settled.first().map(|(address, worth)| ((*address).clone(), *worth))
    }

    /// Judges those on trial, when all places are taken and it is time.
    pub(super) fn rotate(&mut self, now: Instant, tasks: &mut Vec<Task>) {
        if self.count(State::Connected) < self.rules.max {
            return;
        }
        let Some(judgement) = self.rhythm.judges(WEEDING, ROTATION, now) else { return };
        let scale = self.scale();
        let on_trial = self.others().filter(|(_, entry)| entry.on_trial && entry.state == State::Connected);
        let worth = |(address, entry): (&Address, &Entry)| (address.clone(), Worth::of(entry, scale, now));
        let mut on_trial: Vec<_> = on_trial.map(worth).collect();
        on_trial.sort_by(|(_, a), (_, b)| b.order(a));
        for (newcomer, worth) in on_trial {
            let (leaves, reason) = match self.verdict(&newcomer, &worth, judgement, scale, now) {
                Verdict::Stays => continue,
                Verdict::Goes => (newcomer, "no better than those that are here"),
                Verdict::Replaces(worst) => {
                    self.update(&newcomer, |entry| entry.on_trial = false);
                    // It is on its way out, and no measure for the next.
                    self.update(&worst, |entry| entry.on_trial = true);
                    (worst, "a better one has its place")
                }
            };
            tasks.push(Task::Drop { address: leaves, reason });
            // Its place is free in a moment, and is not to wait for a minute.
            self.rhythm.grow_at_once();
        }
    }

    fn verdict(
        &self,
        newcomer: &Address,
        worth: &Worth,
        judgement: Judgement,
        scale: Scale,
        now: Instant,
    ) -> Verdict {
        let Some(entry) = self.entries.get(newcomer) else { return Verdict::Stays };
        let has_been_tried = has_been_here(entry, TRIAL, now);
        let Some((worst, least)) = self.rival(entry, scale, now) else {
            // Nobody may lose a place to it; others are to be known, too.
            let goes = judgement == Judgement::Rotation && has_been_tried;
            return if goes { Verdict::Goes } else { Verdict::Stays };
        };
        let seen = f64::from(entry.blocks_here) >= SEEN;
        let hopeless = seen && worth.promise.is_some() && !worth.may_be_better(&least);
        // Where no blocks come there is nothing to wait for.
        let (decided, over) = match entry.blocks_here {
            0 => (has_been_tried, has_been_tried),
            blocks => (blocks >= DECIDED, blocks >= UNDECIDED || has_been_here(entry, PATIENCE, now)),
        };
        match judgement {
            Judgement::Rotation if decided && worth.is_clearly_better(&least) => Verdict::Replaces(worst),
            Judgement::Rotation if over || hopeless => Verdict::Goes,
            Judgement::Weeding if hopeless => Verdict::Goes,
            _ => Verdict::Stays,
        }
    }

    /// Whom to try: mostly somebody unknown, and now and then one that was here and may be better than the worst that is
    /// here now. Of those whom the chain prefers, the best unknown one when no stranger is. When all are known it is the
    /// most promising of them.
    pub(super) fn pick_for_trial(
        &self,
        crowd: &Crowd,
        fits: impl Fn(&Entry) -> bool,
        rng: &mut impl RngCore,
        now: Instant,
    ) -> Option<Address> {
        let scale = self.scale();
        if rng.random_bool(SECOND_CHANCE)
            && let Some(promising) = self.most_promising(crowd, &fits, scale, now)
            && let Some(entry) = self.entries.get(&promising)
            && let Some((_, least)) = self.rival(entry, scale, now)
            && Worth::of(entry, scale, now).may_be_better(&least)
        {
            return Some(promising);
        }
        let is_new = |entry: &Entry| fits(entry) && entry.uptime(now).is_zero();
        // Some were not here for long enough.
        let is_unknown = |entry: &Entry| fits(entry) && entry.promise(scale, now).is_none();
        self.unknown(crowd, is_new, rng, now)
            .or_else(|| self.best_known(crowd, is_new, rng, now))
            .or_else(|| self.unknown(crowd, is_unknown, rng, now))
            .or_else(|| self.best_known(crowd, is_unknown, rng, now))
            .or_else(|| self.most_promising(crowd, &fits, scale, now))
    }

    /// Of those that were connected before and could be again, the one that is worth most at best.
    fn most_promising(
        &self,
        crowd: &Crowd,
        fits: impl Fn(&Entry) -> bool,
        scale: Scale,
        now: Instant,
    ) -> Option<Address> {
        let was_here = |entry: &Entry| !entry.uptime(now).is_zero();
        let free = self.entries.iter().filter(|(address, entry)| {
            was_here(entry) && fits(entry) && self.is_free(address, entry, crowd, now)
        });
        let worths = free.map(|(address, entry)| (Worth::of(entry, scale, now), address));
        // The map has them in an order that is another in every run.
        worths.max_by(|(a, x), (b, y)| a.order(b).then_with(|| x.cmp(y))).map(|(_, address)| address.clone())
    }
}

fn has_been_here(entry: &Entry, time: Duration, now: Instant) -> bool {
    entry.since.is_some_and(|since| now.saturating_duration_since(since) >= time)
}
