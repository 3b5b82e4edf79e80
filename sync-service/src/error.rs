//! Why the service cannot start.

use std::net::SocketAddr;

/// Why the service cannot start. What goes wrong later is retried, and said in the log and by the admin API's diagnostics.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody can listen there.
    #[error("cannot listen on {address}: {source}; stop what uses the port, or set another `listen`")]
    Listen {
        /// The configured address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// A key that cannot verify tokens.
    #[error(
        "key \"{kid}\" of `jwks` is not a public Ed25519 key: it needs kty OKP, crv Ed25519, alg EdDSA and 32 bytes as x"
    )]
    Key {
        /// The key's `kid`, or nothing.
        kid: String,
    },
    /// A database URL that is none.
    #[error("`database_url` is not a Postgres URL: {0}")]
    DatabaseUrl(#[source] sqlx::Error),
    /// Postgres did not do what the service was told to do with it.
    #[error("Postgres: {0}")]
    Postgres(#[source] sqlx::Error),
    /// The listening socket broke.
    #[error("the service can no longer accept connections: {0}")]
    Serve(#[source] std::io::Error),
}
