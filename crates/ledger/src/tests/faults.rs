//! Whatever is wrong with the file, nothing is lost by it but history.

use std::fs;

use rusqlite::Connection;

use super::*;
use crate::Filter;

fn all() -> Filter {
    Filter { limit: 1000, ..Filter::default() }
}

#[tokio::test]
async fn a_damaged_file_is_set_aside_wherever_the_damage_is_and_another_begun() {
    let original = {
        let home = Home::new();
        let ledger = home.open();
        for number in 1..30 {
            ledger.record(report(number, u64::from(number)), None).await.unwrap();
        }
        ledger.shutdown();
        fs::read(home.path()).unwrap()
    };
    for (what, bytes) in [
        ("no database", b"this is no database, it is a letter to my aunt".repeat(100)),
        ("cut in the middle", original[..original.len() / 2 + 77].to_vec()),
        (
            "flipped all over",
            original.iter().enumerate().map(|(at, byte)| byte ^ u8::from(at % 97 == 96)).collect(),
        ),
    ] {
        let home = Home::new();
        fs::write(home.path(), &bytes).unwrap();
        let ledger = home.open();
        ledger.record(report(1, 1), None).await.unwrap_or_else(|error| panic!("{what}: {error}"));
        let health = ledger.health();
        assert_eq!(health.last_error.map(|fault| fault.kind), Some("damaged"), "{what}");
        assert_eq!(ledger.blocks(all()).await.unwrap().len(), 1, "{what}");
        let aside = home.files().into_iter().find(|name| name.contains(".corrupt-")).expect(what);
        assert_eq!(fs::read(home.directory.path().join(aside)).unwrap(), bytes, "{what}");
        ledger.shutdown();
    }
}

#[tokio::test]
async fn no_damage_at_any_place_makes_it_panic_or_end() {
    let original = {
        let home = Home::new();
        let ledger = home.open();
        ledger.record(report(1, 1), None).await.unwrap();
        ledger.shutdown();
        fs::read(home.path()).unwrap()
    };
    // Everywhere in the header, and here and there behind it.
    for at in (0..100).chain((100..original.len()).step_by(original.len() / 60)) {
        let home = Home::new();
        let mut bytes = original.clone();
        bytes[at] ^= 0xff;
        fs::write(home.path(), &bytes).unwrap();
        let ledger = home.open();
        // Whether it is noticed or not: it is used, set aside, or left alone for a reason.
        let written = ledger.record(report(2, 2), None).await;
        let (health, found) = (ledger.health(), ledger.blocks(all()).await);
        assert_eq!(written.is_ok(), health.available, "flipped at {at}: {health:?}");
        // What cannot be written may still be read.
        assert!(found.is_ok() || !health.available, "flipped at {at}: {health:?}");
        if !health.available {
            assert_eq!(fs::read(home.path()).unwrap(), bytes, "flipped at {at}: it is not ours to change");
        }
        ledger.shutdown();
    }
}

#[tokio::test]
async fn a_newer_file_and_another_programs_are_left_as_they_are() {
    for (sql, kind) in [
        (
            format!("PRAGMA application_id = {}; PRAGMA user_version = 99", crate::schema::APPLICATION),
            "newer_version",
        ),
        ("CREATE TABLE recipes (name TEXT); INSERT INTO recipes VALUES ('soup')".to_owned(), "foreign"),
        ("PRAGMA application_id = 1; PRAGMA user_version = 1".to_owned(), "foreign"),
    ] {
        let home = Home::new();
        let connection = Connection::open(home.path()).unwrap();
        connection.execute_batch(&sql).unwrap();
        drop(connection);
        let before = fs::read(home.path()).unwrap();
        let ledger = home.open();
        let refused = ledger.record(report(1, 1), None).await.unwrap_err();
        assert!(refused.to_string().contains("move"), "{refused}");
        let health = health(&ledger, |health| health.last_error.is_some()).await;
        assert_eq!(health.last_error.map(|fault| fault.kind), Some(kind));
        assert!(!health.available && ledger.blocks(all()).await.is_err());
        ledger.shutdown();
        assert_eq!((fs::read(home.path()).unwrap(), home.files().len()), (before, 1), "{kind}");
    }
}

#[tokio::test]
async fn what_came_while_another_held_the_file_is_written_when_it_lets_go() {
    let home = Home::new();
    let ledger = home.open();
    ledger.record(report(1, 1), None).await.unwrap();
    let other = Connection::open(home.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = ledger.record(report(2, 2), None).await.unwrap_err();
    assert!(refused.to_string().contains("another program holds it"), "{refused}");
    ledger.fate("litecoin", &hash(2), fate("confirmed", 9));
    let held = health(&ledger, |health| !health.available).await;
    assert!(held.pending > 0);
    other.execute_batch("ROLLBACK").unwrap();
    let free = health(&ledger, |health| health.available && health.pending == 0).await;
    assert_eq!((free.blocks, free.dropped), (2, 0));
    assert_eq!(ledger.block(&hash(2)).await.unwrap()[0].fate, fate("confirmed", 9));
    ledger.shutdown();
}

#[tokio::test]
async fn where_no_file_can_be_there_is_no_history_and_a_reason() {
    let home = Home::new();
    fs::create_dir(home.path()).unwrap();
    let ledger = home.open();
    let refused = ledger.record(report(1, 1), None).await.unwrap_err();
    assert!(refused.to_string().contains("ledger.sqlite"), "{refused}");
    assert!(ledger.block(&hash(1)).await.is_err());
    ledger.shutdown();

    let home = Home::new();
    fs::write(home.directory.path().join("file"), "").unwrap();
    let path = home.directory.path().join("file/ledger.sqlite");
    let ledger = Ledger::open(Settings { path, ..home.settings() });
    assert!(ledger.record(report(1, 1), None).await.is_err());
    ledger.shutdown();
}

#[test]
fn of_what_waits_the_newest_thousand_are_kept() {
    let mut pending = crate::pending::Pending::default();
    let answer = || tokio::sync::oneshot::channel().0;
    for number in 0..1500 {
        pending.record(report(number, 1), None, answer());
        pending.fate("litecoin".into(), hash(number), fate("open", 10));
    }
    pending.record(report(1499, 1), Some(vec![0; 70 << 20].into()), answer());
    assert_eq!((pending.len(), pending.dropped), (2000, 1000));
    let kept: Vec<_> = pending.records().map(|record| record.report.height.unwrap()).collect();
    assert_eq!((kept[0], kept[999]), (500, 1499));
    assert!(pending.records().all(|record| record.raw.is_none()), "too large to be kept in memory");
}

#[tokio::test]
async fn an_older_file_is_brought_to_this_version_and_keeps_what_it_has() {
    // An empty file is of version 0: nothing in it, and nothing to lose.
    let home = Home::new();
    fs::write(home.path(), "").unwrap();
    let ledger = home.open();
    ledger.record(report(1, 1), None).await.unwrap();
    ledger.shutdown();
    let connection = Connection::open(home.path()).unwrap();
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    assert_eq!(version, crate::schema::VERSION);
}

#[tokio::test]
async fn a_row_that_makes_no_sense_is_left_out_and_the_others_are_told() {
    let home = Home::new();
    let ledger = home.open();
    for number in 1..=3 {
        ledger.record(report(number, u64::from(number)), None).await.unwrap();
    }
    let other = Connection::open(home.path()).unwrap();
    other.execute_batch("UPDATE blocks SET source = 'window' WHERE height = 2").unwrap();
    other.execute_batch("UPDATE deliveries SET findings = '{' WHERE height = 3").unwrap();
    let listed = ledger.blocks(all()).await.unwrap();
    assert_eq!(listed.iter().map(|block| block.height.unwrap()).collect::<Vec<_>>(), [3, 1]);
    assert!(ledger.block(&hash(3)).await.unwrap()[0].deliveries.is_empty());
    assert!(ledger.health().available);
    ledger.shutdown();
}
