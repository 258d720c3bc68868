//! The real world's time, chance and environment; the only file that asks for them.

use std::io;
use std::path::Path;

use frontdesk_core::clock::{Clock, Dice};
use jiff::Timestamp;
use ring::rand::{SecureRandom as _, SystemRandom};

/// The system's clock.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everybody else is handed")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// The operating system's randomness.
#[derive(Debug)]
pub(crate) struct SystemDice(SystemRandom);

impl SystemDice {
    pub(crate) fn new() -> Self {
        Self(SystemRandom::new())
    }
}

impl Dice for SystemDice {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.fill(bytes).expect("INVARIANT: the operating system gives randomness; without it no id and no key is safe");
    }
}

/// A variable of the environment, if it is set to a text.
#[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
pub(crate) fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A file's text.
pub(crate) fn read(path: &Path) -> io::Result<String> {
    std::fs::read_to_string(path)
}
