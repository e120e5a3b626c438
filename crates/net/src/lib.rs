//! Sockets: dialling, options, reader and writer tasks, lanes
