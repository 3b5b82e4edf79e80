//! The PowerSync Service's own configuration.

use serde_json::{Value, json};
use sync_service::Jwks;

use crate::providers::{Databases, uri};

/// The port that the service listens on inside its machine.
pub const PORT: u16 = 8080;

/// What the configuration is made of. Holds secrets.
pub struct Parts<'a> {
    /// What it connects to.
    pub databases: &'a Databases,
    /// Verifies users' tokens.
    pub jwks: &'a Jwks,
    /// The `aud` of users' tokens: where browsers find the service.
    pub audience: &'a str,
    /// For the admin API.
    pub api_token: &'a str,
}

impl Parts<'_> {
    /// The configuration. It has no sync config: with one in it, the service takes none from the app's updater (it
    /// answers 422).
    pub fn config(&self) -> Value {
        json!({
            "telemetry": { "disable_telemetry_sharing": true },
            "replication": { "connections": [database(&self.databases.source_url)] },
            "storage": database(&self.databases.storage_url),
            "port": PORT,
            "client_auth": { "jwks": self.jwks, "audience": [self.audience] },
            "api": { "tokens": [self.api_token] },
            "healthcheck": { "probes": { "use_http": true } },
        })
    }
}

fn database(url: &str) -> Value {
    // The service does not read `sslmode` from the URI.
    json!({ "type": "postgresql", "uri": url, "sslmode": uri::sslmode(url) })
}
