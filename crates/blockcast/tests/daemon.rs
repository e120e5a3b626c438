//! The daemon's life: start, refusal to start, signals.
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod support;

use std::fs;
use std::net::TcpListener;

use rustix::process::Signal;
use serde_json::Value;
use support::daemon::Daemon;
use support::{Setup, free_address, recorded_block, run, run_with_input, told};

#[test]
fn sigterm_and_sigint_end_it_in_order_with_0_and_sighup_does_not_end_it() {
    for signal in [Signal::TERM, Signal::INT] {
        let setup = Setup::new(&free_address(), "");
        let mut daemon = Daemon::start(&setup);
        daemon.signal(Signal::HUP);
        daemon.read_until("SIGHUP");
        daemon.signal(signal);
        let (code, log) = daemon.end();
        assert_eq!(code, Some(0), "{log}");
        let steps =
            ["stopping: running deliveries", "HTTP is closed", "journal are closed", "ended in order"];
        let found: Vec<_> =
            steps.iter().map(|step| log.find(step).unwrap_or_else(|| panic!("{step}: {log}"))).collect();
        assert!(found.is_sorted(), "{log}");
    }
}

#[test]
fn its_first_lines_say_what_runs_where_and_for_whom() {
    let setup = Setup::new("127.0.0.1:1", "");
    let (_daemon, log) = Daemon::start_and_read(&setup);
    let data_dir = setup.dir.path().join("data");
    for part in [
        env!("CARGO_PKG_VERSION"),
        data_dir.to_str().unwrap(),
        &setup.http,
        "chain=\"litecoin\" network=regtest",
        "a (primary) rpc http://127.0.0.1:1",
        "front_door=\"none\"",
    ] {
        assert!(log.contains(part), "{part:?} is missing in {log}");
    }
    assert!(!log.contains("sesame"), "{log}");
}

#[test]
fn a_second_signal_ends_it_at_once_with_1() {
    // A node that takes connections and never answers: a delivery that does not end.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let setup = Setup::new(&silent.local_addr().unwrap().to_string(), "");
    let mut daemon = Daemon::start(&setup);
    let block = recorded_block("litecoin/block_mweb_hogex_only.json");
    let submit = ["submit", "--chain", "litecoin", "--config", &setup.config_arg(), "--timeout", "1", "-"];
    let (code, stdout, stderr) = told(&run_with_input(&submit, block.as_bytes()));
    assert_eq!(code, 1, "{stdout}{stderr}");
    assert!(stdout.starts_with("PENDING  c43395da"), "{stdout}");
    daemon.signal(Signal::TERM);
    daemon.read_until("stopping: ");
    daemon.signal(Signal::TERM);
    let (code, log) = daemon.end();
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("signal while stopping") && !log.contains("ended in order"), "{log}");
}

#[test]
fn a_data_dir_that_another_process_uses_is_refused_by_name() {
    let setup = Setup::new("127.0.0.1:1", "");
    let _first = Daemon::start(&setup);
    setup.write_main(&free_address(), &setup.dir.path().join("data"));
    let (code, _, stderr) = told(&run(&["run", "--config", &setup.config_arg()]));
    assert_eq!(code, 1, "{stderr}");
    let last = stderr.lines().last().unwrap();
    let journal = setup.dir.path().join("data/journal");
    assert!(last.contains(journal.to_str().unwrap()) && last.contains("in use by another process"), "{last}");
}

#[test]
fn a_listener_that_cannot_be_opened_is_refused_with_its_address() {
    let setup = Setup::new("127.0.0.1:1", "");
    let _taken = TcpListener::bind(&setup.http).unwrap();
    let (code, _, stderr) = told(&run(&["run", "--config", &setup.config_arg()]));
    assert_eq!(code, 1, "{stderr}");
    let last = stderr.lines().last().unwrap();
    assert!(last.contains(&setup.http) && last.contains("[http] listen"), "{last}");
}

#[test]
fn a_data_dir_that_is_none_is_refused() {
    let setup = Setup::new("127.0.0.1:1", "");
    let file = setup.dir.path().join("file");
    fs::write(&file, "").unwrap();
    setup.write_main(&setup.http, &file);
    let (code, _, stderr) = told(&run(&["run", "--config", &setup.config_arg()]));
    assert_eq!(code, 1, "{stderr}");
    let last = stderr.lines().last().unwrap();
    assert!(last.contains(file.to_str().unwrap()) && last.contains("is not a directory"), "{last}");

    setup.write_main(&setup.http, &file.join("below"));
    let (code, _, stderr) = told(&run(&["run", "--config", &setup.config_arg()]));
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.lines().last().unwrap().contains("cannot be made"), "{stderr}");
}

#[test]
fn status_tells_of_a_node_that_is_down_and_ends_with_1() {
    let setup = Setup::new(&free_address(), "");
    let _daemon = Daemon::start(&setup);
    let (code, page, stderr) = told(&run(&["status", "--config", &setup.config_arg()]));
    assert_eq!(code, 1, "{page}{stderr}");
    assert!(page.starts_with("NOT READY") && page.contains("litecoin"), "{page}");
    let (code, stdout, _) = told(&run(&["status", "--json", "--url", &format!("http://{}", setup.http)]));
    let json: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &json["ready"]), (1, &Value::Bool(false)), "{json:#}");
}

#[test]
fn a_daemon_that_wants_a_token_gets_it_from_the_file_or_says_so() {
    let setup = Setup::new("127.0.0.1:1", "");
    let token = setup.config().join("token");
    fs::write(&token, "open sesame\n").unwrap();
    let main = setup.config().join("blockcast.toml");
    let text = fs::read_to_string(&main).unwrap() + "token_file = \"token\"\n";
    fs::write(&main, text).unwrap();
    let _daemon = Daemon::start(&setup);
    let url = format!("http://{}", setup.http);
    let (code, stdout, stderr) = told(&run(&["status", "--url", &url]));
    assert_eq!((code, stdout.as_str()), (1, ""), "{stderr}");
    assert!(stderr.contains(&setup.http) && stderr.contains("--token-file"), "{stderr}");
    for with_token in [
        &["status", "--url", &url, "--token-file", token.to_str().unwrap()][..],
        &["status", "--config", &setup.config_arg()],
    ] {
        let (_, stdout, stderr) = told(&run(with_token));
        assert!(stdout.starts_with("NOT READY"), "{stdout}{stderr}");
    }
}

#[test]
fn a_block_for_a_chain_that_does_not_run_ends_with_1_and_names_those_that_do() {
    let setup = Setup::new("127.0.0.1:1", "");
    let _daemon = Daemon::start(&setup);
    let submit = ["submit", "--chain", "dogecoin", "--config", &setup.config_arg(), "-"];
    let (code, stdout, stderr) = told(&run_with_input(&submit, b"00"));
    assert_eq!((code, stdout.as_str()), (1, ""), "{stderr}");
    assert!(stderr.contains("dogecoin") && stderr.contains("litecoin"), "{stderr}");
}

#[test]
fn the_log_can_be_json_to_its_last_line() {
    let setup = Setup::new("127.0.0.1:1", "");
    let main = setup.config().join("blockcast.toml");
    let text = fs::read_to_string(&main).unwrap() + "[log]\nformat = \"json\"\n";
    fs::write(&main, text).unwrap();
    let (daemon, first) = Daemon::start_and_read(&setup);
    daemon.signal(Signal::TERM);
    let (code, log) = daemon.end();
    assert_eq!(code, Some(0), "{log}");
    for line in first.lines().chain(log.lines()) {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(line["message"].is_string() && line["timestamp"].is_string(), "{line}");
    }
}
