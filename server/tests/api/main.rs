//! Tests of the real server, on a free port and with a database of its own each.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails, and clippy does not see that its helpers are tests too"
)]

mod account;
mod budget;
mod cut;
mod database;
mod guests;
mod helpers;
mod hostile;
mod line;
mod log;
mod pages;
mod random;
mod rights;
mod rows;
mod sharing;
mod sharing_races;
mod start;
mod sync_config;
mod token;
mod upload;
mod upload_limits;
mod upload_refused;
mod upload_repeated;
