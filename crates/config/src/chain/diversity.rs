//! How many peers may have something in common: the keys of `[peers]` that keep one party from being all of them.

use std::fs;
use std::path::PathBuf;

use super::Context;
use crate::problem::{Kind, Report};
use crate::secret;
use crate::section::Section;
use crate::settings::Diversity;

/// As many as there may be peers: no limit at all.
const LIMIT: usize = 1000;
const DEFAULT_PER_GROUP: usize = 1;
const DEFAULT_PER_ASN: usize = 2;
const DEFAULT_PER_COUNTRY: usize = 0;

pub(super) fn read(section: &Section<'_>, context: &Context<'_>, report: &mut Report) -> Option<Diversity> {
    let per_group = section.number_or("per_group", DEFAULT_PER_GROUP, 1..=LIMIT, report);
    let asn_file = database("asn_file", section, context, report);
    let per_asn = quota("per_asn", DEFAULT_PER_ASN, "asn_file", section, report);
    let country_file = database("country_file", section, context, report);
    let per_country = quota("per_country", DEFAULT_PER_COUNTRY, "country_file", section, report);
    Some(Diversity {
        per_group: per_group?.value,
        asn_file: asn_file?,
        per_asn: per_asn?,
        country_file: country_file?,
        per_country: per_country?,
    })
}

/// A file that is there. What is in it is for whoever reads it to judge: it is large, and may be replaced any day.
fn database(
    key: &str,
    section: &Section<'_>,
    context: &Context<'_>,
    report: &mut Report,
) -> Option<Option<PathBuf>> {
    let Some(file) = section.text(key) else { return (!section.has(key)).then_some(None) };
    let path = secret::path(&file, context.base, report)?;
    let shown = path.display();
    let message = match fs::metadata(&path) {
        Ok(metadata) if metadata.is_file() => return Some(Some(path)),
        Ok(_) => format!("{shown} is not a file"),
        Err(error) => format!("{shown} cannot be read: {error}"),
    };
    let remedy = "put a database of MaxMind's format (.mmdb) there, or remove the key";
    report.problem(file.problem(Kind::File, message, remedy));
    None
}

/// A quota that is written down must be one that can be kept.
fn quota(key: &str, default: usize, file: &str, section: &Section<'_>, report: &mut Report) -> Option<usize> {
    let quota = section.number_or(key, default, 0..=LIMIT, report)?;
    if section.has(key) && quota.value > 0 && !section.has(file) {
        let message = format!("without `{file}` nobody knows, so this would limit nothing");
        let remedy = format!("add `{file}`, or remove `{key}`");
        report.problem(quota.problem(Kind::Conflict, message, remedy));
        return None;
    }
    Some(quota.value)
}
