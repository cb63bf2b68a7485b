//! A histogram of durations with four buckets per power of two, so that an estimate is off by at most an eighth.

use std::time::Duration;

use super::cell::Cell;

/// The smallest bucket width. 64 of them are one millisecond, so that every millisecond times a power of two is a
/// bound.
const UNIT_NANOS: u64 = 15_625;
/// Durations from 2^24 units (262 s) share one bucket.
const OCTAVES: u32 = 24;
const BUCKETS: usize = 4 * (OCTAVES as usize - 1) + 1;

/// The powers of two, in units, that are exported as bounds: 0.25 ms to 65.536 s.
const SHOWN: std::ops::RangeInclusive<u32> = 4..=22;

/// A histogram with one writer.
#[derive(Debug)]
pub struct Histogram {
    buckets: [Cell; BUCKETS],
    nanos: Cell,
}

/// A copy of a histogram, in the form that Prometheus needs.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Snapshot {
    /// Upper bounds in seconds, and how many durations were at most that long.
    pub cumulative: Vec<(f64, u64)>,
    /// The number of durations.
    pub count: u64,
    /// Their sum in seconds.
    pub sum: f64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: std::array::from_fn(|_| Cell::default()), nanos: Cell::default() }
    }
}

impl Histogram {
    pub(super) fn add(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.buckets[bucket(nanos)].add(1);
        self.nanos.add(nanos);
    }

    pub fn snapshot(&self) -> Snapshot {
        let counts: Vec<u64> = self.buckets.iter().map(Cell::get).collect();
        let below = |power: u32| counts.iter().take(4 * (power as usize - 1)).sum();
        Snapshot {
            cumulative: SHOWN.map(|power| (bound(power), below(power))).collect(),
            count: counts.iter().sum(),
            sum: Duration::from_nanos(self.nanos.get()).as_secs_f64(),
        }
    }
}

impl Snapshot {
    /// Adds another one.
    pub fn and(mut self, other: &Self) -> Self {
        if self.cumulative.is_empty() {
            return other.clone();
        }
        for ((_, mine), (_, others)) in self.cumulative.iter_mut().zip(&other.cumulative) {
            *mine += others;
        }
        self.count += other.count;
        self.sum += other.sum;
        self
    }
}

/// The bucket of a duration. A bound belongs to the bucket below it (Prometheus' `le`).
fn bucket(nanos: u64) -> usize {
    let units = nanos.div_ceil(UNIT_NANOS).saturating_sub(1);
    let index = match units.checked_ilog2() {
        None | Some(0 | 1) => units,
        Some(octave) => u64::from(4 * (octave - 1)) + (units >> (octave - 2) & 3),
    };
    usize::try_from(index).map_or(BUCKETS - 1, |index| index.min(BUCKETS - 1))
}

/// 2^power units in seconds.
fn bound(power: u32) -> f64 {
    Duration::from_nanos(UNIT_NANOS << power).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_each_other_and_end_with_the_long_ones() {
        let mut last = 0;
        for units in 1..1 << 14 {
            let index = bucket(units * UNIT_NANOS);
            assert!(index == last || index == last + 1, "{units}");
            last = index;
        }
        assert_eq!(bucket(0), 0);
        assert_eq!(bucket(UNIT_NANOS << OCTAVES), BUCKETS - 2);
        assert_eq!(bucket((UNIT_NANOS << OCTAVES) + 1), BUCKETS - 1);
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn a_bucket_is_at_most_a_quarter_as_wide_as_what_is_in_it() {
        for units in 5..1 << 14 {
            let first = (1..=units).rev().take_while(|u| bucket(u * UNIT_NANOS) == bucket(units * UNIT_NANOS)).count();
            assert!(first as u64 <= (units - 1) / 4 + 1, "{units}");
        }
    }

    #[test]
    fn a_duration_is_counted_at_its_own_bound_and_at_every_longer_one() {
        for (took, le) in
            [(1.0, 1.024), (1.024, 1.024), (0.001, 0.001), (0.001_000_001, 0.002), (0.0, 0.000_25), (65.536, 65.536)]
        {
            let histogram = Histogram::default();
            histogram.add(Duration::from_secs_f64(took));
            let snapshot = histogram.snapshot();
            for (bound, count) in &snapshot.cumulative {
                assert_eq!(*count, u64::from(*bound >= le), "{took} at {bound}");
            }
            assert_eq!((snapshot.count, snapshot.sum), (1, took));
        }
    }

    #[test]
    fn the_longest_are_counted_beyond_all_bounds() {
        let histogram = Histogram::default();
        histogram.add(Duration::from_secs(10_000));
        let snapshot = histogram.snapshot();
        assert_eq!((snapshot.cumulative.last().unwrap().1, snapshot.count), (0, 1));
        let twice = Snapshot::default().and(&snapshot).and(&snapshot);
        assert_eq!((twice.count, twice.sum), (2, 20_000.0));
    }
}
