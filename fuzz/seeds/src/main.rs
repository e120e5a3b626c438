//! `seeds FIXTURES DIR` writes one folder of inputs for each fuzz target, made from the recordings of real daemons.
//!
//! The forms of the inputs are told in the targets' own pages. Which file holds what can be read from its name.

use std::{
    collections::HashSet,
    error::Error,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

#[path = "../../src/commands.rs"]
mod commands;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A frame's header: magic 4, command 12, length 4, checksum 4.
const HEADER: usize = 24;

/// Longer inputs only slow the fuzzer down.
const LONGEST: usize = 16 * 1024;

/// A step of an input for `session`: a second passes.
const WAIT: [u8; 3] = [0xff, 0xe8, 0x03];

/// Steps of an input for `session` that ask for the block on its shelf, whose name is 32 times 7: `getdata` (13), and
/// `getblocktxn` (19) of its first transaction.
fn asking() -> Vec<u8> {
    [&[13, 37, 0, 1, 2, 0, 0, 0][..], &[7; 32], &[19, 34, 0], &[7; 32], &[1, 0]].concat()
}

/// An input for a chain's blocks whose merkle root is written anew.
const MEND: u8 = 0x80;

/// The chains whose blocks have a target of their own.
const BLOCK_TARGETS: [(&str, &str); 2] = [("litecoin", "litecoin_block"), ("dash", "dash_block")];

/// Where the seeds go.
struct Seeds {
    dir: PathBuf,
    written: usize,
}

impl Seeds {
    fn write(&mut self, target: &str, name: &str, parts: &[&[u8]]) -> Result<()> {
        let bytes = parts.concat();
        if bytes.len() <= LONGEST {
            let dir = self.dir.join(target);
            fs::create_dir_all(&dir)?;
            fs::write(dir.join(name), bytes)?;
            self.written += 1;
        }
        Ok(())
    }
}

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(fixtures), Some(dir), None) = (arguments.next(), arguments.next(), arguments.next()) else {
        return Err("usage: seeds FIXTURES DIR".into());
    };
    let mut seeds = Seeds { dir, written: 0 };
    for chain in ["litecoin", "dogecoin", "dash", "mainnet"] {
        for path in recordings(&fixtures.join(chain))? {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            let name = format!("{chain}-{stem}");
            let recording: Value = serde_json::from_str(&fs::read_to_string(&path)?)
                .map_err(|error| format!("{}: {error}", path.display()))?;
            transcript(&mut seeds, &name, &recording)?;
            // A chain's name is the folder's, or part of the file's.
            for (_, target) in BLOCK_TARGETS.iter().filter(|(chain, _)| name.contains(chain)) {
                blocks(&mut seeds, target, &name, &recording)?;
            }
        }
    }
    if seeds.written == 0 {
        return Err(format!("no recordings in {}", fixtures.display()).into());
    }
    println!("{} seeds", seeds.written);
    Ok(())
}

fn recordings(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    Ok(files)
}

fn unhex(text: &str) -> Result<Vec<u8>> {
    let mut bytes = vec![0; text.len() / 2];
    faster_hex::hex_decode(text.as_bytes(), &mut bytes)?;
    Ok(bytes)
}

/// What a node said on one connection: as a stream, message by message, and as a conversation with its times.
fn transcript(seeds: &mut Seeds, name: &str, recording: &Value) -> Result<()> {
    let Some(messages) = recording["messages"].as_array() else { return Ok(()) };
    let (mut stream, mut conversation, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
    for (number, message) in messages.iter().enumerate() {
        let Some(raw) = message["raw_hex"].as_str() else { continue };
        let raw = unhex(raw)?;
        let (header, payload) = raw.split_at_checked(HEADER).ok_or("a message is shorter than its header")?;
        let Some(command) = commands::NAMES.iter().position(|name| message["cmd"] == *name) else { continue };
        let command = command as u8;
        if seen.insert((command, payload.to_vec())) {
            seeds.write("messages", &format!("{name}-{number}"), &[&[command], payload])?;
        }
        if message["dir"] != "node->client" || payload.len() > LONGEST / 4 {
            continue;
        }
        // All in the magic that the target reads.
        stream.extend_from_slice(&[0xfa, 0xbf, 0xb5, 0xda]);
        stream.extend_from_slice(&header[4..]);
        stream.extend_from_slice(payload);
        conversation.push(command);
        conversation.extend_from_slice(&(payload.len() as u16).to_le_bytes());
        conversation.extend_from_slice(payload);
        conversation.extend_from_slice(&WAIT);
    }
    // The greatest limit; three pieces.
    let cut = [0xff, 0xff, 3, 1, 0, 30, 0, 200, 0];
    stream.truncate(LONGEST - cut.len());
    seeds.write("frames", name, &[&cut, &stream])?;
    conversation.truncate(LONGEST - asking().len());
    conversation.extend_from_slice(&asking());
    seeds.write("session", name, &[&conversation])
}

/// Every block of a recording, by whatever name it goes there.
fn blocks(seeds: &mut Seeds, target: &str, name: &str, recording: &Value) -> Result<()> {
    let Some(fields) = recording.as_object() else { return Ok(()) };
    let network = match name {
        name if name.contains("mainnet_") => 0,
        name if name.contains("testnet") => 1,
        _ => 2,
    };
    for (key, value) in fields {
        let is_block = key == "block" || key == "block_hex" || key.starts_with("MSG_");
        if let Some(hex) = value.as_str().filter(|_| is_block) {
            let block = unhex(hex)?;
            for mode in [network, network | MEND] {
                seeds.write(target, &format!("{name}-{key}-{mode}"), &[&[mode], &block])?;
            }
        }
    }
    Ok(())
}
