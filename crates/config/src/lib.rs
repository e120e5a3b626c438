//! Configuration: one TOML file per chain, errors that name file, line, key, value and remedy
