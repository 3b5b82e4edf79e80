//! What the service is started with.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// What the service is started with.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where to listen. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// The app's Postgres. The role has to own the tables of publication `powersync` and may create schemas.
    pub database_url: String,
    /// The public keys that sign tokens.
    pub jwks: Jwks,
    /// What a token's `aud` has to name, at least one of.
    pub audience: Vec<String>,
    /// Who shows one of these may use the admin API. With none of them, nobody may.
    pub api_tokens: Vec<String>,
}

/// A JSON Web Key Set.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Jwks {
    /// Its keys.
    pub keys: Vec<Jwk>,
}

/// An Ed25519 public key as JSON Web Key.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Jwk {
    /// `OKP`
    pub kty: String,
    /// `Ed25519`
    pub crv: String,
    /// `EdDSA`
    pub alg: String,
    /// `sig`, where it is given.
    #[serde(rename = "use", default, skip_serializing_if = "Option::is_none")]
    pub use_: Option<String>,
    /// The key's name. A key without one is tried for every token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    /// The 32 bytes of the key in base64url without padding.
    pub x: String,
}
