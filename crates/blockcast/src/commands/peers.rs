//! `blockcast peers`: whom the daemon knows, why, and who is to be kept away.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use hyper::Method;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::cli::{OfChain, Peers, PeersBan, PeersCommand, PeersExplain, PeersList, PeersUnban};
use crate::client::{self, Client};
use crate::view::explanation::Explanation;
use crate::view::peers::{Ban, Listing};
use crate::view::{Style, text};
use crate::{base_url, output};

/// How long the daemon may take for each question. It answers from memory, and a ban waits for the disk.
const LIMIT: Duration = Duration::from_secs(30);

pub(crate) fn run(args: &Peers) -> anyhow::Result<bool> {
    match &args.what {
        None => list(&args.list)?,
        Some(PeersCommand::List(args)) => list(args)?,
        Some(PeersCommand::Explain(args)) => explain(args)?,
        Some(PeersCommand::Ban(args)) => ban(args)?,
        Some(PeersCommand::Unban(args)) => unban(args)?,
    }
    Ok(true)
}

fn list(args: &PeersList) -> anyhow::Result<()> {
    let client = Client::new(&args.of.daemon)?;
    let json = client::block_on(books(&client, args.of.chain.as_deref(), args.all))?;
    let listing: Listing = read(&client, &json)?;
    print(&args.of, &json, || listing.render(unix_now(), Style::of_stdout()))
}

fn explain(args: &PeersExplain) -> anyhow::Result<()> {
    let client = Client::new(&args.of.daemon)?;
    let json = client::block_on(async {
        let chain = chain(&client, args.of.chain.as_deref()).await?;
        let path = path(&chain, &format!("peers/{}", base_url::segment(&args.address)));
        Ok(client.get_json(&path, LIMIT).await?)
    })?;
    let explanation: Explanation = read(&client, &json)?;
    print(&args.of, &json, || explanation.render(unix_now(), Style::of_stdout()))
}

fn ban(args: &PeersBan) -> anyhow::Result<()> {
    let client = Client::new(&args.of.daemon)?;
    let (chain, json) = client::block_on(async {
        let chain = chain(&client, args.of.chain.as_deref()).await?;
        let ban = json!({ "host": args.host, "seconds": args.seconds });
        let reply = client.change(Method::POST, &path(&chain, "bans"), Some(ban), LIMIT).await?;
        Ok((chain, reply))
    })?;
    let ban: Ban = read(&client, &json)?;
    print(&args.of, &json, || ban.describe(&chain))
}

fn unban(args: &PeersUnban) -> anyhow::Result<()> {
    let client = Client::new(&args.of.daemon)?;
    let (chain, json) = client::block_on(async {
        let chain = chain(&client, args.of.chain.as_deref()).await?;
        let path = path(&chain, &format!("bans/{}", base_url::segment(&args.host)));
        let reply = client.change(Method::DELETE, &path, None, LIMIT).await?;
        Ok((chain, reply))
    })?;
    let host = text::clean(json["host"].as_str().unwrap_or(&args.host));
    print(&args.of, &json, || format!("{host} is not banned from {} any more\n", text::clean(&chain)))
}

/// The books of one chain or of all, each with the summary that `/api/v1/chains` has of it: the JSON form of `list`.
async fn books(client: &Client, chain: Option<&str>, all: bool) -> anyhow::Result<Value> {
    let chains = chains(client).await?;
    if let Some(name) = chain.filter(|name| !chains.iter().any(|(known, _)| known == name)) {
        bail!("{} runs no chain {name:?}; {}", client.address(), names(&chains));
    }
    let mut books = Vec::new();
    for (name, summary) in chains.into_iter().filter(|(name, _)| chain.is_none_or(|chain| chain == name)) {
        let wanted = if all { "peers" } else { "peers?state=connected,dialing" };
        let mut book = client.get_json(&path(&name, wanted), LIMIT).await?;
        let fields = book.as_object_mut().context("the daemon's peer book is not an object")?;
        fields.insert("summary".into(), summary);
        books.push(book);
    }
    Ok(json!({ "chains": books }))
}

/// The chain that is meant: the one that is named, or else the daemon's only one.
async fn chain(client: &Client, named: Option<&str>) -> anyhow::Result<String> {
    if let Some(name) = named {
        return Ok(name.to_owned());
    }
    let mut chains = chains(client).await?;
    match (chains.pop(), chains.is_empty()) {
        (Some((only, _)), true) => Ok(only),
        (None, _) => bail!("{} runs no chain at all", client.address()),
        (Some(last), false) => {
            chains.push(last);
            bail!("say which chain is meant with --chain: {}", names(&chains))
        }
    }
}

/// The daemon's chains: name, and peers in numbers.
async fn chains(client: &Client) -> anyhow::Result<Vec<(String, Value)>> {
    let mut status = client.get_json("/api/v1/chains", LIMIT).await?;
    let Some(chains) = status["chains"].as_array_mut() else {
        bail!("{} answered with something that is no Blockcast's status", client.address());
    };
    let of_chain = |chain: &mut Value| Some((chain["name"].as_str()?.to_owned(), chain["peers"].take()));
    Ok(chains.iter_mut().filter_map(of_chain).collect())
}

fn names(chains: &[(String, Value)]) -> String {
    let names: Vec<_> = chains.iter().map(|(name, _)| name.as_str()).collect();
    format!("it runs {}", names.join(", "))
}

fn path(chain: &str, rest: &str) -> String {
    format!("/api/v1/chains/{}/{rest}", base_url::segment(chain))
}

fn read<T: DeserializeOwned>(client: &Client, json: &Value) -> anyhow::Result<T> {
    T::deserialize(json)
        .with_context(|| format!("{} answered with something that is no Blockcast's", client.address()))
}

fn print(of: &OfChain, json: &Value, page: impl FnOnce() -> String) -> anyhow::Result<()> {
    if of.json { output::print_json(json) } else { output::print(&page()) }
}

fn unix_now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs_f64()
}
