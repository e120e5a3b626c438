//! A disk that is full, fails, or is not there.

use std::io::ErrorKind;
use std::time::Instant;

use super::{SECOND, Started, after_power_cut, entry, running, small_limits, start};
use crate::disk::memory::{MemoryDisk, Operation};
use crate::entry::Key;

#[test]
fn a_full_disk_is_told_at_once_and_the_block_is_saved_when_there_is_room_again() {
    let (disk, Started { mut store, .. }, now) = running();
    store.append(entry(1, 100));
    store.commit(now);
    disk.set_capacity(Some(disk.used() + 50));

    store.append(entry(2, 100));
    store.commit(now);
    assert_eq!(store.saved(&Key::new([2; 32])).unwrap_err().kind(), "disk_full");
    assert!(store.saved(&Key::new([1; 32])).is_ok(), "what was saved stays saved");
    let health = store.health();
    assert!(!health.durable);
    assert_eq!((health.open_blocks, health.unsaved_blocks), (2, 1));
    assert_eq!(health.last_error.as_ref().unwrap().kind(), "disk_full");
    assert!(health.last_error.as_ref().unwrap().text().contains("00000001.log"));

    disk.heal();
    disk.take_log();
    store.commit(now + SECOND / 2);
    assert_eq!(disk.take_log(), [] as [&str; 0], "no attempt before the second is over");
    assert_eq!(store.rest(now + SECOND / 2), Some(SECOND / 2));
    store.tick(now + SECOND);
    assert!(store.saved(&Key::new([2; 32])).is_ok());
    assert!(store.health().durable);
    assert_eq!(disk.names(), ["00000001.log"], "the half record was cut off and the file goes on");
    assert_eq!(after_power_cut(&disk), [entry(1, 100), entry(2, 100)]);
}

#[test]
fn on_a_full_disk_a_block_that_fits_is_saved_beside_one_that_does_not() {
    let (disk, Started { mut store, .. }, now) = running();
    disk.set_capacity(Some(disk.used() + 300));
    store.append(entry(1, 1000));
    store.append(entry(2, 10));
    store.commit(now);
    assert!(store.saved(&Key::new([1; 32])).is_err());
    assert!(store.saved(&Key::new([2; 32])).is_ok());
    assert!(!store.health().durable);
    assert_eq!(after_power_cut(&disk), [entry(2, 10)]);
}

#[test]
fn a_disk_counts_as_working_only_when_it_takes_as_much_as_it_had_refused() {
    let (disk, Started { mut store, .. }, mut now) = running();
    disk.set_capacity(Some(disk.used() + 500));
    store.append(entry(1, 1000));
    store.commit(now);
    // The block is done by another way; the disk is as full as before.
    store.close(Key::new([1; 32]));
    for _ in 0..3 {
        now += SECOND;
        store.tick(now);
        assert!(!store.health().durable);
    }
    let used = disk.used();
    disk.heal();
    store.tick(now + SECOND);
    assert!(store.health().durable);
    assert_eq!(disk.used(), used, "the proof is taken back");
}

#[test]
fn after_a_failed_sync_every_open_block_goes_to_a_new_file() {
    let (disk, Started { mut store, .. }, now) = running();
    store.append(entry(1, 100));
    store.commit(now);
    disk.fail(Operation::Sync, 1, ErrorKind::Other);
    store.append(entry(2, 100));
    store.commit(now);
    assert_eq!(store.saved(&Key::new([2; 32])).unwrap_err().kind(), "io");

    // On the same file this sync would succeed, and save nothing.
    store.tick(now + SECOND);
    assert!(store.health().durable);
    store.tick(now + SECOND * 2);
    assert_eq!(disk.names(), ["00000002.log"]);
    assert_eq!(after_power_cut(&disk), [entry(1, 100), entry(2, 100)]);
}

#[test]
fn a_failed_sync_of_the_directory_is_a_failure_too() {
    let disk = MemoryDisk::default();
    disk.fail(Operation::SyncDirectory, 1, ErrorKind::Other);
    let now = Instant::now();
    let mut store = start(&disk, small_limits(), now).store;
    store.append(entry(1, 100));
    store.commit(now);
    assert!(store.saved(&Key::new([1; 32])).is_err());
    store.tick(now + SECOND);
    assert!(store.saved(&Key::new([1; 32])).is_ok());
    assert_eq!(after_power_cut(&disk), [entry(1, 100)]);
}

#[test]
fn a_half_record_that_cannot_be_cut_off_moves_writing_to_a_new_file() {
    let (disk, Started { mut store, .. }, now) = running();
    store.append(entry(1, 100));
    store.commit(now);
    disk.fail(Operation::Append, 1, ErrorKind::Other);
    disk.fail(Operation::Truncate, 1, ErrorKind::Other);
    store.append(entry(2, 100));
    store.commit(now);
    store.tick(now + SECOND);
    assert!(store.health().durable);
    assert_eq!(after_power_cut(&disk), [entry(1, 100), entry(2, 100)]);
}

#[test]
fn nothing_is_written_behind_a_half_record_that_cannot_be_cut_off() {
    let (disk, Started { mut store, .. }, now) = running();
    store.append(entry(1, 100));
    store.commit(now);
    store.close(Key::new([1; 32]));
    store.append(entry(2, 100));
    store.append(entry(3, 5000));
    // The closing fails half-way and stays; the second block would follow it, and the third not fit and be cut off.
    disk.set_capacity(Some(disk.used() + 600));
    disk.fail(Operation::Append, 1, ErrorKind::StorageFull);
    disk.fail(Operation::Truncate, 1, ErrorKind::Other);
    store.commit(now);
    let saved = store.saved(&Key::new([2; 32])).is_ok();
    let found = after_power_cut(&disk);
    assert!(!saved || found.contains(&entry(2, 100)));
    assert!(!saved, "the file was not to be used");
}

#[test]
fn an_older_copy_stays_until_what_was_read_back_is_saved_again() {
    let (disk, Started { mut store, .. }, now) = running();
    store.append(entry(1, 100));
    store.commit(now);
    drop(store);
    // The next start writes the block to a second file, cannot sync it, and is killed.
    disk.fail(Operation::Sync, 1, ErrorKind::Other);
    disk.fail(Operation::Remove, 1, ErrorKind::Other);
    drop(start(&disk, small_limits(), now));
    assert_eq!(disk.names(), ["00000001.log", "00000002.log"]);
    // The one after finds it there, in the page cache only, and has a disk that is full.
    disk.fail(Operation::Append, 2, ErrorKind::StorageFull);
    let mut store = start(&disk, small_limits(), now).store;
    store.tick(now + SECOND);
    assert_eq!(after_power_cut(&disk), [entry(1, 100)]);
}

#[test]
fn a_disk_that_keeps_failing_is_not_filled_with_failed_files() {
    let (disk, Started { mut store, .. }, mut now) = running();
    store.append(entry(1, 100));
    store.commit(now);
    disk.fail(Operation::Sync, usize::MAX, ErrorKind::Other);
    store.append(entry(2, 100));
    store.commit(now);
    for _ in 0..50 {
        now += SECOND;
        store.tick(now);
    }
    assert_eq!(disk.names(), ["00000001.log"]);
    assert_eq!(after_power_cut(&disk), [entry(1, 100)]);
}

#[test]
fn a_directory_that_cannot_be_written_opens_and_writing_begins_when_it_can() {
    let disk = MemoryDisk::default();
    let now = Instant::now();
    let mut before = start(&disk, small_limits(), now).store;
    before.append(entry(1, 100));
    before.commit(now);
    drop(before);

    disk.fail(Operation::Prepare, 3, ErrorKind::ReadOnlyFilesystem);
    let Started { mut store, open, .. } = start(&disk, small_limits(), now);
    assert_eq!(open, [entry(1, 100)], "what can be read is handed back");
    assert!(!store.health().durable);
    assert_eq!(store.health().last_error.as_ref().unwrap().kind(), "read_only");
    store.append(entry(2, 100));
    store.commit(now);
    assert_eq!(store.saved(&Key::new([2; 32])).unwrap_err().kind(), "read_only");
    store.tick(now + SECOND);
    assert!(!store.health().durable);
    assert_eq!(disk.names(), ["00000001.log"]);
    store.tick(now + SECOND * 2);
    assert!(store.health().durable);
    assert_eq!(after_power_cut(&disk), [entry(1, 100), entry(2, 100)]);
}

#[test]
fn a_lock_taken_by_another_process_meanwhile_is_waited_for() {
    let disk = MemoryDisk::default();
    let now = Instant::now();
    disk.fail(Operation::Prepare, 2, ErrorKind::NotFound);
    let mut store = start(&disk, small_limits(), now).store;
    disk.set_locked(true);
    store.tick(now + SECOND);
    assert_eq!(store.health().last_error.as_ref().unwrap().kind(), "locked");
    assert_eq!(disk.names(), [] as [&str; 0], "without the lock nothing is written");
    disk.set_locked(false);
    store.tick(now + SECOND * 2);
    assert!(store.health().durable);
}

#[test]
fn what_was_read_back_after_a_crash_is_saved_again_before_it_counts_as_saved() {
    let (disk, Started { mut store, .. }, now) = running();
    disk.fail(Operation::Sync, 1, ErrorKind::Other);
    store.append(entry(1, 100));
    // Written, not synced, and the process dies: the page cache shows a block that the disk does not have.
    store.append(entry(2, 100));
    disk.fail(Operation::Remove, 1, ErrorKind::Other);
    store.commit(now);
    drop(store);
    let Started { store, open, .. } = start(&disk, small_limits(), now);
    for entry in &open {
        assert!(store.saved(&entry.key).is_ok());
    }
    assert_eq!(after_power_cut(&disk), open);
}

#[test]
fn a_start_on_a_full_disk_makes_room_by_deleting_what_is_finished_with() {
    let (disk, Started { mut store, .. }, now) = running();
    store.append(entry(1, 1000));
    store.commit(now);
    store.close(Key::new([1; 32]));
    store.finish(now);
    disk.set_capacity(Some(disk.used()));
    let mut store = start(&disk, small_limits(), now).store;
    assert_eq!(store.health().last_error.as_ref().unwrap().kind(), "disk_full");
    store.append(entry(2, 500));
    store.commit(now);
    store.tick(now + SECOND);
    assert!(store.health().durable);
    assert_eq!(after_power_cut(&disk), [entry(2, 500)]);
}
