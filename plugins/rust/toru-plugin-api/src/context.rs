//! A plugin's place in the world, as its environment tells it.

use std::env;
use std::path::PathBuf;

use crate::{Kv, PluginError, PluginResult};

/// What a plugin is told at its start. Secrets stay in [`kv`](Self::kv).
#[derive(Debug, Clone)]
pub struct PluginContext {
    /// The id that the metadata gave.
    pub plugin_id: String,
    /// Which toru this is: the same at every start.
    pub instance_id: String,
    /// Where the plugin listens.
    pub socket_path: PathBuf,
    /// A file for lines of its own, beside standard output; see the protocol's chapter on logs.
    pub log_path: PathBuf,
    /// The plugin's storage.
    pub kv: Kv,
}

impl PluginContext {
    /// Read from the environment. Fails where nobody says where to listen.
    pub fn from_environment() -> PluginResult<Self> {
        let variable = |name| env::var(name).unwrap_or_default();
        let socket_path = env::var_os("TORU_PLUGIN_SOCKET").ok_or_else(|| {
            PluginError::new(
                "TORU_PLUGIN_SOCKET is not set: toru starts this program; `--metadata` tells what it is",
            )
        })?;
        let plugin_id = variable("TORU_PLUGIN_ID");
        Ok(Self {
            kv: Kv::new(&variable("TORU_API_URL"), &plugin_id, &variable("TORU_PLUGIN_TOKEN")),
            instance_id: variable("TORU_INSTANCE_ID"),
            log_path: variable("TORU_LOG_PATH").into(),
            socket_path: socket_path.into(),
            plugin_id,
        })
    }
}
