//! `blockcast.toml`: what concerns the process and no chain in particular.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::address;
use crate::problem::{Kind, Report};
use crate::secret;
use crate::section::{Found, Section};
use crate::settings::{Http, Ledger, Log, LogFormat, LogLevel};

/// 7903 is taken by p2pool's own status page.
const HTTP_PORT: u16 = 7904;

/// The contents of `blockcast.toml`. A part is `None` if there was a problem with it.
pub(crate) struct Process {
    pub(crate) data_dir: Option<PathBuf>,
    pub(crate) http: Option<Http>,
    pub(crate) log: Option<Log>,
    pub(crate) ledger: Option<Ledger>,
    /// Where `http.listen` stands, to be compared with the other listeners.
    pub(crate) listener: Option<Found<SocketAddr>>,
}

pub(crate) fn read(root: &Section<'_>, base: &Path, report: &mut Report) -> Process {
    let data_dir = root.text("data_dir").unwrap_or_else(|| root.default("data_dir", "data"));
    let data_dir = secret::path(&data_dir, Path::new(""), report);
    let section = root.section_or_empty("http");
    let listener = listener(&section, report);
    Process {
        data_dir,
        http: http(&section, listener.as_ref(), base, report),
        log: log(&root.section_or_empty("log"), report),
        ledger: ledger(&root.section_or_empty("ledger"), report),
        listener,
    }
}

fn listener(section: &Section<'_>, report: &mut Report) -> Option<Found<SocketAddr>> {
    let Some(listen) = section.text("listen") else {
        return Some(section.default("listen", SocketAddr::from((Ipv4Addr::LOCALHOST, HTTP_PORT))));
    };
    let address = listen.parsed(|text| address::parse_listener(text), report)?;
    Some(listen.with(address))
}

fn http(
    section: &Section<'_>,
    listener: Option<&Found<SocketAddr>>,
    base: &Path,
    report: &mut Report,
) -> Option<Http> {
    let token = section.text("token_file").map(|file| secret::read(&file, "token", base, report));
    let listener = listener?;
    let listen = listener.value;
    if !listen.ip().to_canonical().is_loopback() {
        if section.has("token_file") {
            let remedy = "put a TLS proxy before it, or keep it inside a private network";
            report.warning(listener.problem(
                Kind::Caution,
                "the token crosses the network as plain HTTP",
                remedy,
            ));
        } else {
            let message = "anybody who reaches this address could submit blocks: no token is set";
            let remedy = format!("add `token_file` to [http], or listen on 127.0.0.1:{}", listen.port());
            report.problem(listener.problem(Kind::Conflict, message, remedy));
        }
    }
    match token {
        Some(token) => Some(Http { listen, token: Some(token?) }),
        None => Some(Http { listen, token: None }),
    }
}

fn log(section: &Section<'_>, report: &mut Report) -> Option<Log> {
    let level = section.text("level").map_or(Some(LogLevel::Info), |word| word.word(report));
    let format = section.text("format").map_or(Some(LogFormat::Text), |word| word.word(report));
    Some(Log { level: level?, format: format? })
}

fn ledger(section: &Section<'_>, report: &mut Report) -> Option<Ledger> {
    const DAY: u64 = 24 * 3600;
    const MEGABYTE: u64 = 1_000_000;
    let keep = section.number_or("keep_days", 365, 1..=36_500, report);
    let size = section.number_or("max_megabytes", 1000, 1..=1_000_000, report);
    let raw = section.number_or("raw_blocks", 100, 0..=10_000, report);
    Some(Ledger {
        keep: Duration::from_secs(keep?.value as u64 * DAY),
        max_bytes: size?.value as u64 * MEGABYTE,
        raw_blocks: raw?.value,
    })
}
