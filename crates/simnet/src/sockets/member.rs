//! Who takes part in a world, and where to find them.

use std::{
    fmt,
    fs::OpenOptions,
    io::{self, Write},
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use crate::{Link, Temperament};

/// A peer or a node of a world.
#[derive(Debug)]
pub struct Member {
    pub(super) name: String,
    pub(super) temperament: Temperament,
    pub(super) link: Link,
    pub(super) p2p: SocketAddr,
    pub(super) rpc: Option<RpcAddress>,
}

impl Member {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it behaves.
    pub fn temperament(&self) -> Temperament {
        self.temperament
    }

    /// Its line.
    pub fn link(&self) -> Link {
        self.link
    }

    /// Where it listens for peers.
    pub fn p2p(&self) -> SocketAddr {
        self.p2p
    }

    /// Where it answers JSON-RPC, if it is a node.
    pub fn rpc(&self) -> Option<&RpcAddress> {
        self.rpc.as_ref()
    }
}

/// How to reach a node's JSON-RPC.
pub struct RpcAddress {
    pub(super) address: SocketAddr,
    pub(super) user: String,
    pub(super) password: String,
    pub(super) cookie_file: Option<PathBuf>,
}

impl RpcAddress {
    /// `http://127.0.0.1:port`
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The user; `__cookie__` if there is a cookie file.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The password: new at each start.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The file that holds user and password, if there is one. It is removed when the world ends.
    pub fn cookie_file(&self) -> Option<&Path> {
        self.cookie_file.as_deref()
    }

    /// Writes the cookie file, readable for this user only.
    pub(super) fn write_cookie(&self) -> io::Result<()> {
        let Some(path) = &self.cookie_file else { return Ok(()) };
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        write!(file, "{}:{}", self.user, self.password)
    }

    pub(super) fn remove_cookie(&self) {
        let Some(path) = &self.cookie_file else { return };
        if let Err(error) = std::fs::remove_file(path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %path.display(), %error, "a cookie file stays behind");
        }
    }
}

impl fmt::Debug for RpcAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RpcAddress")
            .field("address", &self.address)
            .field("user", &self.user)
            .field("cookie_file", &self.cookie_file)
            .finish_non_exhaustive()
    }
}
