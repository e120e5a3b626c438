//! JSON-RPC client to the pool's own nodes
