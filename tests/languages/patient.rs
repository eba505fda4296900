//! Answers `/wait` once a file is there, which its environment names, and `/too-long` with more than fits into a
//! message; with `REFUSE` it does not start at all.

use std::env;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use toru_plugin_api::{run, HttpRequest, HttpResponse, PluginContext, PluginMetadata, PluginResult, ToruPlugin};

#[derive(Default)]
struct Patient {
    file: PathBuf,
}

impl ToruPlugin for Patient {
    fn metadata() -> PluginMetadata {
        PluginMetadata {
            description: Some("for the tests".into()),
            concurrency: Some(3),
            ..PluginMetadata::new("patient", "Patient", "1", "/patient")
        }
    }

    fn init(&mut self, _context: PluginContext) -> PluginResult<()> {
        if env::var_os("REFUSE").is_some() {
            return Err("the sensor is missing".into());
        }
        self.file = env::var("FILE")?.into();
        Ok(())
    }

    fn handle_http(&self, request: HttpRequest) -> PluginResult<HttpResponse> {
        while request.path == "/wait" && !self.file.exists() {
            thread::sleep(Duration::from_millis(5));
        }
        if request.path == "/too-long" {
            return Ok(HttpResponse::new(200).with_body(vec![255; 13 << 20]));
        }
        Ok(HttpResponse::text(200, request.path))
    }

    fn shutdown(&self) {
        println!("bye");
    }
}

fn main() {
    run(Patient::default());
}
