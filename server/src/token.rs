//! Sync tokens: what a browser shows to the sync service to be known as its user.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::{Json, extract::State, http::header, response::IntoResponse};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ed25519_dalek::{SigningKey, pkcs8::EncodePrivateKey};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{
    AppState,
    error::{Error, Result},
    session::{Browser, SignedIn},
};

/// How long a token is good for. PowerSync wants at least a minute; a stolen token, or one of a user who has just lost
/// access, should not be good for long; and every browser asks for one this often.
const LIFE: Duration = Duration::from_secs(5 * 60);

/// `GET /api/powersync/token`: a token for the signed-in user.
pub(crate) async fn get(
    State(state): State<AppState>,
    browser: Browser,
    user: SignedIn,
) -> Result<impl IntoResponse> {
    state.rate_limits.token(&user.id)?;
    // Every open page comes here now and then, and nobody who only looks at one.
    browser.renew(&user).await?;
    let token = state.token_signer.sign(user.id, SystemTime::now())?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(token)))
}

/// A signed token, as the browser gets it.
#[derive(Debug, Serialize)]
pub(crate) struct SyncToken {
    token: String,
    /// In seconds since 1970.
    expires_at: u64,
    /// Whose token it is. A page that has been open since before somebody else signed in here must not sync with it.
    user_id: String,
}

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    aud: &'a str,
    iat: u64,
    exp: u64,
}

/// Signs tokens that the sync service accepts.
pub(crate) struct TokenSigner {
    key: EncodingKey,
    header: Header,
    audience: String,
}

impl TokenSigner {
    /// `audience` is the sync service's URL, as browsers know it.
    pub(crate) fn new(key: &SigningKey, audience: String) -> anyhow::Result<TokenSigner> {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(thumbprint(key));
        Ok(TokenSigner { key: EncodingKey::from_ed_der(key.to_pkcs8_der()?.as_bytes()), header, audience })
    }

    fn sign(&self, user_id: String, now: SystemTime) -> Result<SyncToken> {
        let iat = now.duration_since(UNIX_EPOCH).map_err(|_| Error::Internal)?.as_secs();
        let exp = iat + LIFE.as_secs();
        let claims = Claims { sub: &user_id, aud: &self.audience, iat, exp };
        let token = jsonwebtoken::encode(&self.header, &claims, &self.key).map_err(|error| {
            tracing::error!("a sync token cannot be signed: {error}");
            Error::Internal
        })?;
        Ok(SyncToken { token, expires_at: exp, user_id })
    }
}

/// The key's id by RFC 7638: SHA-256 over the public key as a JWK with its members in this very form and order.
fn thumbprint(key: &SigningKey) -> String {
    let x = BASE64_URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes());
    let jwk = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(jwk))
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SecretKey;

    use super::*;

    #[test]
    fn the_key_id_is_the_one_in_rfc_8037() {
        // RFC 8037, appendix A.1 (the key) and A.3 (its thumbprint).
        let secret = BASE64_URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
        let key = SigningKey::from_bytes(&SecretKey::try_from(secret.as_slice()).unwrap());
        assert_eq!(thumbprint(&key), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }
}
