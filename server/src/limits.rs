//! How much of this server one request, one client and all of them together may have. Those of uploads are in
//! `upload/limits.rs`, those on how often something may be tried in `rate_limit.rs`.

use std::time::Duration;

/// How long a request's head may take, from its first byte, or from the connection's beginning. A browser sends one in a
/// packet or two.
pub(crate) const HEAD: Duration = Duration::from_secs(10);

/// How long a connection may wait for its next request. Longer than proxies keep one: where this side closes
/// first, a request that a proxy was just sending is lost.
pub(crate) const IDLE: Duration = Duration::from_secs(150);

/// How long a client may take none of what it is sent.
pub(crate) const STALLED: Duration = Duration::from_secs(30);

/// Connections at once: each costs a file handle, of which a process has a few thousand.
pub(crate) const CONNECTIONS: usize = 4096;

/// Connections of one address at once. A browser makes six, and an office may share an address. A proxy next to this server
/// may have all of [`CONNECTIONS`].
pub(crate) const CONNECTIONS_OF_ONE: usize = 256;

/// How long an answer may take. What has begun then goes on to its end; only the answer says that it is not to be waited for.
pub(crate) const ANSWER: Duration = Duration::from_secs(30);

/// The same for uploads, which may be large and the line slow; their body has its own limits.
pub(crate) const UPLOAD_ANSWER: Duration = Duration::from_secs(15 * 60);

/// Connections to Postgres for pages, sessions, accounts and invitations. Uploads have others, and what pages show has others
/// again, so that none of the three waits for another.
pub(crate) const POOL: u32 = 10;

/// Connections to Postgres through which pages are read.
pub(crate) const PAGE_POOL: u32 = 10;

/// How long a request waits for a connection to Postgres.
pub(crate) const ACQUIRE: Duration = Duration::from_secs(5);

/// How long Postgres may take to answer a new connection, before the start takes it to be away.
pub(crate) const CONNECT: Duration = Duration::from_secs(10);

/// How long one statement may run in Postgres. All of them find their rows by an index.
pub(crate) const STATEMENT: Duration = Duration::from_secs(10);

/// How long a statement may wait for a lock that somebody else holds.
pub(crate) const LOCK: Duration = Duration::from_secs(5);

/// How long a transaction may stand still. Only one whose server has died does.
pub(crate) const IDLE_IN_TRANSACTION: Duration = Duration::from_secs(15);

/// How long the largest account may take to be deleted, with everything that belongs to it.
pub(crate) const DELETION: Duration = Duration::from_secs(120);

/// How long somebody's data may take to be read and sent.
pub(crate) const EXPORT: Duration = Duration::from_secs(10 * 60);
