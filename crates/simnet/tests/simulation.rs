//! Our own sessions and trackers against networks of mixed temperament, in simulated time.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::time::{Duration, Instant};

use protocol::delivery::Outcome;
use simnet::{
    Flaw, HangUp, Order, Profile, Promise, Temperament,
    network::{Happening, Network, Setup},
    profile,
};

fn network(temperaments: impl IntoIterator<Item = Temperament>, seed: u64) -> Network {
    network_of(profile::litecoin::regtest(), temperaments, seed)
}

fn network_of(profile: Profile, temperaments: impl IntoIterator<Item = Temperament>, seed: u64) -> Network {
    // Up to where the chain's blocks are like today's.
    let history = profile.mining.merged.map_or(3, |merged| merged.from);
    let setup = Setup { history, ..Setup::seeded(temperaments, seed) };
    let mut network = Network::new(profile, setup, Instant::now());
    network.connect_all();
    // The slowest handshake is over, and the slow have answered the first questions.
    network.run(Duration::from_secs(10));
    network
}

/// Fifty nodes, of each temperament some; which one is where depends on the seed.
fn mixed(seed: u64) -> Vec<Temperament> {
    (0..50).map(|index| Temperament::ALL[((index * 31 + seed as usize * 17) % 53) % 7]).collect()
}

fn word(network: &Network, push: usize, index: usize) -> &'static str {
    network.outcome(push, index).map_or("nothing", Outcome::kind)
}

#[test]
fn with_any_seed_who_can_accept_is_called_accepted_and_who_cannot_is_never_called_a_success() {
    let mut seen = std::collections::BTreeMap::<_, usize>::new();
    for seed in 0..32 {
        let temperaments = mixed(seed);
        // Every fourth time on Dash, where some of what is said is late, and on Dogecoin.
        let profile = match seed % 4 {
            3 => profile::dash::regtest(),
            2 => profile::dogecoin::regtest(),
            _ => profile::litecoin::regtest(),
        };
        let mut network = network_of(profile, temperaments.clone(), seed);
        for size in [1_000, 100_000] {
            let block = network.mint(&Order { size, flaw: None });
            let push = network.push(&block);
            network.run(Duration::from_secs(90));
            for (index, temperament) in temperaments.iter().enumerate() {
                let outcome = network.outcome(push, index);
                let is_success = outcome.is_some_and(Outcome::is_success);
                let has_it = network.node(index).chain().connected_at(&block.hash).is_some();
                let context = format!("seed {seed}, {size} bytes, node {index} {temperament}: {outcome:?}");
                match temperament.promise() {
                    Promise::Accepts => assert!(is_success && has_it, "{context}"),
                    // Success is never claimed where there is none; the reverse is a matter of luck.
                    Promise::Perhaps => assert!(has_it || !is_success, "{context}"),
                    Promise::Never => assert!(!is_success && !has_it, "{context}"),
                }
                *seen.entry((temperament.name(), word(&network, push, index))).or_default() += 1;
            }
            // Whoever comes back is offered the block again: a delivery for each connection, none of them a false one.
            for delivery in network.deliveries(push).deliveries() {
                let index: usize = delivery.name.strip_prefix("node-").unwrap().parse().unwrap();
                let is_success = delivery.outcome.as_ref().is_some_and(Outcome::is_success);
                assert!(!is_success || network.node(index).chain().is_active(&block.hash), "{delivery:?}");
            }
        }
    }
    let expected = [
        ("honest", "accepted"),
        ("slow", "accepted"),
        ("deaf", "timed_out"),
        ("zombie", "processed_unproven"),
        ("cutting", "disconnected"),
    ];
    for case in expected {
        assert!(seen.get(&case).copied().unwrap_or(0) > 100, "{case:?}: {seen:?}");
    }
    assert!(!seen.keys().any(|(who, word)| *who == "mute" && *word != "timed_out"), "{seen:?}");
}

#[test]
fn the_same_seed_gives_the_same_trace_and_another_one_another() {
    let run = |seed| {
        let mut network = network(mixed(3), seed);
        let block = network.mint(&Order::default());
        network.push(&block);
        network.run(Duration::from_secs(120));
        network.trace().to_vec()
    };
    let first = run(7);
    assert!(first.len() > 1000, "{}", first.len());
    assert_eq!(first, run(7));
    assert_ne!(first, run(8));
}

#[test]
fn a_block_that_someone_else_found_gossips_to_everybody_and_then_ours_is_outraced() {
    let mut network = network([Temperament::Honest; 20], 5);
    let (rival, ours) = (network.mint(&Order::default()), network.mint(&Order::default()));
    network.appear(0, &rival.bytes);
    network.run(Duration::from_secs(30));
    assert!((0..20).all(|index| network.node(index).chain().tip() == rival.hash));
    let push = network.push(&ours);
    network.run(Duration::from_secs(30));
    for index in 0..20 {
        assert_eq!(network.outcome(push, index), Some(&Outcome::Outraced { by: rival.hash }), "{index}");
    }
}

#[test]
fn of_two_blocks_found_at_once_each_node_keeps_the_first_and_the_next_block_decides() {
    let mut network = network([Temperament::Honest; 12], 9);
    let (one, two) = (network.mint(&Order::default()), network.mint(&Order::default()));
    network.appear(0, &one.bytes);
    let push = network.push(&two);
    network.run(Duration::from_secs(30));
    let tips: std::collections::HashSet<_> = (0..12).map(|index| network.node(index).chain().tip()).collect();
    assert!(tips.is_subset(&[one.hash, two.hash].into()), "{tips:?}");
    let outcomes: Vec<_> = (0..12).map(|index| word(&network, push, index)).collect();
    assert!(outcomes.contains(&"accepted") && outcomes.iter().all(|o| ["accepted", "outraced"].contains(o)));

    let decisive = network.mint(&Order::default());
    let push = network.push(&decisive);
    network.run(Duration::from_secs(60));
    for index in 0..12 {
        assert_eq!(network.node(index).chain().tip(), decisive.hash, "{index}");
        assert!(network.outcome(push, index).is_some_and(Outcome::is_success), "{index}: {outcomes:?}");
    }
}

#[test]
fn a_bad_block_costs_every_honest_connection_and_is_nowhere_called_accepted() {
    let mut network = network([Temperament::Honest; 10], 1);
    let block = network.mint(&Order { flaw: Some(Flaw::BadCoinbaseAmount), ..Order::default() });
    let push = network.push(&block);
    network.run(Duration::from_secs(3));
    assert!((0..10).all(|index| word(&network, push, index) == "disconnected"));
    let hang_ups =
        network.trace().iter().filter(|entry| entry.what == Happening::HungUp(HangUp::Misbehaving)).count();
    assert_eq!(hang_ups, 10);
    // All are back, and none the worse for it.
    network.run(Duration::from_secs(20));
    let good = network.mint(&Order::default());
    let push = network.push(&good);
    network.run(Duration::from_secs(20));
    assert!((0..10).all(|index| word(&network, push, index) == "accepted"));
}

#[test]
fn a_day_of_blocks_ends_with_one_chain_and_no_connection_lost_without_reason() {
    let flapping = Temperament::Flapping { up: Duration::from_secs(600), down: Duration::from_secs(60) };
    let temperaments = [Temperament::Honest, Temperament::SLOW, Temperament::Honest, flapping];
    let mut network = network(temperaments, 2);
    const BLOCKS: usize = 288;
    for number in 0..BLOCKS {
        let block = network.mint(&Order { size: 2_000, flaw: None });
        // Every other block is somebody else's.
        if number % 2 == 0 {
            let push = network.push(&block);
            network.run(Duration::from_secs(300));
            for index in 0..3 {
                assert!(network.outcome(push, index).is_some_and(Outcome::is_success), "block {number}");
            }
        } else {
            network.appear(2, &block.bytes);
            network.run(Duration::from_secs(300));
        }
    }
    assert_eq!(network.node(0).chain().height() as usize, 3 + BLOCKS);
    assert!((1..4).all(|index| network.node(index).chain().tip() == network.node(0).chain().tip()));
    let lost = network
        .trace()
        .iter()
        .filter(|entry| matches!(entry.what, Happening::HungUp(_) | Happening::Dropped) && entry.node != 3);
    assert_eq!(lost.count(), 0);
    let flaps = network.trace().iter().filter(|entry| entry.what == Happening::HungUp(HangUp::Away)).count();
    assert!(flaps > 100, "{flaps}");
}
