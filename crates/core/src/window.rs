//! An exact sliding window: what was admitted within the last minute is remembered one by one, so "30 in
//! a minute" holds for every minute that can be laid over time.
//!
//! WHY NOT fixed windows or a token bucket: the first admits twice the limit around its edge, the second
//! its burst and the refill within the first minute.

use std::collections::VecDeque;

/// What one bucket has admitted, as instants in microseconds, ascending. A busy bucket holds one for every
/// admission of its span, so each takes four bytes: no span is longer than 71 minutes.
#[derive(Debug, Clone, Default)]
pub struct Window {
    /// What the admissions are counted from.
    base: i64,
    admitted: VecDeque<u32>,
}

/// Room for so many is kept although it is not needed.
const SPARE: usize = 64;

/// How a bucket stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The most within the span.
    pub limit: u32,
    /// How many count now.
    pub used: u32,
    /// Microseconds until the oldest one no longer counts; 0 when none does.
    pub resets_in: i64,
    /// Microseconds until one more would be admitted; 0 when it would be now.
    pub wait: i64,
}

impl Standing {
    /// Whether one more is admitted.
    pub fn has_room(&self) -> bool {
        self.wait == 0
    }
}

impl Window {
    /// How the bucket stands at `now` with `limit` admissions per `span` microseconds. One that is exactly
    /// `span` old no longer counts.
    pub fn standing(&mut self, limit: u32, span: i64, now: i64) -> Standing {
        self.settle(span, now);
        let used = self.admitted.len();
        let limit_len = usize::try_from(limit).unwrap_or(usize::MAX);
        // After the limit was lowered more may count than it allows: those have to leave first.
        let wait = match used.checked_sub(limit_len) {
            Some(over) => self.admitted.get(over).map_or(span, |blocking| self.instant(*blocking) + span - now),
            None => 0,
        };
        let resets_in = self.admitted.front().map_or(0, |oldest| self.instant(*oldest) + span - now);
        Standing { limit, used: u32::try_from(used).unwrap_or(u32::MAX), resets_in, wait }
    }

    /// Counts one admission at `now`.
    pub fn admit(&mut self, now: i64) {
        self.follow(now);
        if self.admitted.is_empty() {
            self.base = now;
        }
        if u32::try_from(now - self.base).is_err() {
            self.forget(i64::from(u32::MAX), now);
            self.rebase(now);
        }
        // INVARIANT: nothing that is kept is older than what fits, and the base is the oldest of it.
        self.admitted.push_back(u32::try_from(now - self.base).unwrap_or(u32::MAX));
    }

    /// The newest admission that counts.
    pub fn newest(&self) -> Option<i64> {
        self.admitted.back().map(|at| self.instant(*at))
    }

    /// What counts, oldest first.
    pub fn admissions(&self) -> impl Iterator<Item = i64> + '_ {
        self.admitted.iter().map(|at| self.instant(*at))
    }

    /// Adds admissions that were made elsewhere.
    pub fn merge(&mut self, others: impl IntoIterator<Item = i64>) {
        let mut all: Vec<i64> = self.admissions().chain(others).collect();
        all.sort_unstable();
        self.admitted.clear();
        all.into_iter().for_each(|at| self.admit(at));
    }

    fn instant(&self, offset: u32) -> i64 {
        self.base + i64::from(offset)
    }

    /// Counts from the oldest one on that is kept.
    fn rebase(&mut self, now: i64) {
        let oldest = self.admitted.front().copied().unwrap_or(0);
        for at in &mut self.admitted {
            *at -= oldest;
        }
        self.base = if self.admitted.is_empty() { now } else { self.base + i64::from(oldest) };
    }

    /// A clock that was set back stands for no time passed: what was admitted moves back with it, or it would count
    /// for longer than the span.
    fn follow(&mut self, now: i64) {
        if let Some(ahead) = self.newest().map(|newest| newest - now).filter(|ahead| *ahead > 0) {
            self.base -= ahead;
        }
    }

    fn forget(&mut self, span: i64, now: i64) {
        while self.admitted.front().is_some_and(|oldest| now - self.instant(*oldest) >= span) {
            self.admitted.pop_front();
        }
    }

    /// Forgets what is past, and gives the room of a rush back.
    fn settle(&mut self, span: i64, now: i64) {
        self.follow(now);
        self.forget(span, now);
        if self.admitted.capacity() > SPARE.max(4 * self.admitted.len()) {
            self.admitted.shrink_to(SPARE.max(2 * self.admitted.len()));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: i64 = 60_000_000;

    fn ask(window: &mut Window, limit: u32, now: i64) -> bool {
        let room = window.standing(limit, MINUTE, now).has_room();
        if room {
            window.admit(now);
        }
        room
    }

    #[test]
    fn thirty_pass_and_the_next_waits_for_the_first() {
        let mut window = Window::default();
        for second in 0..30 {
            assert!(ask(&mut window, 30, second * 1_000_000));
        }
        let standing = window.standing(30, MINUTE, 30_000_000);
        assert_eq!(standing, Standing { limit: 30, used: 30, resets_in: 30_000_000, wait: 30_000_000 });
        assert!(!ask(&mut window, 30, MINUTE - 1));
        assert!(ask(&mut window, 30, MINUTE));
        assert!(!ask(&mut window, 30, MINUTE + 1));
    }

    #[test]
    fn a_lowered_limit_waits_for_as_many_as_are_over() {
        let mut window = Window::default();
        for second in 0..5 {
            window.admit(second * 1_000_000);
        }
        assert_eq!(window.standing(2, MINUTE, 10_000_000).wait, 3_000_000 + MINUTE - 10_000_000);
        assert_eq!(window.standing(10, MINUTE, 10_000_000).wait, 0);
    }

    #[test]
    fn a_clock_set_back_prolongs_nothing() {
        let mut window = Window::default();
        window.admit(MINUTE * 100);
        assert_eq!(window.standing(1, MINUTE, MINUTE).wait, MINUTE);
        assert_eq!(window.standing(1, MINUTE, 2 * MINUTE).wait, 0);
    }

    #[test]
    fn what_is_far_apart_is_counted_as_well() {
        let (mut window, hour) = (Window::default(), 60 * MINUTE);
        let mut admitted = Vec::new();
        for minute in (0..1000).map(|number| number * 13) {
            let now = minute * MINUTE;
            admitted.push(now);
            window.admit(now);
            let standing = window.standing(100, hour, now);
            admitted.retain(|at| now - at < hour);
            assert_eq!(window.admissions().collect::<Vec<_>>(), admitted, "{minute}");
            assert_eq!((standing.used as usize, standing.resets_in), (admitted.len(), admitted[0] + hour - now));
        }
        window.admit(1 << 60);
        assert_eq!(window.admissions().collect::<Vec<_>>(), [1 << 60]);
        window.merge([(1 << 60) - 5, (1 << 60) + 5]);
        assert_eq!(window.admissions().collect::<Vec<_>>(), [(1 << 60) - 5, 1 << 60, (1 << 60) + 5]);
    }

    proptest! {
        /// The oracle is a list of everything ever admitted.
        #[test]
        fn it_decides_as_a_full_log_would(limit in 1u32..8, gaps in prop::collection::vec(0i64..30_000_000, 1..300)) {
            let (mut window, mut log, mut now) = (Window::default(), Vec::<i64>::new(), 0);
            for gap in gaps {
                now += gap;
                let counted = log.iter().filter(|at| now - **at < MINUTE).count();
                let standing = window.standing(limit, MINUTE, now);
                prop_assert_eq!(standing.has_room(), counted < limit as usize);
                prop_assert_eq!(standing.used as usize, counted);
                if !standing.has_room() {
                    // Waiting as long as announced is enough, and not longer than needed.
                    prop_assert!(window.clone().standing(limit, MINUTE, now + standing.wait).has_room());
                    prop_assert!(!window.clone().standing(limit, MINUTE, now + standing.wait - 1).has_room());
                } else {
                    window.admit(now);
                    log.push(now);
                }
            }
        }
    }
}
