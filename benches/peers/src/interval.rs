//! How sure a figure is. Knows numbers alone.

use crate::report::median;

/// Samples that are drawn for one interval.
const SAMPLES: usize = 2000;

/// The share of them outside the interval, on each side.
const OUTSIDE: f64 = 0.025;

/// A median over rounds, and its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    pub middle: f64,
    pub low: f64,
    pub high: f64,
}

impl Estimate {
    /// The interval is found by bootstrap: as many values are drawn from these, each perhaps several times, and their median is
    /// taken; and again. The same values give the same interval.
    pub fn of(values: &[f64]) -> Estimate {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let draw = |random: &mut Random| median(values.iter().map(|_| values[random.below(values.len())]));
        let mut medians: Vec<f64> = (0..SAMPLES).map(|_| draw(&mut random)).collect();
        medians.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| medians[(share * (SAMPLES - 1) as f64).round() as usize];
        Estimate { middle: median(values.iter().copied()), low: at(OUTSIDE), high: at(1.0 - OUTSIDE) }
    }

    /// Each value beside its neighbour in the other row.
    pub fn of_ratios(values: &[f64], beside: &[f64]) -> Estimate {
        Estimate::of(&values.iter().zip(beside).map(|(value, beside)| value / beside).collect::<Vec<f64>>())
    }

    /// Each value beside the one before: how far apart two rows are that measure the same.
    pub fn of_noise(values: &[f64]) -> Option<Estimate> {
        (values.len() > 1).then(|| Estimate::of_ratios(&values[1..], values))
    }

    pub fn contains(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

/// Numbers without a pattern (xorshift), the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_agree_leave_no_doubt() {
        assert_eq!(Estimate::of(&[1.5; 7]), Estimate { middle: 1.5, low: 1.5, high: 1.5 });
    }

    #[test]
    fn interval_of_few_values_is_wide_and_of_many_narrow() {
        let rounds =
            |count| (0..count).map(|at| 1.0 + f64::from(at * 37 % 101) / 1000.0).collect::<Vec<f64>>();
        let [few, many] = [7, 175].map(|count| Estimate::of(&rounds(count)));
        for Estimate { middle, low, high } in [few, many] {
            assert!(1.0 <= low && low <= middle && middle <= high && high <= 1.1, "{low} {middle} {high}");
        }
        assert!(few.high - few.low > 2.0 * (many.high - many.low), "{few:?} {many:?}");
    }

    #[test]
    fn one_wild_round_moves_neither_median_nor_interval_far() {
        let mut values = vec![1.0, 1.01, 1.02, 1.0, 1.01, 1.02, 1.01, 1.0, 1.02];
        values.push(50.0);
        let estimate = Estimate::of(&values);
        assert!(estimate.middle < 1.02 && estimate.high < 1.03, "{estimate:?}");
    }

    #[test]
    fn ratio_compares_rounds_side_by_side() {
        let (limit, ours) = ([1.0, 2.0, 4.0], [1.1, 2.2, 4.4]);
        let ratio = Estimate::of_ratios(&ours, &limit);
        assert!(
            (ratio.low - 1.1).abs() < 1e-9 && (ratio.high - 1.1).abs() < 1e-9,
            "whatever the rounds took"
        );
        assert_eq!(Estimate::of_noise(&limit), Some(Estimate { middle: 2.0, low: 2.0, high: 2.0 }));
        assert_eq!(Estimate::of_noise(&[1.0]), None);
        assert!(ratio.contains(1.1) && !ratio.contains(1.2));
    }
}
