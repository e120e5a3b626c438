//! Who is dialled, and when.

use super::*;

#[test]
fn own_nodes_are_always_dialled_and_others_as_far_as_the_limits_allow() {
    let mut world = World::new(rules());
    world.hear("20.1.0.1:1", NODE);
    world.hear("20.2.0.1:1", fixed(Priority::Normal));
    world.hear("20.3.0.1:1", fixed(Priority::Critical));
    world.hear("20.5.0.1:1", fixed(Priority::High));
    world.hear("127.0.0.1:1", own());
    world.hear("127.0.0.2:1", own());
    let expected = ["127.0.0.1:1", "127.0.0.2:1", "20.3.0.1:1", "20.5.0.1:1", "20.2.0.1:1"];
    assert_eq!(world.dials(), expected);
    assert_eq!(world.dials(), [""; 0], "three dials are running");
    world.connected("20.3.0.1:1");
    assert_eq!(world.dials(), ["20.1.0.1:1"]);
}

#[test]
fn a_cycle_has_five_dials_and_growth_beyond_the_minimum_waits_for_its_minute() {
    let mut world = World::new(rules());
    (1..=20).for_each(|n| assert!(world.hear(&format!("20.{n}.0.1:1"), NODE)));
    for dials in [3, 2, 0] {
        let dialled = world.dials();
        assert_eq!(dialled.len(), dials);
        dialled.iter().for_each(|address| world.connected(address));
    }
    // Growth began with the fifth of a cycle that was the first.
    world.now += upkeep::CYCLE;
    assert_eq!(world.dials().len(), 0, "the minimum is there");
    world.now += upkeep::GROWTH;
    assert_eq!(world.dials().len(), 3, "more than the minimum, a minute later");
}

#[test]
fn below_the_minimum_nobody_waits() {
    let mut world = World::new(rules());
    (1..=20).for_each(|n| assert!(world.hear(&format!("20.{n}.0.1:1"), NODE)));
    for _ in 0..4 {
        let dialled = world.dials();
        assert!(!dialled.is_empty());
        dialled.iter().for_each(|address| world.failed(address, true));
        world.now += upkeep::CYCLE;
    }
}

#[test]
fn a_lost_node_is_dialled_again_for_ever_and_a_lost_peer_after_its_backoff() {
    let mut world = World::new(rules());
    world.hear("127.0.0.1:1", own());
    for _ in 0..100 {
        assert_eq!(world.dials(), ["127.0.0.1:1"]);
        world.failed("127.0.0.1:1", true);
        assert_eq!(world.dials(), [""; 0]);
        world.now += Duration::from_secs(15);
    }
    assert_eq!(world.score("127.0.0.1:1"), Score::OWN);
    world.hear("20.1.0.1:1", NODE);
    assert_eq!(world.dials(), ["127.0.0.1:1", "20.1.0.1:1"]);
    world.failed("20.1.0.1:1", true);
    world.now += Duration::from_secs(29);
    assert!(!world.dials().contains(&"20.1.0.1:1".to_owned()));
    world.now += upkeep::CYCLE;
    assert!(world.dials().contains(&"20.1.0.1:1".to_owned()));
}

#[test]
fn those_whom_the_chain_prefers_come_behind_those_whom_the_operator_named_and_before_strangers() {
    const LABELS: &[&str] = &["quorum", "masternode"];
    let mut world = World::new(Rules { dials_at_once: 9, dials_per_cycle: 9, ..rules() });
    world.hear("20.1.0.1:1", NODE);
    world.book.delivered(&at("20.1.0.1:1"), None, world.now);
    world.hear("20.2.0.1:1", Kind::preferred(LABELS, "masternode"));
    world.hear("20.3.0.1:1", Kind::preferred(LABELS, "quorum"));
    world.hear("20.4.0.1:1", fixed(Priority::Normal));
    assert_eq!(world.dials(), ["20.4.0.1:1", "20.3.0.1:1", "20.2.0.1:1", "20.1.0.1:1"]);
    let shown = |world: &World, address| {
        let entry = world.book.get(&at(address)).expect("it is there");
        (entry.kind.as_str(), entry.score(world.now))
    };
    assert_eq!(shown(&world, "20.3.0.1:1"), ("quorum", 200));
    // Another quorum signs now.
    world.hear("20.3.0.1:1", Kind::preferred(LABELS, "masternode"));
    world.hear("20.2.0.1:1", Kind::preferred(LABELS, "quorum"));
    world.hear("20.4.0.1:1", Kind::preferred(LABELS, "quorum"));
    assert_eq!(shown(&world, "20.3.0.1:1"), ("masternode", 150));
    assert_eq!(shown(&world, "20.2.0.1:1"), ("quorum", 200));
    assert_eq!(shown(&world, "20.4.0.1:1"), ("fixed", 100));
}

#[test]
fn of_neighbours_one_is_connected_and_fixed_peers_do_not_count() {
    let mut world = World::new(rules());
    world.hear("20.1.9.9:1", fixed(Priority::Normal));
    for n in 1..=5 {
        world.hear(&format!("20.1.0.{n}:1"), NODE);
    }
    world.hear("20.2.0.1:1", NODE);
    world.run(HOUR);
    let connected = world.connected_now();
    assert_eq!(connected.len(), 3, "{connected:?}");
    let neighbours = connected.iter().filter(|address| address.starts_with("20.1.0.")).count();
    assert_eq!(neighbours, 1);
    let left_out = (1..=5).map(|n| format!("20.1.0.{n}:1")).find(|address| !connected.contains(address));
    let explanation = world.book.explain(&at(&left_out.expect("four are")), world.now).expect("it is there");
    assert_eq!(explanation.obstacles, ["a neighbour of it is connected"]);
}

/// Gives every address of 20.0.0.0/9 to one autonomous system, and all to one country but those of 21.
#[derive(Debug)]
struct Halves;

impl Atlas for Halves {
    fn asn(&self, ip: std::net::IpAddr) -> Option<u32> {
        matches!(ip, std::net::IpAddr::V4(ip) if ip.octets()[0] == 20 && ip.octets()[1] < 128).then_some(1)
    }

    fn country(&self, ip: std::net::IpAddr) -> Option<[u8; 2]> {
        matches!(ip, std::net::IpAddr::V4(ip) if ip.octets()[0] != 21).then_some(*b"AA")
    }
}

#[test]
fn autonomous_systems_and_countries_have_quotas_where_the_operator_wants_them() {
    let atlas = Some(std::sync::Arc::new(Halves) as _);
    let mut world = World::new(Rules { per_asn: 2, per_country: 4, atlas, ..rules() });
    for n in 1..=9 {
        for first in [format!("20.{n}"), format!("20.{}", 128 + n), format!("21.{n}")] {
            world.hear(&format!("{first}.0.1:1"), NODE);
        }
    }
    world.run(HOUR);
    let connected = world.connected_now();
    let of = |wanted: &dyn Fn(&Address) -> bool| connected.iter().filter(|text| wanted(&at(text))).count();
    let ip = |address: &Address| match address {
        Address::Ip(address) => address.ip(),
        Address::Name(..) => unreachable!("all are IP addresses"),
    };
    assert_eq!(connected.len(), 10, "{connected:?}");
    assert!(of(&|address| Halves.asn(ip(address)).is_some()) <= 2, "{connected:?}");
    assert!(of(&|address| Halves.country(ip(address)).is_some()) <= 4, "{connected:?}");
}

#[test]
fn one_teller_vouches_for_a_quarter_of_the_places_at_most() {
    let mut world = World::new(rules());
    for n in 1..=100 {
        let from = Some(Group::V4([66, 1]));
        world.book.hear(Heard { from, ..Heard::of(neighbour(20, n, 1), GOSSIP) }, world.now);
    }
    world.run(HOUR);
    assert_eq!(world.connected_now().len(), 3);
}

#[test]
fn a_banned_host_is_not_dialled_until_the_ban_is_over_or_lifted() {
    let mut world = World::new(rules());
    world.hear("20.1.0.1:1", NODE);
    world.hear("20.1.0.1:2", NODE);
    let until = world.book.unix(world.now) + 3600.0;
    world.book.ban("20.1.0.1", until);
    assert_eq!(world.dials(), [""; 0]);
    assert_eq!(world.book.bans(world.now).collect::<Vec<_>>(), [("20.1.0.1", until)]);
    assert!(world.book.unban("20.1.0.1") && !world.book.unban("20.1.0.1"));
    world.now += upkeep::CYCLE;
    assert_eq!(world.dials().len(), 1, "one of the two: they are neighbours");
    world.book.ban("20.1.0.1", until);
    world.now += HOUR;
    assert_eq!(world.book.bans(world.now).count(), 0);
}

#[test]
fn seeds_are_asked_only_while_the_book_is_thin_and_ever_less_often() {
    let mut world = World::new(rules());
    let mut seeding = Seeding::new(world.now);
    let mut asked = Vec::new();
    for second in 0..4000 {
        let thin = world.book.is_thin(world.now);
        if seeding.is_due(thin, world.now) {
            asked.push(second);
        }
        world.now += Duration::from_secs(1);
    }
    assert_eq!(asked, [10, 70, 190, 430, 910, 1870, 3790]);
    (1..=10).for_each(|n| assert!(world.hear(&format!("20.{n}.0.1:1"), NODE)));
    assert!(!world.book.is_thin(world.now), "there are ten to dial");
    (1..=10).for_each(|n| (0..3).for_each(|_| world.failed(&format!("20.{n}.0.1:1"), true)));
    assert!(world.book.is_thin(world.now), "none of them can be reached");
    world.run(3 * HOUR);
    assert!(!world.book.is_thin(world.now), "enough are connected");
}

#[test]
fn a_newcomer_replaces_the_worst_only_if_it_is_clearly_better_and_nobody_is_dropped_when_short() {
    let mut world = World::new(rules());
    (1..=30).for_each(|n| assert!(world.hear(&format!("20.{n}.0.1:1"), NODE)));
    world.run(20 * MINUTE);
    let first = world.connected_now();
    assert_eq!(first.len(), 10);
    let on_trial = |world: &World| {
        let of = world.book.iter().filter(|(_, entry)| entry.on_trial && entry.state == State::Connected);
        of.map(|(address, _)| address.clone()).collect::<Vec<_>>()
    };
    let trial = on_trial(&world);
    assert_eq!(trial.len(), 1, "one of ten places is for finding out");
    // It is no better than the rest: it goes, another comes.
    world.run(60 * MINUTE);
    assert!(!world.connected_now().contains(&trial[0].to_string()));
    let better = on_trial(&world);
    assert_eq!((better.len(), world.connected_now().len()), (1, 10));
    (0..10).for_each(|_| world.book.delivered(&better[0], Some(Duration::from_millis(10)), world.now));
    let tasks = world.run(60 * MINUTE);
    assert!(world.connected_now().contains(&better[0].to_string()), "it has shown that it is better");
    let replaced =
        tasks.iter().filter(|task| matches!(task, Task::Drop { reason: "a better one has its place", .. }));
    assert_eq!(replaced.count(), 1);

    // With places empty nobody is dropped.
    let mut short = World::new(rules());
    (1..=9).for_each(|n| assert!(short.hear(&format!("20.{n}.0.1:1"), NODE)));
    let tasks = short.run(5 * HOUR);
    assert_eq!(tasks.len(), 9, "{tasks:?}");
}

#[test]
fn between_equals_those_win_that_our_own_nodes_do_not_have() {
    let mut world = World::new(Rules { max: 1, min: 1, ..rules() });
    world.hear("20.1.0.1:1", NODE);
    world.hear("20.2.0.1:1", Kind::Discovered(Source::Node));
    world.book.update(&at("20.2.0.1:1"), |entry| entry.named_by_node = 0.0);
    for _ in 0..20 {
        assert_eq!(world.dials(), ["20.2.0.1:1"]);
        world.book.update(&at("20.2.0.1:1"), |entry| entry.state = State::Idle);
        world.book.busy.clear();
        world.now += upkeep::CYCLE;
    }
}

#[test]
fn a_fixed_peer_that_was_away_finds_its_place_free() {
    for max in [2, 10] {
        let mut world = World::new(Rules { max, min: 1, ..rules() });
        world.hear("20.1.0.1:1", fixed(Priority::Critical));
        (2..=40).for_each(|n| assert!(world.hear(&format!("20.{n}.0.1:1"), NODE)));
        world.run(HOUR);
        assert_eq!(world.connected_now().len(), max);
        let address = at("20.1.0.1:1");
        world.book.disconnected(&address, 1.0, world.now);
        world.book.update(&address, |entry| entry.due = world.now + HOUR);
        world.run(HOUR - MINUTE);
        assert_eq!(world.connected_now().len(), max - 1, "its place is kept");
        world.run(2 * MINUTE);
        assert!(world.connected_now().contains(&"20.1.0.1:1".to_owned()));
    }
}

#[test]
fn those_whom_the_chain_prefers_do_not_end_the_search_for_better_ones() {
    const LABELS: &[&str] = &["quorum"];
    let mut world = World::new(rules());
    (1..=10).for_each(|n| assert!(world.hear(&format!("30.{n}.0.1:1"), Kind::preferred(LABELS, "quorum"))));
    (1..=40).for_each(|n| assert!(world.hear(&format!("20.{n}.0.1:1"), NODE)));
    world.run(HOUR);
    assert_eq!(world.connected_now().len(), 10);
    let tasks = world.run(24 * HOUR);
    let tried = tasks.iter().filter(|task| matches!(task, Task::Dial { kind: Kind::Discovered(_), .. }));
    assert!(tried.count() >= 24, "one place in ten is on trial");
}

#[test]
fn whom_the_chain_names_no_more_is_a_stranger_again_or_gone() {
    const LABELS: &[&str] = &["quorum"];
    let mut world = World::new(rules());
    let named = |n: u8| Heard::of(neighbour(30, n, 1), Kind::preferred(LABELS, "quorum"));
    world.book.prefer((1..=20).map(named).collect(), world.now);
    world.run(20 * MINUTE);
    let connected = world.connected_now();
    assert_eq!(connected.len(), 10);
    world.book.prefer(vec![named(100)], world.now);
    let kinds: Vec<_> = world.book.iter().map(|(_, entry)| entry.kind.as_str()).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "quorum").count(), 1);
    assert_eq!(kinds.iter().filter(|kind| **kind == "node").count(), 10, "those with a history");
    assert_eq!(world.connected_now(), connected, "nobody is hung up on for that");
}

#[test]
fn a_line_that_was_cut_for_a_moment_does_not_change_who_is_connected() {
    let mut world = World::new(Rules { max: 20, min: 5, ..rules() });
    (1..=20).for_each(|n| assert!(world.hear(&format!("20.{n}.0.1:1"), NODE)));
    world.run(HOUR);
    let before = world.connected_now();
    assert_eq!(before.len(), 20);
    for address in &before {
        world.book.delivered(&at(address), None, world.now);
    }
    (1..=200).for_each(|n| assert!(world.hear(&format!("21.{n}.0.1:1"), NODE)));
    for address in &before {
        world.book.disconnected(&at(address), 1.0, world.now);
    }
    world.run(HOUR);
    let after = world.connected_now();
    let same = after.iter().filter(|address| before.contains(address)).count();
    assert!(same >= 17, "{same} of {}", after.len());
}

#[test]
fn an_own_node_does_not_inherit_what_a_stranger_was_left_alone_for() {
    let mut world = World::new(rules());
    world.hear("20.1.0.1:1", NODE);
    world.book.unsuitable(&at("20.1.0.1:1"), world.now);
    assert_eq!(world.dials(), [""; 0]);
    world.hear("20.1.0.1:1", own());
    assert_eq!(world.dials(), ["20.1.0.1:1"]);
}

#[test]
fn one_of_another_chain_is_left_alone_for_an_hour_and_dropped_after_a_day() {
    let mut world = World::new(rules());
    world.hear("20.1.0.1:1", NODE);
    let mut dials = 0;
    for _ in 0..30 * 60 {
        if !world.dials().is_empty() {
            dials += 1;
            world.connected("20.1.0.1:1");
            world.book.unsuitable(&at("20.1.0.1:1"), world.now);
        }
        world.now += MINUTE;
    }
    assert!((24..=26).contains(&dials), "{dials}");
    assert!(world.book.is_empty());
}
