//! From where a request comes.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderMap, HeaderName, request::Parts},
};

use crate::{
    AppState,
    error::{Error, Result},
};

/// The address of the client, as far as this server can know it.
#[derive(Clone, Copy)]
pub(crate) struct ClientIp(pub(crate) IpAddr);

impl ClientIp {
    /// What stands for one client: an IPv4 address, or the network of an IPv6 address, of which everybody has a whole one.
    pub(crate) fn network(self) -> IpAddr {
        match self.0.to_canonical() {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        }
    }

    /// Whether that is on this machine or in its private network, where proxies are.
    pub(crate) fn is_near(self) -> bool {
        match self.0.to_canonical() {
            IpAddr::V4(address) => address.is_loopback() || address.is_private() || address.is_link_local(),
            IpAddr::V6(address) => {
                address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
            }
        }
    }
}

impl FromRequestParts<AppState> for ClientIp {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<ClientIp> {
        let ConnectInfo(peer) = parts.extensions.get::<ConnectInfo<SocketAddr>>().ok_or(Error::Internal)?;
        Ok(ClientIp(client(peer.ip(), &parts.headers, &state.client_ip_header)))
    }
}

/// A peer on this machine or in its private network is a proxy, which names the client last in a header. Anybody else
/// can write what they like into that.
fn client(peer: IpAddr, headers: &HeaderMap, header: &HeaderName) -> IpAddr {
    let named =
        || headers.get_all(header).iter().next_back()?.to_str().ok()?.rsplit(',').next()?.trim().parse().ok();
    match ClientIp(peer).is_near() {
        true => named().unwrap_or(peer),
        false => peer,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_proxy_nearby_names_the_client_and_nobody_else_does() {
        let header = HeaderName::from_static("x-forwarded-for");
        let mut headers = HeaderMap::new();
        headers.append(&header, HeaderValue::from_static("9.9.9.9"));
        headers.append(&header, HeaderValue::from_static("8.8.8.8, 203.0.113.7"));
        let client =
            |peer: &str, headers: &HeaderMap| client(peer.parse().unwrap(), headers, &header).to_string();
        assert_eq!(client("127.0.0.1", &headers), "203.0.113.7");
        assert_eq!(client("::ffff:10.0.0.1", &headers), "203.0.113.7");
        assert_eq!(client("198.51.100.1", &headers), "198.51.100.1");
        assert_eq!(client("127.0.0.1", &HeaderMap::new()), "127.0.0.1");
        headers.append(&header, HeaderValue::from_static("unknown"));
        assert_eq!(client("127.0.0.1", &headers), "127.0.0.1");
    }

    #[test]
    fn a_whole_network_of_ipv6_is_one_client() {
        let network = |address: &str| ClientIp(address.parse().unwrap()).network().to_string();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(network("192.0.2.1"), "192.0.2.1");
    }
}
