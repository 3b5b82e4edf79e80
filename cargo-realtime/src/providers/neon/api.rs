//! The calls to Neon's API that we make, typed: <https://api-docs.neon.tech>.

use anyhow::Result;
use reqwest::StatusCode;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use crate::providers::http::{Api, Request, Wire, found};
use crate::providers::retry::Retry;
use crate::providers::{token, variable};

const KEY_FROM: &str = "Make a key on https://console.neon.tech under Account settings, API keys (or in an organization's settings).";

/// Neon says that these were not carried out, and that a GET may be sent again.
const RETRY: Retry = Retry {
    statuses: &[StatusCode::LOCKED, StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE],
    lost_gets: true,
};

/// The most that Neon gives in one page of projects.
const PAGE: usize = 400;

/// Neon, as one account.
pub struct Neon {
    api: Api,
    /// Whose projects these are; a personal key of somebody in several organizations needs it.
    org_id: Option<String>,
}

/// A project just made.
#[derive(Debug, Deserialize)]
pub struct Created {
    /// With its id.
    pub project: Identified,
    /// Its default branch.
    pub branch: Identified,
    /// What must end before anybody connects.
    pub operations: Vec<Operation>,
}

/// Anything that has an id.
#[derive(Debug, Deserialize)]
pub struct Identified {
    /// Its id.
    pub id: String,
}

/// Something that Neon does on its own after it has answered.
#[derive(Debug, Deserialize)]
pub struct Operation {
    /// Its id.
    pub id: String,
    /// What it does, such as `start_compute`.
    pub action: String,
    /// `scheduling`, `running`, `finished`, `failed`, `error`, `cancelling`, `cancelled` or `skipped`.
    pub status: String,
    /// Why it failed.
    pub error: Option<String>,
}

impl Operation {
    /// Whether there is something to wait for.
    pub fn is_under_way(&self) -> bool {
        ["scheduling", "running", "cancelling"].contains(&self.status.as_str())
    }

    /// Whether it has not done what it was there for.
    pub fn has_failed(&self) -> bool {
        ["failed", "error", "cancelled"].contains(&self.status.as_str())
    }
}

#[derive(Deserialize)]
struct Operations {
    operations: Vec<Operation>,
}

impl Neon {
    /// With the key in `NEON_API_KEY`. `NEON_API_HOST` is the address of the API as for Neon's own tools, and
    /// `NEON_ORG_ID` the organization.
    pub fn from_environment(wire: Wire) -> Result<Self> {
        let base = variable("NEON_API_HOST").unwrap_or_else(|| "https://console.neon.tech/api/v2".to_owned());
        let api = Api {
            name: "Neon",
            base: base.trim_end_matches('/').to_owned(),
            authorization: format!("Bearer {}", token(&wire, "NEON_API_KEY", KEY_FROM)?),
            when_refused: "NEON_API_KEY is not, or no longer, a valid key: make a new one on \
                           https://console.neon.tech under Account settings, API keys.",
            retry: RETRY,
            wire,
        };
        Ok(Self { api, org_id: variable("NEON_ORG_ID") })
    }

    /// Where calls go to.
    pub fn wire(&self) -> &Wire {
        &self.api.wire
    }

    /// The project with exactly this name.
    pub async fn find_project(&self, name: &str) -> Result<Option<String>> {
        #[derive(Deserialize)]
        struct Page {
            projects: Vec<Named>,
            pagination: Option<Pagination>,
        }
        #[derive(Deserialize)]
        struct Named {
            id: String,
            name: String,
        }
        #[derive(Deserialize)]
        struct Pagination {
            cursor: String,
        }
        let mut cursor: Option<String> = None;
        loop {
            let mut request = Request::get("/projects").query("search", name).query("limit", PAGE);
            if let Some(org_id) = &self.org_id {
                request = request.query("org_id", org_id);
            }
            if let Some(cursor) = &cursor {
                request = request.query("cursor", cursor);
            }
            let page: Page = self.api.call(request, json!({ "projects": [] })).await?;
            let is_last = page.projects.is_empty();
            if let Some(project) = page.projects.into_iter().find(|project| project.name == name) {
                return Ok(Some(project.id));
            }
            // The last page of all has a cursor too; after it come empty ones.
            cursor = match page.pagination {
                Some(next) if !is_last && cursor.as_ref() != Some(&next.cursor) => Some(next.cursor),
                _ => return Ok(None),
            };
        }
    }

    /// Makes a project with logical replication, one database and the role that owns it.
    pub async fn create_project(&self, name: &str, database: &str, role: &str) -> Result<Created> {
        let region = variable("NEON_REGION").unwrap_or_else(|| "aws-us-east-1".to_owned());
        let mut body = json!({
            "project": {
                "name": name,
                "pg_version": 17,
                "region_id": region,
                // It cannot be switched on later without ending every connection.
                "settings": { "enable_logical_replication": true },
                "branch": { "name": "main", "database_name": database, "role_name": role },
            }
        });
        if let Some(org_id) = &self.org_id {
            body["project"]["org_id"] = org_id.as_str().into();
        }
        let placeholder = json!({
            "project": { "id": "<project id>" },
            "branch": { "id": "<branch id>" },
            "operations": [{ "id": "<operation id>", "action": "create_branch", "status": "running" }],
        });
        self.api.call(Request::post("/projects", body), placeholder).await
    }

    /// Whether the project is still there.
    pub async fn has_project(&self, project: &str) -> Result<bool> {
        let answer: Result<IgnoredAny> =
            self.api.call(Request::get(format!("/projects/{project}")), json!({})).await;
        Ok(found(answer)?.is_some())
    }

    /// Deletes the project with everything in it; one that is not there is as good.
    pub async fn delete_project(&self, project: &str) -> Result<()> {
        let request = Request::delete(format!("/projects/{project}"));
        found(self.api.call::<IgnoredAny>(request, json!({})).await)?;
        Ok(())
    }

    /// The id of the project's default branch.
    pub async fn default_branch(&self, project: &str) -> Result<Option<String>> {
        #[derive(Deserialize)]
        struct Branches {
            branches: Vec<Branch>,
        }
        #[derive(Deserialize)]
        struct Branch {
            id: String,
            default: bool,
        }
        let placeholder = json!({ "branches": [{ "id": "<branch id>", "default": true }] });
        let request = Request::get(format!("/projects/{project}/branches"));
        let answer: Branches = self.api.call(request, placeholder).await?;
        Ok(answer.branches.into_iter().find(|branch| branch.default).map(|branch| branch.id))
    }

    /// The project's latest operations.
    pub async fn operations(&self, project: &str) -> Result<Vec<Operation>> {
        let request = Request::get(format!("/projects/{project}/operations")).query("limit", 100);
        let answer: Operations = self.api.call(request, json!({ "operations": [] })).await?;
        Ok(answer.operations)
    }

    /// How far an operation is.
    pub async fn operation(&self, project: &str, id: &str) -> Result<Operation> {
        #[derive(Deserialize)]
        struct Answer {
            operation: Operation,
        }
        let request = Request::get(format!("/projects/{project}/operations/{id}"));
        let placeholder = json!({ "operation": { "id": id, "action": "", "status": "finished" } });
        Ok(self.api.call::<Answer>(request, placeholder).await?.operation)
    }

    /// Where a role finds a database; holds the role's password. `pooled` through Neon's connection pooler.
    pub async fn connection_uri(&self, at: &Place, pooled: bool) -> Result<String> {
        #[derive(Deserialize)]
        struct Answer {
            uri: String,
        }
        let request = Request::get(format!("/projects/{}/connection_uri", at.project))
            .query("branch_id", &at.branch)
            .query("database_name", &at.database)
            .query("role_name", &at.role)
            .query("pooled", pooled);
        let host = if pooled { "<pooled host>" } else { "<host>" };
        let placeholder =
            json!({ "uri": format!("postgresql://{}:<hidden>@{host}/{}", at.role, at.database) });
        Ok(self.api.call::<Answer>(request, placeholder).await?.uri)
    }

    /// Makes the role unless there is one; gives what has to end before it can connect.
    pub async fn ensure_role(&self, at: &Place) -> Result<Vec<Operation>> {
        let body = json!({ "role": { "name": at.role } });
        self.ensure(at, "roles", &at.role, body).await
    }

    /// Makes the database unless there is one, with the role as its owner; gives what has to end before anybody can
    /// connect to it.
    pub async fn ensure_database(&self, at: &Place) -> Result<Vec<Operation>> {
        let body = json!({ "database": { "name": at.database, "owner_name": at.role } });
        self.ensure(at, "databases", &at.database, body).await
    }

    async fn ensure(&self, at: &Place, what: &str, name: &str, body: Value) -> Result<Vec<Operation>> {
        let all = format!("/projects/{}/branches/{}/{what}", at.project, at.branch);
        let one: Option<IgnoredAny> = self.api.look(Request::get(format!("{all}/{name}"))).await?;
        if one.is_some() {
            // Its answer may have been lost while it was being made.
            let operations = self.operations(&at.project).await?;
            return Ok(operations.into_iter().filter(Operation::is_under_way).collect());
        }
        let placeholder = json!({ "operations": [{ "id": "<operation id>", "action": "apply_config", "status": "running" }] });
        Ok(self.api.call::<Operations>(Request::post(all, body), placeholder).await?.operations)
    }
}

/// A database on a branch, as a role sees it.
#[derive(Clone, Debug)]
pub struct Place {
    /// The project's id.
    pub project: String,
    /// The branch's id.
    pub branch: String,
    /// The database's name.
    pub database: String,
    /// The role's name.
    pub role: String,
}
