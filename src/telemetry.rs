//! What the operator says about itself: log lines to stderr, and [`Metrics`]. Decides their form, and nothing else.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{Layer as _, fmt};

mod metrics;

pub use metrics::{Lane, Metrics, Outcome, Verdict};

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
    let targets: Targets = filter
        .parse()
        .map_err(|error| Error::Filter(filter.to_owned(), error))?;
    let lines = fmt::layer().with_writer(stderr);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry()
        .with(lines.with_filter(targets))
        .try_init()?;
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
