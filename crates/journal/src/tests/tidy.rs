//! Closing, replacing, rewriting and deleting.

use std::io::ErrorKind;
use std::time::Instant;

use super::{SECOND, Started, after_power_cut, entry, running, small_limits, start, version};
use crate::disk::memory::{MemoryDisk, Operation};
use crate::entry::Key;
use crate::limits::Limits;

#[test]
fn after_rewriting_failed_what_is_left_of_it_overrules_nothing_newer() {
    let (disk, Started { mut store, .. }, now) = running();
    store.append(entry(1, 100));
    store.append(entry(2, 3000));
    store.commit(now);
    store.close(Key::new([2; 32]));
    store.commit(now);
    disk.fail(Operation::SyncDirectory, 1, ErrorKind::Other);
    disk.fail(Operation::Remove, 1, ErrorKind::Other);
    store.tick(now);
    assert!(store.health().durable);
    store.append(version(1, 100, 9));
    store.commit(now);
    assert!(store.saved(&Key::new([1; 32])).is_ok());
    // The process is killed, and finds all files.
    assert_eq!(disk.names(), ["00000001.log", "00000002.log", "00000003.log"]);
    assert!(start(&disk, small_limits(), now).open.contains(&version(1, 100, 9)));
}

#[test]
fn the_same_block_again_is_answered_without_writing_and_a_changed_note_replaces_it() {
    let (disk, Started { mut store, .. }, now) = running();
    store.append(entry(1, 100));
    store.commit(now);
    let first = store.saved(&Key::new([1; 32])).unwrap();
    disk.take_log();
    store.append(entry(1, 100));
    store.commit(now);
    assert_eq!(store.saved(&Key::new([1; 32])), Ok(first));
    assert_eq!(disk.take_log(), [] as [&str; 0]);
    store.append(version(1, 100, 9));
    store.commit(now);
    assert_eq!(store.health().open_blocks, 1);
    assert_eq!(after_power_cut(&disk), [version(1, 100, 9)]);
}

#[test]
fn a_closed_block_is_not_handed_back_after_an_orderly_stop() {
    let (disk, Started { mut store, .. }, now) = running();
    store.append(entry(1, 100));
    store.append(entry(2, 100));
    store.commit(now);
    disk.take_log();
    store.close(Key::new([1; 32]));
    store.commit(now);
    assert_eq!(disk.take_log(), ["Append 00000001.log"], "closing has no sync of its own");
    store.finish(now);
    assert_eq!(after_power_cut(&disk), [entry(2, 100)]);
}

#[test]
fn a_block_closed_and_appended_again_is_open() {
    let (disk, Started { mut store, .. }, now) = running();
    store.append(entry(1, 100));
    store.commit(now);
    store.close(Key::new([1; 32]));
    store.append(entry(1, 100));
    store.commit(now);
    assert!(store.saved(&Key::new([1; 32])).is_ok());
    assert_eq!(after_power_cut(&disk), [entry(1, 100)]);
}

#[test]
fn a_block_closed_while_the_disk_failed_and_appended_again_is_open() {
    let (disk, Started { mut store, .. }, now) = running();
    store.append(entry(1, 100));
    store.commit(now);
    disk.fail(Operation::Append, 2, ErrorKind::StorageFull);
    store.close(Key::new([1; 32]));
    store.commit(now);
    store.append(entry(1, 100));
    // Were the closing written at all, it would fail once more and come after the block.
    store.tick(now + SECOND);
    store.tick(now + SECOND * 2);
    assert!(store.saved(&Key::new([1; 32])).is_ok());
    assert_eq!(after_power_cut(&disk), [entry(1, 100)]);
}

#[test]
fn files_are_rewritten_at_a_size_with_only_what_is_open_and_vanish_when_nothing_is() {
    let (disk, Started { mut store, .. }, mut now) = running();
    store.append(entry(200, 100));
    for key in 0..100 {
        store.append(entry(key, 300));
        store.commit(now);
        store.close(Key::new([key; 32]));
        store.commit(now);
        store.tidy_if_overdue(now);
        assert!(disk.used() < 5 * 2000, "even without an idle second: {}", disk.used());
    }
    assert!(store.rest(now).is_some(), "there is something to tidy");
    now += SECOND;
    store.tick(now);
    assert!(disk.used() < 2000);
    assert_eq!(disk.names().len(), 1);
    store.close(Key::new([200; 32]));
    for key in 0..3 {
        store.append(entry(key, 300));
        store.commit(now);
        store.close(Key::new([key; 32]));
    }
    store.commit(now);
    store.tick(now);
    assert!(disk.used() < 100, "nothing is open: {}", disk.used());
    assert_eq!(store.rest(now), None, "nothing to do until somebody asks");
}

#[test]
fn rewriting_deletes_the_old_file_only_after_the_new_one_and_its_name_are_synced() {
    let (disk, Started { mut store, .. }, now) = running();
    store.append(entry(1, 100));
    store.append(entry(2, 3000));
    store.commit(now);
    store.close(Key::new([2; 32]));
    store.commit(now);
    disk.take_log();
    store.tick(now);
    let log = disk.take_log();
    let at =
        |what: &str| log.iter().position(|line| line == what).unwrap_or_else(|| panic!("{what} in {log:?}"));
    assert!(at("Create 00000002.log") < at("Sync 00000002.log"));
    assert!(at("Sync 00000002.log") < at("SyncDirectory "));
    assert!(at("SyncDirectory ") < at("Remove 00000001.log"));
}

#[test]
fn rewriting_that_fails_loses_nothing_and_is_tried_again_a_minute_later() {
    let (disk, Started { mut store, .. }, now) = running();
    store.append(entry(1, 100));
    store.append(entry(2, 3000));
    store.commit(now);
    store.close(Key::new([2; 32]));
    store.commit(now);
    disk.fail(Operation::Sync, 1, ErrorKind::Other);
    store.tick(now);
    assert!(store.health().durable, "the old file is as good as before");
    assert_eq!(disk.names(), ["00000001.log", "00000003.log"]);
    assert_eq!(store.rest(now), Some(SECOND * 60));
    store.tick(now + SECOND * 60);
    assert_eq!(disk.names(), ["00000004.log"]);
    assert_eq!(after_power_cut(&disk), [entry(1, 100)]);
}

#[test]
fn more_than_memory_may_hold_is_read_back_from_disk_when_files_are_rewritten() {
    let disk = MemoryDisk::default();
    let now = Instant::now();
    let limits = Limits { memory_bytes: 500, ..small_limits() };
    let mut store = start(&disk, limits, now).store;
    for key in 0..10 {
        store.append(entry(key, 300));
        store.commit(now);
    }
    for key in 0..5 {
        store.close(Key::new([key; 32]));
    }
    store.commit(now);
    store.tick(now);
    assert_eq!(disk.names(), ["00000002.log"]);
    assert_eq!(store.health().given_up, 0);
    assert_eq!(after_power_cut(&disk), (5..10).map(|key| entry(key, 300)).collect::<Vec<_>>());
}

#[test]
fn more_unsaved_blocks_than_memory_may_hold_give_up_the_oldest() {
    let disk = MemoryDisk::default();
    let now = Instant::now();
    let mut store = start(&disk, Limits { memory_bytes: 1000, ..small_limits() }, now).store;
    disk.fail(Operation::Append, usize::MAX, ErrorKind::Other);
    for key in 0..5 {
        store.append(entry(key, 300));
        store.commit(now);
    }
    assert_eq!(store.health().given_up, 3);
    assert_eq!(store.saved(&Key::new([0; 32])).unwrap_err().kind(), "backlog");
    disk.heal();
    store.tick(now + SECOND);
    assert_eq!(after_power_cut(&disk), [entry(3, 300), entry(4, 300)]);
}

#[test]
fn a_block_that_cannot_be_read_back_holds_up_no_other_and_its_file_stays() {
    let disk = MemoryDisk::default();
    let now = Instant::now();
    let mut store = start(&disk, Limits { memory_bytes: 500, ..small_limits() }, now).store;
    store.append(entry(1, 400));
    store.append(entry(2, 3000));
    store.commit(now);
    store.close(Key::new([2; 32]));
    store.append(entry(3, 400));
    store.commit(now);
    disk.fail(Operation::Open, usize::MAX, ErrorKind::Other);
    store.tick(now);
    assert_eq!(store.health().last_error.as_ref().unwrap().kind(), "unreadable");
    assert!(!store.health().durable);
    store.append(entry(4, 10));
    store.commit(now);
    assert!(store.saved(&Key::new([4; 32])).is_ok());
    assert!(disk.names().contains(&"00000001.log".to_owned()));
    disk.heal();
    store.tick(now + SECOND * 60);
    assert!(store.health().durable);
    assert_eq!(after_power_cut(&disk), [entry(1, 400), entry(3, 400), entry(4, 10)]);
}
