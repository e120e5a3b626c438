//! The listeners: opened together, run together, stopped together.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::{
    App, HttpServer,
    dev::{Server, ServerHandle},
    web::{Data, ServiceConfig},
};
use engine::Engine;
use futures_util::future::{join_all, try_join_all};
use tokio_util::task::TaskTracker;

use crate::{door::Door, rest, shared::Shared};

/// Threads per listener. A request costs little here: what takes longer than a fraction of a millisecond is done by the
/// engine's own threads.
const WORKERS: usize = 2;

/// How many connections a worker holds; more wait in the kernel's queue. Bounds the file descriptors that strangers can
/// take from the sockets that carry blocks.
const CONNECTIONS: usize = 256;

/// How long a client may take to send a request's head.
const HEAD_WITHIN: Duration = Duration::from_secs(5);

/// How long an idle connection is kept. The daemons' own time (`-rpcservertimeout`, httpserver.cpp): pools expect it.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// How long a client may take to close its side.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// How long replies that are written already may take to leave when everything stops, in seconds.
const FLUSH_SECONDS: u64 = 1;

/// A listener could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} for {purpose}: {cause}; {}", self.remedy())]
pub struct BindError {
    /// The address that was asked for.
    pub address: SocketAddr,
    /// What it is for, with the key that sets it.
    pub purpose: String,
    /// What the operating system says.
    pub cause: io::Error,
}

impl BindError {
    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self.cause.kind() {
            io::ErrorKind::AddrInUse => {
                "another program, or another Blockcast, has the port: stop it, or set another port"
            }
            io::ErrorKind::AddrNotAvailable => {
                "this machine has no such address: set one that it has, such as 127.0.0.1"
            }
            io::ErrorKind::PermissionDenied => {
                "ports below 1024 need a privilege: set a higher port, or grant CAP_NET_BIND_SERVICE"
            }
            _ => "set another address",
        }
    }

    /// A stable word for logs.
    pub fn kind(&self) -> &'static str {
        match self.cause.kind() {
            io::ErrorKind::AddrInUse => "address_in_use",
            io::ErrorKind::AddrNotAvailable => "address_not_available",
            io::ErrorKind::PermissionDenied => "permission_denied",
            _ => "bind_failed",
        }
    }
}

/// All HTTP listeners of the process, open but not yet served; see the crate's front page.
#[must_use = "the listeners are served only while `run` is polled"]
pub struct Gateway {
    servers: Vec<Server>,
    handle: GatewayHandle,
    http: SocketAddr,
    doors: BTreeMap<String, SocketAddr>,
}

impl Gateway {
    /// Opens `[http].listen` and the front door of each enabled chain. From here on clients can connect; they are
    /// answered once [`run`](Self::run) is polled.
    ///
    /// Must be called on the runtime that the engine runs on: blocks are handed to the engine there, not on the HTTP
    /// servers' own threads.
    ///
    /// # Errors
    /// The first listener that cannot be opened. Those before it are closed again.
    pub fn bind(engine: Engine, config: &config::Config) -> Result<Self, BindError> {
        let submits = TaskTracker::new();
        let mut shared = Shared::new(engine.clone(), submits.clone());
        let mut servers = Vec::new();
        for chain in engine.chains() {
            let Some(settings) = &chain.config.front_door else { continue };
            let purpose = format!("the front door of {} ([front_door] listen)", chain.name());
            let door = Data::from(Arc::new(Door::new(shared.clone(), chain.clone(), settings)));
            let configure = move |app: &mut ServiceConfig| Door::configure(door.clone(), app);
            let (server, address) = listen(settings.listen, purpose, configure)?;
            tracing::info!(chain = chain.name(), %address, "front door is open");
            shared.doors.insert(chain.name().to_owned(), address);
            servers.push(server);
        }
        let doors = shared.doors.clone();
        let token = config.http.token.as_ref().map(|file| file.secret().clone());
        let shared = Data::from(Arc::new(shared));
        let configure = move |app: &mut ServiceConfig| rest::configure(shared.clone(), token.clone(), app);
        let purpose = "status, REST and metrics ([http] listen)".to_owned();
        let (server, http) = listen(config.http.listen, purpose, configure)?;
        tracing::info!(address = %http, "HTTP is open");
        servers.push(server);
        let handle = GatewayHandle { servers: servers.iter().map(Server::handle).collect(), submits };
        Ok(Self { servers, handle, http, doors })
    }

    /// Where status, REST and metrics are served: with port 0 in the configuration, the port that was given.
    pub fn http_address(&self) -> SocketAddr {
        self.http
    }

    /// Where the front doors are, by chain.
    pub fn front_doors(&self) -> &BTreeMap<String, SocketAddr> {
        &self.doors
    }

    /// What stops it.
    pub fn handle(&self) -> GatewayHandle {
        self.handle.clone()
    }

    /// Serves all listeners until [`GatewayHandle::stop`].
    ///
    /// # Errors
    /// When the threads of a listener cannot be started.
    pub async fn run(self) -> io::Result<()> {
        try_join_all(self.servers).await.map(drop)
    }
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway")
            .field("http", &self.http)
            .field("doors", &self.doors)
            .finish_non_exhaustive()
    }
}

/// Stops a [`Gateway`].
#[derive(Clone)]
pub struct GatewayHandle {
    servers: Vec<ServerHandle>,
    submits: TaskTracker,
}

impl GatewayHandle {
    /// Lets callers who wait for the verdict on a block have it, for at most `limit`; then closes everything, at the
    /// latest two seconds later. Until then all requests are served, new blocks too. Others, such as long polls, are
    /// not waited for.
    ///
    /// Call it before the engine is shut down: it is the engine that finds out the verdicts.
    pub async fn stop(&self, limit: Duration) {
        self.submits.close();
        let started = Instant::now();
        if tokio::time::timeout(limit, self.submits.wait()).await.is_err() {
            let waiting = self.submits.len();
            tracing::warn!(waiting, waited = ?started.elapsed(), "callers go without an answer; the engine has their blocks");
        }
        let stopping = join_all(self.servers.iter().map(|server| server.stop(true)));
        // A server that was never run does not answer.
        if tokio::time::timeout(Duration::from_secs(FLUSH_SECONDS + 1), stopping).await.is_err() {
            tracing::warn!("HTTP connections did not end in time");
        }
    }
}

impl std::fmt::Debug for GatewayHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GatewayHandle").field("listeners", &self.servers.len()).finish_non_exhaustive()
    }
}

fn listen(
    address: SocketAddr,
    purpose: String,
    configure: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
) -> Result<(Server, SocketAddr), BindError> {
    let server = HttpServer::new(move || App::new().configure(configure.clone()))
        .workers(WORKERS)
        .max_connections(CONNECTIONS)
        .tcp_nodelay(true)
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEAD_WITHIN)
        .client_disconnect_timeout(CLOSE_WITHIN)
        .shutdown_timeout(FLUSH_SECONDS)
        .disable_signals();
    match server.bind(address) {
        Ok(server) => {
            let bound = server.addrs().first().copied().unwrap_or(address);
            Ok((server.run(), bound))
        }
        Err(cause) => Err(BindError { address, purpose, cause }),
    }
}
