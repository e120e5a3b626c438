//! The coinbase, and the height that it tells: in its script until DIP3, in its payload from then on.

use bytes::Bytes;
use chain::{
    Finding, checks,
    transaction::{coinbase_height, height_push},
};

use crate::{
    body::Body,
    params::Rules,
    payload::CoinbasePayload,
    transaction::{Transaction, kind},
};

/// How long a coinbase script may be at most, in bytes (D consensus/tx_check.cpp).
const LONGEST_SCRIPT: usize = 100;

/// Looks at the first transaction and for others like it. Gives the height that it tells.
pub(crate) fn check(block: &Bytes, body: &Body, rules: &Rules, findings: &mut Vec<Finding>) -> Option<u32> {
    let spends_nothing = body.transactions.iter().map(|transaction| transaction.is_coinbase(block));
    findings.extend(checks::one_coinbase(spends_nothing, body.end.is_some()));
    let coinbase = body.coinbase(block)?;
    let script = coinbase.first_script(block);
    // A coinbase with a payload need not have a height in its script, but the script may not be empty.
    let shortest = if coinbase.kind == kind::COINBASE { 1 } else { 2 };
    findings.extend(checks::coinbase_length(script.len(), shortest..=LONGEST_SCRIPT));
    let height = height(block, coinbase, &script);
    findings.extend(check_script_height(&script, height, rules));
    findings.extend(check_type(coinbase, height, rules));
    height
}

/// The payload's height if there is a payload; the script's, in whatever form, otherwise.
fn height(block: &Bytes, coinbase: &Transaction, script: &[u8]) -> Option<u32> {
    if coinbase.kind != kind::COINBASE {
        return coinbase_height(script);
    }
    // What is wrong with a payload is told with those of the other transactions.
    let payload = coinbase.payload(block)?;
    CoinbasePayload::read(&payload).ok()?.height()
}

fn check_script_height(script: &[u8], height: Option<u32>, rules: &Rules) -> Option<Finding> {
    let height = height.filter(|_| rules.height_in_script(height))?;
    let push = height_push(height);
    (!script.starts_with(&push)).then(|| {
        let expected = format!("a coinbase script that begins with {}, the height {height}", hex(&push));
        Finding::error("bad-cb-height", expected, format!("one that begins with {}", hex(script)))
    })
}

fn check_type(coinbase: &Transaction, height: Option<u32>, rules: &Rules) -> Option<Finding> {
    (coinbase.kind != kind::COINBASE && rules.dip3(height)).then(|| {
        let expected = format!("a coinbase of type 5 (from height {} on)", rules.dip3_height);
        let height = height.map_or("no height".into(), |height| format!("the height {height}"));
        Finding::error("bad-cb-type", expected, format!("type {}, and {height} in its script", coinbase.kind))
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}
