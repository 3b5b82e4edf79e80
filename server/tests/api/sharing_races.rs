//! Joins that run while the right to join is taken away.

use std::sync::{
    Arc,
    atomic::{AtomicU16, Ordering::Relaxed},
};

use futures::future::{join, join_all};
use reqwest::{Client, StatusCode, header};
use schema::upload::Operation;
use serde_json::{Value, json};

use crate::helpers::{Browser, TestApp, cookie, spawn_app};

/// How many lists there are at once, each with races of its own.
const LISTS: usize = 6;
/// How often a member joins in one race.
const JOINS: usize = 4;
/// How many races one member runs: more would run into the limit of joins.
const RACES: usize = 7;

/// Several lists at once, each with an owner, and as many members as it takes for so many races.
struct Races {
    app: TestApp,
    client: Client,
    addresses: AtomicU16,
}

/// What one list has.
struct List {
    id: String,
    owner: Browser,
}

impl Races {
    async fn begin() -> Arc<Races> {
        Arc::new(Races { app: spawn_app().await, client: Client::new(), addresses: AtomicU16::new(0) })
    }

    /// Somebody who comes from an address of their own, so that nobody is limited by what the others do.
    async fn browser(&self) -> Browser {
        let [high, low] = self.addresses.fetch_add(1, Relaxed).to_be_bytes();
        let address = format!("203.0.{high}.{low}");
        let request = |path: &str| {
            self.client.get(format!("{}{path}", self.app.url)).header("x-forwarded-for", &address)
        };
        let cookie = cookie(&request("/").send().await.unwrap()).unwrap();
        let token = request("/api/powersync/token").header(header::COOKIE, &cookie).send().await.unwrap();
        let user_id = token.json::<Value>().await.unwrap()["user_id"].as_str().unwrap().to_owned();
        sqlx::query("INSERT INTO users (id) VALUES ($1) ON CONFLICT DO NOTHING")
            .bind(&user_id)
            .execute(&self.app.pool)
            .await
            .unwrap();
        Browser { url: self.app.url.clone(), cookie, user_id, client_id: address, epoch: None, next_op_id: 1 }
    }

    async fn list(&self, number: usize) -> List {
        let (id, mut owner) = (format!("list-{number}"), self.browser().await);
        let list = owner.put_list(&id, "Groceries");
        assert_eq!(owner.upload(&[&[list]]).await, "1 applied");
        List { id, owner }
    }

    /// A new link, of which the id also names the member that has come by it.
    async fn link(&self, list: &List, uses_left: Option<i64>) -> String {
        sqlx::query_scalar(
            "INSERT INTO invitations (id, list_id, role, uses_left) VALUES (gen_random_uuid(), $1, 'editor', $2) RETURNING id",
        )
        .bind(&list.id)
        .bind(uses_left)
        .fetch_one(&self.app.pool)
        .await
        .unwrap()
    }

    /// Makes an editor of somebody, as if they had joined before.
    async fn editor(&self, list: &List, browser: &Browser, id: &str) {
        sqlx::query("INSERT INTO members (id, list_id, user_id, role) VALUES ($1, $2, $3, 'editor')")
            .bind(id)
            .bind(&list.id)
            .bind(&browser.user_id)
            .execute(&self.app.pool)
            .await
            .unwrap();
    }

    /// The role of the list's member who is not its owner.
    async fn role(&self, list: &List) -> Option<String> {
        sqlx::query_scalar("SELECT role FROM members WHERE list_id = $1 AND role <> 'owner'")
            .bind(&list.id)
            .fetch_optional(&self.app.pool)
            .await
            .unwrap()
    }

    async fn join(&self, browser: &Browser, link: &str) -> StatusCode {
        let request = self.client.post(format!("{}/api/invitations/{link}/join", self.app.url));
        let request = request.header("x-forwarded-for", &browser.client_id);
        request.header(header::COOKIE, &browser.cookie).send().await.unwrap().status()
    }

    /// Uploads one transaction of the owner's, which is taken, while somebody joins several times by a link. Those who were
    /// too late are told so.
    async fn while_joining(
        &self,
        list: &List,
        changes: &[schema::upload::Change],
        member: &Browser,
        link: &str,
    ) {
        let joins = join_all((0..JOINS).map(|_| self.join(member, link)));
        let (verdicts, joins) = join(list.owner.upload(&[changes]), joins).await;
        assert!(verdicts.lines().all(|verdict| verdict.ends_with(" applied")), "{verdicts}");
        for status in joins {
            assert!([StatusCode::OK, StatusCode::NOT_FOUND].contains(&status), "{status}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_removed_with_all_links_stays_removed() {
    let races = Races::begin().await;
    let on_a_list = async |races: Arc<Races>, number| {
        let mut list = races.list(number).await;
        for _ in 0..24 {
            let member = races.browser().await;
            for _ in 0..RACES {
                let link = races.link(&list, None).await;
                races.editor(&list, &member, &link).await;
                let removal = [list.owner.delete("members", &link), list.owner.delete("invitations", &link)];
                races.while_joining(&list, &removal, &member, &link).await;
                assert_eq!(races.role(&list).await, None);
            }
        }
    };
    let lists = (0..LISTS).map(|number| on_a_list(Arc::clone(&races), number));
    join_all(lists).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_editor_who_is_made_a_reader_with_no_link_for_editors_left_stays_one() {
    let races = Races::begin().await;
    let on_a_list = async |races: Arc<Races>, number| {
        let mut list = races.list(number).await;
        for _ in 0..6 {
            let member = races.browser().await;
            for _ in 0..RACES {
                let link = races.link(&list, None).await;
                races.editor(&list, &member, &link).await;
                let role = json!({ "role": "reader" });
                let lowered = [
                    list.owner.change(Operation::Patch, "members", &link, role),
                    list.owner.delete("invitations", &link),
                ];
                races.while_joining(&list, &lowered, &member, &link).await;
                assert_eq!(races.role(&list).await.as_deref(), Some("reader"));
                let removal = list.owner.delete("members", &link);
                list.owner.upload(&[&[removal]]).await;
            }
        }
    };
    let lists = (0..LISTS).map(|number| on_a_list(Arc::clone(&races), number));
    join_all(lists).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_for_one_person_lets_exactly_one_in() {
    let races = Races::begin().await;
    let on_a_list = async |races: Arc<Races>, number| {
        let list = races.list(number).await;
        let people = join_all((0..JOINS).map(|_| races.browser())).await;
        for _ in 0..25 {
            let link = races.link(&list, Some(1)).await;
            let joins = join_all(people.iter().map(|person| races.join(person, &link))).await;
            let let_in = joins.iter().filter(|status| **status == StatusCode::OK).count();
            assert_eq!(let_in, 1, "{joins:?}");
            assert!(races.role(&list).await.is_some());
            sqlx::query("DELETE FROM members WHERE list_id = $1 AND role <> 'owner'")
                .bind(&list.id)
                .execute(&races.app.pool)
                .await
                .unwrap();
        }
    };
    let lists = (0..LISTS).map(|number| on_a_list(Arc::clone(&races), number));
    join_all(lists).await;
}
