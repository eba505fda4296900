//! Lines to messages and replies to lines, as the protocol has them.

use std::io::{Cursor, ErrorKind, Read};

use serde_json::{json, Value};
use toru_plugin_api::{
    HttpRequest, HttpResponse, LogLevel, Message, MessageReader, MessageWriter, PluginError, Reply,
};

fn decoded(line: &str) -> Message {
    Message::decode(line.as_bytes()).unwrap()
}

fn request(line: &str) -> HttpRequest {
    match decoded(line) {
        Message::Http { request_id, request } if request_id == "7" => request,
        other => panic!("{other:?}"),
    }
}

fn encoded(reply: &Reply) -> Value {
    let line = reply.encode().unwrap();
    assert!(!line.contains(&b'\n'));
    serde_json::from_slice(&line).unwrap()
}

fn answer(response: HttpResponse) -> Value {
    let mut message = encoded(&Reply::Http { request_id: "7".into(), response });
    assert_eq!((&message["type"], &message["request_id"]), (&json!("http"), &json!("7")));
    message["payload"].take()
}

#[test]
fn requests() {
    let line = r#"{"type": "http", "timestamp": "2026-01-13T12:00:00.000Z", "request_id": "7", "new": [], "payload":
        {"method": "POST", "path": "/a%20b?q=1&q=2", "headers": {"x-one": "1, 2"}, "body": "gr\u00fc\u00dfe\u0000",
         "body_encoding": "utf-8", "newer": {}}}"#;
    let request = request(line);
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/a%20b?q=1&q=2"));
    assert_eq!((request.route(), request.query()), ("/a%20b", "q=1&q=2"));
    assert_eq!((request.header("x-one"), request.header("x-two")), (Some("1, 2"), None));
    assert_eq!(request.text(), "grüße\0");
}

#[test]
fn bodies_that_are_no_text() {
    let line = r#"{"type": "http", "request_id": "7", "payload": {"method": "PUT", "path": "/", "headers": {},
        "body": "/wCA", "body_encoding": "base64"}}"#;
    let request = request(line);
    assert_eq!(request.body.as_deref(), Some(&b"\xff\x00\x80"[..]));

    let payload = answer(HttpResponse::new(200).with_body(*b"\xff\x00\x80"));
    assert_eq!((&payload["body"], &payload["body_encoding"]), (&json!("/wCA"), &json!("base64")));
}

#[test]
fn no_body() {
    let line = r#"{"type": "http", "request_id": "7", "payload": {"method": "GET", "path": "/", "headers": {}, "body": null}}"#;
    let request = request(line);
    assert_eq!(request, HttpRequest { method: "GET".into(), path: "/".into(), ..HttpRequest::default() });
    assert_eq!((request.text(), request.query()), ("".into(), ""));
}

#[test]
fn what_else_toru_says() {
    let ping = Message::Ping { request_id: "p".into() };
    assert_eq!(decoded(r#"{"type": "lifecycle", "request_id": "p", "payload": {"action": "ping"}}"#), ping);
    let stop = r#"{"type": "lifecycle", "payload": {"action": "shutdown", "grace_seconds": 5}}"#;
    assert_eq!(decoded(stop), Message::Shutdown { grace_seconds: 5.0 });
    assert_eq!(
        decoded(r#"{"type": "lifecycle", "payload": {"action": "init", "token": "x"}}"#),
        Message::Init
    );
    assert_eq!(
        decoded(r#"{"type": "cancel", "request_id": "7", "payload": {}}"#),
        Message::Cancel { request_id: "7".into() }
    );
    for line in [
        r#"{"type": "weather"}"#,
        r#"{"type": "lifecycle"}"#,
        r#"{"type": "lifecycle", "payload": {"action": "dance"}}"#,
        r#"{"type": "l\u00ed", "payload": "rain"}"#,
    ] {
        assert_eq!(decoded(line), Message::Unknown, "{line}");
    }
}

#[test]
fn what_is_of_another_type_than_it_should_be() {
    let lifecycle = |payload: &str| {
        let line = format!(r#"{{"type": "lifecycle", "request_id": null, "payload": {payload}}}"#);
        decoded(&line)
    };
    assert_eq!(lifecycle(r#"{"action": "init", "token": 1}"#), Message::Init);
    for grace in ["null", r#""5""#] {
        let payload = format!(r#"{{"action": "shutdown", "grace_seconds": {grace}}}"#);
        assert_eq!(lifecycle(&payload), Message::Shutdown { grace_seconds: 0.0 });
    }
    for payload in [r#"{"action": "ping"}"#, r#"{"action": 1}"#, "[]"] {
        assert_eq!(lifecycle(payload), Message::Unknown, "{payload}");
    }
    assert_eq!(decoded(r#"{"type": "cancel", "request_id": 7, "payload": {}}"#), Message::Unknown);
    let payload =
        json!({"method": "GET", "path": "/", "headers": {}, "body": null, "body_encoding": null}).to_string();
    let asked = |request_id: &str| {
        format!(r#"{{"type": "http", "request_id": {request_id}, "payload": {payload}}}"#).into_bytes()
    };
    assert!(matches!(Message::decode(&asked(r#""7""#)), Ok(Message::Http { .. })));
    // Nobody could be answered.
    for request_id in ["null", "7", "[]"] {
        assert!(Message::decode(&asked(request_id)).is_err(), "{request_id}");
    }
}

#[test]
fn a_request_that_makes_no_sense_can_be_answered() {
    for payload in [
        "null",
        r#""text""#,
        r#"{"method": "GET", "path": "/", "headers": null}"#,
        r#"{"method": "GET", "path": "/", "headers": {}, "body": "%", "body_encoding": "base64"}"#,
    ] {
        let line = format!(r#"{{"type": "http", "request_id": "7", "payload": {payload}}}"#);
        match decoded(&line) {
            Message::Unusable { request_id, why } => assert!(request_id == "7" && !why.is_empty()),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn answers() {
    let response =
        HttpResponse::text(201, "hi").with_header("set-cookie", "a=1").with_header("set-cookie", "b=2");
    let payload = answer(response);
    assert_eq!(payload["status"], json!(201));
    assert_eq!(payload["headers"]["set-cookie"], json!(["a=1", "b=2"]));
    assert_eq!(payload["headers"]["content-type"], json!(["text/plain; charset=utf-8"]));
    assert_eq!((&payload["body"], &payload["body_encoding"]), (&json!("hi"), &json!("utf-8")));
    assert_eq!(answer(HttpResponse::json(200, json!({"a": 1})))["body"], json!(r#"{"a":1}"#));
}

#[test]
fn answers_that_grow_in_json() {
    let body = vec![1; 3 << 20];
    let payload = answer(HttpResponse::new(200).with_body(body.clone()));
    assert_eq!(payload["body_encoding"], json!("base64"));
    let line = json!({"type": "http", "request_id": "7", "payload": {"method": "GET", "path": "/", "headers": {},
        "body": payload["body"], "body_encoding": "base64"}});
    assert_eq!(request(&line.to_string()).body, Some(body));
    assert_eq!(
        answer(HttpResponse::new(200).with_body("a".repeat(15 << 20)))["body_encoding"],
        json!("utf-8")
    );

    let response = HttpResponse::new(200).with_body(vec![255; 13 << 20]);
    let reply = Reply::Http { request_id: "7".into(), response };
    assert!(reply.encode().unwrap_err().message.contains("16777216"));
    let mut written = Vec::new();
    let error = MessageWriter::new(&mut written).write(&reply).unwrap_err();
    assert_eq!((error.kind(), written.len()), (ErrorKind::InvalidData, 0));
}

#[test]
fn other_replies() {
    let error = PluginError::new("no\nsensor").with_code("sensor");
    assert_eq!(
        encoded(&Reply::Error { request_id: "7".into(), error }),
        json!({"type": "error", "request_id": "7", "payload": {"message": "no\nsensor", "code": "sensor"}})
    );
    let failed = "x".parse::<u8>().map_err(PluginError::from).unwrap_err();
    assert_eq!(
        encoded(&Reply::Error { request_id: "8".into(), error: failed }),
        json!({"type": "error", "request_id": "8", "payload": {"message": "invalid digit found in string"}})
    );
    assert_eq!(
        encoded(&Reply::Pong { request_id: "p".into() }),
        json!({"type": "lifecycle", "request_id": "p", "payload": {"action": "pong"}})
    );
    assert_eq!(
        encoded(&Reply::Log { level: LogLevel::Warn, message: "hot".into() }),
        json!({"type": "log", "payload": {"level": "warn", "message": "hot"}})
    );
}

#[test]
fn a_stream_of_lines() {
    let mut reader = MessageReader::new(Cursor::new(
        "{\"type\": \"a\"}\n{\"type\": \"cancel\", \"request_id\": \"1\"}\n{\"ty",
    ));
    assert_eq!(reader.read().unwrap(), Some(Message::Unknown));
    assert_eq!(reader.read().unwrap(), Some(Message::Cancel { request_id: "1".into() }));
    assert_eq!(reader.read().unwrap(), None);
    for nonsense in ["not json\n", "\n", "[]\n", "{}\n", "{\"type\": 1}\n"] {
        assert!(MessageReader::new(Cursor::new(nonsense)).read().is_err(), "{nonsense}");
    }
    let endless = std::io::repeat(b' ').take(17 << 20);
    assert!(MessageReader::new(endless).read().unwrap_err().message.contains("16777216"));
}

#[test]
fn whole_lines() {
    let mut written = Vec::new();
    let writer = MessageWriter::new(&mut written);
    for request_id in ["1", "2"] {
        writer.write(&Reply::Pong { request_id: request_id.into() }).unwrap();
    }
    let lines: Vec<Value> = written
        .split(|byte| *byte == b'\n')
        .take(2)
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!((&lines[0]["request_id"], &lines[1]["request_id"]), (&json!("1"), &json!("2")));
    assert!(written.ends_with(b"}\n"));
}
