//! What can go wrong between us and a node, told apart by what the operator has to do about it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Why a request brought no result.
///
/// The `Display` text is for a person at 3 a.m.: what happened, where, and what to do. It never holds a password or a
/// cookie, even if the node sends one back. Metrics use [`kind`](Self::kind).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RpcError {
    /// Nothing listens there. The request did not leave.
    #[error(
        "connection refused by {address}: nothing listens there. Is the daemon running with server=1, and do its \
         rpcport and rpcbind match this address?"
    )]
    Refused {
        /// `host:port` of the node.
        address: String,
    },
    /// The name does not resolve, or no route leads there. The request did not leave.
    #[error("cannot reach {address}: {reason}. Check the host name, the route and the firewall")]
    Unreachable {
        /// `host:port` of the node.
        address: String,
        /// What the operating system said.
        reason: String,
    },
    /// The TCP handshake took too long. The request did not leave.
    #[error(
        "no connection to {address} within {after:?}: the host is down or overloaded, or a firewall drops the packets"
    )]
    ConnectTimeout {
        /// `host:port` of the node.
        address: String,
        /// [`Timeouts::connect`](crate::Timeouts::connect).
        after: Duration,
    },
    /// The request left and no complete reply came in time. **The node may have carried it out, or may still do so**:
    /// measured, a stopped litecoind accepted a block after its client had given up.
    #[error(
        "no answer from {address} within {after:?}: the node hangs or is busy. It may have done what was asked, so \
         ask the chain before you judge"
    )]
    Timeout {
        /// `host:port` of the node.
        address: String,
        /// The limit that was exceeded.
        after: Duration,
    },
    /// HTTP 401: the node does not accept our credentials.
    #[error("{address} refuses our login (HTTP 401): {login}")]
    Unauthorized {
        /// `host:port` of the node.
        address: String,
        /// Which credentials, without the secret.
        login: Login,
    },
    /// HTTP 403: the login may be right, but this machine or this method is not allowed.
    #[error(
        "{address} forbids the request (HTTP 403): add this machine to the daemon's rpcallowip, or, if the daemon has \
         an rpcwhitelist, the method to it"
    )]
    Forbidden {
        /// `host:port` of the node.
        address: String,
    },
    /// The cookie file is missing or of no use. The request did not leave.
    #[error(
        "no login from the cookie file {}: {reason}. The daemon writes it when it starts and removes it when it stops \
         (and writes none when rpcpassword is set): is it running, is this the file of its network, and may this \
         user read it?",
        path.display()
    )]
    CookieMissing {
        /// The configured file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The cookie file is there and may not be read. The request did not leave.
    #[error(
        "the cookie file {} may not be read: {reason}. Run Blockcast as the node's user or in its group, or give the \
         node rpcauth and use user and password_file",
        path.display()
    )]
    CookieUnreadable {
        /// The configured file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// Error -28: the node is starting and answers nothing yet. It passes by itself.
    #[error("the node is still starting: {} (error -28). It will answer when it is ready", excerpt(message))]
    WarmingUp {
        /// What the node says it is doing.
        message: String,
    },
    /// The node's RPC work queue is full ("Work queue depth exceeded", HTTP 500 or 503), or it is shutting down
    /// (HTTP 503). The request was not carried out.
    #[error(
        "the node's RPC server is overloaded or shutting down (HTTP {status}): all its threads are held. Find the \
         client that holds them (long polls?), or raise rpcthreads and rpcworkqueue"
    )]
    Overloaded {
        /// The HTTP status.
        status: u16,
    },
    /// The node's own error object, with its numbers: -22 a block that does not decode, -32601 an unknown method.
    #[error("the node answered with error {code}: {}", excerpt(message))]
    Rpc {
        /// `error.code`.
        code: i64,
        /// `error.message`, as sent except that our own secrets are blanked.
        message: String,
    },
    /// An HTTP status that is no JSON-RPC reply.
    #[error(
        "{address} answered HTTP {status} instead of JSON-RPC: {body:?}. Is this really the daemon's rpcport?"
    )]
    Http {
        /// `host:port` of the node.
        address: String,
        /// The HTTP status.
        status: u16,
        /// The beginning of the body.
        body: String,
    },
    /// The reply is not HTTP, not JSON, answers another request, or has not the form that the caller needs.
    #[error(
        "{address} answered something that is no valid reply: {reason}. Is this really the daemon's rpcport?"
    )]
    Malformed {
        /// `host:port` of the node.
        address: String,
        /// What is wrong.
        reason: String,
    },
    /// A request or reply over its size limit. It was not read to its end, or not sent.
    #[error("the {what} is over the limit of {limit} bytes")]
    TooLarge {
        /// `request` or `reply`.
        what: &'static str,
        /// The limit in bytes.
        limit: usize,
    },
    /// The connection broke after it had been made. **The node may have carried the request out.**
    #[error(
        "the connection to {address} broke before the reply was complete: {reason}. Did the daemon stop or crash? \
         Look into its debug.log"
    )]
    ConnectionLost {
        /// `host:port` of the node.
        address: String,
        /// What the transport said.
        reason: String,
    },
    /// The caller asked for something that cannot be sent.
    #[error("the request cannot be sent: {reason}")]
    InvalidRequest {
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// Which credentials a node refused: enough to find them, never the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Login {
    /// A fixed user and password.
    Password {
        /// The user.
        user: String,
        /// The file the password came from, if it is known.
        file: Option<PathBuf>,
    },
    /// The daemon's cookie file, which was read again before this error was returned.
    Cookie {
        /// The file.
        path: PathBuf,
    },
}

impl fmt::Display for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password { user, file } => {
                write!(f, "wrong password for user {user:?}. Compare ")?;
                match file {
                    Some(file) => write!(f, "the password file {}", file.display())?,
                    None => f.write_str("the configured password")?,
                }
                f.write_str(" with rpcuser and rpcpassword, or rpcauth, in the daemon's configuration file")
            }
            Self::Cookie { path } => write!(
                f,
                "the cookie in {} is not its cookie, also after reading the file again. Is it the file of this very \
                 daemon and network (rpccookiefile)?",
                path.display()
            ),
        }
    }
}

// === impl RpcError ===

impl RpcError {
    /// A short constant name of the error, for metric labels.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "refused",
            Self::Unreachable { .. } => "unreachable",
            Self::ConnectTimeout { .. } => "connect_timeout",
            Self::Timeout { .. } => "timeout",
            Self::Unauthorized { .. } => "unauthorized",
            Self::Forbidden { .. } => "forbidden",
            Self::CookieMissing { .. } => "cookie_missing",
            Self::CookieUnreadable { .. } => "cookie_unreadable",
            Self::WarmingUp { .. } => "warming_up",
            Self::Overloaded { .. } => "overloaded",
            Self::Rpc { .. } => "rpc",
            Self::Http { .. } => "http",
            Self::Malformed { .. } => "malformed",
            Self::TooLarge { .. } => "too_large",
            Self::ConnectionLost { .. } => "connection_lost",
            Self::InvalidRequest { .. } => "invalid_request",
        }
    }

    /// Whether the node may have carried the request out although no result came back. The caller of a
    /// `submitblock` that ended so asks the chain.
    pub fn may_have_been_done(&self) -> bool {
        matches!(
            self,
            Self::Timeout { .. }
                | Self::ConnectionLost { .. }
                | Self::Malformed { .. }
                | Self::Http { .. }
                | Self::TooLarge { what: "reply", .. }
        )
    }
}

/// How much of a node's text an error message shows.
const EXCERPT: usize = 200;

/// The beginning of a text from outside, with control characters made visible: it cannot forge a log line.
pub(crate) fn excerpt(text: &str) -> String {
    let mut shown = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == EXCERPT {
            shown.push('…');
            break;
        }
        match c {
            '\n' | '\r' | '\t' => shown.push(' '),
            c if c.is_control() => shown.extend(c.escape_default()),
            c => shown.push(c),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_password_names_the_user_and_the_file_to_check() {
        let login = Login::Password { user: "pool".into(), file: Some("/etc/blockcast/a.pass".into()) };
        let text = RpcError::Unauthorized { address: "127.0.0.1:9332".into(), login }.to_string();
        for part in ["127.0.0.1:9332", "\"pool\"", "/etc/blockcast/a.pass", "rpcpassword"] {
            assert!(text.contains(part), "{part} is missing in: {text}");
        }
    }

    #[test]
    fn a_text_from_the_node_cannot_forge_a_log_line_or_flood_the_log() {
        let text = RpcError::Rpc { code: -1, message: format!("a\nERROR b\u{1b}[2J{}", "x".repeat(9_000)) }
            .to_string();
        assert!(!text.chars().any(char::is_control), "{text}");
        assert!(text.contains("a ERROR b\\u{1b}"), "{text}");
        assert!(text.len() < 300, "{}", text.len());
    }
}
