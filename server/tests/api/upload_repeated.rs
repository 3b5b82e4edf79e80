//! `POST /api/sync`, delivered more than once.

use insta::assert_snapshot;
use serde_json::json;

use crate::helpers::spawn_app;

#[tokio::test]
async fn a_repetition_gets_the_same_verdicts_and_overwrites_nothing() {
    let app = spawn_app().await;
    let mut browser = app.browser().await;
    let list = [browser.put_list("l1", "First")];
    browser.upload(&[&list]).await;
    sqlx::query("UPDATE lists SET name = 'Newer'").execute(&app.pool).await.unwrap();
    assert_snapshot!(browser.upload(&[&list]).await, @"1 applied");
    assert_snapshot!(app.rows("SELECT name FROM lists").await, @"Newer");

    sqlx::query("DELETE FROM lists").execute(&app.pool).await.unwrap();
    browser.upload(&[&list]).await;
    assert_snapshot!(app.rows("SELECT name FROM lists").await, @"");
}

#[tokio::test]
async fn a_repeated_rejection_is_noticed_once() {
    let app = spawn_app().await;
    let mut browser = app.browser().await;
    let changes = [browser.put_list("l1", "Fine"), browser.put_list("l2", "")];
    let first = browser.upload(&[&changes]).await;
    assert_eq!(browser.upload(&[&changes]).await, first);
    assert_snapshot!(first, @r"
    1 transaction: Another change that was made together with this one was not taken.
    2 constraint: A list's name must have 1 to 200 characters.
    ");
    assert_snapshot!(app.rows("SELECT count(*) FROM rejections").await, @"1");
}

#[tokio::test]
async fn deliveries_at_the_same_time_are_one() {
    let app = spawn_app().await;
    let mut browser = app.browser().await;
    let changes = [browser.put_list("l1", "")];
    let transactions: [&[_]; 1] = [&changes];
    let uploads = || browser.upload(&transactions);
    let verdicts = tokio::join!(uploads(), uploads(), uploads(), uploads());
    assert!([verdicts.1, verdicts.2, verdicts.3].iter().all(|verdict| *verdict == verdicts.0));
    assert_snapshot!(app.rows("SELECT count(*) FROM rejections").await, @"1");
}

#[tokio::test]
async fn another_transaction_with_an_old_number_is_new() {
    let app = spawn_app().await;
    let mut browser = app.browser().await;
    let list = [browser.put_list("l1", "First")];
    browser.upload(&[&list]).await;
    // The browser's profile was restored from a backup.
    browser.next_op_id = 1;
    let renamed = [browser.patch("lists", "l1", json!({ "name": "Second" }))];
    assert_snapshot!(browser.upload(&[&renamed]).await, @"1 applied");
    assert_snapshot!(app.rows("SELECT name FROM lists").await, @"Second");
}

#[tokio::test]
async fn users_and_browsers_count_on_their_own() {
    let app = spawn_app().await;
    let (mut one, mut other) = (app.browser().await, app.browser().await);
    let lists = [[one.put_list("l1", "One")], [other.put_list("l2", "Other")]];
    one.upload(&[&lists[0]]).await;
    other.upload(&[&lists[1]]).await;
    one.client_id = "browser-2".to_owned();
    one.next_op_id = 1;
    let third = [one.put_list("l3", "Third")];
    one.upload(&[&third]).await;
    assert_snapshot!(app.rows("SELECT name FROM lists ORDER BY id").await, @r"
    One
    Other
    Third
    ");
}
