//! `POST /api/sync`, delivered more than once.

use insta::assert_snapshot;
use serde_json::json;
use sqlx::Executor;

use crate::helpers::{Browser, TestApp, spawn_app};

/// Lets a year pass, and the server clean up.
async fn a_year_later(app: &TestApp) {
    let later = "UPDATE uploads SET received_at = received_at - interval '1 year';
                 UPDATE upload_watermarks SET began_at = began_at - interval '1 year'";
    app.pool.execute(later).await.unwrap();
    clean_up(app).await;
}

/// A server cleans up when it starts.
async fn clean_up(app: &TestApp) {
    let old = "SELECT FROM uploads WHERE received_at < now() - interval '7 days'
        UNION ALL SELECT FROM upload_watermarks AS old WHERE EXISTS (
            SELECT FROM upload_watermarks AS next WHERE next.user_id = old.user_id AND next.client_id = old.client_id
                AND next.began_at > old.began_at AND next.began_at < now() - interval '400 days')";
    app.tidied_up(&format!("SELECT count(*) FROM ({old}) AS old"), "0").await;
}

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
async fn a_repetition_after_a_year_brings_no_deleted_row_back_and_is_no_second_notice() {
    let app = spawn_app().await;
    let mut browser = app.browser().await;
    let (list, rejected) = ([browser.put_list("l1", "First")], [browser.put_list("l2", "")]);
    browser.upload(&[&list, &rejected]).await;
    sqlx::query("DELETE FROM lists").execute(&app.pool).await.unwrap();
    a_year_later(&app).await;
    assert_eq!(app.rows("SELECT count(*) FROM uploads").await, "0");
    // Why the second was rejected its user has been told long ago.
    assert_snapshot!(browser.upload(&[&list, &rejected]).await, @r"
    1 applied
    2 applied
    ");
    assert_snapshot!(app.rows("SELECT count(*) FROM lists").await, @"0");
    assert_snapshot!(app.rows("SELECT count(*) FROM rejections").await, @"1");
    let next = [browser.put_list("l3", "Next")];
    browser.upload(&[&next]).await;
    assert_snapshot!(app.rows("SELECT name FROM lists").await, @"Next");
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
    let (one, other) = tokio::join!(browser.upload(&transactions), browser.upload(&transactions));
    assert_eq!(one, other);
    assert_snapshot!(app.rows("SELECT count(*) FROM rejections").await, @"1");
}

#[tokio::test]
async fn a_profile_restored_from_a_backup_loses_no_new_work_and_repeats_no_old() {
    let app = spawn_app().await;
    let mut browser = app.browser().await;
    let (first, second) = ([browser.put_list("l1", "First")], [browser.put_list("l2", "Second")]);
    browser.upload(&[&first, &second]).await;
    sqlx::query("DELETE FROM lists WHERE id = 'l1'").execute(&app.pool).await.unwrap();
    a_year_later(&app).await;

    // The backup was made when the first was in the queue, and the second had not been thought of.
    assert_snapshot!(browser.upload(&[&first]).await, @"1 applied");
    assert_snapshot!(app.rows("SELECT name FROM lists").await, @"Second");
    browser.epoch = Some("epoch-2".to_owned());
    browser.next_op_id = 2;
    let renamed = [browser.patch("lists", "l2", json!({ "name": "Renamed" }))];
    assert_snapshot!(browser.upload(&[&renamed]).await, @"2 applied");
    assert_snapshot!(app.rows("SELECT name FROM lists").await, @"Renamed");
    // Even what is the same to the letter is done again: its user did.
    sqlx::query("DELETE FROM lists").execute(&app.pool).await.unwrap();
    browser.epoch = Some("epoch-3".to_owned());
    browser.upload(&[&second]).await;
    assert_snapshot!(app.rows("SELECT name FROM lists").await, @"Second");
}

#[tokio::test]
async fn a_machine_put_back_while_the_page_was_open_goes_on() {
    let app = spawn_app().await;
    let mut browser = app.browser().await;
    let lists =
        [[browser.put_list("l1", "One")], [browser.put_list("l2", "Two")], [browser.put_list("l3", "Three")]];
    browser.upload(&[&lists[0]]).await;
    let both = [lists[1][0].clone(), lists[2][0].clone()];
    browser.upload(&[&both]).await;
    // Numbers 2 and 3 a second time, in the same epoch, and each in a transaction of its own.
    browser.next_op_id = 2;
    let new = [[browser.put_list("l4", "Four")], [browser.put_list("l5", "Five")]];
    browser.upload(&[&new[0], &new[1]]).await;
    assert_snapshot!(app.rows("SELECT name FROM lists ORDER BY id").await, @r"
    One
    Two
    Three
    Four
    Five
    ");
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

#[tokio::test]
async fn a_page_from_before_there_were_epochs_is_recognised_after_the_server_has_been_renewed() {
    let app = spawn_app().await;
    let mut browser = app.browser().await;
    browser.epoch = None;
    let list = [browser.put_list("l1", "First")];
    browser.upload(&[&list]).await;
    // What the server had before it knew watermarks, put through the migration again.
    let (before, migration) =
        include_str!("../../../migrations/0008_uploads.sql").split_once("CREATE TABLE").unwrap();
    assert!(!before.contains(';'));
    let back = "DROP TABLE upload_watermarks, row_counts; ALTER TABLE uploads DROP CONSTRAINT uploads_pkey, DROP COLUMN epoch;
        ALTER TABLE uploads ADD CONSTRAINT uploads_pkey PRIMARY KEY (user_id, client_id, op_id); DELETE FROM lists";
    app.pool.execute(back).await.unwrap();
    app.pool.execute(format!("CREATE TABLE{migration}").as_str()).await.unwrap();
    a_year_later(&app).await;
    assert_snapshot!(browser.upload(&[&list]).await, @"1 applied");
    assert_snapshot!(app.rows("SELECT name FROM lists").await, @"");
    let next = [browser.put_list("l2", "Next")];
    browser.upload(&[&next]).await;
    assert_snapshot!(app.rows("SELECT name FROM lists").await, @"Next");
}

#[tokio::test]
async fn somebody_who_makes_up_browsers_is_known_in_the_newest() {
    let app = spawn_app().await;
    let mut browser = app.browser().await;
    one(&mut browser).await;
    let invented = "INSERT INTO upload_watermarks (user_id, client_id, epoch, op_id, began_at)
        SELECT id, 'invented ' || n, 'epoch', 1, now() - n * interval '1 minute' FROM users, generate_series(1, 1010) AS n";
    app.pool.execute(invented).await.unwrap();
    app.tidied_up("SELECT count(*) FROM upload_watermarks", "1000").await;
    let kept = "SELECT client_id FROM upload_watermarks WHERE client_id NOT LIKE 'invented 1%' ORDER BY began_at DESC LIMIT 2";
    assert_eq!(app.rows(kept).await, format!("{}\ninvented 2", browser.client_id));
}

#[tokio::test]
async fn what_nobody_asks_for_any_more_is_deleted() {
    let app = spawn_app().await;
    let mut browser = app.browser().await;
    for epoch in ["first", "second", "third"] {
        browser.epoch = Some(epoch.to_owned());
        one(&mut browser).await;
    }
    let began = |epoch: &str, days: i32| {
        format!(
            "UPDATE upload_watermarks SET began_at = now() - interval '{days} days' WHERE epoch = '{epoch}';"
        )
    };
    let old = began("first", 1000) + &began("second", 401) + &began("third", 399);
    let details = "UPDATE uploads SET received_at = now() - interval '8 days' WHERE epoch = 'first'";
    app.pool.execute((old + details).as_str()).await.unwrap();
    clean_up(&app).await;
    assert_snapshot!(app.rows("SELECT epoch FROM upload_watermarks ORDER BY began_at").await, @r"
    second
    third
    ");
    assert_snapshot!(app.rows("SELECT epoch FROM uploads ORDER BY epoch").await, @r"
    second
    third
    ");
    sqlx::query("DELETE FROM users").execute(&app.pool).await.unwrap();
    assert_snapshot!(app.rows("SELECT epoch FROM upload_watermarks UNION ALL SELECT epoch FROM uploads").await, @"");
}

async fn one(browser: &mut Browser) {
    let id = format!("l{}", browser.next_op_id);
    let list = [browser.put_list(&id, "A list")];
    browser.upload(&[&list]).await;
}
