//! Sizes and times as people write them.

use std::fmt;
use std::time::Duration;

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

const SIZES: [(&str, u32); 6] = [("P", 50), ("T", 40), ("G", 30), ("M", 20), ("K", 10), ("", 0)];
const TIMES: [(&str, u64); 4] = [("ms", 1), ("h", 3_600_000), ("m", 60_000), ("s", 1000)];

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let largest = SIZES.into_iter().find(|(_, shift)| self.0 != 0 && self.0.trailing_zeros() >= *shift);
        let (unit, shift) = largest.unwrap_or(("", 0));
        write!(f, "{}{unit}", self.0 >> shift)
    }
}

/// Reads `256M`, `2G`, `2GiB`, `4096` (bytes). Units are powers of 1024.
pub fn size(text: &str) -> Result<Size, String> {
    let upper = text.to_ascii_uppercase();
    let short = upper.trim_end_matches("IB").trim_end_matches('B');
    let (unit, shift) = SIZES.into_iter().find(|(unit, _)| short.ends_with(unit)).unwrap_or(("", 0));
    let number = short.trim_end_matches(unit).trim();
    let value: u64 = number.parse().map_err(|_| format!("'{text}' is not a size like 256M or 2G"))?;
    value.checked_mul(1 << shift).map(Size).ok_or_else(|| format!("'{text}' is more than 64 bits can count"))
}

/// Reads `30s`, `5m`, `1h`, `500ms`, `30` (seconds).
pub fn duration(text: &str) -> Result<Duration, String> {
    let (unit, milliseconds) = TIMES.into_iter().find(|(unit, _)| text.ends_with(unit)).unwrap_or(("", 1000));
    let number = text.strip_suffix(unit).unwrap_or(text).trim();
    let value: u64 = number.parse().map_err(|_| format!("'{text}' is not a time like 30s or 5m"))?;
    match value.checked_mul(milliseconds) {
        Some(0) => Err("a machine that ends at once is of no use".into()),
        Some(total) => Ok(Duration::from_millis(total)),
        None => Err(format!("'{text}' is too long")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_shown() {
        for (text, bytes) in [("4096", 4096), ("1K", 1024), ("256M", 256 << 20), ("2GiB", 2 << 30), ("1p", 1 << 50)] {
            assert_eq!(size(text), Ok(Size(bytes)), "{text}");
        }
        for bad in ["", "M", "-1", "1.5G", "12Q", "99999999P", "1 2M"] {
            assert!(size(bad).is_err(), "{bad}");
        }
        assert_eq!(Size(256 << 20).to_string(), "256M");
        assert_eq!(Size(0).to_string(), "0");
    }

    #[test]
    fn times_are_read() {
        for (text, ms) in [("30", 30_000), ("30s", 30_000), ("5m", 300_000), ("500ms", 500), ("1h", 3_600_000)] {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for bad in ["", "s", "-5s", "1d", "0s", "99999999999999999999s", "18446744073709551615h"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
