//! Secrets at rest: ChaCha20-Poly1305 under the master key, bound to tenant and name, so that a row
//! copied to another tenant does not open.

use std::path::Path;

use frontdesk_core::clock::Dice;
use frontdesk_core::ids::TenantId;
use frontdesk_core::sensitive::Secret;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

/// The key that everything else is sealed with.
pub struct MasterKey {
    key: LessSafeKey,
    derivation: ring::hmac::Key,
    fingerprint: String,
}

/// Why a secret cannot be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The file cannot be read or written.
    #[error("failed to read or write the master key")]
    File(#[source] std::io::Error),
    /// The key is not 64 hexadecimal digits.
    #[error("the master key is not 64 hexadecimal digits")]
    Malformed,
    /// The store holds secrets that were sealed with another key.
    #[error("the store holds secrets that another master key has sealed; bring that key back")]
    OtherKey,
    /// The sealed bytes were changed, or belong elsewhere.
    #[error("a sealed secret does not open")]
    DoesNotOpen,
}

impl MasterKey {
    /// Reads 64 hexadecimal digits; white space around them is ignored.
    pub fn from_hex(text: &str) -> Result<Self, VaultError> {
        let bytes = decode_hex(text.trim()).ok_or(VaultError::Malformed)?;
        let unbound = UnboundKey::new(&CHACHA20_POLY1305, &bytes).map_err(|_| VaultError::Malformed)?;
        let digest = ring::digest::digest(&ring::digest::SHA256, &[b"frontdesk master key ", bytes.as_slice()].concat());
        let derivation = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &bytes);
        Ok(Self { key: LessSafeKey::new(unbound), derivation, fingerprint: encode_hex(&digest.as_ref()[..8]) })
    }

    /// Makes a new key and keeps it in a file that only its owner may read. An existing file is never
    /// overwritten.
    pub fn create(path: &Path, dice: &dyn Dice) -> Result<Self, VaultError> {
        use std::io::Write as _;

        let mut bytes = [0_u8; 32];
        dice.fill(&mut bytes);
        let text = encode_hex(&bytes);
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(VaultError::File)?;
        }
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt as _;
            options.mode(0o600);
        }
        let mut file = options.open(path).map_err(VaultError::File)?;
        file.write_all(text.as_bytes()).map_err(VaultError::File)?;
        file.sync_all().map_err(VaultError::File)?;
        Self::from_hex(&text)
    }

    /// Another key for another purpose, from which neither this one nor a third can be found.
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        let tag = ring::hmac::sign(&self.derivation, purpose.as_bytes());
        let mut derived = [0; 32];
        derived.copy_from_slice(tag.as_ref());
        derived
    }

    /// A few digits of a digest, to tell keys apart.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    pub(crate) fn seal(&self, tenant: &TenantId, name: &str, secret: &Secret, dice: &dyn Dice) -> Result<Vec<u8>, VaultError> {
        let mut nonce = [0_u8; NONCE_LEN];
        dice.fill(&mut nonce);
        let mut sealed = secret.expose().as_bytes().to_vec();
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(place(tenant, name)), &mut sealed)
            .map_err(|_| VaultError::DoesNotOpen)?;
        let mut out = nonce.to_vec();
        out.append(&mut sealed);
        Ok(out)
    }

    pub(crate) fn open(&self, tenant: &TenantId, name: &str, sealed: &[u8]) -> Result<Secret, VaultError> {
        let (nonce, rest) = sealed.split_at_checked(NONCE_LEN).ok_or(VaultError::DoesNotOpen)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| VaultError::DoesNotOpen)?;
        let mut rest = rest.to_vec();
        let plain =
            self.key.open_in_place(nonce, Aad::from(place(tenant, name)), &mut rest).map_err(|_| VaultError::DoesNotOpen)?;
        String::from_utf8(plain.to_vec()).map(Secret::new).map_err(|_| VaultError::DoesNotOpen)
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[master key]")
    }
}

fn place(tenant: &TenantId, name: &str) -> Vec<u8> {
    format!("{}\0{name}", tenant.as_str()).into_bytes()
}

pub(crate) fn encode_hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;

    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn decode_hex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    (0..32).map(|index| u8::from_str_radix(text.get(index * 2..index * 2 + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use frontdesk_core::clock::CountingDice;

    use super::*;

    #[test]
    fn a_sealed_secret_opens_only_where_it_belongs() {
        let key = MasterKey::from_hex(&"ab".repeat(32)).expect("a key");
        let dice = CountingDice::default();
        let (one, two) = (TenantId::new("one"), TenantId::new("two"));
        let sealed = key.seal(&one, "retell", &Secret::new("key_1"), &dice).expect("sealed");
        assert_eq!(key.open(&one, "retell", &sealed).expect("opened").expose(), "key_1");
        assert!(key.open(&two, "retell", &sealed).is_err());
        assert!(key.open(&one, "calcom", &sealed).is_err());
        assert!(!sealed.windows(5).any(|window| window == b"key_1"));
    }
}
