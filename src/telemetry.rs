//! What the operator says about itself: log lines to stderr, and [`Metrics`]. Decides their form, and nothing else.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::{EnvFilter, filter::ParseError, fmt, util::TryInitError};

mod metrics;

pub use metrics::{Metrics, Outcome, Verdict};

/// Why nothing can be logged.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The filter is not one.
    #[error("the log filter `{0}` is not understood: {1}")]
    Filter(String, #[source] ParseError),
    /// Logging was set up before.
    #[error("logging is set up already: {0}")]
    Twice(#[from] TryInitError),
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for log collectors.
    Json,
}

/// Sends log lines that pass the filter (`info,pimpernel=debug`) to stderr, from now on and in this form.
pub fn init(format: LogFormat, filter: &str) -> Result<(), Error> {
    use tracing_subscriber::util::SubscriberInitExt as _;
    let filter = EnvFilter::try_new(filter).map_err(|error| Error::Filter(filter.to_owned(), error))?;
    let lines = fmt().with_env_filter(filter).with_writer(stderr);
    match format {
        LogFormat::Text => lines.with_ansi(stderr().is_terminal()).finish().try_init()?,
        LogFormat::Json => lines.json().flatten_event(true).finish().try_init()?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_is_none_is_refused() {
        let error = init(LogFormat::Json, "pimpernel=loud").unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("the log filter `pimpernel=loud` is not understood"),
            "{error}"
        );
    }
}
