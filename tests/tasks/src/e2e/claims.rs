//! What a run claims and whether it held: one line each, and the verdict of all.

/// The claims of a run, in the order in which they were judged.
#[derive(Debug, Default)]
pub struct Claims(Vec<Claim>);

#[derive(Debug)]
struct Claim {
    what: String,
    held: bool,
    found: String,
}

impl Claims {
    /// Judges a claim; `found` has the figures that decided it.
    pub fn judge(&mut self, what: impl Into<String>, held: bool, found: impl Into<String>) {
        self.0.push(Claim { what: what.into(), held, found: found.into() });
    }

    /// True when all held so far.
    pub fn hold(&self) -> bool {
        self.0.iter().all(|claim| claim.held)
    }

    /// Prints the claims.
    ///
    /// # Errors
    /// One did not hold; the message names the first.
    pub fn verdict(&self) -> Result<(), String> {
        println!();
        for claim in &self.0 {
            let word = if claim.held { "holds " } else { "BROKEN" };
            println!("{word}  {}: {}", claim.what, claim.found);
        }
        let broken: Vec<&Claim> = self.0.iter().filter(|claim| !claim.held).collect();
        match broken.first() {
            None => Ok(()),
            Some(first) => Err(format!(
                "{} of {} claims do not hold, first: {}: {}",
                broken.len(),
                self.0.len(),
                first.what,
                first.found
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_broken_claim_breaks_the_verdict_and_is_named() {
        let mut claims = Claims::default();
        claims.judge("nothing is lost", true, "0 missing");
        assert_eq!(claims.verdict(), Ok(()));
        claims.judge("the books hold", false, "in flight 1");
        let error = claims.verdict().unwrap_err();
        assert_eq!(error, "1 of 2 claims do not hold, first: the books hold: in flight 1");
    }
}
