//! `${KEY}` in the value of a property: the value of a property of an outer collection (DSP0243 9.5.1).

/// Fills in references, within a budget: each level of collections could double what the one around it says.
pub struct Filler<'b> {
    /// How many bytes may still be written.
    pub budget: &'b mut usize,
    /// The first reference that leads nowhere.
    pub missing: Option<String>,
}

impl Filler<'_> {
    /// `value` with every `${KEY}` replaced; one that leads nowhere stays as it is. None: that takes too much room.
    pub fn fill<'p>(&mut self, value: &str, lookup: impl Fn(&str) -> Option<&'p str>) -> Option<String> {
        let mut filled = String::new();
        let mut rest = value;
        while let Some((before, after)) = rest.split_once("${") {
            let Some((key, behind)) = after.split_once('}') else { break };
            self.push(&mut filled, before)?;
            match lookup(key.trim()) {
                Some(found) => self.push(&mut filled, found)?,
                None => {
                    self.missing.get_or_insert_with(|| key.trim().to_owned());
                    self.push(&mut filled, "${")?;
                    self.push(&mut filled, key)?;
                    self.push(&mut filled, "}")?;
                }
            }
            rest = behind;
        }
        self.push(&mut filled, rest)?;
        Some(filled)
    }

    fn push(&mut self, filled: &mut String, text: &str) -> Option<()> {
        *self.budget = self.budget.checked_sub(text.len())?;
        filled.push_str(text);
        Some(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn fill(value: &str, budget: usize) -> (Option<String>, Option<String>) {
        let mut budget = budget;
        let mut filler = Filler { budget: &mut budget, missing: None };
        let filled = filler.fill(value, |key| (key == "ip").then_some("10.0.0.1"));
        (filled, filler.missing)
    }

    #[test]
    fn references_are_replaced_and_others_stay() {
        assert_eq!(fill("${ip}", 100), (Some("10.0.0.1".to_owned()), None));
        assert_eq!(fill("a ${ ip } b ${ip}", 100).0.unwrap(), "a 10.0.0.1 b 10.0.0.1");
        assert_eq!(fill("${mask}/${ip}", 100), (Some("${mask}/10.0.0.1".to_owned()), Some("mask".to_owned())));
        assert_eq!(fill("${ip", 100), (Some("${ip".to_owned()), None));
        assert_eq!(fill("$ {ip} $", 100).0.unwrap(), "$ {ip} $");
    }

    #[test]
    fn what_takes_too_much_room_is_given_up() {
        assert_eq!(fill("${ip}${ip}", 16).0.unwrap().len(), 16);
        assert_eq!(fill("${ip}${ip}", 15).0, None);
    }
}
