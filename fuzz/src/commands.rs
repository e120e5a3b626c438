//! The commands that an input names by one byte. Included by the program that makes the seeds, too.

/// Their names. The order is part of the form of inputs: append, do not insert.
pub const NAMES: [&str; 23] = [
    "version",
    "verack",
    "wtxidrelay",
    "sendaddrv2",
    "sendheaders",
    "sendcmpct",
    "feefilter",
    "ping",
    "pong",
    "addr",
    "addrv2",
    "getaddr",
    "inv",
    "getdata",
    "notfound",
    "getheaders",
    "headers",
    "block",
    "cmpctblock",
    "getblocktxn",
    "blocktxn",
    "reject",
    "newfangled",
];
