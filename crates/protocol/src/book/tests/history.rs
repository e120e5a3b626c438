//! What is held for and against a peer.

use super::*;

#[test]
fn a_failed_dial_costs_score_only_if_it_counts() {
    let mut world = World::new(rules());
    for address in ["20.1.0.1:1", "20.2.0.1:1"] {
        world.hear(address, NODE);
    }
    world.work();
    world.failed("20.1.0.1:1", false);
    world.failed("20.2.0.1:1", true);
    assert_eq!(world.score("20.1.0.1:1"), 100);
    assert!((60..=70).contains(&world.score("20.2.0.1:1")), "-20, and it is less reliable");
}

#[test]
fn deliveries_earn_ten_and_failures_cost_twenty_and_both_fade() {
    let mut world = World::new(rules());
    world.hear("20.1.0.1:1", NODE);
    let address = at("20.1.0.1:1");
    (0..5).for_each(|_| world.book.delivered(&address, None, world.now));
    world.book.delivery_failed(&address, world.now);
    assert_eq!(world.score("20.1.0.1:1"), 130);
    world.now += Score::HALF_LIFE;
    assert_eq!(world.score("20.1.0.1:1"), 115);
    (0..200).for_each(|_| world.book.delivered(&address, None, world.now));
    assert_eq!(world.score("20.1.0.1:1"), 1000);
    (0..200).for_each(|_| world.book.delivery_failed(&address, world.now));
    world.now += Duration::from_secs(1);
    assert!(world.score("20.1.0.1:1") <= 100);
}

#[test]
fn the_terms_of_a_score_add_up_to_it_and_tell_a_good_peer_from_a_bad_one() {
    let mut world = World::new(rules());
    let (good, bad) = (at("20.1.0.1:1"), at("20.2.0.1:1"));
    for (address, ms) in [(&good, 20), (&bad, 900)] {
        world.book.hear(Heard::of(address.clone(), GOSSIP), world.now);
        world.work();
        let time = Duration::from_millis(ms);
        world.book.connected(address, 1, Some(time), world.now);
        world.book.pinged(address, time, world.now);
        world.book.delivered(address, Some(time), world.now);
        let behind = if ms == 20 { Duration::ZERO } else { time };
        (0..5).for_each(|_| world.book.announced(address, behind, world.now));
    }
    for address in [&good, &bad] {
        let explanation = world.book.explain(address, world.now).expect("it is there");
        let sum: f64 = explanation.terms.iter().map(|term| term.points).sum();
        assert_eq!(sum.round() as u32, explanation.score);
        let names: Vec<_> = explanation.terms.iter().map(|term| term.name).collect();
        let expected = [
            "start",
            "deliveries",
            "failures",
            "early",
            "lead",
            "delivery",
            "latency",
            "uptime",
            "reliability",
        ];
        assert_eq!(names, expected);
    }
    let points = |address: &Address, name: &str| {
        let terms = world.book.get(address).expect("it is there").terms(world.now);
        terms.iter().find(|term| term.name == name).map_or(0.0, |term| term.points)
    };
    for name in ["early", "delivery", "latency"] {
        assert!(points(&good, name) > 2.0 * points(&bad, name) + 5.0, "{name}");
    }
}

/// prior-art.md §3: addresses that are never forgiven, and books that an hour without network empties.
#[test]
fn an_hour_offline_loses_no_entry_and_costs_none_a_point() {
    let mut world = World::new(rules());
    (1..=200).for_each(|n| assert!(world.hear(&format!("20.{n}.0.1:1"), GOSSIP)));
    let end = world.now + HOUR;
    while world.now < end {
        for address in world.dials() {
            world.failed(&address, false);
        }
        world.now += Duration::from_secs(1);
    }
    assert_eq!(world.book.len(), 200);
    assert!((1..=200).all(|n| world.score(&format!("20.{n}.0.1:1")) == 50));
}

#[test]
fn who_fails_for_a_day_is_dropped_and_not_who_had_a_block_of_ours() {
    let mut world = World::new(rules());
    for address in ["20.1.0.1:1", "20.2.0.1:1"] {
        world.hear(address, GOSSIP);
    }
    world.hear("20.3.0.1:1", fixed(Priority::Normal));
    world.book.delivered(&at("20.2.0.1:1"), None, world.now);
    let end = world.now + 25 * HOUR;
    let mut gone = None;
    while world.now < end {
        for address in world.dials() {
            world.failed(&address, true);
        }
        if gone.is_none() && world.book.get(&at("20.1.0.1:1")).is_none() {
            gone = Some(world.now);
        }
        world.now += MINUTE;
    }
    let gone = gone.expect("it is dropped");
    assert!(end - gone <= HOUR + MINUTE, "not before a day is over");
    assert!(world.book.get(&at("20.2.0.1:1")).is_some(), "it is proven");
    assert!(world.book.get(&at("20.3.0.1:1")).is_some(), "the operator named it");
}

#[test]
fn only_a_connection_that_lasted_forgives_the_failures_before_it() {
    let mut world = World::new(rules());
    world.hear("20.1.0.1:1", NODE);
    let mut waits = Vec::new();
    for lasted in [1, 1, 1, 61, 1] {
        assert_eq!(world.dials(), ["20.1.0.1:1"]);
        world.connected("20.1.0.1:1");
        world.now += Duration::from_secs(lasted);
        world.book.disconnected(&at("20.1.0.1:1"), 1.0, world.now);
        let due = world.book.get(&at("20.1.0.1:1")).expect("it stays").due();
        waits.push(due.saturating_duration_since(world.now).as_secs());
        world.now = due + upkeep::GROWTH;
    }
    assert_eq!(waits, [30, 60, 120, 5, 30]);
}

#[test]
fn what_a_rumour_says_of_time_is_believed_within_reason() {
    let mut world = World::new(rules());
    let day = 86_400.0;
    let now = EPOCH as u32;
    let expected = [
        (now, Some(2.0 * 3600.0)),
        (now + 300, Some(2.0 * 3600.0)),
        (now + 3600, Some(5.0 * day)),
        (u32::MAX, Some(5.0 * day)),
        (0, Some(5.0 * day)),
        (now - 86_400, Some(day + 2.0 * 3600.0)),
        (now - 40 * 86_400, None),
    ];
    for (n, (claimed, age)) in expected.into_iter().enumerate() {
        let address = neighbour(20, n as u8, 1);
        let heard = Heard { seen: Some(claimed), ..Heard::of(address.clone(), GOSSIP) };
        assert_eq!(world.book.hear(heard, world.now), age.is_some(), "{claimed}");
        assert_eq!(world.book.get(&address).map(|entry| EPOCH - entry.last_seen), age, "{claimed}");
    }
}

#[test]
fn an_address_of_two_sources_takes_the_better_kind_and_keeps_its_history() {
    let mut world = World::new(rules());
    world.hear("20.1.0.1:1", GOSSIP);
    assert_eq!(world.score("20.1.0.1:1"), 50);
    world.book.delivered(&at("20.1.0.1:1"), None, world.now);
    world.hear("20.1.0.1:1", NODE);
    assert_eq!(world.score("20.1.0.1:1"), 110);
    world.hear("20.1.0.1:1", GOSSIP);
    assert_eq!(world.score("20.1.0.1:1"), 110);
    world.hear("[::ffff:20.1.0.1]:1", own());
    assert_eq!((world.book.len(), world.score("20.1.0.1:1")), (1, Score::OWN));
}

#[test]
fn who_alone_hears_of_blocks_first_leads_and_who_is_one_of_many_does_not() {
    let mut world = World::new(rules());
    let [far, near, twin] = ["20.1.0.1:1", "20.2.0.1:1", "20.3.0.1:1"].map(at);
    for address in [&far, &near, &twin] {
        world.book.hear(Heard::of(address.clone(), NODE), world.now);
        world.book.connected(address, 1, None, world.now);
    }
    let ms = Duration::from_millis;
    for n in 0..200 {
        // One block in ten comes from where only one of them hears of it soon.
        let order = if n % 10 == 0 {
            [(&far, 0), (&near, 300), (&twin, 301)]
        } else {
            [(&near, 0), (&twin, 1), (&far, 300)]
        };
        for (address, behind) in order {
            world.book.announced(address, ms(behind), world.now);
        }
    }
    let lead = |address: &Address| {
        let terms = world.book.get(address).expect("it is there").terms(world.now);
        terms.iter().find(|term| term.name == "lead").map_or(0.0, |term| term.points)
    };
    assert!(lead(&far) > 50.0 && lead(&near) < 0.0 && lead(&twin) < 0.0, "{} {}", lead(&far), lead(&near));
    let promise = |address: &Address| {
        let explanation = world.book.explain(address, world.now).expect("it is there");
        explanation.promise_ms.expect("it was seen with many blocks")
    };
    assert!(promise(&far) > promise(&near) && promise(&near) > promise(&twin), "{}", promise(&near));
}

#[test]
fn a_peer_that_hangs_up_after_our_blocks_is_shown_as_such() {
    let mut world = World::new(rules());
    world.hear("20.1.0.1:1", NODE);
    world.book.hung_up_after_block(&at("20.1.0.1:1"));
    let explanation = world.book.explain(&at("20.1.0.1:1"), world.now).expect("it is there");
    assert_eq!(explanation.hung_up_after_block, 1);
}
