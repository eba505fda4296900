//! A plugin as they were written for Toru Steering Center: lengths before messages, payloads with their type
//! inside, an answer that is wrapped in a request. It knows nothing of toru.

use std::collections::HashMap;
use std::env;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process;

use serde::{Deserialize, Serialize};

#[derive(Serialize)]
struct Metadata {
    id: &'static str,
    name: &'static str,
    version: &'static str,
    author: Option<&'static str>,
    icon: &'static str,
    route: &'static str,
}

#[derive(Serialize, Deserialize)]
struct Message {
    #[serde(rename = "type")]
    kind: Kind,
    timestamp: String,
    request_id: Option<String>,
    payload: Payload,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Lifecycle,
    Http,
    Kv,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Payload {
    Lifecycle {
        action: String,
        #[serde(flatten)]
        init: Option<Init>,
    },
    Http {
        request_id: String,
        payload: Request,
    },
}

#[derive(Serialize, Deserialize)]
struct Init {
    instance_id: String,
    plugin_socket: String,
    log_path: String,
}

#[derive(Serialize, Deserialize)]
struct Request {
    method: String,
    path: String,
    headers: HashMap<String, String>,
    body: Option<String>,
}

#[derive(Serialize)]
struct Response {
    status: u16,
    headers: HashMap<String, String>,
    body: Option<String>,
}

fn read(stream: &mut UnixStream) -> io::Result<Message> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length) as usize;
    if length > 16 * 1024 * 1024 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "too long"));
    }
    let mut json = vec![0; length];
    stream.read_exact(&mut json)?;
    Ok(serde_json::from_slice(&json)?)
}

fn write(stream: &mut UnixStream, message: &Message) -> io::Result<()> {
    let json = serde_json::to_vec(message)?;
    stream.write_all(&(json.len() as u32).to_be_bytes())?;
    stream.write_all(&json)
}

fn main() {
    let metadata = Metadata {
        id: "before",
        name: "From before",
        version: "0.1.0",
        author: None,
        icon: "🦀",
        route: "/before",
    };
    if env::args().nth(1).as_deref() == Some("--metadata") {
        println!("{}", serde_json::to_string_pretty(&metadata).unwrap());
        return;
    }
    let path = env::var("TORU_PLUGIN_SOCKET").unwrap_or_else(|_| "/tmp/toru-plugins/before.sock".into());
    let _ = fs::remove_file(&path);
    let listener = UnixListener::bind(&path).unwrap();
    let mut instance = String::new();
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        loop {
            match read(&mut stream) {
                Ok(message) => answer(message, &mut stream, &mut instance),
                Err(error) => {
                    eprintln!("no message: {error}");
                    break;
                }
            }
        }
    }
}

fn answer(message: Message, stream: &mut UnixStream, instance: &mut String) {
    match message.payload {
        Payload::Lifecycle { action, init } => match (action.as_str(), init) {
            ("init", Some(init)) => *instance = init.instance_id,
            ("shutdown", _) => process::exit(0),
            _ => eprintln!("what is {action}?"),
        },
        Payload::Http { request_id, payload } => {
            let response = Response {
                status: if payload.path.starts_with("/missing") { 404 } else { 200 },
                headers: HashMap::from([("Content-Type".to_string(), "text/plain".to_string())]),
                body: Some(format!(
                    "{} {} {} {}",
                    payload.method,
                    payload.path,
                    payload.body.as_deref().unwrap_or("nothing"),
                    instance.len()
                )),
            };
            let wrapped = Request {
                method: "GET".into(),
                path: String::new(),
                headers: HashMap::new(),
                body: Some(serde_json::to_string(&response).unwrap()),
            };
            let reply = Message {
                kind: Kind::Http,
                timestamp: message.timestamp,
                request_id: Some(request_id.clone()),
                payload: Payload::Http { request_id, payload: wrapped },
            };
            if let Err(error) = write(stream, &reply) {
                eprintln!("no answer: {error}");
            }
        }
    }
}
