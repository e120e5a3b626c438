//! Blocks in a list, for a person and for other programs.

use ledger::Summary;
use serde::Deserialize;

use super::availability::Availability;
use super::table::{Cell, Column, Table};
use super::text::line;
use super::{Style, Tone, csv, fate, text, time};

/// What the daemon knows of many blocks, newest first.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Listing {
    blocks: Vec<Summary>,
    pub(crate) ledger: Availability,
}

const BLOCKS: [Column; 10] = [
    Column::Left("received (UTC)", 19),
    Column::Left("chain", 14),
    Column::Right("height"),
    Column::Left("by", 10),
    Column::Left("status", 12),
    Column::Left("state", 21),
    Column::Right("have it"),
    Column::Right("echo ms"),
    Column::Left("why", 16),
    // Last, so that it may be longer than the screen is wide without any harm to the rest.
    Column::Left("block", 64),
];

/// The fields of a record, in the order of [`Summary`].
const FIELDS: [&str; 16] = [
    "chain",
    "hash",
    "height",
    "size",
    "source",
    "received_unix_ms",
    "status",
    "state",
    "since_unix_ms",
    "confirmations",
    "by",
    "diagnosis",
    "peers_with_block",
    "peers_addressed",
    "first_echo_ms",
    "deliveries",
];

impl Listing {
    /// The page. `filtered` says whether less was asked for than all there is, and `limit` how many blocks at most.
    pub(crate) fn render(&self, filtered: bool, limit: usize, style: Style) -> String {
        let Some(oldest) = self.blocks.last() else {
            return match filtered {
                true => "No block is like that. `blockcast blocks` without options lists them all.\n".into(),
                false => {
                    "No block yet: none has been handed in, by the pool or with `blockcast submit`.\n".into()
                }
            };
        };
        let mut table = Table::new(&BLOCKS);
        for block in &self.blocks {
            let received = time::utc(block.received_unix_ms / 1000);
            table.row([
                Cell::from(received.trim_end_matches(" UTC")),
                block.chain.as_str().into(),
                block.height.map(|height| height.to_string()).unwrap_or_default().into(),
                block.source.as_str().into(),
                Cell::toned(block.status.as_str(), fate::tone_of_status(&block.status)),
                fate::cell(block),
                format!("{}/{}", block.peers_with_block, block.peers_addressed).into(),
                text::ms(block.first_echo_ms).into(),
                Cell::toned(block.diagnosis.as_deref().unwrap_or_default(), Tone::Doubtful),
                block.hash.as_str().into(),
            ]);
        }
        let mut page = table.render(style);
        if self.blocks.len() >= limit {
            let before = oldest.received_unix_ms;
            line(&mut page, format_args!("  … and older ones, if there are any: --until {before}"));
        }
        page
    }

    /// The same as comma-separated values.
    pub(crate) fn csv(&self) -> String {
        let mut page = String::new();
        csv::record(&mut page, FIELDS);
        for block in &self.blocks {
            let fields = fields(block);
            csv::record(&mut page, fields.iter().map(String::as_str));
        }
        page
    }
}

/// In the order of [`FIELDS`]; what is not known is empty.
fn fields(block: &Summary) -> [String; 16] {
    // Every field is named, so that a new one is not forgotten here.
    let Summary {
        chain,
        hash,
        height,
        size,
        source,
        received_unix_ms,
        status,
        state,
        since_unix_ms,
        confirmations,
        by,
        diagnosis,
        peers_with_block,
        peers_addressed,
        first_echo_ms,
        deliveries,
    } = block;
    [
        chain.clone(),
        hash.clone(),
        height.map(|height| height.to_string()).unwrap_or_default(),
        size.to_string(),
        source.as_str().into(),
        received_unix_ms.to_string(),
        status.clone(),
        state.clone(),
        since_unix_ms.to_string(),
        confirmations.to_string(),
        by.clone().unwrap_or_default(),
        diagnosis.clone().unwrap_or_default(),
        peers_with_block.to_string(),
        peers_addressed.to_string(),
        first_echo_ms.map(|ms| ms.to_string()).unwrap_or_default(),
        deliveries.to_string(),
    ]
}

#[cfg(test)]
#[path = "blocks_tests.rs"]
mod tests;
