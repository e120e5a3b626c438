//! Secrets are read, and shown nowhere.

use config::{Auth, Config, Kind, load};
use secrecy::ExposeSecret;

use super::Setup;

const CANARY: &str = "canary-7f3a";

fn with_secrets(content: &str) -> Setup {
    Setup::good()
        .with("blockcast.toml", "[http]\ntoken_file = \"token\"\n")
        .with("token", content)
        .with("node", content)
        .with("door", content)
        .with(
            "chains/litecoin.toml",
            r#"chain = "litecoin"
[[node]]
name = "a"
rpc = { url = "http://127.0.0.1:9332", user = "u", password_file = "node" }
[front_door]
listen = "127.0.0.1:19332"
user = "pool"
password_file = "door"
"#,
        )
}

fn secrets(config: &Config) -> [&str; 3] {
    let chain = &config.chains["litecoin"];
    let Auth::Password { password, .. } = &chain.nodes[0].rpc.auth else { panic!("a password") };
    let door = &chain.front_door.as_ref().unwrap().password;
    [config.http.token.as_ref().unwrap(), password, door].map(|file| file.secret().expose_secret())
}

#[test]
fn a_secret_is_the_line_of_its_file_without_the_line_end() {
    for content in ["canary-7f3a", "canary-7f3a\n", "canary-7f3a\r\n"] {
        let config = with_secrets(content).load().unwrap();
        assert_eq!(secrets(&config), [CANARY; 3]);
    }
    let config = with_secrets(" two words \n").load().unwrap();
    assert_eq!(secrets(&config), [" two words "; 3], "only the line end is cut");
}

#[test]
fn neither_debug_nor_serialize_shows_a_secret() {
    let config = with_secrets(CANARY).load().unwrap();
    assert_eq!(secrets(&config), [CANARY; 3], "or the rest of this test proves nothing");
    assert!(!format!("{config:?}").contains(CANARY));
    assert!(!format!("{config:#?}").contains(CANARY));
    let json = serde_json::to_string(&config).unwrap();
    assert!(!json.contains(CANARY));
    assert!(json.contains("token"), "the file's path is shown");
}

#[test]
fn a_secret_in_the_wrong_place_is_hidden_in_the_message_about_it() {
    for text in [
        r#"rpc_password = "canary-7f3a""#,
        r#"token = "canary-7f3a""#,
        r#"front_door = { listen = "127.0.0.1:1", user = "p:canary-7f3a", password = "canary-7f3a" }"#,
        r#"peers = { proxy = "socks5://u:canary-7f3a@127.0.0.1:9050" }"#,
        r#"[[node]]
           name = "b"
           rpc = { url = "http://u:canary-7f3a@127.0.0.1:1", user = "u", password = "canary-7f3a" }"#,
        r#"password_file = ["canary-7f3a"]"#,
        "password = canary-7f3a",
        "password = \"canary-7f3a",
    ] {
        let setup = Setup::good().with("chains/litecoin.toml", format!("chain = \"litecoin\"\n{text}\n"));
        let problems = setup.load().unwrap_err();
        let all = format!("{problems}\n{problems:?}\n{}", serde_json::to_string(&problems).unwrap());
        // A bad user name is shown in full, since a name is no secret: the one case here that is left out.
        let all = all.replace("p:canary-7f3a", "");
        assert!(!all.contains(CANARY), "{text}:\n{all}");
    }
    for name in
        ["BLOCKCAST_TOKEN", "BLOCKCAST_HTTP__TOKEN", "BLOCKCAST_CHAINS__LITECOIN__NODE__A__RPC__PASSWORD"]
    {
        let problems = Setup::good().load_with(&[(name, CANARY)]).unwrap_err();
        assert!(!format!("{problems} {problems:?}").contains(CANARY), "{problems}");
    }
}

#[test]
fn a_secret_file_that_cannot_be_a_secret_is_named_with_the_remedy() {
    for (content, message) in [
        (&b""[..], "is empty"),
        (b"\n", "is empty"),
        (b"one\ntwo\n", "more than one line"),
        (b"tab\there", "control characters"),
        (b"\xff\xfe", "not UTF-8"),
        (&[b'x'; 5000], "larger than 4096 bytes"),
    ] {
        let lines = with_secrets("x").with("token", content).problems();
        assert_eq!(lines.len(), 1, "{lines:?}");
        let line = &lines[0];
        assert!(line.starts_with("blockcast.toml:2:14: http.token_file = \"token\": "), "{line}");
        assert!(line.contains(message) && line.contains("put the token, one line, into"), "{line}");
    }
}

#[test]
fn a_secret_file_that_is_not_there_comes_with_the_command_to_make_one() {
    let setup = with_secrets("x");
    std::fs::remove_file(setup.path().join("token")).unwrap();
    std::fs::remove_file(setup.path().join("node")).unwrap();
    let lines = setup.problems();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("there is no file token") && lines[0].contains("openssl rand"), "{lines:?}");
    assert!(lines[1].starts_with("chains/litecoin.toml:4:"), "{lines:?}");
    assert!(lines[1].contains("put the password, one line, into node"), "{lines:?}");
}

#[cfg(unix)]
#[test]
fn a_secret_file_that_everybody_can_read_is_a_warning() {
    use std::os::unix::fs::PermissionsExt;
    let setup = with_secrets("x");
    let chmod = |mode| {
        std::fs::set_permissions(setup.path().join("door"), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    chmod(0o640);
    assert_eq!(setup.load().unwrap().warnings, [], "a group is often how the file is shared on purpose");
    chmod(0o644);
    let warnings = setup.load().unwrap().warnings;
    assert_eq!(warnings.len(), 1);
    let line = &setup.lines(&warnings)[0];
    assert_eq!(warnings[0].kind, Kind::Caution);
    assert!(line.contains("front_door.password_file") && line.contains("mode 644"), "{line}");
    assert!(line.contains("chmod 600 door"), "{line}");
}

#[cfg(unix)]
#[test]
fn a_fifo_in_place_of_a_file_does_not_hang_the_load() {
    let setup = with_secrets("x");
    let path = setup.path().join("token");
    std::fs::remove_file(&path).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    let (sender, receiver) = std::sync::mpsc::channel();
    let dir = setup.path().to_owned();
    std::thread::spawn(move || {
        let text =
            load(&dir, [], &["litecoin"]).map_or_else(|problems| problems.to_string(), |_| String::new());
        sender.send(text)
    });
    let text = receiver.recv_timeout(std::time::Duration::from_secs(20)).expect("the load hangs");
    assert!(text.contains("not a regular file"), "{text}");
}
