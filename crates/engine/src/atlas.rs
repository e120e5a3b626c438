//! Who is where: autonomous systems and countries from files in MaxMind's format, which the operator provides.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use maxminddb::{MaxMindDbError, PathElement, Reader};
use protocol::book::Atlas;

/// Such a file, in memory.
type Database = Reader<Vec<u8>>;

/// The files that there are.
pub(crate) struct MaxMind {
    asn: Option<Database>,
    country: Option<Database>,
}

/// Why a file is of no use.
#[derive(Debug, thiserror::Error)]
#[error("{}: no file in MaxMind's format, or not one that has `{field}`: {error}", file.display())]
pub struct AtlasError {
    file: PathBuf,
    field: &'static str,
    error: Box<MaxMindDbError>,
}

impl std::fmt::Debug for MaxMind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = |database: &Option<Database>| {
            database.as_ref().map(|database| database.metadata().database_type.clone())
        };
        f.debug_struct("MaxMind")
            .field("asn", &kind(&self.asn))
            .field("country", &kind(&self.country))
            .finish()
    }
}

/// Reads the files that are named; `None` if none is.
///
/// # Errors
/// When one is not in MaxMind's format.
pub(crate) fn read(asn: Option<&Path>, country: Option<&Path>) -> Result<Option<Arc<dyn Atlas>>, AtlasError> {
    if asn.is_none() && country.is_none() {
        return Ok(None);
    }
    let open = |file: Option<&Path>, field| {
        let database = |file: &Path| {
            Reader::open_readfile(file).map_err(|error| AtlasError {
                file: file.into(),
                field,
                error: Box::new(error),
            })
        };
        file.map(database).transpose()
    };
    let atlas =
        MaxMind { asn: open(asn, "autonomous_system_number")?, country: open(country, "country.iso_code")? };
    Ok(Some(Arc::new(atlas)))
}

impl Atlas for MaxMind {
    fn asn(&self, ip: IpAddr) -> Option<u32> {
        let found = self.asn.as_ref()?.lookup(ip).ok()?;
        found.decode_path(&[PathElement::Key("autonomous_system_number")]).ok()?
    }

    fn country(&self, ip: IpAddr) -> Option<[u8; 2]> {
        let found = self.country.as_ref()?.lookup(ip).ok()?;
        let code = found
            .decode_path::<&str>(&[PathElement::Key("country"), PathElement::Key("iso_code")])
            .ok()??;
        code.as_bytes().try_into().ok()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Bytes of a value, by MaxMind DB File Format 2.0, "Data Section".
    fn text(text: &str) -> Vec<u8> {
        [&[(2 << 5) | text.len() as u8], text.as_bytes()].concat()
    }

    fn number(value: u32) -> Vec<u8> {
        [&[(6 << 5) | 4], &value.to_be_bytes()[..]].concat()
    }

    fn short(value: u16) -> Vec<u8> {
        [&[(5 << 5) | 2], &value.to_be_bytes()[..]].concat()
    }

    fn map(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let content = entries.iter().flat_map(|(key, value)| [text(key), value.clone()].concat());
        [(7 << 5) | entries.len() as u8].into_iter().chain(content).collect()
    }

    /// A file that knows one /16 of IPv4.
    fn file(network: [u8; 2], data: Vec<u8>) -> Vec<u8> {
        const NODES: u32 = 16;
        let mut bytes = Vec::new();
        for depth in 0..NODES {
            let bit = (network[depth as usize / 8] >> (7 - depth % 8)) & 1;
            let onward = if depth + 1 == NODES { NODES + 16 } else { depth + 1 };
            let records = if bit == 0 { [onward, NODES] } else { [NODES, onward] };
            records.iter().for_each(|record| bytes.extend_from_slice(&record.to_be_bytes()[1..]));
        }
        bytes.extend_from_slice(&[0; 16]);
        bytes.extend(data);
        bytes.extend_from_slice(b"\xab\xcd\xefMaxMind.com");
        bytes.extend(map(&[
            ("node_count", number(NODES)),
            ("record_size", short(24)),
            ("ip_version", short(4)),
            ("database_type", text("Test")),
            ("languages", vec![0, 4]),
            ("binary_format_major_version", short(2)),
            ("binary_format_minor_version", short(0)),
            ("build_epoch", vec![1, 2, 1]),
            ("description", map(&[])),
        ]));
        bytes
    }

    #[test]
    fn an_address_has_a_number_and_a_country_where_the_files_know_it() {
        let directory = tempfile::tempdir().unwrap();
        let [asn, country] = ["asn", "country"].map(|name| directory.path().join(name));
        fs::write(&asn, file([20, 1], map(&[("autonomous_system_number", number(64_500))]))).unwrap();
        fs::write(&country, file([20, 1], map(&[("country", map(&[("iso_code", text("NL"))]))]))).unwrap();
        let atlas = read(Some(&asn), Some(&country)).unwrap().expect("an atlas");
        let [known, unknown, other]: [IpAddr; 3] =
            ["20.1.2.3", "20.2.2.3", "2a01:4f8::1"].map(|ip| ip.parse().unwrap());
        assert_eq!((atlas.asn(known), atlas.country(known)), (Some(64_500), Some(*b"NL")));
        assert_eq!((atlas.asn(unknown), atlas.country(unknown)), (None, None));
        assert_eq!((atlas.asn(other), atlas.country(other)), (None, None));
        assert!(read(None, None).unwrap().is_none());
    }

    #[test]
    fn a_file_of_another_format_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("asn.csv");
        fs::write(&file, "20.1.0.0/16,64500\n").unwrap();
        let error = read(Some(&file), None).unwrap_err().to_string();
        assert!(error.contains("asn.csv") && error.contains("autonomous_system_number"), "{error}");
    }
}
