//! hello-rust: a toru plugin with its kit. Copy it and make it yours.

use toru_plugin_api::{
    run, HttpRequest, HttpResponse, Kv, PluginContext, PluginMetadata, PluginResult, ToruPlugin,
};

/// The plugin's view in the dashboard: toru brings it to the browser of whoever opens the plugin there.
const VIEW: &str = r#"
export async function mount(container, api) {
  const greeting = container.appendChild(document.createElement("p"));
  greeting.textContent = await (await api.fetch("/")).text(); // Never innerHTML: it is text, not markup.
}

export function unmount(container) {
  container.replaceChildren();
}
"#;

#[derive(Default)]
struct Hello {
    kv: Option<Kv>,
}

impl ToruPlugin for Hello {
    fn metadata() -> PluginMetadata {
        PluginMetadata {
            icon: "🦀".into(),
            ..PluginMetadata::new("hello-rust", "Hello from Rust", "1.0.0", "/hello-rust")
        }
    }

    fn init(&mut self, context: PluginContext) -> PluginResult<()> {
        self.kv = Some(context.kv);
        Ok(())
    }

    fn handle_http(&self, request: HttpRequest) -> PluginResult<HttpResponse> {
        println!("{} {}", request.method, request.path);
        match request.route() {
            "/" => self.greet(),
            "/bundle.js" => {
                Ok(HttpResponse::new(200).with_header("content-type", "text/javascript").with_body(VIEW))
            }
            _ => Ok(HttpResponse::text(404, "There is nothing here.\n")),
        }
    }
}

impl Hello {
    fn greet(&self) -> PluginResult<HttpResponse> {
        let kv = self.kv.as_ref().ok_or("init comes first")?;
        let visits = 1 + kv.get("visits")?.map_or(Ok(0), |text| text.parse::<u64>())?;
        kv.set("visits", &visits.to_string())?;
        Ok(HttpResponse::text(200, format!("Hello from Rust, visitor {visits}!\n")))
    }
}

fn main() {
    run(Hello::default());
}
