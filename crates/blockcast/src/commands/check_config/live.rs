//! Asking the nodes that a configuration names, each by both ways that a block will take.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ::chain::Params;
use config::{Auth, Chain, Node};
use rpc::{Client, Endpoint, RpcError, Timeouts};
use serde_json::{Value, json};

use super::{Check, Failure, p2p};
use engine::rules;

/// How long a node may take for each answer: long enough for one that is busy with a block.
const LIMIT: Duration = Duration::from_secs(10);

/// Asks all nodes of a chain.
///
/// # Errors
/// When the chain is not known, or a URL that the configuration let pass cannot be used.
pub(crate) async fn check(chain: &Chain) -> anyhow::Result<Vec<Check>> {
    let rules = rules::of(chain)?;
    let mut checks = Vec::new();
    for node in &chain.nodes {
        let name = format!("{}/{}", chain.name, node.name);
        let client = client(node)?;
        let result = ask(&client, rules.params()).await;
        checks.push(Check { node: name.clone(), path: "rpc", result });
        if let Some(address) = &node.p2p {
            let result = p2p::greet(&address.to_string(), Arc::clone(&rules), LIMIT).await;
            checks.push(Check { node: name, path: "p2p", result });
        }
    }
    Ok(checks)
}

fn client(node: &Node) -> anyhow::Result<Client> {
    let auth = match &node.rpc.auth {
        Auth::CookieFile(path) => rpc::Auth::Cookie(path.clone()),
        Auth::Password { user, password } => rpc::Auth::Password {
            user: user.clone(),
            password: password.secret().clone(),
            file: Some(password.path().to_owned()),
        },
    };
    let url = node.rpc.url.to_string().parse()?;
    let timeouts = Timeouts { call: LIMIT, ..Timeouts::default() };
    Ok(Client::new(Endpoint { name: node.name.clone(), url, auth, timeouts }))
}

/// Asks a node which chain it is on, and where.
async fn ask(client: &Client, params: &Params) -> Result<String, Failure> {
    let started = Instant::now();
    let info: Value = client.call("getblockchaininfo", json!([])).await.map_err(failure)?;
    let took = started.elapsed();
    // Several coins call their networks "main": only the first block tells them apart.
    let genesis: String = client.call("getblockhash", json!([0])).await.map_err(failure)?;
    judge(&info, &genesis, params, took)
}

fn judge(info: &Value, genesis: &str, params: &Params, took: Duration) -> Result<String, Failure> {
    let network = info["chain"].as_str().unwrap_or("no network");
    let wrong = |message: String| Failure { kind: "wrong_network", message };
    if network != params.rpc_name {
        return Err(wrong(format!(
            "the node is on {network:?}, and `network` in the configuration means {:?}: set the other, or point to \
             another node",
            params.rpc_name
        )));
    }
    if genesis != params.genesis.to_string() {
        return Err(wrong(format!(
            "the node's first block is {genesis}, not {}: it serves another coin, or another network of the same name",
            params.genesis
        )));
    }
    let syncing = match info["initialblockdownload"].as_bool() {
        Some(true) => "; it is still downloading the chain (or has heard of no block for a day)",
        _ => "",
    };
    let height =
        info["blocks"].as_u64().map_or_else(|| "no height".to_owned(), |height| format!("height {height}"));
    Ok(format!("network {network}, {height}, answered in {:.1} ms{syncing}", took.as_secs_f64() * 1e3))
}

fn failure(error: RpcError) -> Failure {
    Failure { kind: error.kind(), message: error.to_string() }
}

#[cfg(test)]
mod tests {
    use ::chain::Network;

    use super::*;

    fn judged(info: &Value, genesis: &str) -> Result<String, Failure> {
        let rules = rules::rules("litecoin", Network::Regtest).unwrap();
        judge(info, genesis, rules.params(), Duration::from_micros(1234))
    }

    const GENESIS: &str = "530827f38f93b43ed12af0b3ad25a288dc02ed74d6d7857862df51fc56c416f9";

    #[test]
    fn a_node_of_the_right_network_is_described() {
        let info = json!({"chain": "regtest", "blocks": 432, "initialblockdownload": false});
        assert_eq!(judged(&info, GENESIS).unwrap(), "network regtest, height 432, answered in 1.2 ms");
        let info = json!({"chain": "regtest", "blocks": 0, "initialblockdownload": true});
        assert!(judged(&info, GENESIS).unwrap().contains("still downloading"));
    }

    #[test]
    fn another_network_and_another_coin_are_told_apart_from_ours() {
        let failed = judged(&json!({"chain": "main", "blocks": 1}), GENESIS).unwrap_err();
        assert_eq!(failed.kind, "wrong_network");
        assert!(failed.message.contains("\"main\"") && failed.message.contains("\"regtest\""), "{failed:?}");
        let failed = judged(&json!({"chain": "regtest", "blocks": 1}), &"00".repeat(32)).unwrap_err();
        assert_eq!(failed.kind, "wrong_network");
        assert!(failed.message.contains("another coin"), "{failed:?}");
        assert_eq!(judged(&json!({}), GENESIS).unwrap_err().kind, "wrong_network");
    }
}
