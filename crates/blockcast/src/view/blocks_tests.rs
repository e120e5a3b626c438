use ledger::Source;
use serde_json::json;

use super::*;

const RIVAL: &str = "8ea0537732ccaa29fb42ce69f476ec4979062244c5fb33887151629af741b2b4";

/// The daemon's own type, so that a change of its form breaks these tests.
fn block() -> Summary {
    Summary {
        chain: "litecoin".into(),
        hash: "c43395daa411c159515316c2652a5ef416491b43e224b4ba98c761eef7b4afb5".into(),
        height: Some(433),
        size: 1234,
        source: Source::FrontDoor,
        received_unix_ms: 1_795_172_838_042,
        status: "accepted".into(),
        state: "confirmed".into(),
        since_unix_ms: 1_795_173_700_000,
        confirmations: 6,
        by: None,
        diagnosis: None,
        peers_with_block: 12,
        peers_addressed: 14,
        first_echo_ms: Some(12.31),
        deliveries: 1,
    }
}

fn blocks() -> Vec<Summary> {
    let (state, by, diagnosis) = (String::from, Some(RIVAL.to_owned()), Some("lost_race".to_owned()));
    vec![
        Summary { state: state("active"), confirmations: 3, first_echo_ms: None, ..block() },
        block(),
        Summary { state: state("side"), by: by.clone(), status: "inconclusive".into(), ..block() },
        Summary { state: state("orphaned"), by, diagnosis, source: Source::Cli, ..block() },
        Summary { state: state("rejected"), height: None, status: "refused".into(), ..block() },
    ]
}

fn listing(blocks: &[Summary]) -> Listing {
    serde_json::from_value(json!({"blocks": blocks, "ledger": {"available": true, "why": null}})).unwrap()
}

#[test]
fn a_list_tells_what_the_chain_says_of_each_block() {
    let expected = "  received (UTC)       chain     height  by          status        state                  have it  echo ms  why        block
  2026-11-20 11:07:18  litecoin     433  front_door  accepted      active, 3 deep           12/14                      c43395daa411c159515316c2652a5ef416491b43e224b4ba98c761eef7b4afb5
  2026-11-20 11:07:18  litecoin     433  front_door  accepted      confirmed                12/14     12.3             c43395daa411c159515316c2652a5ef416491b43e224b4ba98c761eef7b4afb5
  2026-11-20 11:07:18  litecoin     433  front_door  inconclusive  side of …f741b2b4        12/14     12.3             c43395daa411c159515316c2652a5ef416491b43e224b4ba98c761eef7b4afb5
  2026-11-20 11:07:18  litecoin     433  cli         accepted      orphaned by …f741b2b4    12/14     12.3  lost_race  c43395daa411c159515316c2652a5ef416491b43e224b4ba98c761eef7b4afb5
  2026-11-20 11:07:18  litecoin          front_door  refused       rejected                 12/14     12.3             c43395daa411c159515316c2652a5ef416491b43e224b4ba98c761eef7b4afb5
";
    assert_eq!(listing(&blocks()).render(false, 100, Style::default()), expected);
}

#[test]
fn a_full_list_says_how_to_see_what_is_older() {
    let page = listing(&blocks()).render(false, 5, Style::default());
    assert!(page.ends_with("  … and older ones, if there are any: --until 1795172838042\n"), "{page}");
}

#[test]
fn an_empty_list_is_a_sentence() {
    assert!(listing(&[]).render(false, 100, Style::default()).contains("blockcast submit"));
    assert!(listing(&[]).render(true, 100, Style::default()).contains("without options"));
}

#[test]
fn the_csv_form_has_the_fields_of_the_json_form_in_its_order() {
    // A map of serde_json may sort its keys; the text of a structure has them in their order.
    let json = serde_json::to_string(&block()).unwrap();
    let places: Vec<_> = FIELDS.iter().map(|field| json.find(&format!("\"{field}\":"))).collect();
    assert!(places.is_sorted() && places.iter().all(Option::is_some), "{json}");
    assert_eq!(serde_json::to_value(block()).unwrap().as_object().unwrap().len(), FIELDS.len());

    let odd = Summary { chain: "lite,\"coin\"\x1b[2J".into(), height: None, first_echo_ms: None, ..block() };
    let csv = listing(&[block(), odd]).csv();
    let lines: Vec<_> = csv.split("\r\n").collect();
    let expected = [
        "chain,hash,height,size,source,received_unix_ms,status,state,since_unix_ms,confirmations,by,diagnosis,\
         peers_with_block,peers_addressed,first_echo_ms,deliveries",
        "litecoin,c43395daa411c159515316c2652a5ef416491b43e224b4ba98c761eef7b4afb5,433,1234,front_door,\
         1795172838042,accepted,confirmed,1795173700000,6,,,12,14,12.31,1",
        "\"lite,\"\"coin\"\"\\u{1b}[2J\",c43395daa411c159515316c2652a5ef416491b43e224b4ba98c761eef7b4afb5,,1234,\
         front_door,1795172838042,accepted,confirmed,1795173700000,6,,,12,14,,1",
        "",
    ];
    assert_eq!(lines, expected);
    assert_eq!(listing(&[]).csv().lines().count(), 1, "the headings are always there");
}

#[test]
fn what_comes_from_elsewhere_cannot_steer_the_terminal() {
    let evil = "\x1b[2J\r\n\u{9b}".to_owned();
    let hostile = Summary {
        chain: evil.clone(),
        hash: evil.clone(),
        status: evil.clone(),
        state: "orphaned".into(),
        by: Some(evil.clone()),
        diagnosis: Some(evil),
        ..block()
    };
    let listing = listing(&[hostile]);
    let page = listing.render(false, 100, Style::default());
    assert!(!page.chars().any(|c| c.is_control() && c != '\n'), "{page:?}");
    assert_eq!(page.lines().count(), 2, "{page:?}");
    assert!(!listing.csv().replace("\r\n", "").chars().any(char::is_control));
}
