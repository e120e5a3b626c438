//! What happens in the next round: by lot, as far as it is not to happen at a certain call.

use std::time::Duration;

use rand::{Rng, rngs::StdRng, seq::IndexedRandom};

use super::{
    caller::Door,
    gate::Line,
    node::Flaw,
    round::{Arena, Kill, KillAtStart, Round},
    survey::{Survey, names},
    tracer::Call,
};

/// See the module.
#[derive(Debug)]
pub(super) struct Dice(pub(super) StdRng);

impl Dice {
    /// Blocks at any door, and any moment.
    pub(super) fn at_random(&mut self, arena: &Arena) -> Round {
        let line = self.line();
        let number = self.number();
        // Now and then a pool has the patience to hear that a block is kept, which takes four seconds.
        let patient = line != Line::Open && self.0.random_bool(0.02);
        let kill = if patient || self.0.random_bool(0.3) {
            Kill::Told(self.within(arena.reply_takes))
        } else {
            Kill::Within(self.within(2 * arena.reply_takes))
        };
        let hears = line == Line::Open || patient || matches!(kill, Kill::Within(_));
        let blocks = (0..number).map(|_| (self.door(hears), self.flaw_sometimes())).collect();
        let again = self.0.random_bool(0.25);
        let starts = again.then(|| (self.line(), KillAtStart::Within(self.within(arena.start_takes))));
        Round { ballast: 0, line, blocks, kill, starts: starts.into_iter().collect() }
    }

    /// One good block: that is what the path was looked up with. What comes before the reply comes also while the node
    /// hears nothing.
    pub(super) fn at_commit(&mut self, call: &Call, survey: &Survey) -> Round {
        let place = survey.commit.iter().position(|other| other == call);
        let synced = survey.commit.iter().rposition(|other| other.name == "fdatasync");
        // And one more: that the file is still there.
        let shut = place <= synced.map(|synced| synced + 1) && self.0.random_bool(0.4);
        let (line, door) = if shut { (self.shut_line(), Door::Disk) } else { (Line::Open, Door::Front) };
        let kill = Kill::At(call.clone());
        Round { ballast: 0, line, blocks: vec![(door, None)], kill, starts: vec![] }
    }

    /// Several blocks at once, which the journal may write in one go or in several.
    pub(super) fn in_group(&mut self, survey: &Survey) -> Round {
        let number = self.0.random_range(2..=8);
        let name = names(&survey.commit).into_iter().collect::<Vec<_>>();
        let name = name.choose(&mut self.0).copied().unwrap_or("write");
        let nth = self.0.random_range(1..=if name == "write" { 2 * number } else { 2 });
        let line = self.line();
        let hears = line == Line::Open;
        let blocks = (0..number).map(|_| (self.door(hears), self.flaw_sometimes())).collect();
        Round { ballast: 0, line, blocks, kill: Kill::At(Call::new(name, nth)), starts: vec![] }
    }

    /// Two blocks on disk and nowhere else: that is what the path was looked up with.
    pub(super) fn at_start(&mut self, call: &Call, arena: &Arena) -> Round {
        let blocks = vec![(Door::Disk, None), (Door::Disk, self.flaw_sometimes())];
        let mut starts = vec![(self.line(), KillAtStart::At(call.clone()))];
        if self.0.random_bool(0.3) {
            starts.push((self.line(), KillAtStart::Within(self.within(arena.start_takes))));
        }
        let kill = Kill::Told(Duration::ZERO);
        Round { ballast: 0, line: self.shut_line(), blocks, kill, starts }
    }

    /// Some blocks on disk, perhaps behind them half a record, and starts that end anywhere.
    pub(super) fn in_start(&mut self, arena: &Arena) -> Round {
        let number = self.number();
        let blocks = (0..number).map(|_| (Door::Disk, self.flaw_sometimes())).collect();
        let kill = if self.0.random_bool(0.4) {
            // A record is written in two parts.
            Kill::At(Call::new("write", 2 * self.0.random_range(1..=number)))
        } else {
            Kill::Told(Duration::ZERO)
        };
        let starts = (0..self.0.random_range(1..=3))
            .map(|_| (self.line(), KillAtStart::Within(self.within(arena.start_takes))))
            .collect();
        Round { ballast: 0, line: self.shut_line(), blocks, kill, starts }
    }

    fn within(&mut self, longest: Duration) -> Duration {
        longest.mul_f64(self.0.random())
    }

    fn number(&mut self) -> usize {
        if self.0.random_bool(0.5) { 1 } else { self.0.random_range(2..=8) }
    }

    fn line(&mut self) -> Line {
        if self.0.random_bool(0.4) { Line::Open } else { self.shut_line() }
    }

    /// A line by which nothing comes to the node.
    pub(super) fn shut_line(&mut self) -> Line {
        if self.0.random_bool(0.5) { Line::Silent } else { Line::Cut }
    }

    /// The front door only where the node is heard, or there is time to wait for that.
    fn door(&mut self, hears: bool) -> Door {
        let doors = if hears { &Door::ALL[..] } else { &[Door::Node, Door::Disk] };
        *doors.choose(&mut self.0).unwrap_or(&Door::Disk)
    }

    pub(super) fn flaw(&mut self) -> Option<Flaw> {
        Flaw::ALL.choose(&mut self.0).copied()
    }

    fn flaw_sometimes(&mut self) -> Option<Flaw> {
        if self.0.random_bool(0.2) { self.flaw() } else { None }
    }
}
