//! A single-node sync service that speaks the client protocol of PowerSync, for development, tests and small single-node
//! deployments. Whoever outgrows it takes the PowerSync Service; clients and sync configs stay as they are.
//!
//! # How it works
//!
//! **Queue.** Statement triggers on the tables of publication `powersync` note which rows a transaction has changed, as
//! (table, key), in `sync_service.queue`, and say so by `NOTIFY`. They note nothing about what has changed, so writers pay
//! little, and ten changes of one row are one piece of work.
//!
//! **Sequencer.** One task ([`sequencer`]) drains the queue. In one `REPEATABLE READ` transaction it takes what the queue holds,
//! reads those rows as they are in the same snapshot, finds their buckets, compares with what was published of them, and appends
//! the difference to the oplog as PUT and REMOVE operations. An advisory lock sees to it that there is only one sequencer.
//!
//! **Oplog.** `sync_service.oplog` holds the operations of every bucket, `sync_service.bucket` their sums, and
//! `sync_service.lookup_row` the rows of the subqueries that decide who gets which bucket. Only the sequencer writes them, so any
//! snapshot of them is that of one commit of the sequencer, and through it of one snapshot of the app's tables.
//!
//! **Checkpoints.** An open stream ([`session`]) finds its buckets, sends a checkpoint with the operations that its client lacks, and
//! then sends a difference after every commit of the sequencer that touches one of its buckets, a subquery that it depends on, or
//! its client's write checkpoint. Everybody else hears nothing.
//!
//! The process holds nothing that Postgres does not hold. It can be killed at any moment; clients go on where they were.
//!
//! # Two rules that no checksum protects
//!
//! *An operation that is published has an id above every checkpoint that was completed before.* A client takes a lower one without
//! a word and never shows its row. Ids are given by the sequencer when it drains, not by the writer: a transaction that noted its
//! row early and commits late is drained late.
//!
//! *A write checkpoint never goes backwards.* The client would wait forever, and show nothing new. Values are kept per client, and are
//! taken from the clock, so that they go on when the table is lost; op ids and config versions are too.

mod api;
mod auth;
mod compaction;
mod config;
mod error;
mod metrics;
mod sequencer;
mod serve;
mod session;
mod shared;
mod store;
mod streams;

pub use compaction::compact;
pub use config::{Config, Jwk, Jwks};
pub use error::Error;
pub use serve::{serve, serve_on};
