//! The certificates of the addresses that are called from outside and that we call, and for how long they
//! are good.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::sync::Arc;

use frontdesk_calendar::Reach;
use frontdesk_core::tenant::CalendarKind;
use frontdesk_http::Finding;
use futures_util::future::join_all;
use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};

use super::{ANSWER_WITHIN, Check, Subject};
use crate::wiring;

/// What our own address is called.
const PUBLIC: &str = "public_url";
/// So many addresses are looked at.
const MOST: usize = 8;

/// How a certificate was met.
enum Met {
    /// It ends then.
    Until(Timestamp),
    /// It was not believed.
    Refused(String),
    /// Nobody was met.
    Nobody,
}

pub(super) async fn certificates(subject: &Subject) -> Vec<Finding> {
    let mut addresses: BTreeMap<String, &'static str> = BTreeMap::new();
    for tenant in &subject.tenants {
        if let CalendarKind::Calcom { base_url, .. } = &tenant.calendar {
            addresses.entry(base_url.clone()).or_insert("calendar");
        }
    }
    addresses.insert(subject.config.server.public_url.clone(), PUBLIC);
    addresses.retain(|address, _| address.starts_with("https://"));
    if addresses.is_empty() {
        return vec![Finding::ok(Check::Certificates.name(), "No address here has a certificate.")];
    }
    let reach = wiring::reach(&subject.config);
    // Where a tenant's file points is looked at as carefully as it is asked; our own address is the operator's word.
    let (Ok(guarded), Ok(open)) = (client(Some(&reach)), client(None)) else { return Vec::new() };
    let least = SignedDuration::try_from(subject.config.health.certificate).unwrap_or(SignedDuration::MAX);
    let met = addresses.iter().take(MOST).map(|(address, what)| {
        let (guarded, open, reach) = (&guarded, &open, &reach);
        async move {
            let met = match *what {
                PUBLIC => meet(open, address).await,
                _ => meet_guarded(guarded, reach, address).await,
            };
            finding(address, what, met, least, subject.clock.now())
        }
    });
    join_all(met).await
}

/// `reach` says to which addresses it may go; `None` is to all.
fn client(reach: Option<&Reach>) -> Result<reqwest::Client, reqwest::Error> {
    // The client takes the process's provider; one that is installed already is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
    if let Some(reach) = reach {
        client = client.dns_resolver(Arc::new(reach.clone()));
    }
    client.tls_info(true).timeout(ANSWER_WITHIN).build()
}

/// A name is looked up within reach; an address by number asks no resolver.
async fn meet_guarded(client: &reqwest::Client, reach: &Reach, address: &str) -> Met {
    match reqwest::Url::parse(address) {
        Ok(url) if reach.allows(&url) => meet(client, address).await,
        _ => Met::Nobody,
    }
}

async fn meet(client: &reqwest::Client, address: &str) -> Met {
    match client.head(address).send().await {
        Ok(answer) => {
            let told = answer.extensions().get::<reqwest::tls::TlsInfo>().and_then(|info| info.peer_certificate());
            told.and_then(good_until).map_or(Met::Nobody, Met::Until)
        }
        Err(error) => {
            let mut cause = error.source();
            while let Some(because) = cause {
                let text = because.to_string();
                if text.contains("certificate") {
                    return Met::Refused(text);
                }
                cause = because.source();
            }
            Met::Nobody
        }
    }
}

fn finding(address: &str, what: &str, met: Met, least: SignedDuration, now: Timestamp) -> Finding {
    let name = Check::Certificates.name();
    let renew = match what {
        PUBLIC => {
            "renew it where TLS ends in front of the gateway (certbot renew, or the proxy's own way) and see that it renews itself"
        }
        _ => "tell whoever runs this calendar: when it is over nothing can be booked there",
    };
    match met {
        Met::Until(end) => {
            let days = end.duration_since(now).as_hours().div_euclid(24);
            let seen = format!("{address}: until {end}");
            if end.duration_since(now) < least {
                return Finding::warn(name, format!("The certificate of {address} is good for {days} days only."), seen, renew);
            }
            Finding::ok(name, format!("The certificate of {address} is good for {days} days.")).seen(seen)
        }
        Met::Refused(why) => Finding::warn(name, format!("The certificate of {address} is not believed."), why, renew),
        Met::Nobody => Finding::ok(name, format!("The certificate of {address} cannot be looked at from here.")),
    }
}

/// The end of a certificate's validity, out of its DER: certificate, what is signed, version, serial number,
/// algorithm, issuer, then both ends.
fn good_until(der: &[u8]) -> Option<Timestamp> {
    let (_, certificate, _) = element(der)?;
    let (_, signed, _) = element(certificate)?;
    let (tag, _, after) = element(signed)?;
    // The version is there in all but the oldest.
    let rest = if tag == 0xa0 { element(after)?.2 } else { after };
    let (_, _, rest) = element(rest)?;
    let (_, _, rest) = element(rest)?;
    let (_, validity, _) = element(rest)?;
    let (_, _, rest) = element(validity)?;
    let (tag, text, _) = element(rest)?;
    let text = std::str::from_utf8(text).ok()?;
    let text = match tag {
        // Two digits of a year are of 1950 to 2049.
        0x17 if text.get(..2)? < "50" => format!("20{text}"),
        0x17 => format!("19{text}"),
        _ => text.to_owned(),
    };
    let at = DateTime::strptime("%Y%m%d%H%M%SZ", &text).ok()?;
    jiff::tz::Offset::UTC.to_timestamp(at).ok()
}

/// The first element of DER: its tag, its content, what comes after it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match usize::from(*first) {
        short @ 0..=0x7f => (short, rest),
        long @ 0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(long - 0x80)?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

#[cfg(test)]
mod tests {
    use frontdesk_http::Severity;

    use super::*;

    /// A certificate as far as its validity, with a version or without.
    fn certificate(version: &[u8], end: &[u8]) -> Vec<u8> {
        let wrap = |tag: u8, content: &[u8]| [&[tag, 0x82, 0, u8::try_from(content.len()).expect("short")], content].concat();
        let begin = wrap(0x17, b"260101000000Z");
        let validity = wrap(0x30, &[begin.as_slice(), end].concat());
        let signed = [version, &[0x02, 1, 7], &[0x30, 0], &[0x30, 0], &validity].concat();
        wrap(0x30, &wrap(0x30, &signed))
    }

    #[test]
    fn the_end_of_a_certificate_is_read_and_nonsense_is_nothing() {
        let end = |der: &[u8]| good_until(der).map(|at| at.to_string());
        let version = &[0xa0, 3, 2, 1, 2][..];
        let short = [&[0x17, 13][..], b"270314092653Z"].concat();
        let long = [&[0x18, 15][..], b"20510314092653Z"].concat();
        assert_eq!(end(&certificate(version, &short)).as_deref(), Some("2027-03-14T09:26:53Z"));
        assert_eq!(end(&certificate(&[], &short)).as_deref(), Some("2027-03-14T09:26:53Z"), "the oldest have no version");
        assert_eq!(end(&certificate(version, &long)).as_deref(), Some("2051-03-14T09:26:53Z"));
        let whole = certificate(version, &short);
        for cut in 0..whole.len() {
            assert_eq!(end(&whole[..cut]), None);
        }
    }

    #[tokio::test]
    async fn no_address_out_of_reach_is_met_by_number_or_by_name() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let reach = Reach::new(|_| false);
        let guarded = client(Some(&reach)).expect("a client");
        for address in [format!("https://127.0.0.1:{port}"), format!("https://localhost:{port}")] {
            tokio::select! {
                met = meet_guarded(&guarded, &reach, &address) => assert!(matches!(met, Met::Nobody)),
                _ = listener.accept() => panic!("{address} was met"),
            }
        }
        let (open, address) = (client(None).expect("a client"), format!("https://127.0.0.1:{port}"));
        tokio::select! {
            _ = meet(&open, &address) => panic!("nobody was met"),
            met = listener.accept() => drop(met.expect("met")),
        }
    }

    #[test]
    fn a_certificate_that_soon_ends_is_told_in_time() {
        let now: Timestamp = "2026-03-12T09:00:00Z".parse().expect("a time");
        let fortnight = SignedDuration::from_hours(14 * 24);
        let look = |met| finding("https://desk.example", "public_url", met, fortnight, now);
        assert_eq!(look(Met::Until(now + SignedDuration::from_hours(15 * 24))).severity, Severity::Ok);
        let soon = look(Met::Until(now + SignedDuration::from_hours(3 * 24)));
        assert_eq!((soon.severity, soon.says.contains("3 days only")), (Severity::Warn, true), "{soon:?}");
        assert_eq!(look(Met::Refused("invalid peer certificate: Expired".to_owned())).severity, Severity::Warn);
        assert_eq!(look(Met::Nobody).severity, Severity::Ok);
    }
}
