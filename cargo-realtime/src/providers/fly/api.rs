//! The calls to Fly's Machines API that we make, typed: <https://docs.machines.dev>.

use anyhow::Result;
use reqwest::StatusCode;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use crate::providers::http::{Api, Request, Wire, found, status};
use crate::providers::retry::Retry;
use crate::providers::{token, variable};

const TOKEN_FROM: &str = "`fly tokens create org` prints one for an organization (a token for one app cannot make another), \
                          and https://fly.io/dashboard has them under Tokens.";

/// Fly allows one call per second for each thing and refuses the rest unheard.
const RETRY: Retry = Retry { statuses: &[StatusCode::TOO_MANY_REQUESTS], lost_gets: true };

/// How long, in seconds, one call waits for a machine; the most that Fly allows.
const WAIT: u32 = 60;

/// Fly, as one organization.
pub struct Fly {
    api: Api,
    org: String,
    region: String,
}

/// A machine, as far as we look at it.
#[derive(Debug, Deserialize)]
pub struct Machine {
    /// Its id.
    pub id: String,
    /// Its name, ours alone in its app.
    pub name: Option<String>,
}

/// What became of the wish for an app of some name.
pub enum NewApp {
    /// It is ours.
    Ours,
    /// It is somebody else's.
    Taken,
}

impl Fly {
    /// With the token in `FLY_API_TOKEN`. `FLY_FLAPS_BASE_URL` is the address of the API as for Fly's own tools, `FLY_ORG`
    /// the organization and `FLY_REGION` where machines run.
    pub fn from_environment(wire: Wire) -> Result<Self> {
        let base = variable("FLY_FLAPS_BASE_URL").unwrap_or_else(|| "https://api.machines.dev".to_owned());
        let api = Api {
            name: "Fly",
            base: format!("{}/v1", base.trim_end_matches('/')),
            authorization: authorization(&token(&wire, "FLY_API_TOKEN", TOKEN_FROM)?),
            when_refused: "FLY_API_TOKEN is not, or no longer, a valid token: make a new one with `fly tokens create org`.",
            retry: RETRY,
            wire,
        };
        let org = variable("FLY_ORG").unwrap_or_else(|| "personal".to_owned());
        // In Virginia, as are new Neon projects: every synced row goes from the one to the other.
        let region = variable("FLY_REGION").unwrap_or_else(|| "iad".to_owned());
        Ok(Self { api, org, region })
    }

    /// Where calls go to.
    pub fn wire(&self) -> &Wire {
        &self.api.wire
    }

    /// Makes an app.
    pub async fn create_app(&self, app: &str) -> Result<NewApp> {
        let body = json!({ "name": app, "org_slug": self.org });
        match self.api.call::<IgnoredAny>(Request::post("/apps", body), Value::Null).await {
            Ok(_) => Ok(NewApp::Ours),
            Err(error) if status(&error) == Some(StatusCode::UNPROCESSABLE_ENTITY) => {
                self.owner_of(app, error).await
            }
            Err(error) => Err(error),
        }
    }

    /// Whose the app is that made Fly refuse `app`: perhaps ours, by a request whose answer was lost.
    async fn owner_of(&self, app: &str, refusal: anyhow::Error) -> Result<NewApp> {
        #[derive(Deserialize)]
        struct App {
            organization: Organization,
        }
        #[derive(Deserialize)]
        struct Organization {
            slug: String,
        }
        let answer = self.api.call::<App>(Request::get(format!("/apps/{app}")), Value::Null).await;
        match answer {
            // `personal` is how everybody's own organization is called, whatever its name.
            Ok(app) if app.organization.slug == self.org || self.org == "personal" => Ok(NewApp::Ours),
            Ok(_) => Ok(NewApp::Taken),
            Err(error)
                if ![Some(StatusCode::FORBIDDEN), Some(StatusCode::NOT_FOUND)].contains(&status(&error)) =>
            {
                Err(error)
            }
            // One that we may not see; unless the 422 was about something else than the name.
            Err(_) if refusal.to_string().contains("taken") => Ok(NewApp::Taken),
            Err(_) => Err(refusal),
        }
    }

    /// Deletes the app with everything in it; one that is not there is as good.
    pub async fn delete_app(&self, app: &str) -> Result<()> {
        let request = Request::delete(format!("/apps/{app}"));
        found(self.api.call::<IgnoredAny>(request, Value::Null).await)?;
        Ok(())
    }

    /// Sets the app's only secret; gives the version of the app's secrets from which on machines have it.
    pub async fn set_secret(&self, app: &str, name: &str, value: &str) -> Result<Option<i64>> {
        #[derive(Deserialize)]
        struct Answer {
            version: Option<i64>,
        }
        let request = Request::post(format!("/apps/{app}/secrets"), json!({ "values": { name: value } }));
        let answer: Answer = self.api.call(request.hiding("/values"), json!({})).await?;
        Ok(answer.version)
    }

    /// The app's public addresses.
    pub async fn addresses(&self, app: &str) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default)]
            ips: Vec<Address>,
        }
        #[derive(Deserialize)]
        struct Address {
            ip: String,
        }
        let request = Request::get(format!("/apps/{app}/ip_assignments"));
        let answer: Answer = self.api.call(request, json!({})).await?;
        Ok(answer.ips.into_iter().map(|address| address.ip).collect())
    }

    /// Gives the app an address; `kind` is `v6` or `shared_v4`.
    pub async fn assign_address(&self, app: &str, kind: &str) -> Result<()> {
        let request = Request::post(format!("/apps/{app}/ip_assignments"), json!({ "type": kind }));
        self.api.call::<IgnoredAny>(request, Value::Null).await?;
        Ok(())
    }

    /// The app's machine of this name.
    pub async fn find_machine(&self, app: &str, name: &str) -> Result<Option<String>> {
        let request = Request::get(format!("/apps/{app}/machines"));
        let machines: Vec<Machine> = self.api.call(request, json!([])).await?;
        let found = machines.into_iter().find(|machine| machine.name.as_deref() == Some(name));
        Ok(found.map(|machine| machine.id))
    }

    /// Makes and starts a machine; gives its id.
    pub async fn create_machine(
        &self,
        app: &str,
        name: &str,
        secrets_version: Option<i64>,
        config: Value,
    ) -> Result<String> {
        let mut body = json!({ "name": name, "region": self.region, "config": config });
        if let Some(version) = secrets_version {
            body["min_secrets_version"] = version.into();
        }
        let placeholder = json!({ "id": format!("<id of {name}>") });
        let request = Request::post(format!("/apps/{app}/machines"), body);
        Ok(self.api.call::<Machine>(request, placeholder).await?.id)
    }

    /// Waits for the machine to be started, but no longer than Fly lets one call wait; gives whether it is.
    pub async fn wait_until_started(&self, app: &str, machine: &str) -> Result<bool> {
        let request = Request::get(format!("/apps/{app}/machines/{machine}/wait"))
            .query("state", "started")
            .query("timeout", WAIT);
        match self.api.call::<IgnoredAny>(request, Value::Null).await {
            Ok(_) => Ok(true),
            Err(error) if status(&error) == Some(StatusCode::REQUEST_TIMEOUT) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// The header for a token as `fly tokens create` prints it, with or without its scheme: macaroons have one of their own.
fn authorization(token: &str) -> String {
    let token = token.strip_prefix("FlyV1 ").unwrap_or(token);
    let is_macaroon = ["fm1r_", "fm2_"].iter().any(|prefix| token.starts_with(prefix));
    format!("{} {token}", if is_macaroon { "FlyV1" } else { "Bearer" })
}

#[cfg(test)]
mod tests {
    use super::authorization;

    #[test]
    fn a_token_has_its_scheme() {
        assert_eq!(authorization("fo1_abc"), "Bearer fo1_abc");
        assert_eq!(authorization("fm2_abc,fm2_def"), "FlyV1 fm2_abc,fm2_def");
        assert_eq!(authorization("FlyV1 fm2_abc"), "FlyV1 fm2_abc");
        assert_eq!(authorization("fm1r_abc"), "FlyV1 fm1r_abc");
    }
}
