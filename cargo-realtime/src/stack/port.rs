//! Ports of the stack.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;

use anyhow::{Context, Result};

use super::home::Home;

/// Where clusters listen. Below the ports that systems hand out for outgoing connections.
pub const POSTGRES: Range<u16> = 15_432..16_432;
/// Where sync services listen.
pub const SYNC: Range<u16> = 17_432..18_432;

/// A free port of `range`. The search begins where the stack's folder says, so a stack gets the same port again, and
/// two stacks that start at once look in different places.
pub fn choose(home: &Home, range: Range<u16>, taken: &[u16]) -> Result<u16> {
    let mut hasher = DefaultHasher::new();
    home.dir().hash(&mut hasher);
    let length = u64::from(range.end - range.start);
    let start = range.start + u16::try_from(hasher.finish() % length)?;
    (start..range.end)
        .chain(range.start..start)
        .find(|port| !taken.contains(port) && is_free(*port))
        .with_context(|| format!("Every port from {} to {} is taken.", range.start, range.end - 1))
}

/// Whether nobody listens on it.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
