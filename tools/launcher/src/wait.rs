//! Waiting for something that can only be asked for again and again, up to a deadline.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::interrupt;

const PAUSE: Duration = Duration::from_millis(20);

/// Asks until there is an answer, an error, the deadline or an interrupt. `what` completes "waited 30 s for ...".
pub fn until<T>(what: &str, limit: Duration, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        interrupt::check()?;
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        if Instant::now() >= deadline {
            bail!("waited {} s for {what}, in vain", limit.as_secs_f32());
        }
        sleep(PAUSE);
    }
}

/// Waits for a time, unless interrupted.
pub fn pause(time: Duration) -> Result<()> {
    interrupt::check()?;
    sleep(time);
    Ok(interrupt::check()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_answer_ends_the_wait() {
        let mut asked = 0;
        let answer = until("the third question", Duration::from_secs(5), || {
            asked += 1;
            Ok((asked == 3).then_some(asked))
        });
        assert_eq!(answer.unwrap(), 3);
    }

    #[test]
    fn the_deadline_is_an_error_that_says_what_was_awaited() {
        let error = until::<()>("a miracle", Duration::from_millis(30), || Ok(None)).unwrap_err();
        assert_eq!(error.to_string(), "waited 0.03 s for a miracle, in vain");
    }
}
