//! Tests of the real server, on a free port and with a database of its own each.

mod helpers;
mod pages;
mod rights;
mod start;
mod token;
mod upload;
mod upload_refused;
mod upload_repeated;
