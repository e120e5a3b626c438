//! The journal on a real file system, with real processes that are really killed.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use journal::{DamageKind, Entry, Journal, Key, OpenError};

/// Names the directory to a child process, which is this same test program: see [`child`].
const CHILD_DIR: &str = "JOURNAL_TEST_CHILD_DIR";

fn entry(number: u32) -> Entry {
    let mut key = [0; 32];
    key[..4].copy_from_slice(&number.to_le_bytes());
    Entry {
        key: Key::new(key),
        chain: "litecoin".to_owned(),
        meta: Bytes::from_static(br#"{"source":"front_door"}"#),
        block: Bytes::from(vec![number as u8; 10_000 + number as usize]),
    }
}

/// [`child`] in a process of its own, killed when dropped.
struct Process {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Process {
    fn start(dir: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("the test has a program"))
            .args(["--exact", "child", "--ignored", "--nocapture"])
            .env(CHILD_DIR, dir)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the test program runs once more");
        let output = BufReader::new(child.stdout.take().expect("piped above"));
        Self { child, output }
    }

    /// What stands behind `word` in the next line that has it.
    fn told(&mut self, word: &str) -> String {
        loop {
            let mut line = String::new();
            let length = self.output.read_line(&mut line).expect("the child tells lines of text");
            assert!(length > 0, "the child ended before it told {word}");
            // The test runner's own words may stand before it.
            if let Some((_, rest)) = line.split_once(word) {
                return rest.trim().to_owned();
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.child.kill();
        self.child.wait().expect("a killed child ends");
    }
}

/// Not a test: what the child processes of the tests below do. Appends without end and tells each number that is durable.
#[test]
#[ignore = "run by other tests, in a process of its own"]
fn child() {
    let Some(dir) = std::env::var_os(CHILD_DIR) else { return };
    let (journal, recovery) = match Journal::open(Path::new(&dir)) {
        Ok(opened) => opened,
        Err(error) => return println!("\nREFUSED {}", error.kind()),
    };
    println!("\nOPENED {}", recovery.open.len());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let first = recovery
        .open
        .last()
        .map_or(0, |last| u32::from_le_bytes(last.key.as_bytes()[..4].try_into().unwrap()) + 1);
    for number in first.. {
        runtime.block_on(journal.append(entry(number))).unwrap();
        println!("\nDURABLE {number}");
    }
}

#[test]
fn a_second_process_is_refused_while_the_first_lives_and_not_after() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open(dir.path()).unwrap();
    assert_eq!(Process::start(dir.path()).told("REFUSED"), "locked");
    journal.shutdown();
    let mut process = Process::start(dir.path());
    assert_eq!(process.told("OPENED"), "0");

    let error = Journal::open(dir.path()).unwrap_err();
    assert!(matches!(error, OpenError::Locked { .. }));
    assert!(error.to_string().contains(dir.path().to_str().unwrap()), "{error}");
    drop(process);
    Journal::open(dir.path()).unwrap();
}

#[test]
fn a_second_journal_in_the_same_process_is_refused_too() {
    let dir = tempfile::tempdir().unwrap();
    let (_journal, _) = Journal::open(dir.path()).unwrap();
    assert_eq!(Journal::open(dir.path()).unwrap_err().kind(), "locked");
}

#[test]
fn every_block_that_was_durable_before_a_kill_is_handed_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut durable = 0;
    for round in 1..=10 {
        let mut process = Process::start(dir.path());
        let found: u32 = process.told("OPENED").parse().unwrap();
        assert!(found >= durable, "{durable} were durable, {found} found");
        for _ in 0..round {
            durable = process.told("DURABLE").parse::<u32>().unwrap() + 1;
        }
    }
    let (_journal, recovery) = Journal::open(dir.path()).unwrap();
    assert!(recovery.open.len() >= durable as usize);
    for (number, found) in (0..).zip(&recovery.open) {
        assert_eq!(found, &entry(number));
    }
    assert!(recovery.damage.iter().all(|damage| damage.what == DamageKind::Torn), "{:?}", recovery.damage);
}

#[tokio::test]
async fn a_torn_record_is_set_aside_beside_its_file_and_told() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open(dir.path()).unwrap();
    journal.append(entry(1)).await.unwrap();
    journal.append(entry(2)).await.unwrap();
    journal.shutdown();
    let file = dir.path().join("00000001.log");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() - 5]).unwrap();

    let (_journal, recovery) = Journal::open(dir.path()).unwrap();
    assert_eq!(recovery.open, [entry(1)]);
    let [damage] = &recovery.damage[..] else { panic!("{:?}", recovery.damage) };
    assert_eq!((&damage.file, damage.what), (&file, DamageKind::Torn));
    assert_eq!(damage.offset + damage.length, bytes.len() as u64 - 5);
    assert_eq!(std::fs::read(&damage.kept_as).unwrap(), &bytes[damage.offset as usize..bytes.len() - 5]);
    let told = damage.to_string();
    assert!(told.contains("00000001.log: ") && told.contains("never acknowledged"), "{told}");
}

#[tokio::test]
async fn the_directory_and_its_files_are_for_the_owner_only() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data").join("journal");
    let (journal, _) = Journal::open(&path).unwrap();
    journal.append(entry(1)).await.unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    assert_eq!(mode(&path.join("00000001.log")), 0o600);
    assert_eq!(mode(&path.join("lock")), 0o600);
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_at_first_is_used_as_soon_as_it_can() {
    let dir = tempfile::tempdir().unwrap();
    let in_the_way = dir.path().join("data");
    std::fs::write(&in_the_way, "a file where a directory should be").unwrap();
    let (journal, recovery) = Journal::open(&in_the_way.join("journal")).unwrap();
    assert!(recovery.open.is_empty());
    assert!(!journal.health().durable);
    assert!(journal.append(entry(1)).await.is_err());

    std::fs::remove_file(&in_the_way).unwrap();
    let mut health = journal.watch();
    tokio::time::timeout(Duration::from_secs(30), health.wait_for(|health| health.durable))
        .await
        .unwrap()
        .unwrap();
    journal.shutdown();
    assert_eq!(Journal::open(&in_the_way.join("journal")).unwrap().1.open, [entry(1)]);
}

#[tokio::test]
async fn a_directory_deleted_while_in_use_is_noticed_and_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let (journal, _) = Journal::open(&path).unwrap();
    journal.append(entry(1)).await.unwrap();
    std::fs::remove_dir_all(&path).unwrap();
    // The open file would take it, and lose it.
    assert_eq!(journal.append(entry(2)).await.unwrap_err().kind(), "missing");
    let mut health = journal.watch();
    tokio::time::timeout(Duration::from_secs(30), health.wait_for(|health| health.durable))
        .await
        .unwrap()
        .unwrap();
    journal.shutdown();
    assert_eq!(Journal::open(&path).unwrap().1.open, [entry(1), entry(2)]);
}

#[tokio::test]
async fn closed_blocks_do_not_come_back_and_files_do_not_pile_up_over_many_starts() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..20 {
        let (journal, recovery) = Journal::open(dir.path()).unwrap();
        let expected = if round == 0 { vec![] } else { vec![entry(1000), entry(round - 1)] };
        assert_eq!(recovery.open, expected);
        let saved = (journal.append(entry(1000)), journal.append(entry(round)));
        saved.0.await.unwrap();
        saved.1.await.unwrap();
        if round > 0 {
            journal.close(entry(round - 1).key);
        }
        journal.shutdown();
    }
    let files = std::fs::read_dir(dir.path()).unwrap().count();
    // The lock, the last run's file, and the one before it where that could not go yet.
    assert!(files <= 3, "{files} files");
}
