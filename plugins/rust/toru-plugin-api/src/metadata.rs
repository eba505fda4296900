//! What a plugin says of itself.

use serde::Serialize;

/// What `--metadata` prints. `run` adds the protocol and the capabilities, which are its own affair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct PluginMetadata {
    /// ASCII letters, digits and inner `-`, 1 to 64 of them.
    pub id: String,
    /// Fewer than 100 characters.
    pub name: String,
    /// Any text.
    pub version: String,
    /// An emoji, usually.
    pub icon: String,
    /// `/` and one segment of letters, digits, `-`, `_` and `.`.
    pub route: String,
    /// Fewer than 100 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// What it is good for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How many requests it takes at once; toru's default is 64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
}

impl PluginMetadata {
    /// What every plugin has to say; for more, `PluginMetadata { icon: …, ..PluginMetadata::new(…) }`.
    pub fn new(id: &str, name: &str, version: &str, route: &str) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
            version: version.into(),
            route: route.into(),
            ..Self::default()
        }
    }
}
