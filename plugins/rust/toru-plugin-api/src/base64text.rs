//! Base64, in the one spelling that every version of the crate has which distributions package.
#![allow(deprecated)]

use crate::PluginResult;

pub fn encode(bytes: &[u8]) -> String {
    base64::encode(bytes)
}

pub fn decode(text: &str) -> PluginResult<Vec<u8>> {
    Ok(base64::decode(text)?)
}
