//! What can go wrong with bodies in parts and with WebSockets, and a request that asks whether it was cancelled.

use std::io::{self, Write};
use std::thread;
use std::time::Duration;

use toru_plugin_api::{
    HttpRequest, HttpResponse, HttpStream, PluginMetadata, PluginResult, Runner, StreamPlugin, ToruPlugin,
    WebSocketMessage, WebSocketOpening, WebSocketPlugin,
};

struct Streaming;

fn wait_for_the_end(request: &HttpRequest) {
    println!("waits");
    while !request.is_cancelled() {
        thread::sleep(Duration::from_millis(5));
    }
    println!("has seen it");
}

impl ToruPlugin for Streaming {
    fn metadata() -> PluginMetadata {
        PluginMetadata::new("streaming", "Streaming", "1", "/streaming")
    }

    fn handle_http(&self, request: HttpRequest) -> PluginResult<HttpResponse> {
        match request.route() {
            "/wait" => wait_for_the_end(&request),
            "/fails" => return Err("lost".into()),
            "/large" => return Ok(HttpResponse::new(200).with_body(vec![b'x'; 20 << 20])),
            _ => {}
        }
        let length = request.body.map(|body| body.len());
        Ok(HttpResponse::text(200, format!("{} {length:?}", request.path)))
    }
}

impl StreamPlugin for Streaming {
    fn handle_stream(&self, mut stream: HttpStream<'_>) -> PluginResult<()> {
        let head = HttpResponse::new(200);
        match stream.request.route() {
            "/echo" => {
                let mut answer = stream.answer.begin(head.with_header("content-type", "x/y"))?;
                while let Some(part) = stream.body.read_part()? {
                    answer.write_all(&part)?;
                }
            }
            "/copy" => {
                io::copy(&mut stream.body, &mut stream.answer.begin(head)?)?;
            }
            "/count" => {
                let count = io::copy(&mut stream.body, &mut io::sink())?;
                stream.answer.send(HttpResponse::text(200, count.to_string()))?;
            }
            "/early" => stream.answer.send(HttpResponse::text(200, "enough"))?,
            "/endless" => {
                let mut answer = stream.answer.begin(head)?;
                let error = loop {
                    if let Err(error) = answer.write_all(&[b'x'; 100_000]) {
                        break error;
                    }
                };
                println!("endless is over");
                return Err(error.into());
            }
            "/quiet" => {
                let _answer = stream.answer.begin(head.with_body("first"))?;
                wait_for_the_end(&stream.request);
            }
            "/broken" => {
                stream.answer.begin(head.with_body("first"))?;
                return Err("lost".into());
            }
            "/panics" => panic!("out of parts"),
            "/panics-late" => {
                let _answer = stream.answer.begin(head.with_body("first"))?;
                panic!("out of parts");
            }
            "/forgotten" => {}
            _ => return stream.respond(|request| self.handle_http(request)),
        }
        Ok(())
    }
}

impl WebSocketPlugin for Streaming {
    fn handle_websocket(&self, opening: WebSocketOpening<'_>) -> PluginResult<()> {
        match opening.request.path.as_str() {
            "/never" => return opening.refuse(HttpResponse::text(404, "not you")),
            "/fails-early" => return Err("lost".into()),
            "/unused" => return Ok(()),
            _ => {}
        }
        let chosen = opening.subprotocols.iter().find(|offered| *offered == "b").cloned();
        let mut socket = opening.accept(chosen.as_deref())?;
        match socket.request.route() {
            "/fails" => return Err("lost".into()),
            "/panics" => panic!("out of words"),
            "/flood" => loop {
                if let Err(error) = socket.send(vec![b'x'; 100_000]) {
                    println!("flood is over: {error}");
                    return Err(error);
                }
            },
            "/waits" => wait_for_the_end(&socket.request),
            _ => {
                let sender = socket.sender();
                while let Some(message) = socket.receive() {
                    if message == WebSocketMessage::from("bye") {
                        socket.close(4000, "as you wish")?;
                        println!("after the end: {:?}", sender.send("more").map_err(|error| error.code));
                        return Ok(());
                    }
                    let sender = sender.clone();
                    thread::spawn(move || sender.send(message)).join().expect("it does not panic")?;
                }
                println!("closed with {:?}", socket.closed());
            }
        }
        Ok(())
    }
}

fn main() {
    Runner::new(Streaming).with_streams().with_websockets().run();
}
