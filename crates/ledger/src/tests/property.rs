//! Whatever a report holds comes back.

use proptest::prelude::*;

use super::*;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[a-z']{1,8}", any::<String>()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_text_and_any_time_comes_back_as_it_was(
        words in proptest::collection::vec((text(), proptest::option::of(text()), proptest::option::of(0.0..1e12_f64)), 0..4),
        status in text(),
        received in 0..i64::MAX as u64,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let home = Home::new();
            let ledger = home.open();
            let mut report = Report { status, ..report(1, received) };
            for (name, word, ms) in words {
                let verdict = word.clone().map(serde_json::Value::from);
                report.nodes.push(NodeReport { answered_ms: ms, ..node(&name, None, verdict) });
                report.peers.push(PeerReport { peer: name.clone(), detail: word.clone(), acked_ms: ms, ..report.peers[0].clone() });
                let finding = Finding { check: name, severity: "error".into(), expected: word.unwrap_or_default(), found: String::new() };
                report.findings.push(finding);
            }
            ledger.record(report.clone(), None).await.unwrap();
            let found = ledger.block(&report.hash).await.unwrap();
            prop_assert_eq!(&found[0].deliveries[0], &report);
            ledger.shutdown();
            Ok(())
        })?;
    }
}
