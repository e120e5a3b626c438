//! The hot path: from a found block to every peer and node, without waiting for a mailbox, a disk or another peer
