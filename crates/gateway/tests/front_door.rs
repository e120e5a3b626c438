//! The front door as a pool sees it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{
    PASSWORD, Setup, block, hash_of, http, login,
    node::{Act, Node, nobody},
    run, submitblock,
};
use tokio::{io::AsyncWriteExt, net::TcpStream};

#[test]
fn only_the_configured_login_is_let_in_and_a_wrong_one_waits() {
    run(async {
        let node = Node::accepting().await;
        let bc = Setup::of(&[("a", node.address)]).start();
        let call = br#"{"method":"getinfo"}"#;
        let post = |headers: Vec<(&'static str, String)>| async move {
            let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let start = Instant::now();
            (http::request(bc.door, "POST", "/", &headers, call).await, start.elapsed())
        };
        for (headers, waits) in [
            (vec![], false),
            (vec![("Authorization", login("wrong"))], true),
            (vec![("Authorization", login(""))], true),
            (vec![("Authorization", "Bearer rest-token".to_owned())], true),
        ] {
            let (reply, took) = post(headers.clone()).await;
            assert_eq!((reply.status, reply.text().as_str()), (401, ""), "{headers:?}");
            assert_eq!(reply.header("WWW-Authenticate"), Some("Basic realm=\"jsonrpc\""));
            assert_eq!(took >= Duration::from_millis(250), waits, "{headers:?}: {took:?}");
        }
        let huge = http::request(bc.door, "POST", "/", &[], &vec![b' '; 4_000_000]).await;
        assert_eq!(huge.status, 401, "the answer arrives although the body was not read");
        let right = [("Authorization", login(PASSWORD))];
        let (reply, _) = post(right.to_vec()).await;
        assert_eq!(reply.status, 404, "the node's answer to an unknown method: {}", reply.text());
        assert_eq!(node.seen().len(), 1, "nothing without the login has reached the node");
        assert!(node.seen()[0].authorization != login(PASSWORD), "the node's login is ours, not the pool's");
    });
}

#[test]
fn methods_and_paths_that_the_daemon_does_not_know_are_refused_as_by_the_daemon() {
    run(async {
        let node = Node::accepting().await;
        let bc = Setup::of(&[("a", node.address)]).start();
        let auth = login(PASSWORD);
        for method in ["GET", "PUT", "DELETE", "OPTIONS"] {
            let reply = http::request(bc.door, method, "/", &[("Authorization", &auth)], b"").await;
            assert_eq!((reply.status, reply.header("Allow")), (405, Some("POST")), "{method}");
            assert_eq!(reply.text(), "JSONRPC server handles only POST requests");
        }
        for path in ["/rest/tx", "/livez", "/?a", "/wallet"] {
            assert_eq!(bc.call_at(path, r#"{"method":"getinfo"}"#).await.status, 404, "{path}");
        }
        assert_eq!(node.seen().len(), 0);
    });
}

#[test]
fn everything_else_is_passed_on_and_back_byte_for_byte() {
    run(async {
        let odd = " {\"result\" : 1.50, \"error\":null,\"id\":\"\u{fc}\"}";
        let node = Node::start(move |method, _| match method {
            "getodd" => Act::Raw(200, "application/json", odd),
            "overloaded" => Act::Raw(500, "text/html; charset=ISO-8859-1", "Work queue depth exceeded"),
            "forbidden" => Act::Raw(403, "text/html; charset=ISO-8859-1", ""),
            _ => Act::Default,
        })
        .await;
        let bc = Setup::of(&[("a", node.address)]).start();
        let body = "\n{ \"jsonrpc\":\"2.0\", \"params\" : {\"x\": 1.0e5}, \"method\":\"getodd\",\"extra\":1,\"id\":{} }\n";
        let reply = bc.call_at("/wallet/my%20one", body).await;
        assert_eq!((reply.status, reply.text().as_str()), (200, odd));
        let seen = node.seen().pop().unwrap();
        assert_eq!((seen.path.as_str(), seen.body.as_str()), ("/wallet/my%20one", body));
        for (method, status, content_type, text) in [
            ("overloaded", 500, "text/html; charset=ISO-8859-1", "Work queue depth exceeded"),
            ("forbidden", 403, "text/html; charset=ISO-8859-1", ""),
            (
                "unknown",
                404,
                "application/json",
                "{\"error\":{\"code\":-32601,\"message\":\"Method not found\"},\"id\":null,\"result\":null}\n",
            ),
        ] {
            let reply = bc.call(&format!("{{\"method\":\"{method}\"}}")).await;
            assert_eq!((reply.status, reply.text().as_str()), (status, text), "{method}");
            assert_eq!(reply.header("Content-Type"), Some(content_type));
        }
    });
}

#[test]
fn a_node_that_cannot_be_asked_is_named_in_a_503() {
    run(async {
        let bc = Setup::of(&[("lonely", nobody().await)]).start();
        let reply = bc.call(r#"{"id":"x","method":"getblockcount"}"#).await;
        assert_eq!((reply.status, reply.json()["error"]["code"].clone()), (503, json!(-32001)));
        assert_eq!(reply.json()["id"], "x");
        let message = reply.json()["error"]["message"].to_string();
        assert!(message.contains("node lonely") && message.contains("connection refused"), "{message}");
        let metrics = bc.get("/metrics").await.text();
        assert!(
            metrics.contains("blockcast_front_door_calls_total{answer=\"unreachable\",chain=\"litecoin\"} 1")
        );
    });
}

#[test]
fn denied_methods_reach_no_node_however_they_are_written() {
    run(async {
        let node = Node::accepting().await;
        let bc = Setup::of(&[("a", node.address)]).start();
        for body in [r#"{"id":7,"method":"stop"}"#, r#"{"id":7,"method":"st\u006fp","params":[]}"#] {
            let reply = bc.call(body).await;
            assert_eq!((reply.status, reply.json()["error"]["code"].clone()), (500, json!(-32000)), "{body}");
            assert_eq!(reply.json()["id"], 7);
            let message = reply.json()["error"]["message"].to_string();
            assert!(message.contains("stop") && message.contains("[front_door] deny"), "{message}");
        }
        let twice = bc.call(r#"{"method":"getinfo","method":"stop"}"#).await;
        assert_eq!((twice.status, twice.json()["error"]["code"].clone()), (400, json!(-32600)));
        let batch =
            bc.call(r#"[{"id":1,"method":"stop"},{"id":2,"method":"getblockcount"},[{"method":"stop"}]]"#);
        let batch = batch.await;
        assert_eq!(batch.status, 200);
        assert_eq!(batch.json()[0]["error"]["code"], -32000);
        assert_eq!(batch.json()[1]["error"]["code"], -32601, "the node's own answer");
        assert_eq!(batch.json()[2]["error"]["code"], -32600);
        assert_eq!(node.methods(), ["getblockcount"]);
    });
}

#[test]
fn ids_come_back_as_they_were_sent() {
    run(async {
        let node = Node::accepting().await;
        let bc = Setup::of(&[("a", node.address)]).start();
        let hex = block(1);
        for id in ["0", "1.50", "\"\\u0041\"", "null", "{\"a\":[1,2]}", "18446744073709551616", "false"] {
            let reply = bc.call(&submitblock(id, &hex)).await;
            assert_eq!(reply.text(), format!("{{\"result\":null,\"error\":null,\"id\":{id}}}\n"));
        }
        let absent = bc.call(&format!(r#"{{"method":"submitblock","params":["{hex}"]}}"#)).await;
        assert_eq!(absent.text(), "{\"result\":null,\"error\":null,\"id\":null}\n");
        let two = bc.call(&submitblock("1", &hex).replace("1.0", "2.0")).await;
        assert_eq!(two.text(), "{\"result\":null,\"error\":null,\"id\":1}\n", "answered in the 1.0 form");
    });
}

#[test]
fn what_is_no_call_is_answered_in_the_words_of_the_daemon() {
    run(async {
        let node = Node::accepting().await;
        let bc = Setup::of(&[("a", node.address)]).start();
        let error = |code: i64, message: &str| {
            format!(
                "{{\"result\":null,\"error\":{{\"code\":{code},\"message\":\"{message}\"}},\"id\":null}}\n"
            )
        };
        for (body, status, expected) in [
            ("", 500, error(-32700, "Parse error")),
            ("{", 500, error(-32700, "Parse error")),
            ("nope", 500, error(-32700, "Parse error")),
            ("7", 500, error(-32700, "Top-level object parse error")),
            ("{}", 400, error(-32600, "Missing method")),
            ("[]", 200, "[]\n".to_owned()),
        ] {
            let reply = bc.call(body).await;
            assert_eq!((reply.status, reply.text()), (status, expected), "{body:?}");
        }
        assert_eq!(node.seen().len(), 0);
    });
}

#[test]
fn a_batch_is_answered_in_order_and_asks_for_the_block_where_it_was_accepted() {
    run(async {
        let hash = hash_of(&block(1));
        let primary = Node::start(|method, _| match method {
            "submitblock" => Act::Result(json!("high-hash")),
            "getblock" => Act::Error(-5, "Block not found"),
            "getrate" => Act::Raw(200, "application/json", "{\"result\":1.10,\"error\":null,\"id\":\"r\"}\n"),
            _ => Act::Default,
        })
        .await;
        let known = hash.clone();
        let backup = Node::start(move |method, params| match method {
            "submitblock" => Act::Result(Value::Null),
            "getblock" | "getblockheader" if params[0] == json!(known) => Act::Result(json!({"hash": known})),
            _ => Act::Default,
        })
        .await;
        let bc = Setup::of(&[("first", primary.address), ("second", backup.address)]).start();
        let submit = submitblock("1", &block(1));
        let unknown = "00".repeat(32);
        let body = format!(
            r#"[{submit}, {{"id":2,"method":"getblock","params":["{hash}"]}},
                {{"id":"r","method":"getrate"}}, 7, {{"id":3,"method":"getblock","params":["{unknown}"]}}]"#
        );
        let reply = bc.call(&body).await;
        assert_eq!(reply.status, 200);
        let text = reply.text();
        assert!(text.starts_with("[{\"result\":null,\"error\":null,\"id\":1},{"), "{text}");
        assert!(
            text.contains(",{\"result\":1.10,\"error\":null,\"id\":\"r\"},"),
            "spliced as it came: {text}"
        );
        assert!(text.ends_with("]\n"), "{text}");
        let elements = reply.json();
        assert_eq!(
            (elements[1]["result"]["hash"].clone(), elements[1]["id"].clone()),
            (json!(hash), json!(2))
        );
        assert_eq!(elements[3]["error"]["message"], "Invalid Request object");
        assert_eq!((elements[4]["error"]["code"].clone(), elements[4]["id"].clone()), (json!(-5), json!(3)));
        assert_eq!(reply.header("X-Blockcast-Block"), Some(hash.as_str()));

        // Also outside a batch, and by either method.
        for method in ["getblock", "getblockheader"] {
            let reply = bc.call(&format!(r#"{{"id":4,"method":"{method}","params":["{hash}", 1]}}"#)).await;
            assert_eq!(reply.json()["result"]["hash"], json!(hash), "{method}");
        }
        assert!(!primary.seen().iter().any(|seen| seen.body.contains(&hash)), "the primary was never asked");
    });
}

#[test]
fn a_body_over_the_limit_is_refused_before_it_is_sent() {
    run(async {
        let node = Node::accepting().await;
        let bc = Setup::of(&[("a", node.address)]).start();
        let head = |length: &str| {
            format!("POST / HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\n{length}\r\n\r\n", login(PASSWORD))
        };
        let announced = head(&format!("Content-Length: {}", 32 * 1024 * 1024 + 1));
        assert_eq!(http::exchange(bc.door, announced.as_bytes()).await.status, 413);
        // Announced by nothing, a body is cut where the limit is.
        let mut stream = TcpStream::connect(bc.door).await.unwrap();
        stream.write_all(head("Transfer-Encoding: chunked").as_bytes()).await.unwrap();
        let chunk = [b"100000\r\n".as_slice(), &vec![b' '; 0x10_0000], b"\r\n"].concat();
        for _ in 0..33 {
            if stream.write_all(&chunk).await.is_err() {
                break;
            }
        }
        assert_eq!(http::read(&mut stream).await.status, 413);
        assert_eq!(node.seen().len(), 0);
        let reply = bc.call(&submitblock("1", &block(1))).await;
        assert_eq!(reply.json()["result"], Value::Null, "and the door is none the worse for it");
    });
}

#[test]
fn old_and_careful_clients_are_understood() {
    run(async {
        let node = Node::accepting().await;
        let bc = Setup::of(&[("a", node.address)]).start();
        let (auth, call) = (login(PASSWORD), submitblock("1", &block(1)));
        // ckpool: bare line feeds.
        let bare = format!(
            "POST / HTTP/1.1\nAuthorization: {auth}\nHost: x\nContent-type: application/json\nContent-Length: {}\n\n{call}",
            call.len()
        );
        let reply = http::exchange(bc.door, bare.as_bytes()).await;
        assert_eq!((reply.status, reply.text().ends_with("}\n")), (200, true));
        // yiimp looks for just this spelling.
        assert!(reply.head.iter().any(|(name, _)| name == "Content-Length"), "{:?}", reply.head);
        assert_eq!(reply.header("Transfer-Encoding"), None);
        // curl, for bodies over 1 MB.
        let mut stream = TcpStream::connect(bc.door).await.unwrap();
        let head = format!(
            "POST / HTTP/1.1\r\nHost: x\r\nAuthorization: {auth}\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n",
            call.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        assert_eq!(http::read(&mut stream).await.status, 100);
        stream.write_all(call.as_bytes()).await.unwrap();
        assert_eq!(http::read(&mut stream).await.text(), "{\"result\":null,\"error\":null,\"id\":1}\n");
    });
}
