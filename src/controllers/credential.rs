//! The credential of a session: a token that the API server itself stops accepting before the session's end, even when
//! nobody is there to take it away (I10). Its value goes into one Secret and nowhere else.

use super::context::Context;
use super::wire::metadata;
use crate::policy::Reason;
use crate::policy::children::{Child, SESSION_END};
use crate::policy::impersonation::{MIN_TOKEN, TOKEN_GRACE};
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::Api;
use kube::api::PostParams;
use std::collections::BTreeMap;

/// A life that API servers treat specially: a token asked for with it may be given a year.
const SPECIAL: i64 = 3607;
/// How often a token that would live too long is thrown away for a shorter one.
const ATTEMPTS: usize = 3;

/// Why there is no credential.
#[derive(thiserror::Error, Debug)]
pub enum Error {
    /// The session says no end.
    #[error("the session's end is not written on its objects")]
    NoEnd,
    /// The API server's time is not known.
    #[error("the time of the API server is not known yet")]
    NoTime,
    /// Too little time is left for the shortest token.
    #[error("too little time is left for a credential that ends by itself: create another Impersonation")]
    TooLate,
    /// The API server gave tokens that outlive the session.
    #[error("the API server gives tokens that outlive the session")]
    TooLong,
    /// The API server gave no token.
    #[error("the API server gave no token: {}", super::error::said(.0))]
    Refused(#[source] kube::Error),
    /// The Secret could not be put into the form in which it is sent.
    #[error("the Secret cannot be written as JSON")]
    Encode,
}

impl Error {
    /// As it stands in a condition.
    pub fn reason(&self) -> Reason {
        match self {
            Self::TooLate => Reason::TooLate,
            _ => Reason::ApplyFailed,
        }
    }
}

/// The Secret `child` with a new token of `account`, as it is applied.
pub async fn secret(child: &Child, account: &str, context: &Context) -> Result<serde_json::Value, Error> {
    let end: Timestamp = child
        .annotations
        .get(SESSION_END)
        .and_then(|end| end.parse().ok())
        .ok_or(Error::NoEnd)?;
    let (token, expires) = mint(account, end, context).await?;
    let data = BTreeMap::from([
        ("token".to_owned(), ByteString(token.into_bytes())),
        (
            "expirationTime".to_owned(),
            ByteString(expires.to_string().into_bytes()),
        ),
    ]);
    let secret = Secret {
        metadata: metadata(child),
        data: Some(data),
        type_: Some("Opaque".to_owned()),
        ..Secret::default()
    };
    // What serde says could quote the value.
    serde_json::to_value(secret).map_err(|_| Error::Encode)
}

/// A token that is dead by `end`, and when it expires.
async fn mint(account: &str, end: Timestamp, context: &Context) -> Result<(String, Timestamp), Error> {
    let api: Api<ServiceAccount> = Api::namespaced(context.client.clone(), &context.settings.sessions_namespace);
    let mut excess = 0;
    for _ in 0..ATTEMPTS {
        let now = context.clock.now().ok_or(Error::NoTime)?;
        let seconds = life(now, end, excess).ok_or(Error::TooLate)?;
        let spec = TokenRequestSpec {
            expiration_seconds: Some(seconds),
            ..TokenRequestSpec::default()
        };
        let request = TokenRequest {
            spec: Some(spec),
            ..TokenRequest::default()
        };
        let answer = api
            .create_token_request(account, &PostParams::default(), &request)
            .await
            .map_err(Error::Refused)?;
        let granted = answer
            .status
            .and_then(|status| Some((status.token?, status.expiration_timestamp?.0)));
        let Some((token, expires)) = granted else { continue };
        let over = overrun(expires, end);
        if over <= 0 {
            return Ok((token, expires));
        }
        excess += over + 1;
    }
    Err(Error::TooLong)
}

/// For how many seconds to ask at `now` so that the token is dead by `end`; none if that is less than can be had.
fn life(now: Timestamp, end: Timestamp, excess: i64) -> Option<i64> {
    let seconds = end.duration_since(now).as_secs() - TOKEN_GRACE - excess;
    let seconds = if seconds == SPECIAL { SPECIAL - 1 } else { seconds };
    (seconds >= MIN_TOKEN).then_some(seconds)
}

/// By how many seconds a token that expires at `expires` could be used beyond `end`; zero or less is right.
fn overrun(expires: Timestamp, end: Timestamp) -> i64 {
    expires.as_second() + TOKEN_GRACE - end.as_second()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_900_000_000 + seconds).unwrap()
    }

    #[test]
    fn i10_a_token_is_asked_for_with_seventy_seconds_less_than_the_session_has_left() {
        assert_eq!(life(at(0), at(900), 0), Some(830));
        assert_eq!(life(at(0), at(3600), 0), Some(3530));
    }

    #[test]
    fn i10_below_the_shortest_token_there_is_none() {
        assert_eq!(life(at(0), at(670), 0), Some(600));
        assert_eq!(life(at(0), at(669), 0), None);
        assert_eq!(life(at(0), at(-1), 0), None);
    }

    #[test]
    fn i10_the_special_life_is_never_asked_for() {
        assert_eq!(life(at(0), at(SPECIAL + TOKEN_GRACE), 0), Some(SPECIAL - 1));
        assert_eq!(life(at(0), at(SPECIAL + TOKEN_GRACE), 1), Some(SPECIAL - 1));
    }

    #[test]
    fn i10_a_token_that_outlives_the_session_is_noticed() {
        assert_eq!(overrun(at(830), at(900)), 0);
        assert_eq!(overrun(at(832), at(900)), 2);
    }
}
