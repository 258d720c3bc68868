//! Where a request came from, as far as that can be known.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::http::{Extensions, HeaderMap};

use crate::edge::Trusts;

/// The client's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

/// The address of the connection, or, where that is a proxy whose word is believed, the last one in
/// `X-Forwarded-For` that is not itself such a proxy. What a client writes before that is its own claim.
pub(crate) fn peer(headers: &HeaderMap, extensions: &Extensions, trusts: &Trusts) -> Peer {
    let connection = match (extensions.get::<Peer>(), extensions.get::<ConnectInfo<SocketAddr>>()) {
        (Some(Peer(address)), _) => *address,
        (None, Some(ConnectInfo(address))) => address.ip(),
        // Without a listener, as in a test of the router alone, everybody is one client.
        (None, None) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    };
    if !trusts.trusts(connection.to_canonical()) {
        return Peer(connection);
    }
    let mut address = connection;
    let said: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    for hop in said.into_iter().rev() {
        let Ok(hop) = hop.trim().parse::<IpAddr>() else { break };
        address = hop;
        if !trusts.trusts(hop.to_canonical()) {
            break;
        }
    }
    Peer(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(connection: &str, forwarded: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", forwarded.parse().expect("a header"));
        let mut extensions = Extensions::new();
        extensions.insert(Peer(connection.parse().expect("an address")));
        let proxies = Trusts::new(|address| address.to_string().starts_with("10."));
        peer(&headers, &extensions, &proxies).0.to_string()
    }

    #[test]
    fn only_the_word_of_a_known_proxy_is_taken() {
        assert_eq!(ask("203.0.113.9", "198.51.100.1"), "203.0.113.9");
        assert_eq!(ask("10.0.0.1", "198.51.100.1"), "198.51.100.1");
        assert_eq!(ask("10.0.0.1", "1.2.3.4, 198.51.100.1, 10.0.0.2"), "198.51.100.1");
        assert_eq!(ask("10.0.0.1", "198.51.100.1, nonsense"), "10.0.0.1");
        assert_eq!(ask("::ffff:10.0.0.1", "2001:db8::1"), "2001:db8::1");
    }
}
