//! A review becomes a question to the rules, and their answer a review. Written on the assumption that its memory may be
//! stale: a request may be refused that would be right a moment later (the writer tries again), and one may be admitted
//! that is wrong by now (the reconciler judges again and gives it no effect). While its memory is not complete it refuses
//! everything. It asks nobody: no request leaves the handler.

use super::configuration::{ADOPTION_PATH, BOUNDED_PATH, HISTORY_PATH, PATH};
use super::outbox;
use crate::controllers::clock::ServerClock;
use crate::controllers::witness::Witness;
use crate::policy::admission::{Answer, Request, Subject, admit, adopt};
use crate::policy::default_roles::Received;
use crate::policy::history::outbox::{author, counts, takes_over};
use crate::policy::history::{Deletion, PENDING};
use crate::policy::ledger::RENAMED_FROM;
use crate::policy::name::Folded;
use crate::policy::ordering::ANNOTATION;
use crate::policy::role::heir;
use crate::policy::{Directory, Kind, Meta, Name, Reason, Violation, document};
use crate::telemetry::{Metrics, Verdict};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{self, DefaultBodyLimit, FromRequest as _, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::post;
use jiff::Timestamp;
use kube::core::DynamicObject;
use kube::core::admission::{AdmissionRequest, AdmissionResponse, AdmissionReview, Operation};
use kube::core::response::{Status, StatusCause, StatusDetails, StatusSummary};
use serde_json::Value;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The largest review that is read: an object of the largest size that the API server stores, old and new, with room.
const MAX_BODY: usize = 4 * 1024 * 1024;
/// How long a client may take to send a review: the API server waits as long for the answer.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);
/// Up to this size a review is judged where it is received: in less time than it takes to hand it to another thread.
const SMALL: usize = 64 * 1024;
/// How many violations an answer lists.
const MAX_LISTED: usize = 20;

/// The annotation by which a refusal is told in the API server's audit log, after the webhook's name: reasons and fields (I13).
const AUDITED: &str = "refused";

/// What a handler has at hand.
#[derive(Clone)]
pub struct Reviewer {
    /// What is known; none while not every list has been read to its end.
    pub directory: Arc<dyn Fn() -> Option<Arc<Directory>> + Send + Sync>,
    /// The API server's time.
    pub clock: ServerClock,
    /// What is known of who writes.
    pub witness: Arc<Witness>,
    /// What is counted.
    pub metrics: Metrics,
}

/// What is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Question {
    /// Whether somebody may write this who may hand out what she has not.
    Free,
    /// The same of anybody else.
    Bounded,
    /// Whether somebody may create this who may not adopt what it would take over.
    Adoption,
    /// What the object has to carry, so that the change is not lost.
    History,
}

/// The routes of the webhook.
pub fn router(reviewer: Reviewer) -> Router {
    Router::new()
        .route(PATH, post(|state, request| handle(state, request, Question::Free)))
        .route(
            BOUNDED_PATH,
            post(|state, request| handle(state, request, Question::Bounded)),
        )
        .route(
            ADOPTION_PATH,
            post(|state, request| handle(state, request, Question::Adoption)),
        )
        .route(
            HISTORY_PATH,
            post(|state, request| handle(state, request, Question::History)),
        )
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(Arc::new(reviewer))
}

async fn handle(State(reviewer): State<Arc<Reviewer>>, request: extract::Request, question: Question) -> Response {
    let body = match tokio::time::timeout(BODY_TIMEOUT, Bytes::from_request(request, &())).await {
        Ok(Ok(body)) => body,
        Ok(Err(rejection)) => return rejection.into_response(),
        Err(_) => return (StatusCode::REQUEST_TIMEOUT, [(header::CONNECTION, "close")]).into_response(),
    };
    let small = body.len() <= SMALL;
    let judge = AssertUnwindSafe(move || judge(&body, question, &reviewer));
    let judged = if small {
        catch_unwind(judge).ok()
    } else {
        // It takes as long as the writer makes it; what ends sessions and renews the Lease does not wait for it.
        tokio::task::spawn_blocking(judge).await.ok()
    };
    judged.unwrap_or_else(|| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

fn judge(body: &[u8], asked: Question, reviewer: &Reviewer) -> Response {
    let began = Instant::now();
    let review: Result<AdmissionReview<DynamicObject>, _> = serde_json::from_slice(body);
    let request: Option<AdmissionRequest<DynamicObject>> = review.ok().and_then(|review| review.try_into().ok());
    let Some(request) = request else {
        return (StatusCode::BAD_REQUEST, "not an AdmissionReview\n").into_response();
    };
    let kind = Kind::of(&request.kind.kind);
    let (response, verdict) = match kind {
        Some(kind) if asked == Question::History => outbox::answer(&request, kind, reviewer),
        _ => answer(&request, kind, asked, reviewer),
    };
    if let Some(kind) = kind {
        reviewer.metrics.reviewed(kind, verdict, began.elapsed());
    }
    Json(response.into_review()).into_response()
}

fn answer(
    request: &AdmissionRequest<DynamicObject>,
    kind: Option<Kind>,
    asked: Question,
    reviewer: &Reviewer,
) -> (AdmissionResponse, Verdict) {
    let mut response = AdmissionResponse::from(request);
    let (Some(directory), Some(now)) = ((reviewer.directory)(), reviewer.clock.now()) else {
        return not_ready(response, request);
    };
    let answer = match kind.map(|kind| question(request, kind, asked == Question::Bounded)) {
        Some(Ok(question)) if asked == Question::Adoption => adopt(&question, &directory),
        Some(Ok(question)) if outruns(request, &question, &directory) => return not_ready(response, request),
        Some(Ok(question)) => admit(&question, &directory, now),
        Some(Err(violation)) => Answer {
            violations: vec![violation],
            ..Answer::default()
        },
        None => {
            let message = format!("kind `{}` is not one that is judged here", request.kind.kind);
            Answer {
                violations: vec![Violation::whole(Reason::InvalidSpec, "kind", message)],
                ..Answer::default()
            }
        }
    };
    if answer.violations.is_empty() {
        if let (Operation::Delete, false, Some(kind)) = (&request.operation, request.dry_run, kind) {
            see_deletion(request, kind, (&directory, now), reviewer);
        }
        response.warnings = (!answer.warnings.is_empty()).then_some(answer.warnings);
        return (response, Verdict::Allowed);
    }
    for violation in answer.violations.iter().take(MAX_LISTED) {
        tracing::info!(user = request.user_info.username, kind = request.kind.kind, namespace = request.namespace, name = request.name, reason = %violation.reason, field = violation.field, "refused");
    }
    let answered = if answer.violations.iter().any(|v| concerns_writer(v.reason)) {
        (403, "Forbidden")
    } else {
        (422, "Invalid")
    };
    (refused(response, request, answered, &answer), Verdict::Refused)
}

/// Whether the change is noted as taking over names by a process that knew more than this one does (R4).
fn outruns(request: &AdmissionRequest<DynamicObject>, question: &Request, directory: &Directory) -> bool {
    let new = request.object.as_ref().filter(|_| request.old_object.is_none());
    let noted = new.and_then(|new| annotation(new, PENDING)).is_some_and(takes_over);
    let Subject::Role(change) = &question.subject else {
        return false;
    };
    let takes_over = change
        .new
        .as_ref()
        .zip(question.renamed_from.as_ref())
        .is_some_and(|(new, from)| heir::takes_over(&question.name, &Folded::new(&new.display_name), from, directory));
    noted && !takes_over
}

/// Remembers who deletes: the object will not say it.
fn see_deletion(
    request: &AdmissionRequest<DynamicObject>,
    kind: Kind,
    (directory, now): (&Directory, Timestamp),
    reviewer: &Reviewer,
) {
    let user = request.user_info.username.as_deref().unwrap_or_default();
    let uid = request.old_object.as_ref().and_then(|old| old.metadata.uid.as_deref());
    let counts = counts(kind, user, reviewer.witness.employees, directory);
    if let Some(uid) = uid {
        let author = author(user, directory);
        reviewer.witness.see(
            uid,
            Deletion {
                author,
                at: now,
                counts,
            },
        );
    }
}

/// That not enough is known yet.
pub(super) fn not_ready(
    response: AdmissionResponse,
    request: &AdmissionRequest<DynamicObject>,
) -> (AdmissionResponse, Verdict) {
    let message = "the operator has not read everything that it must know to judge this: try again in a moment";
    let answer = Answer {
        violations: vec![Violation::whole(Reason::NotReadyYet, "", message)],
        ..Answer::default()
    };
    let refused = refused(response, request, (503, "ServiceUnavailable"), &answer);
    (refused, Verdict::Failed)
}

/// Whether it is the writer who may not, rather than the object that is wrong.
fn concerns_writer(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::NotEntitled
            | Reason::OwnTenant
            | Reason::NotTheImpersonator
            | Reason::NotAnApprover
            | Reason::ExceedsCeiling
            | Reason::MayNotAdopt
            | Reason::MayNotInherit
            | Reason::OwnEmployee
    )
}

/// A refusal with one line a violation, the first of many; the causes carry the fields for programs, and the rest without
/// a reason.
pub(super) fn refused(
    mut response: AdmissionResponse,
    request: &AdmissionRequest<DynamicObject>,
    (code, reason): (u16, &str),
    Answer {
        violations,
        warnings: _,
        hints,
    }: &Answer,
) -> AdmissionResponse {
    let line = |violation: &Violation| {
        if violation.field.is_empty() {
            violation.message.clone()
        } else {
            violation.to_string()
        }
    };
    let listed = violations.iter().take(MAX_LISTED);
    let more = violations.len().saturating_sub(MAX_LISTED);
    let more = (more > 0).then(|| ("spec", format!("and {more} more")));
    // Of what is Invalid kubectl shows the causes alone.
    let remarks = more
        .into_iter()
        .chain(hints.iter().map(|hint| ("metadata.annotations", hint.clone())));
    let remarks: Vec<(&str, String)> = remarks.collect();
    let lines = listed.clone().map(line);
    let lines: Vec<String> = lines.chain(remarks.iter().map(|(_, text)| text.clone())).collect();
    let message = lines.join("\n");
    let wrong = listed.clone().map(|violation| StatusCause {
        reason: violation.reason.to_string(),
        message: violation.message.clone(),
        field: violation.field.clone(),
    });
    let further = remarks.into_iter().map(|(field, message)| StatusCause {
        reason: String::new(),
        message,
        field: field.to_owned(),
    });
    let causes = wrong.chain(further).collect();
    let reasons: Vec<String> = listed
        .map(|violation| {
            format!("{} {}", violation.reason, violation.field)
                .trim_end()
                .to_owned()
        })
        .collect();
    response
        .audit_annotations
        .insert(AUDITED.to_owned(), reasons.join(", "));
    response.allowed = false;
    response.result = Status {
        status: Some(StatusSummary::Failure),
        code,
        message,
        reason: reason.to_owned(),
        details: Some(StatusDetails {
            name: request.name.clone(),
            group: request.kind.group.clone(),
            kind: request.kind.kind.clone(),
            uid: String::new(),
            causes,
            retry_after_seconds: 0,
        }),
        metadata: None,
    };
    response
}

fn question(request: &AdmissionRequest<DynamicObject>, kind: Kind, bounded: bool) -> Result<Request, Violation> {
    let stored = request.old_object.as_ref();
    let new = request
        .object
        .as_ref()
        .filter(|_| request.operation != Operation::Delete);
    if new.or(stored).is_none() {
        let message = "is missing, and nothing is admitted unseen: send the object under review";
        return Err(Violation::whole(Reason::InvalidSpec, "object", message));
    }
    let subject = document::subject(kind, stored.map(spec), new.map(spec), stored.map(meta))?;
    let user = request.user_info.username.as_deref().unwrap_or_default().into();
    let namespace = request.namespace.as_deref().unwrap_or_default();
    Ok(Request {
        name: Name::new(namespace, name(request)),
        subject,
        user,
        bounded,
        ordering: ordering(request),
        renamed_from: new.and_then(|new| renamed_from(new, stored)),
    })
}

/// The annotation that takes over names, if this write sets it.
fn renamed_from(new: &DynamicObject, stored: Option<&DynamicObject>) -> Option<Arc<str>> {
    let before = stored.and_then(|stored| annotation(stored, RENAMED_FROM));
    let said = annotation(new, RENAMED_FROM).filter(|said| before != Some(*said))?;
    Some(said.into())
}

/// What the object says of the order in which it may come; of a deletion, the stored one.
fn ordering(request: &AdmissionRequest<DynamicObject>) -> Option<Arc<str>> {
    let written = request
        .object
        .as_ref()
        .filter(|_| request.operation != Operation::Delete);
    annotation(written.or(request.old_object.as_ref())?, ANNOTATION).map(Into::into)
}

pub(super) fn annotation<'a>(object: &'a DynamicObject, key: &str) -> Option<&'a str> {
    object.metadata.annotations.as_ref()?.get(key).map(String::as_str)
}

/// The request names no object when many are deleted at once, or when the API server is to find the name: the object does.
pub(super) fn name(request: &AdmissionRequest<DynamicObject>) -> &str {
    let objects = request.object.iter().chain(&request.old_object);
    let named = objects.filter_map(|object| object.metadata.name.as_deref());
    std::iter::once(request.name.as_str())
        .chain(named)
        .find(|name| !name.is_empty())
        .unwrap_or_default()
}

pub(super) fn spec(object: &DynamicObject) -> &Value {
    object.data.get("spec").unwrap_or(&Value::Null)
}

fn meta(object: &DynamicObject) -> Meta {
    Meta {
        uid: object.metadata.uid.as_deref().unwrap_or_default().into(),
        generation: object.metadata.generation.unwrap_or_default(),
        created: object
            .metadata
            .creation_timestamp
            .as_ref()
            .map_or(Timestamp::UNIX_EPOCH, |time| time.0),
        deleting: object.metadata.deletion_timestamp.is_some(),
        ended: None,
        received: Received::new(),
    }
}
