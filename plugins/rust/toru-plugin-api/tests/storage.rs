//! `Kv` and a server of one answer each.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::thread::{self, JoinHandle};

use serde_json::{json, Value};
use toru_plugin_api::{Kv, KvSet};

/// A storage that gives these answers, one a connection, and tells what it was asked.
fn serving(answers: &[(u16, Value)]) -> (Kv, JoinHandle<Vec<Value>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let kv = Kv::new(&format!("http://{}", listener.local_addr().unwrap()), "me", "secret");
    let answers = answers.to_vec();
    let server = thread::spawn(move || answers.iter().map(|answer| asked(&listener, answer)).collect());
    (kv, server)
}

fn asked(listener: &TcpListener, (status, body): &(u16, Value)) -> Value {
    let (mut stream, _) = listener.accept().unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_lowercase()),
        }
    }
    assert_eq!(head[0], "post /api/plugins/me/kv http/1.0");
    assert!(head.contains(&"authorization: bearer secret".to_string()), "{head:?}");
    let length = head.iter().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let mut asked = vec![0; length.parse().unwrap()];
    reader.read_exact(&mut asked).unwrap();
    write!(stream, "HTTP/1.1 {status} Whatever\r\nContent-Type: application/json\r\n\r\n{body}").unwrap();
    serde_json::from_slice(&asked).unwrap()
}

#[test]
fn calls() {
    let (kv, server) = serving(&[
        (200, json!({"value": null})),
        (200, json!({"value": "grün"})),
        (200, json!({"value": "grün"})),
        (200, json!({"value": null})),
        (200, json!({"keys": ["a", "b"], "next": "b"})),
        (200, json!({"keys": ["c"], "next": null})),
    ]);
    assert_eq!(kv.get("k").unwrap(), None);
    kv.set("k", "grün").unwrap();
    assert_eq!(kv.get("k").unwrap().as_deref(), Some("grün"));
    kv.delete("k").unwrap();
    assert_eq!(kv.list("").unwrap(), ["a", "b", "c"]);
    assert_eq!(
        server.join().unwrap(),
        [
            json!({"action": "get", "key": "k"}),
            json!({"action": "set", "key": "k", "value": "grün"}),
            json!({"action": "get", "key": "k"}),
            json!({"action": "delete", "key": "k"}),
            json!({"action": "list", "prefix": ""}),
            json!({"action": "list", "prefix": "", "after": "b"}),
        ]
    );
}

#[test]
fn a_lock() {
    let conflict = json!({"status": 409, "code": "conflict", "detail": "It is another one."});
    let (kv, server) = serving(&[(200, json!({"value": "me"})), (409, conflict)]);
    let how = KvSet { ttl_seconds: Some(60.0), expect: Some(None) };
    assert!(kv.set_with("lock", "me", how).unwrap());
    assert!(!kv.set_with("lock", "me", KvSet { expect: Some(Some("you")), ..how }).unwrap());
    let asked = server.join().unwrap();
    let first = json!({"action": "set", "key": "lock", "value": "me", "ttl_seconds": 60.0, "expect": null});
    assert_eq!(asked[0], first);
    assert_eq!(asked[1]["expect"], json!("you"));
}

#[test]
fn what_goes_wrong() {
    let full = json!({"code": "quota-exceeded", "detail": "There is no room."});
    let (kv, server) = serving(&[(507, full)]);
    let error = kv.set("k", "v").unwrap_err();
    assert_eq!(error.to_string(), "storage: 507 There is no room.");
    assert_eq!(error.code.as_deref(), Some("quota-exceeded"));
    server.join().unwrap();
    // Nobody listens there any more.
    assert!(kv.get("k").unwrap_err().to_string().starts_with("storage: "));
    assert!(!format!("{kv:?}").contains("secret"));
}

#[test]
fn without_toru() {
    let error = Kv::new("", "", "").get("k").unwrap_err();
    assert_eq!(error.to_string(), "storage: there is none: toru did not start this program");
}
