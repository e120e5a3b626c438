//! Loading whole configuration directories: the examples, broken ones, overrides, secrets.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod broken;
mod conflicts;
mod examples;
mod hostile;
mod overrides;
mod peers;
mod secrets;

use std::fs;
use std::path::Path;

use config::{Config, Problem, Problems, load};
use tempfile::TempDir;

/// The smallest chain file that loads.
const LITECOIN: &str = r#"chain = "litecoin"
[[node]]
name = "a"
rpc = { url = "http://127.0.0.1:9332", cookie_file = "/var/lib/litecoind/.cookie" }
p2p = "127.0.0.1:9333"
"#;

/// A configuration directory that lives as long as the test.
struct Setup {
    dir: TempDir,
}

impl Setup {
    /// An empty `blockcast.toml` and the smallest chain file.
    fn good() -> Setup {
        Setup::empty().with("blockcast.toml", "").with("chains/litecoin.toml", LITECOIN)
    }

    fn empty() -> Setup {
        Setup { dir: tempfile::tempdir().unwrap() }
    }

    fn with(self, file: &str, content: impl AsRef<[u8]>) -> Setup {
        let path = self.dir.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        self
    }

    /// `LITECOIN` with more text behind it.
    fn with_chain(self, more: &str) -> Setup {
        self.with("chains/litecoin.toml", format!("{LITECOIN}{more}"))
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn load(&self) -> Result<Config, Problems> {
        self.load_with(&[])
    }

    fn load_with(&self, env: &[(&str, &str)]) -> Result<Config, Problems> {
        let env = env.iter().map(|(name, value)| (name.to_string(), value.to_string()));
        load(self.path(), env, &["litecoin", "dogecoin"])
    }

    /// The problems, without the temporary directory's path.
    fn lines(&self, problems: &[Problem]) -> Vec<String> {
        let prefix = format!("{}/", self.path().display());
        problems.iter().map(|problem| problem.to_string().replace(&prefix, "")).collect()
    }

    fn problems(&self) -> Vec<String> {
        self.lines(&self.load().expect_err("a broken configuration loaded").0)
    }

    fn problems_with(&self, env: &[(&str, &str)]) -> Vec<String> {
        self.lines(&self.load_with(env).expect_err("a broken configuration loaded").0)
    }
}

fn assert_process(content: &str, expected: &[&str]) {
    assert_eq!(Setup::good().with("blockcast.toml", content).problems(), expected, "{content}");
}

/// `more` stands behind the five lines of [`LITECOIN`].
fn assert_chain(more: &str, expected: &[&str]) {
    assert_eq!(Setup::good().with_chain(more).problems(), expected, "{more}");
}

/// The chain file as [`LITECOIN`] with a replacement.
fn assert_changed(from: &str, to: &str, expected: &[&str]) {
    assert!(LITECOIN.contains(from), "{from}");
    let content = LITECOIN.replace(from, to);
    assert_eq!(Setup::good().with("chains/litecoin.toml", &content).problems(), expected, "{content}");
}
