//! Files that are not as they were written.

use std::time::Instant;

use proptest::prelude::*;

use super::{entry, small_limits, start};
use crate::disk::memory::{MemoryDisk, Operation};
use crate::entry::{Entry, Key};
use crate::error::OpenError;
use crate::journal::Journal;
use crate::record;
use crate::recovery::{self, DamageKind};

/// A file with four entries, the second of them closed, and where each of its five records begins.
fn small_journal() -> (Vec<u8>, Vec<Entry>, Vec<usize>) {
    let entries = vec![entry(1, 40), entry(2, 0), entry(3, 90), entry(4, 17)];
    let salt = record::new_salt();
    let mut file = record::file_head(salt).to_vec();
    let mut begins = Vec::new();
    for (age, entry) in entries.iter().enumerate() {
        begins.push(file.len());
        file.extend(record::entry_head(salt, age as u64, entry));
        file.extend(&entry.block);
        if age == 1 {
            begins.push(file.len());
            file.extend(record::closed(salt, &entry.key));
        }
    }
    (file, entries, begins)
}

fn disk_with(file: &[u8]) -> MemoryDisk {
    let disk = MemoryDisk::default();
    disk.put("00000007.log", file);
    disk
}

fn keys(entries: &[Entry]) -> Vec<Key> {
    entries.iter().map(|entry| entry.key).collect()
}

#[test]
fn an_undamaged_file_gives_back_what_is_open_oldest_first() {
    let (file, entries, _) = small_journal();
    let started = start(&disk_with(&file), small_limits(), Instant::now());
    assert_eq!(started.open, [entries[0].clone(), entries[2].clone(), entries[3].clone()]);
    assert_eq!(started.damage, []);
    assert!(started.store.health().durable);
}

#[test]
fn a_file_cut_anywhere_loses_only_what_was_cut_and_keeps_the_rest_of_the_torn_record() {
    let (file, entries, begins) = small_journal();
    let mut ends = begins[1..].to_vec();
    ends.push(file.len());
    for cut in 0..=file.len() {
        let disk = disk_with(&file[..cut]);
        let started = start(&disk, small_limits(), Instant::now());

        // Records 0, 1, 3 and 4 are entries, 2 closes the second of them.
        let whole = |record: usize| ends[record] <= cut;
        let mut expected = Vec::new();
        expected.extend(whole(0).then_some(entries[0].key));
        expected.extend((whole(1) && !whole(2)).then_some(entries[1].key));
        expected.extend(whole(3).then_some(entries[2].key));
        expected.extend(whole(4).then_some(entries[3].key));
        assert_eq!(keys(&started.open), expected, "cut at {cut}");
        assert!(started.open.iter().all(|entry| entries.contains(entry)), "cut at {cut}");

        let last_whole = ends.iter().rev().find(|end| **end <= cut).copied();
        let good = last_whole.unwrap_or(if cut >= record::FILE_HEAD { record::FILE_HEAD } else { 0 });
        if good == cut {
            assert_eq!(started.damage, [], "cut at {cut}");
        } else {
            let [damage] = &started.damage[..] else { panic!("{:?}", started.damage) };
            assert_eq!((damage.offset, damage.length), (good as u64, (cut - good) as u64));
            assert_eq!(damage.what, DamageKind::Torn);
            let kept = disk.contents(&format!("00000007.torn-{good}")).expect("set aside");
            assert_eq!(kept, &file[good..cut]);
        }
    }
}

#[test]
fn a_flipped_byte_anywhere_loses_at_most_the_record_it_is_in() {
    let (file, entries, begins) = small_journal();
    for at in 0..file.len() {
        for flip in [0x01, 0x80, 0xFF] {
            let mut damaged = file.clone();
            damaged[at] ^= flip;
            let disk = disk_with(&damaged);
            let started = start(&disk, small_limits(), Instant::now());

            let hit = begins.iter().rposition(|begin| *begin <= at);
            let mut expected = Vec::new();
            expected.extend((hit != Some(0)).then_some(entries[0].key));
            // The second entry is closed, unless it is the closing that was hit.
            expected.extend((hit == Some(2)).then_some(entries[1].key));
            expected.extend((hit != Some(3)).then_some(entries[2].key));
            expected.extend((hit != Some(4)).then_some(entries[3].key));
            assert_eq!(keys(&started.open), expected, "flipped at {at}");
            assert!(started.open.iter().all(|entry| entries.contains(entry)), "flipped at {at}");

            let [damage] = &started.damage[..] else { panic!("{:?}", started.damage) };
            let (from, to) = (damage.offset as usize, (damage.offset + damage.length) as usize);
            assert!((from..to).contains(&at));
            let name = damage.kept_as.file_name().unwrap().to_str().unwrap();
            assert_eq!(disk.contents(name).expect("set aside"), &damaged[from..to]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_at_all_make_reading_fail(
        file in prop::collection::vec(any::<u8>(), 0..400),
        headed in any::<bool>(),
    ) {
        let mut bytes = if headed { record::file_head([7; 8]).to_vec() } else { Vec::new() };
        bytes.extend(&file);
        let started = start(&disk_with(&bytes), small_limits(), Instant::now());
        prop_assert!(started.store.health().durable);
    }

    #[test]
    fn many_flipped_bytes_never_make_up_a_block(
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1..=255u8), 1..20),
    ) {
        let (mut file, entries, _) = small_journal();
        for (index, flip) in flips {
            let at = index.index(file.len());
            file[at] ^= flip;
        }
        let started = start(&disk_with(&file), small_limits(), Instant::now());
        prop_assert!(started.open.iter().all(|entry| entries.contains(entry)));
    }
}

#[test]
fn a_block_cannot_smuggle_in_records_of_its_own() {
    let (mut file, entries, begins) = small_journal();
    let mut evil = entry(9, 0);
    // The salt of another file: an attacker cannot know this one's.
    evil.block = record::closed([0; 8], &entries[0].key).into();
    let salt: [u8; 8] = file[12..20].try_into().unwrap();
    let at = file.len();
    file.extend(record::entry_head(salt, 9, &evil));
    file.extend(&evil.block);
    // The reader loses its place at the evil record and looks for the next one inside it.
    file[at] ^= 1;
    let started = start(&disk_with(&file), small_limits(), Instant::now());
    assert!(keys(&started.open).contains(&entries[0].key));
    assert_eq!(started.open.len(), begins.len() - 2);
}

#[test]
fn a_block_cannot_smuggle_in_records_where_the_files_head_is_lost_either() {
    let (mut file, entries, begins) = small_journal();
    let mut evil = entry(9, 0);
    evil.block = record::closed([0; 8], &entries[0].key).into();
    let salt: [u8; 8] = file[12..20].try_into().unwrap();
    let at = file.len();
    file.extend(record::entry_head(salt, 9, &evil));
    file.extend(&evil.block);
    file[0] ^= 1;
    file[at] ^= 1;
    let started = start(&disk_with(&file), small_limits(), Instant::now());
    assert!(keys(&started.open).contains(&entries[0].key));
    assert_eq!(started.open.len(), begins.len() - 2);
}

#[test]
fn a_record_that_belongs_to_another_file_is_not_believed() {
    let (mut file, entries, _) = small_journal();
    file.extend(record::closed([0; 8], &entries[0].key));
    let started = start(&disk_with(&file), small_limits(), Instant::now());
    assert!(keys(&started.open).contains(&entries[0].key));
    assert_eq!(started.damage[0].what, DamageKind::Torn);
}

#[test]
fn a_length_beyond_the_file_or_the_limit_is_not_believed() {
    let (file, entries, begins) = small_journal();
    for length in [u32::MAX, record::MAX_PAYLOAD as u32 + 1, record::MAX_PAYLOAD as u32, 4000] {
        let mut file = file.clone();
        file[begins[3] + 16..begins[3] + 20].copy_from_slice(&length.to_le_bytes());
        let started = start(&disk_with(&file), small_limits(), Instant::now());
        assert_eq!(keys(&started.open), [entries[0].key, entries[3].key]);
    }
}

#[test]
fn a_file_of_a_newer_release_is_refused_by_name_and_nothing_is_touched() {
    let (file, _, _) = small_journal();
    let disk = disk_with(&file[..file.len() - 1]);
    disk.put("00000008.log", &record::versioned_file_head(2, [7; 8]));
    let error = Journal::start(disk.clone(), small_limits()).unwrap_err();
    assert!(matches!(error, OpenError::NewerVersion { found: 2, supported: 1, .. }));
    let text = error.to_string();
    assert!(text.contains("00000008.log") && text.contains("start the newer release"), "{text}");
    assert_eq!(disk.names(), ["00000007.log", "00000008.log"]);
}

#[test]
fn what_was_set_aside_is_never_overwritten_and_not_copied_twice() {
    let (file, _, begins) = small_journal();
    let disk = disk_with(&file[..begins[4] + 30]);
    let name = format!("00000007.torn-{}", begins[4]);
    disk.put(&name, b"of an earlier accident");
    let second = format!("{name}-2");
    for _ in 0..2 {
        let found = recovery::recover(&disk, true).unwrap();
        assert!(found.damage[0].kept_as.ends_with(&second));
        assert!(!found.segments[&7].keep);
    }
    assert_eq!(disk.contents(&name).unwrap(), b"of an earlier accident");
    assert_eq!(disk.contents(&second).unwrap(), &file[begins[4]..begins[4] + 30]);
    assert_eq!(disk.names().len(), 3);
}

#[test]
fn a_damaged_file_that_cannot_be_copied_from_is_kept_whole() {
    let (file, _, begins) = small_journal();
    let torn = &file[..begins[4] + 30];
    let disk = disk_with(torn);
    disk.fail(Operation::Create, 1, std::io::ErrorKind::StorageFull);
    let now = Instant::now();
    let mut started = start(&disk, small_limits(), now);
    assert_eq!(started.damage[0].kept_as, started.damage[0].file);
    started.store.tick(now);
    assert_eq!(disk.names(), ["00000007.damaged", "00000008.log"]);
    assert_eq!(disk.contents("00000007.damaged").unwrap(), torn);
}

#[test]
fn a_part_that_the_disk_cannot_read_costs_only_its_records_and_the_file_is_kept() {
    let (file, entries, _) = small_journal();
    let disk = disk_with(&file);
    // The file's head, at once and then by pages. The first record stands in for it.
    disk.fail(Operation::Read, 2, std::io::ErrorKind::Other);
    let now = Instant::now();
    let mut started = start(&disk, small_limits(), now);
    assert_eq!(keys(&started.open), [entries[0].key, entries[2].key, entries[3].key]);
    assert_eq!(started.damage[0].what, DamageKind::Unreadable);
    started.store.tick(now);
    assert_eq!(disk.contents("00000007.damaged").unwrap(), file);
}

#[test]
fn a_file_that_cannot_be_opened_is_reported_and_left_alone() {
    let (file, _, _) = small_journal();
    let disk = disk_with(&file);
    disk.fail(Operation::Open, 1, std::io::ErrorKind::PermissionDenied);
    let now = Instant::now();
    let mut started = start(&disk, small_limits(), now);
    assert_eq!(started.damage[0].what, DamageKind::Unreadable);
    started.store.tick(now);
    assert_eq!(disk.contents("00000007.log").unwrap(), file);
    assert!(started.store.health().durable);
}
