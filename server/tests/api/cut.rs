//! Clients that hang up, at every moment of every kind of request, with a Postgres that takes its time.

use std::{sync::Arc, time::Duration};

use reqwest::{Client, RequestBuilder, Response, header};
use schema::upload::Operation;
use serde_json::json;

use crate::{
    helpers::{Browser, TestApp, TestDatabase, cookie, environment, spawn_app_in},
    line::Line,
    random::Random,
};

/// How often all clients come and go. `CUT_ROUNDS` asks for more.
fn rounds() -> usize {
    std::env::var("CUT_ROUNDS").ok().and_then(|count| count.parse().ok()).unwrap_or(60)
}

const CLIENTS: usize = 12;
/// What each asks for in a round.
const REQUESTS: usize = 4;

const LINK: &str = "33333333-3333-4333-8333-333333333333";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_hangs_up_breaks_nothing_for_others() {
    let database = Arc::new(TestDatabase::create().await);
    let line = Line::slow(&database.options, Duration::from_millis(3)).await;
    let app = spawn_app_in(database.clone(), environment(line.options(&database.options))).await;
    let mut owner = app.browser().await;
    let shared = [
        owner.put_list("shared", "Shared"),
        owner.change(Operation::Put, "invitations", LINK, json!({ "list_id": "shared", "role": "editor" })),
    ];
    owner.upload(&[&shared]).await;

    let mut visitors: Vec<_> = (1..=CLIENTS as u64).map(|seed| Visitor::new(&app.url, seed)).collect();
    for _ in 0..rounds() {
        futures::future::join_all(visitors.iter_mut().map(Visitor::come_and_go)).await;
        nothing_is_left_open(&app).await;
    }

    let promised: Vec<_> = visitors.iter().flat_map(|visitor| &visitor.promised).collect();
    for query in &promised {
        assert_eq!(app.rows(query).await, "true", "was acknowledged: {query}");
    }
    let cut: usize = visitors.iter().map(|visitor| visitor.cut).sum();
    let all = rounds() * CLIENTS * REQUESTS;
    assert!(cut > all / 4, "clients have hung up: {cut} of {all}");
    assert!(promised.len() > all / 20, "and have been answered: {} of {all}", promised.len());
}

/// Waits until all connections have come to rest, and looks that none of them rests within a transaction.
async fn nothing_is_left_open(app: &TestApp) {
    let states = "SELECT string_agg(DISTINCT state, ', ') AS states FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()
            AND (state <> 'idle' OR wait_event_type = 'Lock')";
    // Postgres itself ends a transaction that stands still, but only after a while.
    let rest = async {
        while !app.rows(states).await.is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    if tokio::time::timeout(Duration::from_secs(8), rest).await.is_err() {
        panic!("connections are left: {}", app.rows(states).await);
    }
}

/// Somebody who asks for this and that, and often does not wait.
struct Visitor {
    url: String,
    random: Random,
    guest: Option<Browser>,
    /// Queries that must be true, because they have been told so.
    promised: Vec<String>,
    cut: usize,
    /// Whether they hang up whatever they have asked for.
    leaves: bool,
}

impl Visitor {
    fn new(url: &str, seed: u64) -> Visitor {
        let (random, promised) = (Random(seed), Vec::new());
        Visitor { url: url.to_owned(), random, guest: None, promised, cut: 0, leaves: false }
    }

    /// A few requests, the last of which is cut: what that has left on a connection, no later one can have put right.
    async fn come_and_go(&mut self) {
        for request in 1..=REQUESTS {
            self.leaves = request == REQUESTS;
            let mut guest = self.guest.take();
            match (self.random.below(10), guest.as_mut()) {
                (0, _) | (_, None) => guest = self.page(None).await.or(guest),
                (1, Some(browser)) => drop(self.page(Some(browser)).await),
                (2, Some(browser)) => self.token(browser).await,
                (3, Some(browser)) => self.join(browser).await,
                (4, Some(browser)) => self.account(browser).await,
                (_, Some(browser)) => self.upload(browser).await,
            }
            self.guest = guest;
        }
    }

    async fn page(&mut self, known: Option<&mut Browser>) -> Option<Browser> {
        let page = self.get("/");
        let page = match known {
            Some(browser) => page.header(header::COOKIE, &browser.cookie),
            None => page,
        };
        let page = self.send(page).await?;
        let cookie = cookie(&page)?;
        let user_id = cookie.split('.').nth(1)?.to_owned();
        Some(Browser {
            url: self.url.clone(),
            cookie,
            user_id,
            client_id: "browser".to_owned(),
            epoch: None,
            next_op_id: 1,
        })
    }

    async fn token(&mut self, browser: &Browser) {
        let token = self.get("/api/powersync/token").header(header::COOKIE, &browser.cookie);
        self.send(token).await;
    }

    async fn join(&mut self, browser: &Browser) {
        let join = self.post(&format!("/api/invitations/{LINK}/join"), browser);
        if self.send(join).await.is_some() {
            self.promise(format!(
                "SELECT EXISTS (SELECT FROM members WHERE list_id = 'shared' AND user_id = '{}')",
                browser.user_id
            ));
        }
    }

    async fn account(&mut self, browser: &mut Browser) {
        let name = browser.user_id.clone();
        let create = self.post("/api/account", browser);
        let create = create.json(&json!({ "name": name, "password": "correct horse" }));
        if let Some(created) = self.send(create).await {
            self.promise(format!("SELECT EXISTS (SELECT FROM users WHERE name = '{name}')"));
            browser.cookie = cookie(&created).unwrap();
        }
    }

    async fn upload(&mut self, browser: &mut Browser) {
        let id = format!("{}-{}", browser.user_id, browser.next_op_id);
        let list = [browser.put_list(&id, "Mine"), browser.put_todo(&id, &id, "To do")];
        let request = browser.request(&[&list]);
        let upload = self.post("/api/sync", browser).json(&request);
        if self.send(upload).await.is_some() {
            self.promise(format!("SELECT EXISTS (SELECT FROM todos WHERE id = '{id}')"));
        }
    }

    fn get(&mut self, path: &str) -> RequestBuilder {
        let address = self.address();
        Client::new().get(format!("{}{path}", self.url)).header("x-forwarded-for", address)
    }

    fn post(&mut self, path: &str, browser: &Browser) -> RequestBuilder {
        let address = self.address();
        let post = Client::new().post(format!("{}{path}", self.url)).header("x-forwarded-for", address);
        post.header(header::COOKIE, &browser.cookie)
    }

    /// The address of somebody who has not been here, so that no limit per address is met.
    fn address(&mut self) -> String {
        let mut byte = || self.random.below(200) + 20;
        format!("{}.{}.{}.{}", byte(), byte(), byte(), byte())
    }

    /// The answer, if it is a good one and is waited for.
    async fn send(&mut self, request: RequestBuilder) -> Option<Response> {
        // A request takes some ten to a hundred milliseconds here, so every moment of one is hit.
        let patience = match self.leaves || self.random.one_in(2) {
            true => Duration::from_micros(self.random.below(60_000) as u64),
            false => Duration::from_secs(60),
        };
        match tokio::time::timeout(patience, request.send()).await {
            Ok(answer) => Some(answer.unwrap()).filter(|answer| answer.status().is_success()),
            Err(_) => {
                self.cut += 1;
                None
            }
        }
    }

    fn promise(&mut self, query: String) {
        self.promised.push(query);
    }
}
