//! Where a webhook may go. Whoever writes a tenant's file chooses the address, so it must not reach what
//! only this machine or its network reaches: neither by number nor by a name that resolves to one.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::config::addresses::Network;

/// What may be reached.
#[derive(Clone)]
pub(crate) struct Targets(Arc<[Network]>);

/// An address that may not be reached.
#[derive(Debug)]
pub(crate) struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the address is not a public one")
    }
}

impl std::error::Error for Refused {}

impl Targets {
    /// Public addresses, and these networks.
    pub(crate) fn new(private: &[Network]) -> Self {
        Self(private.into())
    }

    pub(crate) fn allows(&self, address: IpAddr) -> bool {
        is_public(address) || self.0.iter().any(|network| network.contains(address))
    }

    /// Whether the address is web and, where its host is a number, may be reached. Names are looked at when
    /// they are resolved.
    pub(crate) fn allows_url(&self, url: &Url) -> bool {
        let Some(host) = url.host_str() else { return false };
        let number = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        matches!(url.scheme(), "http" | "https") && number.map_or(true, |address| self.allows(address))
    }
}

impl Resolve for Targets {
    /// A connection is made to what was looked at here and to nothing else: a name that resolves otherwise a
    /// moment later gains nothing.
    fn resolve(&self, name: Name) -> Resolving {
        let targets = self.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let some = !found.is_empty();
            let lawful: Vec<SocketAddr> = found.into_iter().filter(|address| targets.allows(address.ip())).collect();
            if some && lawful.is_empty() {
                return Err(Refused.into());
            }
            Ok(Box::new(lawful.into_iter()) as Addrs)
        })
    }
}

/// Whether anybody on the internet reaches it.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let reserved = match a {
        // This network, private, loopback, multicast and what is kept for later.
        0 | 10 | 127 | 224..=255 => true,
        // Carrier-grade NAT.
        100 => (64..128).contains(&b),
        // Link-local, and with it the metadata service of clouds.
        169 => b == 254,
        172 => (16..32).contains(&b),
        // Private, protocol assignments and documentation.
        192 => b == 168 || (b == 0 && (c == 0 || c == 2)) || (b == 88 && c == 99),
        // Benchmarks and documentation.
        198 => b == 18 || b == 19 || (b == 51 && c == 100),
        203 => b == 0 && c == 113,
        _ => false,
    };
    !reserved
}

/// Of IPv6 only global unicast is public, and of that not what stands for IPv4 or for nothing.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    let global = a & 0xe000 == 0x2000;
    let documentation = (a == 0x2001 && b == 0x0db8) || (a == 0x3fff && b < 0x1000);
    // Teredo, ORCHID and other assignments below 2001:200, and 6to4.
    let embedded = (a == 0x2001 && b < 0x0200) || a == 0x2002;
    global && !documentation && !embedded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).expect("an address")
    }

    #[test]
    fn only_what_is_public_is_reached() {
        let targets = Targets::new(&[]);
        for text in [
            "127.0.0.1",
            "127.8.8.8",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.127.255.255",
            "192.0.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
            "::7f00:1",
        ] {
            assert!(!targets.allows(text.parse().expect("an address")), "{text}");
        }
        for text in ["8.8.8.8", "172.32.0.1", "100.63.0.1", "192.0.1.1", "2606:4700::1", "2a00:1450::1", "::ffff:8.8.8.8"] {
            assert!(targets.allows(text.parse().expect("an address")), "{text}");
        }
    }

    #[test]
    fn numbers_are_recognised_however_they_are_written() {
        let targets = Targets::new(&[]);
        for text in [
            "http://127.0.0.1/x",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f.0.0.1/",
            "http://0177.0.0.1/",
            "http://[::1]:8080/",
            "http://[::ffff:7f00:1]/",
            "ftp://8.8.8.8/",
        ] {
            assert!(!targets.allows_url(&url(text)), "{text}");
        }
        assert!(targets.allows_url(&url("https://8.8.8.8/x")) && targets.allows_url(&url("https://hooks.example/x")));
    }

    #[test]
    fn a_deployment_may_name_networks_of_its_own() {
        let targets = Targets::new(&[Network::parse("127.0.0.0/8").expect("a network")]);
        assert!(targets.allows("127.0.0.1".parse().expect("an address")));
        assert!(targets.allows("::ffff:127.0.0.1".parse().expect("an address")));
        assert!(!targets.allows("10.0.0.1".parse().expect("an address")));
    }

    #[tokio::test]
    async fn a_name_that_resolves_to_this_machine_is_refused() {
        let name = || "localhost".parse::<Name>().expect("a name");
        let refused = Targets::new(&[]).resolve(name()).await.err().expect("refused");
        assert!(refused.is::<Refused>(), "{refused}");
        let own = [Network::parse("127.0.0.0/8").expect("a network"), Network::parse("::1").expect("a network")];
        assert!(Targets::new(&own).resolve(name()).await.is_ok());
    }
}
