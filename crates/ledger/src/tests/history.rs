//! What goes in comes out.

use bytes::Bytes;

use super::*;
use crate::{Filter, Summary};

fn all() -> Filter {
    Filter { limit: 1000, ..Filter::default() }
}

fn numbers(blocks: &[Summary]) -> Vec<u32> {
    blocks.iter().map(|block| block.height.unwrap()).collect()
}

#[tokio::test]
async fn a_delivery_and_its_fate_come_back_as_they_were_also_after_a_restart() {
    let home = Home::new();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64;
    let ledger = home.open();
    ledger.record(report(5, now), Some(Bytes::from_static(b"block"))).await.unwrap();
    ledger.fate("litecoin", &hash(5), fate("orphaned", now));
    for ledger in [ledger, home.open()] {
        let found = ledger.block(&hash(5)).await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].deliveries, [report(5, now)]);
        assert_eq!(found[0].fate, fate("orphaned", now));
        assert!(found[0].raw_kept);
        let (chain, raw) = ledger.raw(None, &hash(5)).await.unwrap().unwrap();
        assert_eq!((chain.as_str(), &raw[..]), ("litecoin", &b"block"[..]));
        assert!(ledger.raw(Some("dash"), &hash(5)).await.unwrap().is_none());
        let listed = ledger.blocks(all()).await.unwrap();
        assert_eq!(listed, [found[0].summary().unwrap()], "a list and a page say the same");
        ledger.shutdown();
    }
}

#[tokio::test]
async fn a_later_report_takes_the_place_of_an_earlier_one_and_another_delivery_stands_beside_it() {
    let home = Home::new();
    let ledger = home.open();
    let pending = Report { status: "pending".into(), nodes: vec![], peers: vec![], ..report(5, 1000) };
    ledger.record(pending, None).await.unwrap();
    assert_eq!(ledger.blocks(all()).await.unwrap()[0].status, "pending");
    ledger.record(report(5, 1000), None).await.unwrap();
    let again =
        Report { status: "refused".into(), source: Source::Replay, peers_with_block: 3, ..report(5, 9000) };
    ledger.record(again.clone(), None).await.unwrap();
    let forged = Report { form: hash(77), status: "refused".into(), ..report(5, 9500) };
    ledger.record(forged.clone(), None).await.unwrap();
    let found = ledger.block(&hash(5)).await.unwrap();
    assert_eq!(found[0].deliveries, [report(5, 1000), again, forged]);
    let listed = &ledger.blocks(all()).await.unwrap()[0];
    assert_eq!(
        (listed.status.as_str(), listed.source, listed.received_unix_ms),
        ("accepted", Source::FrontDoor, 1000)
    );
    assert_eq!((listed.deliveries, listed.peers_with_block), (3, 3));
    assert_eq!(*listed, found[0].summary().unwrap());
    assert_eq!(listed.state, "open", "the chain has not spoken");
    ledger.shutdown();
}

#[tokio::test]
async fn lists_are_newest_first_and_filters_leave_out_what_they_name() {
    let home = Home::new();
    let ledger = home.open();
    for number in 1..=9 {
        let chain = if number % 2 == 0 { "dash" } else { "litecoin" };
        let source = if number > 5 { Source::Cli } else { Source::FrontDoor };
        let report = Report { chain: chain.into(), source, ..report(number, u64::from(number) * 1000) };
        ledger.record(report, None).await.unwrap();
        if number > 3 {
            ledger.fate(chain, &hash(number), fate(if number > 7 { "active" } else { "confirmed" }, 5000));
        }
    }
    for (filter, expected) in [
        (all(), vec![9, 8, 7, 6, 5, 4, 3, 2, 1]),
        (Filter { chain: Some("dash".into()), ..all() }, vec![8, 6, 4, 2]),
        (Filter { source: Some(Source::Cli), ..all() }, vec![9, 8, 7, 6]),
        (Filter { states: vec!["open".into(), "active".into()], ..all() }, vec![9, 8, 3, 2, 1]),
        (Filter { since_unix_ms: Some(3000), until_unix_ms: Some(5000), ..all() }, vec![5, 4, 3]),
        (Filter { before: Some(8000), limit: 2, ..all() }, vec![7, 6]),
    ] {
        let found = ledger.blocks(filter.clone()).await.unwrap();
        assert_eq!(numbers(&found), expected, "{filter:?}");
        assert!(found.iter().all(|block| filter.admits(block)));
    }
    let open = |since| ledger.open_blocks("litecoin", since);
    let heights =
        |blocks: Vec<crate::Block>| blocks.iter().map(|block| block.height.unwrap()).collect::<Vec<_>>();
    assert_eq!(heights(open(6000).await.unwrap()), [9, 3, 1], "those that are still open");
    assert_eq!(heights(open(5000).await.unwrap()), [9, 7, 5, 3, 1], "and those that were lately");
    ledger.shutdown();
}

#[tokio::test]
async fn what_is_too_old_or_too_much_goes_and_what_is_open_stays() {
    let home = Home::new();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64;
    let day = 24 * 3600 * 1000;
    let ledger = home.open();
    for (number, age, state) in [
        (1, 40, "confirmed"),
        (2, 40, "open"),
        (3, 9, "open"),
        (4, 9, "confirmed"),
        (5, 1, "confirmed"),
        (6, 1, "active"),
    ] {
        ledger.record(report(number, now - age * day), Some(Bytes::from(vec![1; 100]))).await.unwrap();
        ledger.fate("litecoin", &hash(number), fate(state, now - age * day));
    }
    ledger.shutdown();
    let week = Duration::from_millis(7 * day);
    let ledger = Ledger::open(Settings { keep: week, raw_blocks: 1, ..home.settings() });
    assert_eq!(numbers(&ledger.blocks(all()).await.unwrap()), [6, 5, 3]);
    for (number, kept) in [(6, true), (5, false), (3, true)] {
        let raw = ledger.raw(None, &hash(number)).await.unwrap();
        assert_eq!(
            raw.is_some(),
            kept,
            "bytes of {number}: of the newest, and of those that may be sent again"
        );
    }
    ledger.shutdown();
    // A file with no room at all: only what is open is left.
    let ledger = Ledger::open(Settings { max_bytes: 1, ..home.settings() });
    assert_eq!(numbers(&ledger.blocks(all()).await.unwrap()), [6, 3]);
    ledger.shutdown();
}

#[test]
fn lists_are_read_from_an_index() {
    let home = Home::new();
    let connection = crate::database::open(&home.path()).unwrap();
    for condition in ["1", "chain = 'x'", "state IN ('open')", "source = 'cli'", "received_unix_ms >= 5"] {
        let sql = format!(
            "EXPLAIN QUERY PLAN SELECT * FROM blocks WHERE {condition} ORDER BY received_unix_ms DESC LIMIT 10"
        );
        let plan: Vec<String> = connection
            .prepare(&sql)
            .unwrap()
            .query_map([], |row| row.get(3))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let plan = plan.join("; ");
        assert!(plan.contains("USING INDEX") && !plan.contains("TEMP B-TREE"), "{condition}: {plan}");
    }
}
