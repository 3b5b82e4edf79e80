//! The environment: seven variables and one for proxies, read once at start, so that a mistake stops the start and not a request.

use std::{collections::HashMap, fmt, str::FromStr};

use axum::http::HeaderName;
use base64::{Engine, prelude::BASE64_STANDARD};
use ed25519_dalek::{SigningKey, pkcs8::DecodePrivateKey};
use reqwest::Url;
use sqlx::postgres::PgConnectOptions;

/// What the app is connected to. `cargo realtime up` and `connect_app_to_database` write it to `.env`.
#[derive(Clone)]
pub struct Environment {
    /// `VITE_POWERSYNC_URL`: the sync service as browsers reach it, without a trailing slash; also the audience of
    /// sync tokens.
    pub powersync_browser_url: String,
    /// `VITE_POWERSYNC_TOKEN_ENDPOINT`: where browsers get their sync tokens, `/api/powersync/token`.
    pub token_endpoint: String,
    /// `VITE_DATABASE_URL`: Postgres, through a connection pooler where there is one, for reads while a page is rendered.
    pub pooled_database: PgConnectOptions,
    /// `DIRECT_DATABASE_URL`: Postgres without a pooler, for migrations, sessions and uploads.
    pub direct_database: PgConnectOptions,
    /// `POWERSYNC_SIGNING_KEY`: the key that signs sync tokens.
    pub signing_key: SigningKey,
    /// `POWERSYNC_API_TOKEN`: what the sync service's admin API asks for.
    pub powersync_api_token: String,
    /// `POWERSYNC_URL`: the sync service as this server reaches it, without a trailing slash.
    pub powersync_url: String,
    /// `CLIENT_IP_HEADER`, where it is set: the header in which the proxy before this server names the client. Without a
    /// proxy, and for those that add to `X-Forwarded-For`, there is nothing to set.
    pub client_ip_header: HeaderName,
}

impl Environment {
    /// Reads the variables from the process and, where it lacks one, from the file `.env` in the current directory.
    pub fn load() -> Result<Environment, EnvironmentError> {
        let file = read_env_file()?;
        Environment::parse(|name| std::env::var(name).ok().or_else(|| file.get(name).cloned()))
    }

    /// Makes an environment of whatever `variable` returns; reports everything that is wrong at once.
    pub fn parse(variable: impl Fn(&str) -> Option<String>) -> Result<Environment, EnvironmentError> {
        let mut reader = Reader { variable, complaints: Vec::new() };
        let powersync_browser_url = reader.read("VITE_POWERSYNC_URL", service_url);
        let token_endpoint = reader.read("VITE_POWERSYNC_TOKEN_ENDPOINT", endpoint);
        let pooled_database = reader.read("VITE_DATABASE_URL", postgres);
        let direct_database = reader.read("DIRECT_DATABASE_URL", postgres);
        let signing_key = reader.read("POWERSYNC_SIGNING_KEY", signing_key);
        let powersync_api_token = reader.read("POWERSYNC_API_TOKEN", header_value);
        let powersync_url = reader.read("POWERSYNC_URL", service_url);
        let client_ip_header = match (reader.variable)("CLIENT_IP_HEADER") {
            None => Some(HeaderName::from_static("x-forwarded-for")),
            Some(_) => reader.read("CLIENT_IP_HEADER", header_name),
        };
        match (
            powersync_browser_url,
            token_endpoint,
            pooled_database,
            direct_database,
            signing_key,
            powersync_api_token,
            powersync_url,
            client_ip_header,
        ) {
            (
                Some(browser_url),
                Some(endpoint),
                Some(pooled),
                Some(direct),
                Some(key),
                Some(token),
                Some(url),
                Some(header),
            ) => Ok(Environment {
                powersync_browser_url: browser_url,
                token_endpoint: endpoint,
                pooled_database: pooled,
                direct_database: direct,
                signing_key: key,
                powersync_api_token: token,
                powersync_url: url,
                client_ip_header: header,
            }),
            _ => Err(EnvironmentError(reader.complaints)),
        }
    }
}

/// Four of the variables are secrets or hold one, so none of those is ever printed.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("powersync_browser_url", &self.powersync_browser_url)
            .field("token_endpoint", &self.token_endpoint)
            .field("powersync_url", &self.powersync_url)
            .finish_non_exhaustive()
    }
}

/// Everything that is wrong with the environment, a sentence each.
#[derive(Debug)]
pub struct EnvironmentError(Vec<String>);

impl fmt::Display for EnvironmentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "The environment is not complete:")?;
        for complaint in &self.0 {
            writeln!(f, "  {complaint}")?;
        }
        write!(f, "Run `cargo realtime up`, which writes these variables to .env.")
    }
}

impl std::error::Error for EnvironmentError {}

/// The file is read, not loaded into the process: child processes and libraries have no business with its secrets.
fn read_env_file() -> Result<HashMap<String, String>, EnvironmentError> {
    let unreadable = |what: String| EnvironmentError(vec![format!(".env cannot be read: {what}")]);
    let lines = match dotenvy::from_path_iter(".env") {
        Ok(lines) => lines,
        Err(error) if error.not_found() => return Ok(HashMap::new()),
        Err(error) => return Err(unreadable(error.to_string())),
    };
    lines
        .map(|line| {
            // The error's own text would show the line, and with it a secret.
            line.map_err(|_| unreadable("a line of it is not of the form NAME=value".to_owned()))
        })
        .collect()
}

struct Reader<F> {
    variable: F,
    complaints: Vec<String>,
}

impl<F: Fn(&str) -> Option<String>> Reader<F> {
    fn read<T>(&mut self, name: &str, parse: fn(&str) -> Result<T, String>) -> Option<T> {
        let value = (self.variable)(name).unwrap_or_default();
        let result = match value.trim() {
            "" => Err("is not set".to_owned()),
            value => parse(value),
        };
        result.map_err(|complaint| self.complaints.push(format!("{name} {complaint}."))).ok()
    }
}

fn service_url(value: &str) -> Result<String, String> {
    match Url::parse(value) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {
            Ok(value.trim_end_matches('/').to_owned())
        }
        _ => Err("must be the sync service's URL, such as http://127.0.0.1:8080".to_owned()),
    }
}

fn endpoint(value: &str) -> Result<String, String> {
    if value.starts_with('/') || service_url(value).is_ok() {
        Ok(value.to_owned())
    } else {
        Err("must be a path, /api/powersync/token".to_owned())
    }
}

fn postgres(value: &str) -> Result<PgConnectOptions, String> {
    let scheme_fits = value.starts_with("postgres://") || value.starts_with("postgresql://");
    match PgConnectOptions::from_str(value) {
        Ok(options) if scheme_fits => Ok(options.application_name("app-server")),
        // The error's own text may repeat parts of the URL, and with them the password.
        _ => Err("must be a Postgres URL, postgres://user:password@host/database".to_owned()),
    }
}

fn signing_key(value: &str) -> Result<SigningKey, String> {
    let key = if value.starts_with("-----BEGIN") {
        // Where a variable must be a single line, the PEM's line breaks are often written as \n.
        SigningKey::from_pkcs8_pem(&value.replace("\\n", "\n")).ok()
    } else {
        BASE64_STANDARD.decode(value).ok().and_then(|der| SigningKey::from_pkcs8_der(&der).ok())
    };
    key.ok_or_else(|| "must be an Ed25519 private key: PKCS#8 in base64 on one line, or its PEM".to_owned())
}

fn header_value(value: &str) -> Result<String, String> {
    if value.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(value.to_owned())
    } else {
        Err("must be the admin API's token, which has no spaces and only ASCII characters".to_owned())
    }
}

fn header_name(value: &str) -> Result<HeaderName, String> {
    value.parse().map_err(|_| "must be the name of a header, such as fly-client-ip".to_owned())
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::pkcs8::{EncodePrivateKey, spki::der::pem::LineEnding};
    use insta::assert_snapshot;

    use super::*;

    fn complete(name: &str) -> Option<String> {
        let key = SigningKey::from_bytes(&[7; 32]).to_pkcs8_der().unwrap();
        let value = match name {
            "VITE_POWERSYNC_URL" | "POWERSYNC_URL" => "http://127.0.0.1:8080/".to_owned(),
            "VITE_POWERSYNC_TOKEN_ENDPOINT" => "/api/powersync/token".to_owned(),
            "VITE_DATABASE_URL" | "DIRECT_DATABASE_URL" => {
                "postgres://me:pass-secret@127.0.0.1/app".to_owned()
            }
            "POWERSYNC_SIGNING_KEY" => BASE64_STANDARD.encode(key.as_bytes()),
            "POWERSYNC_API_TOKEN" => "token-secret".to_owned(),
            _ => return None,
        };
        Some(value)
    }

    fn with_key(key: String) -> Result<Environment, EnvironmentError> {
        Environment::parse(
            |name| if name == "POWERSYNC_SIGNING_KEY" { Some(key.clone()) } else { complete(name) },
        )
    }

    #[test]
    fn urls_lose_their_trailing_slash() {
        assert_eq!(Environment::parse(complete).unwrap().powersync_url, "http://127.0.0.1:8080");
    }

    #[test]
    fn everything_that_is_missing_is_said_at_once() {
        assert_snapshot!(Environment::parse(|_| None).unwrap_err(), @r"
        The environment is not complete:
          VITE_POWERSYNC_URL is not set.
          VITE_POWERSYNC_TOKEN_ENDPOINT is not set.
          VITE_DATABASE_URL is not set.
          DIRECT_DATABASE_URL is not set.
          POWERSYNC_SIGNING_KEY is not set.
          POWERSYNC_API_TOKEN is not set.
          POWERSYNC_URL is not set.
        Run `cargo realtime up`, which writes these variables to .env.
        ");
    }

    #[test]
    fn what_is_malformed_is_said_without_showing_it() {
        let error = Environment::parse(|_| Some("my secret\u{e9}".to_owned())).unwrap_err();
        assert_snapshot!(error, @r"
        The environment is not complete:
          VITE_POWERSYNC_URL must be the sync service's URL, such as http://127.0.0.1:8080.
          VITE_POWERSYNC_TOKEN_ENDPOINT must be a path, /api/powersync/token.
          VITE_DATABASE_URL must be a Postgres URL, postgres://user:password@host/database.
          DIRECT_DATABASE_URL must be a Postgres URL, postgres://user:password@host/database.
          POWERSYNC_SIGNING_KEY must be an Ed25519 private key: PKCS#8 in base64 on one line, or its PEM.
          POWERSYNC_API_TOKEN must be the admin API's token, which has no spaces and only ASCII characters.
          POWERSYNC_URL must be the sync service's URL, such as http://127.0.0.1:8080.
          CLIENT_IP_HEADER must be the name of a header, such as fly-client-ip.
        Run `cargo realtime up`, which writes these variables to .env.
        ");
    }

    #[test]
    fn the_signing_key_may_be_a_pem_of_several_lines_or_of_one() {
        let key = SigningKey::from_bytes(&[9; 32]);
        let pem = key.to_pkcs8_pem(LineEnding::LF).unwrap().to_string();
        assert_eq!(with_key(pem.clone()).unwrap().signing_key, key);
        assert_eq!(with_key(pem.replace('\n', "\\n")).unwrap().signing_key, key);
    }

    #[test]
    fn no_secret_is_printed() {
        let environment = Environment::parse(complete).unwrap();
        let printed = format!("{environment:?}");
        assert!(!printed.contains("secret"), "{printed}");
    }
}
