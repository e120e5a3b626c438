//! Who is tried, and who stays.

use super::*;

const MS: fn(u64) -> Duration = Duration::from_millis;

/// A book with all places taken for a while, and blocks that come once a minute.
struct Blocks {
    world: World,
    count: usize,
}

impl Blocks {
    fn new(peers: u8) -> Self {
        let mut world = World::new(rules());
        (1..=peers).for_each(|n| assert!(world.hear(&format!("20.{n}.0.1:1"), NODE)));
        world.run(5 * MINUTE);
        assert_eq!(world.connected_now().len(), 10);
        Self { world, count: 0 }
    }

    fn on_trial(&self) -> String {
        let of =
            self.world.book.iter().filter(|(_, entry)| entry.on_trial && entry.state == State::Connected);
        of.map(|(address, _)| address.to_string()).next().expect("one of ten is")
    }

    /// Blocks come for a while. `behind` says how far behind the first each peer announces the nth, if it does.
    fn come(&mut self, minutes: usize, behind: impl Fn(&str, usize) -> Option<Duration>) -> Vec<Task> {
        let mut tasks = Vec::new();
        for _ in 0..minutes {
            tasks.extend(self.world.run(MINUTE));
            self.count += 1;
            let connected = self.world.connected_now();
            let announced = connected.iter().filter_map(|peer| Some((behind(peer, self.count)?, peer)));
            let mut announced: Vec<_> = announced.collect();
            announced.sort();
            let first = announced[0].0;
            for (behind, peer) in announced {
                self.world.book.announced(&at(peer), behind - first, self.world.now);
            }
        }
        tasks
    }
}

fn dropped<'a>(tasks: &'a [Task], address: &str) -> Option<&'a str> {
    tasks.iter().find_map(|task| match task {
        Task::Drop { address: dropped, reason } if *dropped == at(address) => Some(*reason),
        _ => None,
    })
}

/// Peers that are quite alike, by their own numbers.
fn alike(peer: &str) -> Duration {
    let Address::Ip(SocketAddr::V4(address)) = at(peer) else { unreachable!("all have IPv4 addresses") };
    MS(100 + u64::from(address.ip().octets()[1]))
}

#[test]
fn who_is_hopeless_goes_at_the_quarter_of_an_hour() {
    let mut blocks = Blocks::new(30);
    let first = blocks.on_trial();
    let tasks = blocks.come(36, |peer, _| Some(if peer == first { MS(900) } else { alike(peer) }));
    assert!(dropped(&tasks, &first).is_some(), "at the half");
    let second = blocks.on_trial();
    let late = |peer: &str, _| Some(if peer == second { MS(900) } else { alike(peer) });
    assert_eq!(blocks.come(4, late), [], "it is too soon to tell");
    let tasks = blocks.come(12, late);
    assert_eq!(dropped(&tasks, &second), Some("no better than those that are here"));
    assert!(tasks.iter().any(|task| matches!(task, Task::Dial { .. })), "and another is tried");
}

#[test]
fn who_brings_news_takes_the_place_of_the_one_that_is_missed_least() {
    let mut blocks = Blocks::new(10);
    let trial = blocks.on_trial();
    let regulars: Vec<_> = blocks.world.connected_now().into_iter().filter(|peer| *peer != trial).collect();
    // Each of them is first with every tenth block, by 100 ms; but one always comes a moment after another.
    let twin = &regulars[0];
    let order: Vec<_> = [&trial].into_iter().chain(&regulars[1..]).collect();
    let news = |peer: &str, count: usize| {
        let its_turn = |peer: &str| *order[count % order.len()] == *peer;
        let behind = if its_turn(peer) || (peer == twin && its_turn(&regulars[1])) { 100 } else { 200 };
        Some(MS(behind) + Duration::from_micros(if peer == twin { 900 } else { 0 }))
    };
    let tasks = blocks.come(60, news);
    assert_eq!(dropped(&tasks, twin), Some("a better one has its place"));
    let gone = tasks.iter().filter(|task| matches!(task, Task::Drop { .. })).count();
    assert_eq!(gone, 1, "{tasks:?}");
}

#[test]
fn who_may_be_better_is_seen_with_more_blocks_but_not_for_ever() {
    let mut blocks = Blocks::new(30);
    let trial = blocks.on_trial();
    // As good as the others, and no better.
    let behind = |peer: &str, _| Some(if peer == trial { MS(131) } else { alike(peer) });
    let tasks = blocks.come(45, behind);
    assert_eq!(dropped(&tasks, &trial), None);
    let tasks = blocks.come(60, behind);
    assert_eq!(dropped(&tasks, &trial), Some("no better than those that are here"));
}

#[test]
fn silence_is_not_early() {
    let mut blocks = Blocks::new(30);
    let silent = blocks.on_trial();
    // With one block in nine it is as early as the others; of the rest it says nothing.
    let tasks = blocks.come(40, |peer, count| (peer != silent || count % 9 == 0).then(|| alike(peer)));
    assert_eq!(dropped(&tasks, &silent), Some("no better than those that are here"));
}

#[test]
fn of_those_whom_the_chain_prefers_all_are_tried_in_time() {
    const LABELS: &[&str] = &["quorum"];
    let mut world = World::new(rules());
    (1..=40).for_each(|n| assert!(world.hear(&format!("30.{n}.0.1:1"), Kind::preferred(LABELS, "quorum"))));
    world.run(24 * HOUR);
    let tried = world.book.iter().filter(|(_, entry)| !entry.uptime(world.now).is_zero()).count();
    assert_eq!(tried, 40, "one every half hour");
}

#[test]
fn faults_count_against_a_promise() {
    let mut blocks = Blocks::new(30);
    blocks.come(10, |peer, _| Some(alike(peer)));
    let first = blocks.world.connected_now().into_iter().min_by_key(|peer| alike(peer));
    let peer = at(&first.expect("ten are connected"));
    let world = &mut blocks.world;
    let promise = |world: &World| world.book.explain(&peer, world.now).and_then(|it| it.promise_ms);
    let before = promise(world).expect("it was seen with ten blocks");
    (0..5).for_each(|_| world.book.misbehaved(&peer, world.now));
    let after = promise(world).expect("it still is");
    assert!((after / before - 0.5).abs() < 0.01, "{before} {after}");
}

#[test]
fn a_lead_is_not_to_be_had_by_announcing_late_what_came_before() {
    let mut blocks = Blocks::new(30);
    let world = &mut blocks.world;
    let peers: Vec<_> = world.connected_now().iter().map(|peer| at(peer)).collect();
    let lead = |world: &World, peer: &Address| world.book.get(peer).and_then(|entry| entry.record.lead);
    world.book.announced(&peers[0], Duration::ZERO, world.now);
    world.book.announced(&peers[0], MINUTE, world.now + MS(10));
    world.book.announced(&peers[0], MS(10), world.now + MS(10));
    world.book.announced(&peers[1], MINUTE, world.now + MS(20));
    assert_eq!(lead(world, &peers[0]).map(|lead| lead.value), Some(0.0));
    world.book.announced(&peers[2], MS(30), world.now + MS(30));
    assert_eq!(lead(world, &peers[0]).map(|lead| lead.value), Some(30.0));
}

#[test]
fn nobody_stays_on_trial_for_ever() {
    // All other places are the operator's own choice.
    let mut world = World::new(rules());
    (1..=9).for_each(|n| assert!(world.hear(&format!("20.{n}.0.1:1"), fixed(Priority::Normal))));
    (10..=30).for_each(|n| assert!(world.hear(&format!("20.{n}.0.1:1"), NODE)));
    let tasks = world.run(5 * HOUR);
    let dropped = tasks.iter().filter(|task| matches!(task, Task::Drop { .. })).count();
    assert!(dropped >= 8, "{dropped}");
    // The chain stops after a block.
    let mut blocks = Blocks::new(30);
    let trial = blocks.on_trial();
    blocks.come(1, |peer, _| Some(alike(peer)));
    let tasks = blocks.world.run(7 * HOUR);
    assert!(dropped_of(&tasks, &trial));
}

fn dropped_of(tasks: &[Task], address: &str) -> bool {
    dropped(tasks, address).is_some()
}
