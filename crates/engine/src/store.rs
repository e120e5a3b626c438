//! The peer book's file: `{data_dir}/{chain}/broadcast_peers.json`.
//!
//! It is written beside itself, synced, and put in its own place in one step, so that whatever happens a whole file is
//! there: the old or the new. A file that cannot be used is not overwritten but set aside, and the book is built anew.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use protocol::book::{BookFile, file::FileError};

/// How long a file is read at most, in bytes. One of a full book, with 28,672 peers, has 20 MB.
const LIMIT: u64 = 32 * 1024 * 1024;

/// Where the book of one chain is kept.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    file: PathBuf,
    /// Chain and network, as the file says it.
    chain: String,
}

/// Why a file is not used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("it is longer than {LIMIT} bytes")]
    TooLong,
    #[error(transparent)]
    Content(#[from] FileError),
}

/// What was found.
#[derive(Debug)]
pub(crate) enum Found {
    /// Nothing: this is the first run.
    Nothing,
    /// A book.
    Book(BookFile),
    /// A file that cannot be used, and where it is now; an error if it could not even be moved.
    SetAside { why: Unusable, to: io::Result<PathBuf> },
}

impl Store {
    pub(crate) fn new(data_dir: &Path, name: &str, chain: String) -> Self {
        Self { file: data_dir.join(name).join("broadcast_peers.json"), chain }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.file
    }

    /// What the file says that the book is of.
    pub(crate) fn chain(&self) -> &str {
        &self.chain
    }

    /// Reads the file. One that cannot be used is set aside; `now` is in Unix seconds, for its new name.
    pub(crate) fn load(&self, now: u64) -> Found {
        let why = match self.read() {
            Ok(Some(book)) => return Found::Book(book),
            Ok(None) => return Found::Nothing,
            Err(why) => why,
        };
        Found::SetAside { why, to: self.set_aside(now) }
    }

    fn read(&self) -> Result<Option<BookFile>, Unusable> {
        let file = match File::open(&self.file) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let mut text = Vec::new();
        file.take(LIMIT + 1).read_to_end(&mut text)?;
        if text.len() as u64 > LIMIT {
            return Err(Unusable::TooLong);
        }
        Ok(Some(BookFile::parse(&text, &self.chain)?))
    }

    /// Moves the file out of the way, under a name that nothing has.
    fn set_aside(&self, now: u64) -> io::Result<PathBuf> {
        let name = |n: u32| match n {
            0 => format!("json.unusable-{now}"),
            n => format!("json.unusable-{now}-{n}"),
        };
        let free = (0..1000).map(|n| self.file.with_extension(name(n))).find(|path| !path.exists());
        let to = free.ok_or(ErrorKind::AlreadyExists)?;
        fs::rename(&self.file, &to)?;
        Ok(to)
    }

    /// Writes the file. Blocks for as long as the disk takes.
    pub(crate) fn save(&self, book: &BookFile) -> io::Result<()> {
        let directory = self.file.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(directory)?;
        let unfinished = self.file.with_extension("json.new");
        // It holds the key of the strangers' places, and says whom we know.
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
        file.write_all(&book.to_json())?;
        file.sync_all()?;
        fs::rename(&unfinished, &self.file)?;
        File::open(directory)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use protocol::book::{Calendar, Heard, Kind, PeerBook, Source};

    use super::*;
    use crate::handle::rules_of;

    fn store(directory: &Path) -> Store {
        Store::new(directory, "litecoin", "litecoin mainnet".into())
    }

    fn book(store: &Store, peers: u8) -> BookFile {
        let now = Instant::now();
        let mut book =
            PeerBook::new(rules_of(&crate::tests::peers()).unwrap(), Calendar { instant: now, unix: 1e9 }, 1);
        for n in 0..peers {
            let address = format!("20.{n}.0.1:9333").parse().expect("an address");
            assert!(book.hear(Heard::of(address, Kind::Discovered(Source::Node)), now));
        }
        book.to_file(store.chain(), now)
    }

    #[test]
    fn a_book_is_read_as_it_was_written() {
        let directory = tempfile::tempdir().unwrap();
        let store = store(directory.path());
        assert!(matches!(store.load(1), Found::Nothing));
        for peers in [3, 5] {
            store.save(&book(&store, peers)).unwrap();
            let Found::Book(found) = store.load(1) else { panic!("no book") };
            assert_eq!(found.len(), usize::from(peers));
        }
        let names = fs::read_dir(directory.path().join("litecoin")).unwrap();
        let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["broadcast_peers.json"], "nothing is left behind");
    }

    #[test]
    fn what_cannot_be_used_is_set_aside_and_never_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let store = store(directory.path());
        fs::create_dir(directory.path().join("litecoin")).unwrap();
        let future = r#"{"peers": {}, "format": 99}"#;
        let other = r#"{"peers": {}, "format": 1, "chain": "dash mainnet"}"#;
        for (n, content) in ["{\"peers\": {\"20.1", "", future, other].into_iter().enumerate() {
            fs::write(store.path(), content).unwrap();
            let Found::SetAside { why, to } = store.load(7) else { panic!("{content} was used") };
            let to = to.unwrap();
            assert_eq!(fs::read_to_string(&to).unwrap(), content, "{why}");
            let expected = if n == 0 { String::new() } else { format!("-{n}") };
            assert!(
                to.to_string_lossy().ends_with(&format!("broadcast_peers.json.unusable-7{expected}")),
                "{to:?}"
            );
            store.save(&book(&store, 1)).unwrap();
        }
    }

    #[test]
    fn a_write_that_fails_leaves_the_old_file() {
        let directory = tempfile::tempdir().unwrap();
        let store = store(directory.path());
        store.save(&book(&store, 2)).unwrap();
        // Nothing can be created where a directory has the name.
        fs::create_dir(store.path().with_extension("json.new")).unwrap();
        assert!(store.save(&book(&store, 4)).is_err());
        let Found::Book(found) = store.load(1) else { panic!("no book") };
        assert_eq!(found.len(), 2);
    }
}
