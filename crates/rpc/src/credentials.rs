//! The `Authorization` header: made from a password once, or from a cookie file whenever the daemon has a new one.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use hyper::header::HeaderValue;
use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretString};
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use crate::endpoint::Auth;
use crate::error::{Login, RpcError};

/// The largest cookie file that is read. The daemons write 75 bytes.
const COOKIE_LIMIT: u64 = 1024;

/// How long reading it may take: it may be on a network file system, or be no file but a pipe.
const COOKIE_TIME: Duration = Duration::from_secs(2);

/// What stands where a secret was.
const BLANK: &str = "[secret]";

/// Secrets shorter than this are not searched for in texts: replacing every "a" would garble the text, and hide nothing.
const SHORTEST_SEARCHED: usize = 4;

/// The credentials in force for one node.
pub(crate) enum Credentials {
    /// A user and password, fixed for the life of the client.
    Password { user: String, file: Option<PathBuf>, login: Secret },
    /// Whatever the daemon has last written into its cookie file; `None` until it is read.
    Cookie { path: PathBuf, last_read: Mutex<Option<Secret>> },
}

/// One set of credentials in the forms needed.
#[derive(Clone)]
pub(crate) struct Secret {
    header: HeaderValue,
    /// `user:password`, to find it in texts that the node sends back.
    plain: SecretString,
}

// === impl Credentials ===

impl Credentials {
    pub(crate) fn new(auth: &Auth) -> Self {
        match auth {
            Auth::Password { user, password, file } => Self::Password {
                login: Secret::new(format!("{user}:{}", password.expose_secret())),
                user: user.clone(),
                file: file.clone(),
            },
            Auth::Cookie(path) => Self::Cookie { path: path.clone(), last_read: Mutex::new(None) },
        }
    }

    /// Whether a 401 may pass by itself, because the daemon writes a new cookie when it starts.
    pub(crate) fn is_cookie(&self) -> bool {
        matches!(self, Self::Cookie { .. })
    }

    /// The header to send. Reads the cookie file if none was read yet.
    pub(crate) async fn header(&self) -> Result<HeaderValue, RpcError> {
        match self {
            Self::Password { login, .. } => Ok(login.header.clone()),
            Self::Cookie { path, last_read } => {
                let known = last_read.lock().as_ref().map(|cookie| cookie.header.clone());
                match known {
                    Some(header) => Ok(header),
                    None => read_again(path, last_read).await,
                }
            }
        }
    }

    /// After a 401 for `refused`: whether there is now something else to try.
    pub(crate) async fn renew(&self, refused: &HeaderValue) -> Result<bool, RpcError> {
        let Self::Cookie { path, last_read } = self else { return Ok(false) };
        // Another request may have had its 401, and read the new cookie, before us.
        let renewed = last_read.lock().as_ref().is_some_and(|cookie| cookie.header != refused);
        Ok(renewed || read_again(path, last_read).await? != *refused)
    }

    /// The error for a 401 that stays.
    pub(crate) fn refused_by(&self, address: &str) -> RpcError {
        let login = match self {
            Self::Password { user, file, .. } => Login::Password { user: user.clone(), file: file.clone() },
            Self::Cookie { path, .. } => Login::Cookie { path: path.clone() },
        };
        RpcError::Unauthorized { address: address.to_owned(), login }
    }

    /// `text` without our secrets. A node, or whatever listens in its place, may send back what we sent to it.
    pub(crate) fn redact(&self, text: &str) -> String {
        let secret = match self {
            Self::Password { login, .. } => Some(login.clone()),
            Self::Cookie { last_read, .. } => last_read.lock().clone(),
        };
        let Some(secret) = secret else { return text.to_owned() };
        let plain = secret.plain.expose_secret();
        let password = plain.split_once(':').map_or(plain, |(_, password)| password);
        let basic = base64(plain.as_bytes());
        let mut text = text.to_owned();
        for secret in [basic.as_str(), plain, password] {
            if secret.len() >= SHORTEST_SEARCHED && text.contains(secret) {
                text = text.replace(secret, BLANK);
            }
        }
        text
    }
}

async fn read_again(path: &Path, last_read: &Mutex<Option<Secret>>) -> Result<HeaderValue, RpcError> {
    let read = timeout(COOKIE_TIME, read_cookie(path)).await;
    let late =
        || io::Error::new(io::ErrorKind::TimedOut, format!("it could not be read within {COOKIE_TIME:?}"));
    match read.unwrap_or_else(|_| Err(late())) {
        Ok(cookie) => {
            let cookie = Secret::new(cookie);
            let header = cookie.header.clone();
            *last_read.lock() = Some(cookie);
            Ok(header)
        }
        Err(error) => {
            // The old cookie is worthless once its file is gone: the daemon removes it when it stops.
            *last_read.lock() = None;
            let (path, reason) = (path.to_owned(), error.to_string());
            Err(match error.kind() {
                io::ErrorKind::PermissionDenied => RpcError::CookieUnreadable { path, reason },
                _ => RpcError::CookieMissing { path, reason },
            })
        }
    }
}

impl Secret {
    fn new(plain: String) -> Self {
        let mut header = HeaderValue::try_from(format!("Basic {}", base64(plain.as_bytes())))
            .expect("the base64 alphabet is allowed in a header");
        header.set_sensitive(true);
        Self { header, plain: plain.into() }
    }
}

/// The cookie file's one line. The error says what is wrong with the file, and quotes nothing of it.
async fn read_cookie(path: &Path) -> io::Result<String> {
    let useless = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
    let file = tokio::fs::File::open(path).await?;
    let mut line = Vec::new();
    file.take(COOKIE_LIMIT + 1).read_to_end(&mut line).await?;
    if line.len() as u64 > COOKIE_LIMIT {
        return Err(useless(format!("it is over {COOKIE_LIMIT} bytes, a cookie has one short line")));
    }
    let line = String::from_utf8(line).map_err(|_| useless("it is not a text file".to_owned()))?;
    let line = line.trim_end_matches(['\r', '\n']);
    if line.is_empty() {
        return Err(useless("it is empty".to_owned()));
    }
    if !line.contains(':') || line.chars().any(char::is_control) {
        return Err(useless("it does not hold one line of the form user:password".to_owned()));
    }
    Ok(line.to_owned())
}

fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_cookie_file_that_is_of_no_use_is_reported_with_its_fault_and_not_its_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".cookie");
        let credentials = Credentials::new(&Auth::Cookie(path.clone()));
        for (bytes, fault) in [
            (&b""[..], "empty"),
            (b"\n", "empty"),
            (b"canary", "user:password"),
            (b"user:canary\nmore", "user:password"),
            (b"user:canary\xff", "text file"),
            (&[b'a'; 2000], "over 1024 bytes"),
        ] {
            std::fs::write(&path, bytes).unwrap();
            let error = credentials.header().await.unwrap_err();
            assert_eq!(error.kind(), "cookie_missing");
            let text = error.to_string();
            assert!(text.contains(fault) && !text.contains("canary"), "{text}");
        }
        std::fs::remove_file(&path).unwrap();
        assert!(credentials.header().await.unwrap_err().to_string().contains("No such file"));
        std::fs::write(&path, "__cookie__:abc\n").unwrap();
        assert_eq!(credentials.header().await.unwrap(), format!("Basic {}", base64(b"__cookie__:abc")));
    }

    #[tokio::test]
    async fn a_renewed_cookie_is_worth_another_try_and_an_unchanged_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".cookie");
        std::fs::write(&path, "__cookie__:one").unwrap();
        let credentials = Credentials::new(&Auth::Cookie(path.clone()));
        let first = credentials.header().await.unwrap();
        assert!(!credentials.renew(&first).await.unwrap());
        std::fs::write(&path, "__cookie__:two").unwrap();
        assert_eq!(credentials.header().await.unwrap(), first, "the file is not read for every request");
        assert!(credentials.renew(&first).await.unwrap());
        assert_ne!(credentials.header().await.unwrap(), first);
        assert!(credentials.renew(&first).await.unwrap(), "somebody else has renewed it already");
    }

    #[test]
    fn secrets_are_blanked_in_every_form_in_which_they_were_sent() {
        let credentials = Credentials::new(&Auth::password("pool", "canary-7f3a"));
        let text = format!("x pool:canary-7f3a y canary-7f3a z {} w", base64(b"pool:canary-7f3a"));
        assert_eq!(credentials.redact(&text), "x [secret] y [secret] z [secret] w");
    }
}
