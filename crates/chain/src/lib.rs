//! What a chain is to the relay: headers, targets, merkle roots, transactions, findings
