//! Addresses as an operator writes them: networks, web addresses, mail addresses.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// A network by its address and prefix, such as `10.0.0.0/8`; a bare address is a network of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Reads `ADDRESS` or `ADDRESS/PREFIX`.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok()?,
            Some(_) => return None,
            None => longest,
        };
        (prefix <= longest).then_some(Self { address, prefix })
    }

    /// Whether the address is within; an IPv4 address counts the same in its IPv6 form.
    pub fn contains(&self, address: IpAddr) -> bool {
        let (own, own_prefix) = bits(self.address, self.prefix);
        let (other, _) = bits(address, 0);
        let shift = 128 - u32::from(own_prefix);
        shift == 128 || own >> shift == other >> shift
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// An address in its IPv6 form, and how many bits of it the prefix covers.
fn bits(address: IpAddr, prefix: u8) -> (u128, u8) {
    match address {
        IpAddr::V4(v4) => (Ipv6Addr::to_bits(v4.to_ipv6_mapped()), prefix + 96),
        IpAddr::V6(v6) => (Ipv6Addr::to_bits(v6), prefix),
    }
}

/// Whether the text is an `http` or `https` address: a host, perhaps a port, a path and a query. An
/// address with a user name or a fragment is none.
pub(crate) fn is_web_address(text: &str) -> bool {
    after_scheme(text).is_some_and(|rest| {
        let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        is_authority(authority) && rest.bytes().all(|byte| byte.is_ascii_graphic() && !b"#\"<>\\".contains(&byte))
    })
}

/// Whether the text is a web address without query and without a trailing slash.
pub(crate) fn is_base_address(text: &str) -> bool {
    is_web_address(text) && !text.ends_with('/') && !text.contains('?')
}

/// Whether the text is a web address of a host alone, without a path.
pub(crate) fn is_origin(text: &str) -> bool {
    is_base_address(text) && after_scheme(text).is_some_and(|rest| !rest.contains('/'))
}

/// Whether the text looks like a mail address: one name, one domain with a dot, nothing that would
/// end a header line.
pub(crate) fn is_mail_address(text: &str) -> bool {
    let Some((name, domain)) = text.split_once('@') else { return false };
    let plain = |letter: char| !letter.is_whitespace() && !letter.is_control() && !"@,;:<>()[]\"\\".contains(letter);
    let label = |label: &str| {
        !label.is_empty()
            && label.chars().all(|letter| letter.is_alphanumeric() || letter == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 254
        && (1..=64).contains(&name.len())
        && name.chars().all(plain)
        && domain.contains('.')
        && domain.split('.').all(label)
}

fn after_scheme(text: &str) -> Option<&str> {
    text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))
}

fn is_authority(text: &str) -> bool {
    if let Some((v6, port)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return v6.parse::<Ipv6Addr>().is_ok() && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port));
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let label =
        |label: &str| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    host.split('.').all(label) && port.is_none_or(is_port)
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_contains_its_addresses_in_both_forms() {
        for (network, address, inside) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("10.1.2.3/8", "10.0.0.1", true),
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "127.0.0.2", false),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "2001:db8::1", true),
            ("fd00::/8", "fd12::1", true),
            ("fd00::/8", "fe80::1", false),
            ("::1", "::1", true),
        ] {
            let network_read = Network::parse(network).expect("a network");
            assert_eq!(network_read.contains(address.parse().expect("an address")), inside, "{network} {address}");
        }
        for text in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/", "10.0.0.0/+8", "localhost", "10.0.0.0/8/8"] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }

    #[test]
    fn web_addresses_are_told_from_other_texts() {
        for text in ["https://api.cal.com", "http://127.0.0.1:8080", "http://[::1]:80", "http://[::1]", "https://host_1"] {
            assert!(is_origin(text), "{text}");
        }
        for text in ["https://a.example/gate", "http://a/b/c"] {
            assert!(is_base_address(text) && !is_origin(text), "{text}");
        }
        for text in ["https://hooks.example/T/B?x=1", "https://hooks.example/"] {
            assert!(is_web_address(text) && !is_base_address(text), "{text}");
        }
        for text in [
            "",
            "ftp://a",
            "https://",
            "https:///x",
            "https://a b",
            "https://u:p@a",
            "https://a:0",
            "https://a:99999",
            "https://a:+1",
            "https://[::1",
            "https://[x]",
            "https://a..b",
            "https://a/#b",
            "//a",
            "a.example",
            "https://a/\nb",
            "https://[::1]x",
        ] {
            assert!(!is_web_address(text), "{text:?}");
        }
    }

    #[test]
    fn mail_addresses_are_told_from_other_texts() {
        for text in ["empfang@salon.example", "a.b+c@mail.co.uk", "müller@straße.example"] {
            assert!(is_mail_address(text), "{text}");
        }
        for text in [
            "",
            "salon",
            "@salon.example",
            "a@",
            "a@b",
            "a@b..c",
            "a b@c.de",
            "a@b.c\nBcc: x@y.z",
            "a@b@c.de",
            "<a@b.de>",
            "a@-b.de",
        ] {
            assert!(!is_mail_address(text), "{text:?}");
        }
    }
}
