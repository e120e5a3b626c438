//! HTTP: the pools' JSON-RPC front door, REST, status, metrics, probes
