//! A single-node sync service that speaks the client protocol of PowerSync.
