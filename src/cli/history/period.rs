//! From when to when: as people say it.

use anyhow::{Context as _, Result};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp, ToSpan as _};

/// What a person said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// So long ago.
    Ago(SignedDuration),
    /// A day, in UTC.
    Day(Date),
    /// An instant.
    At(Timestamp),
}

/// Which end of a period it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// Its beginning.
    First,
    /// Its end, which belongs to it.
    Last,
}

/// Reads an age, a day or an instant.
pub fn moment(text: &str) -> Result<Moment, String> {
    if let Ok(at) = text.parse() {
        return Ok(Moment::At(at));
    }
    // A date with a time of day and no zone would be read as the whole day.
    let day = (text.len() == "2026-11-01".len()).then(|| text.parse().ok()).flatten();
    if let Some(day) = day {
        return Ok(Moment::Day(day));
    }
    let age = text.parse::<Span>().ok().and_then(|span| {
        let age = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
        (age > SignedDuration::ZERO).then_some(age)
    });
    age.map(Moment::Ago).ok_or_else(|| {
        "say an age as in `7d`, `12h` or `90m`, a day as in `2026-11-01`, or an instant as in `2026-11-01T09:00:00Z`"
            .to_owned()
    })
}

impl Moment {
    /// The first or last instant that belongs to a period that begins or ends so.
    pub fn edge(self, edge: Edge, now: Timestamp) -> Result<Timestamp> {
        let beyond = "that is beyond all calendars";
        match (self, edge) {
            (Self::At(at), _) => Ok(at),
            (Self::Ago(age), _) => now.checked_sub(age).context(beyond),
            (Self::Day(day), Edge::First) => begin(day).context(beyond),
            (Self::Day(day), Edge::Last) => {
                let next = begin(day.tomorrow().context(beyond)?).context(beyond)?;
                next.checked_sub(1.nanosecond()).context(beyond)
            }
        }
    }
}

fn begin(day: Date) -> Result<Timestamp, jiff::Error> {
    Ok(day.to_zoned(TimeZone::UTC)?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-26T12:00:00Z";

    fn edge(text: &str, edge: Edge) -> String {
        let now = NOW.parse().expect("an instant");
        let moment = moment(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        moment
            .edge(edge, now)
            .map_or_else(|error| error.to_string(), |at| at.to_string())
    }

    #[test]
    fn an_age_a_day_and_an_instant_are_understood() {
        for (text, first) in [
            ("7d", "2026-11-19T12:00:00Z"),
            ("90m", "2026-11-26T10:30:00Z"),
            ("1h30m", "2026-11-26T10:30:00Z"),
            ("2w", "2026-11-12T12:00:00Z"),
            ("2026-11-01", "2026-11-01T00:00:00Z"),
            ("2026-11-01T09:00:00+01:00", "2026-11-01T08:00:00Z"),
        ] {
            assert_eq!(edge(text, Edge::First), first, "{text}");
        }
    }

    #[test]
    fn a_period_until_a_day_has_all_of_that_day() {
        assert_eq!(edge("2026-11-01", Edge::Last), "2026-11-01T23:59:59.999999999Z");
        assert_eq!(edge("2026-11-01T09:00:00Z", Edge::Last), "2026-11-01T09:00:00Z");
    }

    #[test]
    fn what_is_none_of_them_is_refused_with_what_to_say() {
        for text in [
            "",
            "yesterday",
            "7",
            "-7d",
            "0d",
            "2026-13-01",
            "2026-11-01T09:00",
            "1mo",
            "99999999999d",
        ] {
            let refused = moment(text).expect_err(text);
            assert!(refused.contains("`7d`"), "{text}: {refused}");
        }
    }
}
