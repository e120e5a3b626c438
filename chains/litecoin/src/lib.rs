//! Litecoin: parameters, scrypt proof of work, block rules with segwit and MWEB
