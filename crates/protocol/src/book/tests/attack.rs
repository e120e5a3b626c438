//! Floods, and who is kept all the same.

use super::*;

fn gossip(world: &mut World, address: Address, teller: [u8; 2]) -> bool {
    let heard = Heard {
        from: Some(Group::V4(teller)),
        seen: Some(world.book.unix(world.now) as u32),
        ..Heard::of(address, GOSSIP)
    };
    world.book.hear(heard, world.now)
}

/// One of many addresses all over a quarter of IPv4.
fn anywhere(n: u32) -> Address {
    let ip = 0x2000_0000 + n.wrapping_mul(2_654_435_761) % 0x4000_0000;
    SocketAddr::from((ip.to_be_bytes(), 1)).into()
}

/// A book of two peers that want the same place among those that were connected.
fn rivals() -> (World, Address, Address) {
    let mut world = World::new(Rules { max: 2, min: 2, ..rules() });
    let first = neighbour(20, 1, 1);
    let place = world.book.buckets.tried_place(&first);
    let mut others = (0..255u16).flat_map(|b| (0..600).map(move |n| neighbour(21, b as u8, n)));
    let second = others.find(|other| world.book.buckets.tried_place(other) == place).expect("there is one");
    for address in [&first, &second] {
        world.book.hear(Heard::of(address.clone(), NODE), world.now);
    }
    (world, first, second)
}

#[test]
fn what_cannot_be_dialled_does_not_get_into_the_book() {
    let mut world = World::new(rules());
    let onion = Address::onion(&[7; 32], 9333);
    for address in ["10.0.0.1:1", "127.0.0.1:1", "20.1.0.1:0", "224.0.0.1:1", "[fe80::1]:1", "node.example:1"]
    {
        assert!(!world.hear(address, GOSSIP), "{address}");
    }
    assert!(!world.hear(&onion.to_string(), GOSSIP), "without a proxy it is of no use");
    let mut behind_proxy = World::new(Rules { hidden: true, ..rules() });
    assert!(behind_proxy.hear(&onion.to_string(), GOSSIP));
    let mut local = World::new(Rules { local: true, ..rules() });
    assert!(local.hear("127.0.0.1:1", GOSSIP) && !local.hear("127.0.0.1:0", GOSSIP));
    assert!(world.hear("10.0.0.1:1", fixed(Priority::Normal)), "fixed peers may be anything");
}

#[test]
fn a_million_addresses_leave_the_book_as_small_as_it_is_meant_to_be() {
    let mut world = World::new(rules());
    (1..=100).for_each(|n| assert!(world.hear(&format!("20.{n}.0.1:1"), NODE)));
    world.run(HOUR);
    let connected = world.connected_now();
    for n in 0..1_000_000u32 {
        let [a, b, c, d] = (0x2000_0000 + n.wrapping_mul(2_654_435_761) % 0x4000_0000).to_be_bytes();
        let address = SocketAddr::from(([a, b, c, d], 1)).into();
        gossip(&mut world, address, [c, d]);
    }
    assert!(world.book.len() <= 16_384 + 4096, "{}", world.book.len());
    assert_eq!(world.connected_now().len(), connected.len());
    assert!(connected.iter().all(|address| world.book.get(&at(address)).is_some()));
}

#[test]
fn one_teller_cannot_drive_out_what_others_told() {
    let mut world = World::new(rules());
    let honest: Vec<_> = (0..200).map(|n| neighbour(20 + (n % 120) as u8, 5, n)).collect();
    for (n, address) in honest.iter().enumerate() {
        gossip(&mut world, address.clone(), [100, n as u8]);
    }
    let before = honest.iter().filter(|address| world.book.get(address).is_some()).count();
    for n in 0..50_000u32 {
        let [_, b, c, d] = n.to_be_bytes();
        gossip(&mut world, SocketAddr::from(([150 + b, c, d, 1], 1)).into(), [66, 1]);
    }
    let after = honest.iter().filter(|address| world.book.get(address).is_some()).count();
    assert_eq!(before, after);
    assert!(world.book.len() < 200 + 32 * 64 + 1, "{}", world.book.len());
}

#[test]
fn newcomers_have_a_quarter_of_the_places_until_they_have_been_here_for_a_day() {
    let mut world = World::new(rules());
    (1..=4).for_each(|n| assert!(world.hear(&format!("20.{n}.0.1:1"), NODE)));
    for n in 1..=200 {
        assert!(gossip(&mut world, neighbour(30, n, 1), [60, n]));
    }
    let newcomers = |world: &World| {
        let connected = world.book.iter().filter(|(_, entry)| entry.state == State::Connected);
        connected.filter(|(_, entry)| entry.is_newcomer(world.now)).count()
    };
    world.run(23 * HOUR);
    assert_eq!((newcomers(&world), world.connected_now().len()), (3, 7));
    world.run(3 * HOUR);
    assert_eq!(
        (newcomers(&world), world.connected_now().len()),
        (3, 10),
        "three are established, others have come"
    );
}

#[test]
fn below_the_minimum_any_newcomer_will_do() {
    let mut world = World::new(Rules { max: 10, min: 8, ..rules() });
    for n in 1..=200 {
        assert!(gossip(&mut world, neighbour(30, n, 1), [60, n]));
    }
    world.run(HOUR);
    assert_eq!(world.connected_now().len(), 8);
}

#[test]
fn a_place_is_taken_from_one_that_was_connected_only_after_it_was_tried_again() {
    let (mut world, first, second) = rivals();
    world.book.connected(&first, 1, None, world.now);
    world.book.disconnected(&first, 0.0, world.now);
    world.book.connected(&second, 1, None, world.now);
    let was_connected = |world: &World, address| world.book.get(address).map(Entry::was_connected);
    assert_eq!(was_connected(&world, &second), Some(false), "the place is taken");
    world.now += HOUR;
    assert_eq!(world.dials(), [first.to_string()], "whoever has it is tried");
    world.book.dial_failed(&first, true, 0.0, world.now);
    world.book.disconnected(&second, 0.0, world.now);
    world.book.connected(&second, 1, None, world.now);
    assert_eq!((was_connected(&world, &second), was_connected(&world, &first)), (Some(true), Some(false)));
}

/// Whoever can speak through fifty neighbourhoods fills the buckets with made-up addresses: our own node's word must
/// still be heard.
#[test]
fn a_book_full_of_rumours_still_takes_what_our_own_node_and_dns_name() {
    let mut world = World::new(rules());
    for n in 0..200_000u32 {
        gossip(&mut world, anywhere(n), [100, (n % 50) as u8]);
    }
    let named = |world: &mut World, first: u8, source| {
        let address = |n| neighbour(first, n, 1);
        (0..200)
            .filter(|n| world.book.hear(Heard::of(address(*n), Kind::Discovered(source)), world.now))
            .count()
    };
    assert!(named(&mut world, 20, Source::Node) >= 198);
    assert!(named(&mut world, 21, Source::Dns) >= 195);
    assert!(
        (0..200).filter(|n| world.book.get(&neighbour(20, *n, 1)).is_some()).count() >= 198,
        "the node's stay"
    );
}

#[test]
fn four_minutes_of_failures_cost_nobody_its_place() {
    let mut world = World::new(rules());
    (0..100).for_each(|n| assert!(world.hear(&format!("20.{n}.0.1:1"), GOSSIP)));
    for n in 0..100 {
        (0..3).for_each(|_| world.failed(&format!("20.{n}.0.1:1"), true));
    }
    for n in 0..100_000u32 {
        gossip(&mut world, anywhere(n), [100, (n % 50) as u8]);
    }
    assert!((0..100).all(|n| world.book.get(&at(&format!("20.{n}.0.1:1"))).is_some()));
}

#[test]
fn one_that_is_being_dialled_keeps_its_place() {
    let (mut world, first, second) = rivals();
    world.book.connected(&first, 1, None, world.now);
    world.book.disconnected(&first, 0.0, world.now);
    world.book.dial_failed(&first, true, 0.0, world.now);
    world.now += HOUR;
    assert!(world.dials().contains(&first.to_string()));
    world.book.connected(&second, 1, None, world.now);
    assert!(world.book.get(&first).is_some_and(Entry::was_connected), "it is on its way");
}

#[test]
fn gossip_keeps_nobody_from_being_doubted_whom_we_have_not_met_for_a_day() {
    let (mut world, first, second) = rivals();
    world.book.connected(&first, 1, None, world.now);
    world.book.disconnected(&first, 0.0, world.now);
    for (hours, doubted) in [(23, false), (2, true)] {
        world.now += hours * HOUR;
        let seen = Some(world.book.unix(world.now) as u32);
        world.book.hear(Heard { seen, ..Heard::of(first.clone(), GOSSIP) }, world.now);
        world.book.connected(&second, 1, None, world.now);
        assert_eq!(world.book.doubted.contains(&first), doubted, "after {hours} more hours");
        world.book.disconnected(&second, 0.0, world.now);
    }
}
