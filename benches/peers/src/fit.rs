//! Lines through points (least squares), and how sure they are beyond the last point. Knows numbers alone.

/// A line, `y = start + slope × x`.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    pub start: f64,
    pub slope: f64,
    /// Points, the mean of their x, and the sum of the squared distances from it.
    count: f64,
    middle: f64,
    spread: f64,
    /// The standard deviation of the points from the line.
    pub error: f64,
}

/// How many standard errors hold 95 %, roughly, with ten points or more.
const SURE: f64 = 2.1;

impl Line {
    /// The line through these points, if there are three with two different x.
    pub fn through(points: &[(f64, f64)]) -> Option<Line> {
        let count = points.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
        let (middle, height) = (mean(|point| point.0), mean(|point| point.1));
        let spread: f64 = points.iter().map(|point| (point.0 - middle).powi(2)).sum();
        if points.len() < 3 || spread <= 0.0 {
            return None;
        }
        let slope = points.iter().map(|point| (point.0 - middle) * (point.1 - height)).sum::<f64>() / spread;
        let start = height - slope * middle;
        let off: f64 = points.iter().map(|point| (point.1 - start - slope * point.0).powi(2)).sum();
        Some(Line { start, slope, count, middle, spread, error: (off / (count - 2.0)).sqrt() })
    }

    /// The line's value at x, and how far a measurement there may be from it, if the line goes on.
    pub fn at(&self, x: f64) -> (f64, f64) {
        let distance = 1.0 + 1.0 / self.count + (x - self.middle).powi(2) / self.spread;
        (self.start + self.slope * x, SURE * self.error * distance.sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_on_a_line_give_it_without_error() {
        let line = Line::through(&[(1.0, 5.0), (2.0, 7.0), (4.0, 11.0)]).unwrap();
        assert!((line.start - 3.0).abs() < 1e-9 && (line.slope - 2.0).abs() < 1e-9, "{line:?}");
        let (value, error) = line.at(100.0);
        assert!((value - 203.0).abs() < 1e-9 && error < 1e-9, "{value} {error}");
    }

    #[test]
    fn error_grows_with_the_distance_from_the_points() {
        let line = Line::through(&[(1.0, 1.0), (2.0, 2.2), (3.0, 2.9), (4.0, 4.1)]).unwrap();
        let [near, far] = [2.5, 100.0].map(|x| line.at(x).1);
        assert!(near > line.error && far > 10.0 * near, "{near} {far}");
    }

    #[test]
    fn two_points_or_one_x_give_no_line() {
        assert!(Line::through(&[(1.0, 1.0), (2.0, 2.0)]).is_none());
        assert!(Line::through(&[(1.0, 1.0), (1.0, 2.0), (1.0, 3.0)]).is_none());
    }
}
