//! The body of `POST /sync/stream`.

use std::collections::HashMap;

use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Map, Value};

/// What a client asks for.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct StreamRequest {
    /// How far the client has each bucket.
    #[serde(default, deserialize_with = "buckets")]
    pub buckets: HashMap<String, i64>,
    /// Whether `data` of an operation is sent as text; else it is sent as an object.
    #[serde(default)]
    pub raw_data: bool,
    /// The client's database.
    #[serde(default)]
    pub client_id: Option<String>,
    /// For `connection.parameter()`.
    #[serde(default)]
    pub parameters: Option<Map<String, Value>>,
    /// Which streams.
    #[serde(default)]
    pub streams: Option<StreamSelection>,
}

/// Which streams a client asks for.
#[derive(Debug, Deserialize)]
pub(crate) struct StreamSelection {
    /// Whether it wants those with `auto_subscribe`.
    #[serde(default = "yes")]
    pub include_defaults: bool,
    /// Which it wants besides; checkpoints refer to them by index.
    #[serde(default, deserialize_with = "subscriptions")]
    pub subscriptions: Vec<Subscription>,
}

/// A stream with parameters.
#[derive(Debug, Deserialize)]
pub(crate) struct Subscription {
    pub stream: String,
    /// For `subscription.parameter()`.
    #[serde(default)]
    pub parameters: Option<Map<String, Value>>,
    /// Instead of the stream's own.
    #[serde(default, deserialize_with = "priority")]
    pub override_priority: Option<u8>,
}

impl StreamRequest {
    /// Reads a body.
    pub fn parse(body: &[u8]) -> serde_json::Result<Self> {
        let object: Map<String, Value> = serde_json::from_slice(body)?;
        serde_json::from_value(Value::Object(object))
    }

    pub fn includes_defaults(&self) -> bool {
        self.streams.as_ref().is_none_or(|streams| streams.include_defaults)
    }

    pub fn subscriptions(&self) -> &[Subscription] {
        self.streams.as_ref().map_or(&[], |streams| &streams.subscriptions)
    }
}

fn yes() -> bool {
    true
}

fn buckets<'de, D: Deserializer<'de>>(deserializer: D) -> Result<HashMap<String, i64>, D::Error> {
    #[derive(Deserialize)]
    struct Bucket {
        name: String,
        after: String,
    }
    let buckets: Vec<Bucket> = Vec::deserialize(deserializer)?;
    let after = |bucket: Bucket| match bucket.after.parse() {
        Ok(after) => Ok((bucket.name, after)),
        Err(_) => {
            Err(D::Error::custom(format!("`after` has to be an op id in a string, not {:?}", bucket.after)))
        }
    };
    buckets.into_iter().map(after).collect()
}

/// Each may cost a look-up at every change of who has access to what.
const MAX_SUBSCRIPTIONS: usize = 1000;

fn subscriptions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Subscription>, D::Error> {
    let subscriptions: Vec<Subscription> = Vec::deserialize(deserializer)?;
    if subscriptions.len() > MAX_SUBSCRIPTIONS {
        return Err(D::Error::custom(format!("more than {MAX_SUBSCRIPTIONS} subscriptions")));
    }
    Ok(subscriptions)
}

fn priority<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u8>, D::Error> {
    match Option::<u8>::deserialize(deserializer)? {
        Some(priority) if priority > 3 => Err(D::Error::custom("`override_priority` has to be 0, 1, 2 or 3")),
        priority => Ok(priority),
    }
}
