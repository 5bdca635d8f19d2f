//! Decides which timings of a Lease keep two processes from leading at once.

use std::time::Duration;

/// Why a timing is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The Lease can only hold whole seconds.
    #[error("the lease duration `{0:?}` must be a whole number of seconds, at least one")]
    LeaseDuration(Duration),
    /// A leader must give up before a rival takes over.
    #[error("the renew deadline `{0:?}` must be shorter than the lease duration `{1:?}`")]
    RenewDeadline(Duration, Duration),
    /// One failed attempt must not cost leadership.
    #[error("the retry period `{0:?}` must be more than nothing and at most half the renew deadline `{1:?}`")]
    RetryPeriod(Duration, Duration),
}

/// How long leadership lasts and how often it is renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How long rivals wait after the last change that they saw. Whole seconds.
    pub lease_duration: Duration,
    /// How long the leader goes on without a successful renewal.
    pub renew_deadline: Duration,
    /// The pause between attempts.
    pub retry_period: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            lease_duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry_period: Duration::from_secs(2),
        }
    }
}

impl Timing {
    /// The same timing, if it keeps two from leading at once.
    pub fn validated(self) -> Result<Self, Error> {
        let whole = self.lease_duration.subsec_nanos() == 0 && i32::try_from(self.lease_duration.as_secs()).is_ok();
        if !whole || self.lease_duration.is_zero() {
            Err(Error::LeaseDuration(self.lease_duration))
        } else if self.renew_deadline >= self.lease_duration {
            Err(Error::RenewDeadline(self.renew_deadline, self.lease_duration))
        } else if self.retry_period.is_zero() || self.retry_period > self.renew_deadline / 2 {
            Err(Error::RetryPeriod(self.retry_period, self.renew_deadline))
        } else {
            Ok(self)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(lease: u64, renew: u64, retry: u64) -> String {
        let timing = Timing {
            lease_duration: Duration::from_millis(lease),
            renew_deadline: Duration::from_millis(renew),
            retry_period: Duration::from_millis(retry),
        };
        timing
            .validated()
            .map_err(|error| error.to_string())
            .err()
            .unwrap_or_default()
    }

    #[test]
    fn timing_that_could_give_two_leaders_is_refused_with_a_sentence() {
        assert_eq!(complaint(15_000, 10_000, 2000), "");
        assert_eq!(
            complaint(10_000, 10_000, 2000),
            "the renew deadline `10s` must be shorter than the lease duration `10s`"
        );
        let retry = "must be more than nothing and at most half the renew deadline `10s`";
        assert_eq!(
            complaint(15_000, 10_000, 6000),
            format!("the retry period `6s` {retry}")
        );
        assert_eq!(complaint(15_000, 10_000, 0), format!("the retry period `0ns` {retry}"));
        let whole = "must be a whole number of seconds, at least one";
        assert_eq!(complaint(0, 0, 2000), format!("the lease duration `0ns` {whole}"));
        assert_eq!(
            complaint(15_500, 10_000, 2000),
            format!("the lease duration `15.5s` {whole}")
        );
    }

    #[test]
    fn the_default_is_valid() {
        assert!(Timing::default().validated().is_ok());
    }
}
