//! Messages that have an exchange to themselves, and the raw bytes behind them.

use std::io::{Cursor, ErrorKind};

use serde_json::{json, Value};
use toru_plugin_api::{Cancellation, HttpResponse, Message, MessageReader, MessageWriter, Reply};

fn reader(text: &str) -> MessageReader<Cursor<Vec<u8>>> {
    MessageReader::new(Cursor::new(text.as_bytes().to_vec()))
}

fn encoded(reply: &Reply) -> Value {
    serde_json::from_slice(&reply.encode().unwrap()).unwrap()
}

#[test]
fn a_request_in_parts() {
    let mut reader = reader(concat!(
        r#"{"type": "http", "request_id": "7", "payload": {"method": "POST", "path": "/a", "headers": {}, "stream": true}}"#,
        "\n",
        r#"{"type": "body", "request_id": "7", "payload": {"length": 4, "final": false}}"#,
        "\na\nb\n",
        r#"{"type": "body", "request_id": "7", "payload": {"length": 0, "final": true}}"#,
        "\n",
        r#"{"type": "body", "request_id": "7", "payload": {"length": 9}}"#,
        "\nshort",
    ));
    match reader.read().unwrap() {
        Some(Message::Stream { request_id, request }) => {
            assert_eq!((request_id.as_str(), request.method.as_str(), request.body), ("7", "POST", None));
        }
        other => panic!("{other:?}"),
    }
    let part = |length, last| Some(Message::Part { request_id: "7".into(), length, last });
    assert_eq!(reader.read().unwrap(), part(4, false));
    assert_eq!(reader.read_data(4).unwrap(), b"a\nb\n");
    assert_eq!(reader.read().unwrap(), part(0, true));
    assert_eq!(reader.read().unwrap(), part(9, false));
    assert_eq!(reader.read_data(9).unwrap_err().kind(), ErrorKind::UnexpectedEof);
}

#[test]
fn a_request_that_is_whole() {
    let line = r#"{"type": "http", "request_id": "7", "payload": {"method": "GET", "path": "/", "headers": {}, "stream": false}}"#;
    assert!(matches!(Message::decode(line.as_bytes()), Ok(Message::Http { .. })));
}

#[test]
fn websockets() {
    let decoded = |payload: Value| {
        let line = json!({"type": "websocket", "request_id": "8", "payload": payload}).to_string();
        Message::decode(line.as_bytes())
    };
    let id = || String::from("8");
    match decoded(json!({"action": "open", "path": "/x", "headers": {"a": "b"}, "subprotocols": ["c"]})) {
        Ok(Message::WebSocketOpen { request_id, request, subprotocols }) => {
            assert_eq!((request_id.as_str(), request.method.as_str()), ("8", "GET"));
            assert_eq!((request.path.as_str(), request.header("a")), ("/x", Some("b")));
            assert_eq!(subprotocols, ["c"]);
        }
        other => panic!("{other:?}"),
    }
    for (kind, is_text) in [("text", true), ("binary", false)] {
        let message = Message::WebSocketMessage { request_id: id(), is_text, length: 16 << 20 };
        assert_eq!(decoded(json!({"action": "message", "kind": kind, "length": 16 << 20})).unwrap(), message);
    }
    let close =
        |code, reason: &str| Message::WebSocketClose { request_id: id(), code, reason: reason.into() };
    assert_eq!(decoded(json!({"action": "close", "code": 1000, "reason": "x"})).unwrap(), close(1000, "x"));
    assert_eq!(decoded(json!({"action": "close"})).unwrap(), close(1005, ""));
    assert_eq!(decoded(json!({"action": "wave"})).unwrap(), Message::Unknown);
}

#[test]
fn what_cannot_be_followed() {
    for (kind, payload) in [
        ("body", json!({"length": (1 << 20) + 1})),
        ("body", json!({"length": -1})),
        ("body", json!({})),
        ("websocket", json!({"action": "message", "kind": "text", "length": (16 << 20) + 1})),
        ("websocket", json!({"action": "message", "kind": "text"})),
        ("websocket", json!({"action": "open"})),
        ("websocket", json!(null)),
    ] {
        let line = json!({"type": kind, "request_id": "7", "payload": payload}).to_string();
        assert!(Message::decode(line.as_bytes()).is_err(), "{line}");
        let nobody = json!({"type": kind, "payload": {"action": "close", "length": 1}}).to_string();
        assert!(Message::decode(nobody.as_bytes()).is_err(), "{nobody}");
    }
}

#[test]
fn an_answer_in_parts() {
    let id = || String::from("7");
    let response = HttpResponse::text(201, "not in it");
    assert_eq!(
        encoded(&Reply::Stream { request_id: id(), response }),
        json!({"type": "http", "request_id": "7", "payload": {
            "status": 201, "headers": {"content-type": ["text/plain; charset=utf-8"]}, "stream": true}})
    );
    let mut written = Vec::new();
    let writer = MessageWriter::new(&mut written);
    // The one is short enough to be written together with its line.
    let parts = [vec![b'\n'; 3], vec![b'x'; 1 << 20]];
    for data in &parts {
        let part = Reply::Part { request_id: id(), length: data.len(), last: false };
        writer.write_with_data(&part, data).unwrap();
    }
    writer.write(&Reply::Part { request_id: id(), length: 0, last: true }).unwrap();
    let mut reader = MessageReader::new(Cursor::new(written));
    for data in &parts {
        let part = Message::Part { request_id: id(), length: data.len(), last: false };
        assert_eq!(reader.read().unwrap(), Some(part));
        assert!(reader.read_data(data.len()).unwrap() == *data);
    }
    assert_eq!(reader.read().unwrap(), Some(Message::Part { request_id: id(), length: 0, last: true }));
    assert_eq!(reader.read().unwrap(), None);
}

#[test]
fn replies_on_a_websocket() {
    let said = |payload: Value| json!({"type": "websocket", "request_id": "8", "payload": payload});
    let id = || String::from("8");
    assert_eq!(
        encoded(&Reply::WebSocketAccept { request_id: id(), subprotocol: Some("c".into()) }),
        said(json!({"action": "accept", "subprotocol": "c"}))
    );
    assert_eq!(
        encoded(&Reply::WebSocketAccept { request_id: id(), subprotocol: None }),
        said(json!({"action": "accept"}))
    );
    assert_eq!(
        encoded(&Reply::WebSocketMessage { request_id: id(), is_text: true, length: 5 }),
        said(json!({"action": "message", "kind": "text", "length": 5}))
    );
    assert_eq!(
        encoded(&Reply::WebSocketClose { request_id: id(), code: 1000, reason: "\n".into() }),
        said(json!({"action": "close", "code": 1000, "reason": "\n"}))
    );
}

#[test]
fn a_request_of_a_test_is_not_cancelled() {
    assert!(!Cancellation::default().is_cancelled());
}
