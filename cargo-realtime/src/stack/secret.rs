//! Secrets of the stack.

use anyhow::{Result, anyhow};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey, KeypairBytes};
use sha2::{Digest, Sha256};
use sync_service::{Jwk, Jwks};

/// 192 random bits, in letters that need no escaping in URLs, SQL and `.env` files.
pub fn token() -> Result<String> {
    Ok(URL_SAFE_NO_PAD.encode(random::<24>()?))
}

/// A new Ed25519 private key: PKCS#8 DER in base64, what a PEM file holds between its armour lines.
pub fn signing_key() -> Result<String> {
    // Without the public half, which PKCS#8 allows and not every reader does.
    let der = KeypairBytes { secret_key: random()?, public_key: None }.to_pkcs8_der()?;
    Ok(STANDARD.encode(der.as_bytes()))
}

/// The public half of a signing key, as a JWKS that verifies what it has signed. The key's id is its RFC 7638
/// thumbprint.
pub fn jwks(signing_key: &str) -> Result<Jwks> {
    let key = SigningKey::from_pkcs8_der(&STANDARD.decode(signing_key)?)?;
    let x = URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes());
    let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    let kid = URL_SAFE_NO_PAD.encode(Sha256::digest(members));
    let text = str::to_owned;
    let key = Jwk {
        kty: text("OKP"),
        crv: text("Ed25519"),
        alg: text("EdDSA"),
        use_: Some(text("sig")),
        kid: Some(kid),
        x,
    };
    Ok(Jwks { keys: vec![key] })
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| anyhow!("The system gives no random bytes: {error}"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `compose.yaml` gives the PowerSync Service the key's parts as a script has computed them.
    #[test]
    fn the_script_for_compose_computes_the_same_key() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
        let dir = tempfile::tempdir().unwrap();
        let script = || {
            let mut node = std::process::Command::new("node");
            node.arg(format!("{root}/compose-env.mjs")).arg("https://sync.example.com");
            node.current_dir(&dir).output().unwrap()
        };
        assert!(script().status.success());
        let file = dir.path().join("compose.env");
        let written = std::fs::read_to_string(&file).unwrap();
        let value = |name: &str| {
            let line = written.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            line.unwrap().to_owned()
        };
        let key = jwks(&value("POWERSYNC_SIGNING_KEY")).unwrap().keys.remove(0);
        assert_eq!((key.kid, key.x), (Some(value("POWERSYNC_JWK_KID")), value("POWERSYNC_JWK_X")));
        assert_eq!(value("VITE_POWERSYNC_URL"), "https://sync.example.com");

        let compose = std::fs::read_to_string(format!("{root}/compose.yaml")).unwrap();
        let asked = compose.split("${").skip(1).map(|rest| rest.split([':', '}']).next().unwrap());
        for name in asked {
            value(name);
        }

        assert!(!script().status.success(), "a second run would lose the first one's secrets");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), written);
    }

    /// The example of RFC 8037, appendix A: its key, and the thumbprint it gives for it.
    #[test]
    fn the_key_id_is_the_thumbprint_of_the_rfc() {
        let secret = URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
        let key = SigningKey::from_bytes(&secret.try_into().unwrap());
        let jwks = jwks(&STANDARD.encode(key.to_pkcs8_der().unwrap().as_bytes())).unwrap();
        assert_eq!(jwks.keys[0].x, "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert_eq!(jwks.keys[0].kid.as_deref().unwrap(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }
}
