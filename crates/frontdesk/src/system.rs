//! The real world's time, chance and environment; the only file that asks for them.

use std::cell::RefCell;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

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

    fn ask(&self, bytes: &mut [u8]) {
        self.0.fill(bytes).expect("INVARIANT: the operating system gives randomness; without it no id and no key is safe");
    }
}

/// Randomness for so many bytes is fetched at once: asking is a system call, and every request has ids.
const POOL: usize = 16 * AN_ID;
/// For more than this the operating system is asked each time.
const AN_ID: usize = 26;

/// Bytes that nobody has been given yet, and where they begin.
struct Pool {
    bytes: [u8; POOL],
    from: usize,
}

thread_local! {
    static IDS: RefCell<Pool> = const { RefCell::new(Pool { bytes: [0; POOL], from: POOL }) };
}

impl Dice for SystemDice {
    fn fill(&self, bytes: &mut [u8]) {
        if bytes.len() > AN_ID {
            return self.ask(bytes);
        }
        IDS.with_borrow_mut(|pool| {
            if POOL - pool.from < bytes.len() {
                self.ask(&mut pool.bytes);
                pool.from = 0;
            }
            let given = &mut pool.bytes[pool.from..pool.from + bytes.len()];
            bytes.copy_from_slice(given);
            // What was given once stands nowhere else.
            given.fill(0);
            pool.from += bytes.len();
        });
    }
}

/// A variable of the environment, if it is set to a text.
#[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
pub(crate) fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Where this process was started from, not what it is: after the file was replaced, the path names the new one.
/// A symbolic link stays one, so that it may be turned to another release.
pub(crate) fn program() -> io::Result<PathBuf> {
    match std::env::args_os().next().map(PathBuf::from) {
        Some(named) if named.components().count() > 1 => std::path::absolute(named),
        // A bare word was found on the path by whoever started us.
        _ => std::env::current_exe(),
    }
}

/// What this process was started with, without its own name.
pub(crate) fn arguments() -> Vec<OsString> {
    std::env::args_os().skip(1).collect()
}

/// The name of this machine, or of its container.
pub(crate) fn host() -> String {
    read(Path::new("/proc/sys/kernel/hostname")).map(|name| name.trim().to_owned()).unwrap_or_default()
}

/// A file's text.
pub(crate) fn read(path: &Path) -> io::Result<String> {
    std::fs::read_to_string(path)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_chance_is_given_twice() {
        let dice = SystemDice::new();
        let mut seen = HashSet::new();
        for length in (8..=64).cycle().take(2000) {
            let mut bytes = vec![0; length];
            dice.fill(&mut bytes);
            for part in bytes.chunks_exact(8) {
                assert!(seen.insert(part.to_vec()), "{part:?} came twice");
            }
        }
        IDS.with_borrow(|pool| assert!(pool.bytes[..pool.from].iter().all(|byte| *byte == 0), "what was given stands nowhere"));
    }
}
