//! What `ovf_units` runs.

use crate::ovf::number::Number;
use crate::ovf::units::{Unit, UnitProblem, bytes, parse};

/// Reads the first line of `data` as a quantity and the rest as its unit. Whatever they are, nothing panics; a refusal has a
/// text of one short line; a value is what the unit, written out again, gives as well.
pub fn units(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (quantity, unit) = text.split_once('\n').unwrap_or((&text, ""));
    check(&Number::parse(quantity).and_then(|number| number.whole()));
    check(&parse(unit));
    let value = bytes(quantity, Some(unit), Unit::BYTE);
    check(&value);
    if let (Ok(value), Ok(unit)) = (value, parse(unit)) {
        assert_eq!(bytes(quantity, Some(&unit.to_string()), Unit::BYTE), Ok(value), "{quantity} of {unit}");
    }
}

fn check<T>(result: &Result<T, UnitProblem>) {
    if let Err(problem) = result {
        let (cause, remedy) = (problem.to_string(), problem.remedy());
        for line in [cause, remedy] {
            assert!(!line.is_empty() && line.len() < 1000 && !line.contains(char::is_control), "{line:?}");
        }
    }
}
