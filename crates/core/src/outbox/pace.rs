//! When a delivery that failed is tried again.

use jiff::SignedDuration;

use crate::clock::Dice;

/// After so many attempts it is given up: nearly seven hours.
pub const MOST_ATTEMPTS: u32 = 14;
const FIRST: i64 = 5_000;
const LONGEST: i64 = 3_600_000;

/// The pause after that many failed attempts, or `None` when there were enough: five seconds, doubling to an
/// hour, a quarter more or less by chance so that what failed together does not come back together.
pub fn pause(attempts: u32, dice: &dyn Dice) -> Option<SignedDuration> {
    let base = i64::try_from(usual_pause(attempts)?.as_millis()).unwrap_or(LONGEST);
    let mut bytes = [0_u8; 2];
    dice.fill(&mut bytes);
    let share = i64::from(u16::from_be_bytes(bytes));
    Some(SignedDuration::from_millis(base * 3 / 4 + base / 2 * share / i64::from(u16::MAX)))
}

/// The same without chance, for what does not come back together.
pub fn usual_pause(attempts: u32) -> Option<SignedDuration> {
    if attempts >= MOST_ATTEMPTS {
        return None;
    }
    let base = FIRST.saturating_mul(1 << attempts.saturating_sub(1).min(20)).min(LONGEST);
    Some(SignedDuration::from_millis(base))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(u8);

    impl Dice for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    #[test]
    fn pauses_double_to_an_hour_and_end() {
        let seconds = |attempts| pause(attempts, &Fixed(0)).map(|pause| pause.as_millis());
        assert_eq!(seconds(1), Some(3_750));
        assert_eq!(seconds(2), Some(7_500));
        assert_eq!(seconds(11), Some(2_700_000));
        assert_eq!(seconds(13), Some(2_700_000));
        assert_eq!(seconds(14), None);
        assert_eq!(seconds(u32::MAX), None);
    }

    #[test]
    fn chance_moves_a_pause_by_a_quarter_at_most() {
        for byte in 0..=u8::MAX {
            let pause = pause(1, &Fixed(byte)).expect("a pause").as_millis();
            assert!((3_750..=6_250).contains(&pause), "{pause}");
        }
        assert_eq!(pause(1, &Fixed(u8::MAX)).map(|pause| pause.as_millis()), Some(6_250));
    }
}
