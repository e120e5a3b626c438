//! The daemon under demonstration: the engine and its HTTP, started and stopped as `run` does it.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use engine::{ChainHandle, Engine};
use gateway::{BindError, Gateway, GatewayHandle};
use tokio::task::JoinHandle;

use super::home::{ChainEntry, Home, Listeners};

/// How often to choose other ports when somebody else snatched one between the choice and its use.
const ATTEMPTS: usize = 5;

/// How long callers, such as a `curl` at the front door, are given to finish.
const GRACE: Duration = Duration::from_secs(2);

/// A running daemon.
#[derive(Debug)]
pub(super) struct Daemon {
    pub(super) listeners: Listeners,
    /// In the order in which they were asked for.
    pub(super) chains: Vec<Arc<ChainHandle>>,
    engine: Engine,
    gateway: GatewayHandle,
    serving: JoinHandle<io::Result<()>>,
}

impl Daemon {
    /// Writes the configuration and starts what it says. Must be called on an actix system.
    ///
    /// # Errors
    /// When the configuration, the journal or a port cannot be had.
    pub(super) async fn start(home: &Home, chains: &[ChainEntry]) -> anyhow::Result<Self> {
        let mut attempts = 1;
        loop {
            let listeners = Listeners::choose(chains.len())?;
            let config = home.configure(&listeners, chains)?;
            let engine = Engine::start(&config)?;
            match Gateway::bind(engine.clone(), &config) {
                Ok(gateway) => return Self::serve(listeners, chains, engine, gateway),
                Err(error) => {
                    engine.shut_down(Duration::ZERO).await;
                    if !is_taken(&error) || attempts == ATTEMPTS {
                        return Err(error.into());
                    }
                    attempts += 1;
                }
            }
        }
    }

    fn serve(
        listeners: Listeners,
        chains: &[ChainEntry],
        engine: Engine,
        gateway: Gateway,
    ) -> anyhow::Result<Self> {
        let chain = |entry: &ChainEntry| {
            let chain = engine.chain(entry.name).cloned();
            chain.with_context(|| format!("the engine does not run {}", entry.name))
        };
        let chains = chains.iter().map(chain).collect::<Result<_, _>>()?;
        let handle = gateway.handle();
        let serving = tokio::spawn(gateway.run());
        Ok(Self { listeners, chains, engine, gateway: handle, serving })
    }

    /// Whether it is where `blockcast status` looks unless it is told otherwise.
    pub(super) fn is_where_status_looks(&self) -> bool {
        let usual = crate::base_url::BaseUrl::of_listener(self.listeners.http);
        crate::base_url::DEFAULT_URL.parse().is_ok_and(|default: crate::base_url::BaseUrl| default == usual)
    }

    /// Why it cannot take blocks, if that is so.
    pub(super) fn not_ready(&self) -> Vec<String> {
        self.engine.readiness().reasons
    }

    /// Waits until it ends by itself, which it should not.
    pub(super) async fn ended(&mut self) -> anyhow::Result<Infallible> {
        match (&mut self.serving).await {
            Ok(Ok(())) => bail!("the HTTP listeners ended by themselves"),
            Ok(Err(error)) => Err(anyhow!(error).context("the HTTP listeners failed")),
            Err(error) => Err(anyhow!(error).context("the HTTP listeners crashed")),
        }
    }

    /// Ends it: listeners first, then the engine. Deliveries to peers that will not answer are not waited for.
    pub(super) async fn stop(self) {
        let Self { gateway, serving, engine, .. } = self;
        let served = async {
            if !serving.is_finished() {
                match serving.await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::error!(%error, "the HTTP listeners failed while stopping"),
                    Err(error) => tracing::error!(%error, "the HTTP listeners crashed while stopping"),
                }
            }
        };
        tokio::join!(gateway.stop(GRACE), served);
        engine.shut_down(Duration::ZERO).await;
    }
}

fn is_taken(error: &BindError) -> bool {
    error.kind() == "address_in_use"
}
