//! Who may call: users by their tokens, the app's server by the API token.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Map, Value};
use subtle::ConstantTimeEq as _;

use crate::api::failure::Failure;
use crate::{Config, Error};

/// The user that a token names, and what else it says.
#[derive(Clone, Debug)]
pub(crate) struct User {
    /// `sub` as text.
    pub id: String,
    /// When the token expires, in seconds since 1970.
    pub expires_at: i64,
    /// Every claim, for `auth.parameter()`.
    pub claims: Map<String, Value>,
}

/// The keys that sign tokens, ready for use.
pub(crate) struct KeyStore(Vec<(Option<String>, DecodingKey)>);

/// How far the clocks of two machines may be apart, in seconds.
const TOLERANCE: i64 = 60;

/// How long a token may live, in seconds.
const LONGEST_LIFE: i64 = 86400;

/// A user's id has to fit into an index of Postgres, in bytes.
const LONGEST_ID: usize = 1000;

impl KeyStore {
    /// Reads the configured keys.
    pub fn new(config: &Config) -> Result<Self, Error> {
        let key = |jwk: &crate::config::Jwk| {
            let length = URL_SAFE_NO_PAD.decode(&jwk.x).map(|x| x.len());
            if (jwk.kty.as_str(), jwk.crv.as_str(), jwk.alg.as_str(), length)
                != ("OKP", "Ed25519", "EdDSA", Ok(32))
            {
                return Err(Error::Key { kid: jwk.kid.clone().unwrap_or_default() });
            }
            let key = DecodingKey::from_ed_components(&jwk.x);
            Ok((jwk.kid.clone(), key.map_err(|_| Error::Key { kid: jwk.kid.clone().unwrap_or_default() })?))
        };
        Ok(Self(config.jwks.keys.iter().map(key).collect::<Result<_, _>>()?))
    }

    /// The user of a request, by its token.
    pub fn user(&self, headers: &HeaderMap, audience: &[String], now: i64) -> Result<User, Failure> {
        let token = credentials(headers).ok_or_else(|| denied("PSYNC_S2106", "Authentication required"))?;
        let claims = self.verified(token)?;
        check(&claims, audience, now)
    }

    /// The claims of a token that one of the keys has signed.
    fn verified(&self, token: &str) -> Result<Map<String, Value>, Failure> {
        let malformed = || denied("PSYNC_S2101", "Token is not a well-formed JWT. Check the token format.");
        let (signed, signature) = token.rsplit_once('.').ok_or_else(malformed)?;
        let (header, payload) = signed.split_once('.').ok_or_else(malformed)?;
        let header = json(header).ok_or_else(malformed)?;
        let payload = json(payload).ok_or_else(malformed)?;
        if header.get("alg").and_then(Value::as_str) != Some("EdDSA") {
            return Err(denied("PSYNC_S2101", "\"alg\" (Algorithm) Header Parameter not allowed"));
        }
        let kid = header.get("kid").and_then(Value::as_str);
        let mut keys =
            self.0.iter().filter(|(known, _)| known.is_none() || known.as_deref() == kid).peekable();
        if keys.peek().is_none() {
            return Err(denied(
                "PSYNC_S2101",
                "Could not find an appropriate key in the keystore. The key is missing or no key matched the token KID",
            ));
        }
        let verifies = |key| {
            jsonwebtoken::crypto::verify(signature, signed.as_bytes(), key, Algorithm::EdDSA).unwrap_or(false)
        };
        if keys.any(|(_, key)| verifies(key)) {
            Ok(payload)
        } else {
            Err(denied("PSYNC_S2101", "signature verification failed"))
        }
    }
}

/// Refuses who does not show one of the API tokens.
pub(crate) fn check_api_token(headers: &HeaderMap, tokens: &[String]) -> Result<(), Failure> {
    let shown = credentials(headers).unwrap_or_default().as_bytes();
    let matches = tokens.iter().fold(false, |found, token| found | bool::from(token.as_bytes().ct_eq(shown)));
    if matches && !shown.is_empty() { Ok(()) } else { Err(denied("PSYNC_S2101", "Authorization failed")) }
}

fn check(claims: &Map<String, Value>, audience: &[String], now: i64) -> Result<User, Failure> {
    let missing = |claim: &str| format!("JWT payload is missing a required claim \"{claim}\"");
    let seconds = |claim: &str| {
        let value = claims.get(claim).and_then(|v| v.as_i64().or_else(|| v.as_f64().map(|v| v as i64)));
        value.ok_or_else(|| denied("PSYNC_S2101", missing(claim)))
    };
    let id = match claims.get("sub") {
        Some(Value::String(id)) => id.clone(),
        Some(Value::Number(id)) => id.to_string(),
        _ => return Err(denied("PSYNC_S2101", missing("sub"))),
    };
    if id.len() > LONGEST_ID || id.contains('\0') {
        let description = format!("\"sub\" has a NUL character or is longer than {LONGEST_ID} bytes");
        return Err(denied("PSYNC_S2101", description));
    }
    check_audience(claims.get("aud"), audience)?;
    let (issued_at, expires_at) = (seconds("iat")?, seconds("exp")?);
    if claims.contains_key("nbf") && seconds("nbf")? > now + TOLERANCE {
        return Err(denied("PSYNC_S2101", missing("nbf")));
    }
    if now >= expires_at.saturating_add(TOLERANCE) {
        return Err(denied("PSYNC_S2103", "JWT has expired"));
    }
    let life = expires_at.saturating_sub(issued_at);
    if life > LONGEST_LIFE {
        let description = format!("Token must expire in a maximum of {LONGEST_LIFE} seconds, got {life}s");
        return Err(denied("PSYNC_S2104", description));
    }
    if claims.get("parameters").is_some_and(|parameters| !parameters.is_object()) {
        return Err(denied("PSYNC_S2101", "Payload parameters must be an object"));
    }
    Ok(User { id, expires_at, claims: claims.clone() })
}

fn check_audience(claim: Option<&Value>, audience: &[String]) -> Result<(), Failure> {
    let named: Vec<&Value> = match claim {
        None => return Err(denied("PSYNC_S2105", "JWT payload is missing a required claim \"aud\"")),
        Some(Value::Array(named)) => named.iter().collect(),
        Some(named) => vec![named],
    };
    if named.iter().any(|name| name.as_str().is_some_and(|name| audience.iter().any(|known| known == name))) {
        return Ok(());
    }
    let named: Vec<_> = named.iter().map(ToString::to_string).collect();
    Err(denied("PSYNC_S2105", format!("Unexpected \"aud\" claim value: {}", named.join(", "))))
}

/// What stands behind `Bearer` or `Token`.
fn credentials(headers: &HeaderMap) -> Option<&str> {
    let (scheme, credentials) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let known = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token");
    known.then_some(credentials.trim())
}

fn json(part: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

fn denied(code: &'static str, description: impl Into<String>) -> Failure {
    Failure::new(401, code, "AuthorizationError", description)
}
