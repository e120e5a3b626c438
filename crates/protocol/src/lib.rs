//! Sans-IO state machines: peer session, header view, peer book, delivery tracker, dedup, verdict rule
