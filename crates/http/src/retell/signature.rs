//! Retell's signature: `X-Retell-Signature: v=<unix milliseconds>,d=<64 hex>`, an HMAC-SHA256 under
//! the API key over the raw body followed directly by the timestamp. The vendor's own SDKs verify it
//! this way; see their `webhook_auth` modules.

use frontdesk_core::sensitive::Secret;
use jiff::Timestamp;
use ring::hmac;

/// The header that carries it.
pub(crate) const HEADER: &str = "x-retell-signature";
/// How far its clock may be from ours, either way, milliseconds; exactly this much passes.
const MAX_SKEW_MS: i64 = 300_000;

/// A signature header, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Unix milliseconds.
    pub timestamp: i64,
    digest: [u8; 32],
}

impl Signed {
    /// Reads the header strictly: nothing before, between or after.
    pub fn parse(header: &str) -> Option<Self> {
        let (timestamp, digest) = header.strip_prefix("v=")?.split_once(",d=")?;
        if timestamp.is_empty() || timestamp.len() > 18 || !timestamp.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        if digest.len() != 64 || !digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let mut bytes = [0_u8; 32];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(digest.get(index * 2..index * 2 + 2)?, 16).ok()?;
        }
        Some(Self { timestamp: timestamp.parse().ok()?, digest: bytes })
    }

    /// Whether it is neither too old nor from the future.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        (now.as_millisecond() - self.timestamp).abs() <= MAX_SKEW_MS
    }
}

/// Whether `body` was signed with one of `keys` at about this time. Constant time in the digest.
pub fn verify<'k>(header: &str, body: &[u8], keys: impl IntoIterator<Item = &'k Secret>, now: Timestamp) -> bool {
    let Some(signed) = Signed::parse(header).filter(|signed| signed.is_fresh(now)) else { return false };
    let message = message(body, signed.timestamp);
    keys.into_iter().filter(|key| !key.is_empty()).any(|key| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose().as_bytes());
        hmac::verify(&key, &message, &signed.digest).is_ok()
    })
}

/// The header for `body`, as Retell would send it.
pub fn sign(key: &Secret, body: &[u8], timestamp: i64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose().as_bytes());
    let tag = hmac::sign(&key, &message(body, timestamp));
    let digest: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("v={timestamp},d={digest}")
}

fn message(body: &[u8], timestamp: i64) -> Vec<u8> {
    let mut message = Vec::with_capacity(body.len() + 20);
    message.extend_from_slice(body);
    message.extend_from_slice(timestamp.to_string().as_bytes());
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    const VECTORS: [(&str, i64, &str, &str); 4] = [
        (
            "test-api-key",
            1_700_000_000_000,
            r#"{"event":"call_ended"}"#,
            "07024cabe7dd8f6d1c6e4a8324ca92c812e6ad4a7ee506c04f7e462e3321823e",
        ),
        ("test-api-key", 1_700_000_000_000, "", "3c2757e9ff3f06dc2b4957bb8f8018c615ab2e0c6f522e1de8537bf316688224"),
        (
            "test-api-key",
            1_800_000_000_000,
            r#"{"name":"book_appointment","args":{"slot_id":"s_7f3a"},"call":{"call_id":"call_demo_1"}}"#,
            "3d0e8ca9d9584eb99f9f70d8ddbafeebf20bff237be4537cf010ea790f4cef7a",
        ),
        (
            "test-api-key",
            1_800_000_000_000,
            r#"{"event":"call_ended","call":{"call_id":"call_ü"}}"#,
            "f8a991c8d723ea2495396046835db00b519feca3d579d041e745ad4df79cc15f",
        ),
    ];

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(ms).expect("in range")
    }

    #[test]
    fn the_vendors_vectors_verify() {
        for (key, timestamp, body, digest) in VECTORS {
            let key = Secret::new(key);
            let header = format!("v={timestamp},d={digest}");
            assert_eq!(sign(&key, body.as_bytes(), timestamp), header);
            assert!(verify(&header, body.as_bytes(), [&key], at(timestamp)));
            assert!(verify(&header.replace(digest, &digest.to_uppercase()), body.as_bytes(), [&key], at(timestamp)));
        }
    }

    #[test]
    fn five_minutes_either_way_pass_and_one_millisecond_more_does_not() {
        let (key, timestamp, body, digest) = VECTORS[0];
        let (key, header) = (Secret::new(key), format!("v={timestamp},d={digest}"));
        for (skew, passes) in [(300_000, true), (-300_000, true), (300_001, false), (-300_001, false)] {
            assert_eq!(verify(&header, body.as_bytes(), [&key], at(timestamp + skew)), passes, "{skew}");
        }
    }

    #[test]
    fn anything_but_the_strict_format_is_refused() {
        let (_, timestamp, _, digest) = VECTORS[0];
        for bad in [
            String::new(),
            format!("v={timestamp}"),
            format!("d={digest},v={timestamp}"),
            format!(" v={timestamp},d={digest}"),
            format!("v={timestamp},d={digest},x=1"),
            format!("v={timestamp},d={}", &digest[..62]),
            format!("v=-{timestamp},d={digest}"),
            format!("v=+{timestamp},d={digest}"),
            format!("v={timestamp},d={}zz", &digest[..62]),
            format!("t={timestamp},v1={digest}"),
        ] {
            assert_eq!(Signed::parse(&bad), None, "{bad}");
        }
    }

    #[test]
    fn an_altered_body_or_another_key_is_refused() {
        let (key, timestamp, body, digest) = VECTORS[2];
        let header = format!("v={timestamp},d={digest}");
        assert!(!verify(&header, body.replace("7f3a", "7f3b").as_bytes(), [&Secret::new(key)], at(timestamp)));
        assert!(!verify(&header, body.as_bytes(), [&Secret::new("other")], at(timestamp)));
        assert!(!verify(&header, body.as_bytes(), [&Secret::new("")], at(timestamp)));
        assert!(verify(&header, body.as_bytes(), [&Secret::new("other"), &Secret::new(key)], at(timestamp)));
    }
}
