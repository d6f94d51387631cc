//! Extended headers (POSIX.1-2001, pax, "pax Extended Header"): records of `LENGTH KEYWORD=VALUE\n`.

use super::error::TarProblem;

/// What extended headers say of a member, as far as it matters here.
#[derive(Debug, Clone, Default)]
pub(super) struct Records {
    /// `path`: its name.
    pub(super) path: Option<Vec<u8>>,
    /// `size`: its bytes.
    pub(super) size: Option<u64>,
}

impl Records {
    /// Reads the body of an extended header over what was said before it.
    pub(super) fn read(&mut self, mut body: &[u8]) -> Result<(), TarProblem> {
        let wrong = |what: &str| TarProblem::Pax(what.to_owned());
        let mut seen = Self::default();
        // Some archivers fill the block with zeroes and count them.
        while body.first().is_some_and(|byte| *byte != 0) {
            let cut = || wrong("has a record of a wrong length");
            let blank = body.iter().take(MAX_DIGITS + 1).position(|byte| *byte == b' ').ok_or_else(cut)?;
            let (digits, _) = body.split_at(blank);
            let length = decimal(digits).and_then(|length| usize::try_from(length).ok()).ok_or_else(cut)?;
            let record = body.get(blank + 1..length).and_then(|record| record.strip_suffix(b"\n")).ok_or_else(cut)?;
            body = body.get(length..).unwrap_or_default();
            let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(|| wrong("has a record without ="))?;
            let (key, value) = (record.get(..equals).unwrap_or_default(), record.get(equals + 1..).unwrap_or_default());
            match key {
                b"path" if seen.path.is_none() => seen.path = Some(value.to_vec()),
                b"size" if seen.size.is_none() => {
                    seen.size = Some(decimal(value).ok_or_else(|| wrong("has a size that is no number"))?);
                }
                b"path" | b"size" => return Err(wrong("says the name or the size twice")),
                _ if key.starts_with(b"GNU.sparse.") || key == b"SCHILY.realsize" => return Err(TarProblem::Sparse),
                _ => (),
            }
        }
        self.path = seen.path.or(self.path.take());
        self.size = seen.size.or(self.size);
        Ok(())
    }
}

/// Decimal digits of the largest number that is read.
const MAX_DIGITS: usize = 19;

fn decimal(digits: &[u8]) -> Option<u64> {
    let is_number = (1..=MAX_DIGITS).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    str::from_utf8(digits).ok().filter(|_| is_number)?.parse().ok().filter(|value| i64::try_from(*value).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &[u8]) -> Result<Records, TarProblem> {
        let mut records = Records::default();
        records.read(body).map(|()| records)
    }

    #[test]
    fn names_and_sizes_are_found_among_other_records() {
        let records = read(b"30 mtime=1350244992.023960108\n12 path=a\nb\n12 size=123\n5 a=\n").unwrap();
        assert_eq!((records.path, records.size), (Some(b"a\nb".to_vec()), Some(123)));
        assert!(read(b"6 a=b\n\0\0\0").unwrap().path.is_none());
    }

    #[test]
    fn lies_are_refused() {
        let bodies: [&[u8]; 12] = [
            b"99 path=a\n",
            b"4 path=a\n",
            b"0 path=a\n",
            b"2 ",
            b" path=a\n",
            b"10 path=ab",
            b"9999999999999999999999 path=a\n",
            b"8 patha\n",
            b"11 size=-1\n",
            b"10 size=\n",
            b"10 path=a\n10 path=b\n",
            b"28 size=99999999999999999999\n",
        ];
        for body in bodies {
            assert!(matches!(read(body), Err(TarProblem::Pax(_))), "{}", body.escape_ascii());
        }
        assert!(matches!(read(b"22 GNU.sparse.major=1\n"), Err(TarProblem::Sparse)));
    }
}
