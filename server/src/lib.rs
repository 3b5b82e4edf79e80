//! The app's server: pages, accounts, sync tokens and uploads.
//!
//! [`Application::build`] does everything that must have happened before the first request: it binds the port, runs the
//! migrations, checks that Postgres and the schema crate agree, and deploys the sync config.

mod account;
mod body;
mod cell;
mod client_ip;
mod cross_site;
mod database;
/// The environment variables.
pub mod environment;
mod error;
mod headers;
mod health;
mod housekeeping;
mod invitations;
mod limits;
mod migrations;
mod page;
mod places;
mod rate_limit;
mod retry;
mod rights;
mod routes;
mod schema_check;
mod serve;
mod session;
/// When and how the server stops.
pub mod shutdown;
/// Where the built site is.
pub mod site;
mod store;
mod sync_config;
#[cfg(test)]
#[path = "../tests/api/database.rs"]
mod test_database;
#[cfg(test)]
#[path = "../tests/api/random.rs"]
mod test_random;
mod to_the_end;
mod token;
mod upload;
mod users;

use std::{fmt, net::SocketAddr, sync::Arc};

use anyhow::Context;
use axum::{Router, extract::FromRef, http::HeaderName};
pub use environment::Environment;
use leptos::config::LeptosOptions;
use rate_limit::RateLimits;
use session::CookieJar;
use sqlx::PgPool;
use sync_config::SyncService;
use token::TokenSigner;
use tokio::net::TcpListener;

/// What the server is started with.
#[derive(Debug)]
pub struct Config {
    /// What it is connected to.
    pub environment: Environment,
    /// Where the built site is, and at which address to serve it. Port 0 takes any free port.
    pub leptos_options: LeptosOptions,
}

/// The server, ready to run.
pub struct Application {
    listener: TcpListener,
    address: SocketAddr,
    router: Router,
}

/// Its state holds secrets, so the address is all that is shown.
impl fmt::Debug for Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Application").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Application {
    /// Prepares everything; an error is a sentence for the person who started the server.
    pub async fn build(config: Config) -> anyhow::Result<Application> {
        let Config { environment, leptos_options } = config;
        let address = leptos_options.site_addr;
        let listener = serve::listen(address).with_context(|| {
            format!("The server cannot listen on {address}. Stop what does, or set LEPTOS_SITE_ADDR to another address")
        })?;
        let address = listener.local_addr()?;

        database::wait(&environment.direct_database).await?;
        migrations::run(&environment.direct_database).await?;
        let pool = database::pool(&environment.direct_database, limits::POOL);
        schema_check::run(&pool).await?;
        account::prepare(&pool).await?;
        let sync_service = SyncService::new(&environment.powersync_url, &environment.powersync_api_token)?;
        sync_config::keep_deployed(sync_service).await?;

        let database = environment.direct_database.clone();
        let state = AppState::new(environment, leptos_options, pool)?;
        housekeeping::spawn(&database, Arc::clone(&state.rate_limits));
        let router = routes::router(state);
        Ok(Application { listener, address, router })
    }

    /// Where it listens; with the real port where the configured one is 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` resolves and the open requests have ended, or a few seconds have passed.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send + 'static) {
        serve::serve(self.listener, self.router, shutdown).await;
    }
}

/// What request handlers share.
#[derive(Clone)]
pub(crate) struct AppState {
    leptos_options: LeptosOptions,
    /// Where cargo-leptos tells pages to reload, while it watches.
    reload_port: Option<u32>,
    pool: PgPool,
    /// Only for uploads, which may take long.
    upload_pool: PgPool,
    /// Only for what pages read while they are rendered.
    page_pool: PgPool,
    turns: Arc<upload::Turns>,
    token_signer: Arc<TokenSigner>,
    powersync_url: String,
    token_endpoint: String,
    rate_limits: Arc<RateLimits>,
    /// The header in which a proxy names the client.
    client_ip_header: HeaderName,
    cookie_jar: CookieJar,
}

impl AppState {
    fn new(
        environment: Environment,
        leptos_options: LeptosOptions,
        pool: PgPool,
    ) -> anyhow::Result<AppState> {
        let database = environment.direct_database.get_database().unwrap_or_default();
        let powersync_url = environment.powersync_browser_url;
        // What Leptos itself asks before it puts the script for reloading into a page.
        let watched = std::env::var_os("LEPTOS_WATCH").is_some();
        let LeptosOptions { reload_external_port, reload_port, .. } = leptos_options;
        Ok(AppState {
            reload_port: watched.then(|| reload_external_port.unwrap_or(reload_port)),
            leptos_options,
            upload_pool: database::pool(&environment.direct_database, upload::CONNECTIONS),
            pool,
            page_pool: store::pool(&environment.pooled_database),
            turns: Arc::new(upload::Turns::new()),
            token_signer: Arc::new(TokenSigner::new(&environment.signing_key, powersync_url.clone())?),
            powersync_url,
            token_endpoint: environment.token_endpoint,
            rate_limits: Arc::new(RateLimits::new()),
            client_ip_header: environment.client_ip_header,
            cookie_jar: CookieJar::new(database, &environment.signing_key),
        })
    }

    /// What a page tells the browser about its user, who is `None` where the session has ended.
    fn page_session(&self, user_id: Option<String>) -> app::Session {
        app::Session {
            user_id,
            user_cookie: self.cookie_jar.user_cookie().to_owned(),
            powersync_url: self.powersync_url.clone(),
            token_endpoint: self.token_endpoint.clone(),
        }
    }
}

impl FromRef<AppState> for LeptosOptions {
    fn from_ref(state: &AppState) -> LeptosOptions {
        state.leptos_options.clone()
    }
}
