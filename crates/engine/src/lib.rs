//! actix actors: lifecycle and policy of chains, peers and nodes
