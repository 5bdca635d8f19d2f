//! What admission says to a request: the same rules that the reconciler judges by, less what was wrong before, so that an
//! object which was let in under other circumstances can still be mended step by step. This judges on a memory that may
//! be stale; the reconciler judges again.

use super::directory::{Directory, Meta};
use super::name::Name;
use super::role::heir;
use super::verdict::{Reason, Violation, Violations};
use super::{access, catalog, ceiling, consent, employee, impersonation, ordering, role, tenant};
use crate::api::{self, ConsentDecision};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a request wants to write. For a deletion there is no new object, for a creation no old one.
#[derive(Clone, Debug)]
pub struct Change<T> {
    /// As it is stored.
    pub old: Option<T>,
    /// As it would be.
    pub new: Option<T>,
}

/// A request about an object of one of the kinds that have rules about other objects.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "one lives as long as a request: a box would save nothing"
)]
pub enum Subject {
    /// A tenant.
    Tenant(Change<api::TenantSpec>),
    /// A role.
    Role(Change<api::RoleSpec>),
    /// An employee.
    Employee(Change<api::EmployeeSpec>),
    /// A session, and when it was created, if it was.
    Impersonation(Change<api::ImpersonationSpec>, Option<Meta>),
    /// What a tenant says to a session.
    Consent(Change<api::ImpersonationConsentSpec>),
    /// A catalogue.
    Catalog(Change<api::PermissionCatalogSpec>),
}

/// A request, as far as the rules look at it.
#[derive(Clone, Debug)]
pub struct Request {
    /// Which object.
    pub name: Name,
    /// What is to be written.
    pub subject: Subject,
    /// Who asks.
    pub user: Arc<str>,
    /// Whether the writer may hand out no more than she has (R16): whoever has not verb `escalate` on roles.
    pub bounded: bool,
    /// The value of the object's annotation [`ordering::ANNOTATION`]; of a deletion, that of the stored one.
    pub ordering: Option<Arc<str>>,
    /// The value of a role's annotation [`super::ledger::RENAMED_FROM`], if this request sets it.
    pub renamed_from: Option<Arc<str>>,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Why not; empty: admitted.
    pub violations: Violations,
    /// What the writer should know all the same.
    pub warnings: Vec<String>,
    /// What the writer of a refused object could do besides.
    pub hints: Vec<String>,
}

/// Judges a request.
pub fn admit(request: &Request, directory: &Directory, now: Timestamp) -> Answer {
    let mut answer = ordering::settle(about_objects(request, directory, now), request.ordering.as_deref());
    answer.violations.extend(about_writer(request, directory, now));
    answer
}

/// Judges a request, by a writer who may not adopt tenants wherever they are, as far as that goes (T2).
pub fn adopt(request: &Request, directory: &Directory) -> Answer {
    let created = matches!(&request.subject, Subject::Tenant(change) if change.old.is_none() && change.new.is_some());
    let violations = created.then(|| tenant::adoption(&request.name, directory));
    Answer {
        violations: violations.unwrap_or_default(),
        ..Answer::default()
    }
}

/// The rules about the writer, which the reconciler cannot know.
fn about_writer(request: &Request, directory: &Directory, now: Timestamp) -> Violations {
    match &request.subject {
        Subject::Role(change) => {
            let mut violations = ceiling::role(request, change, directory, now);
            violations.extend(heir::writer(request, change, directory));
            violations.extend(ceiling::removal(request, change, directory, now));
            violations
        }
        Subject::Employee(change) => {
            let mut violations = ceiling::own(request, change, directory);
            violations.extend(ceiling::employee(request, change, directory, now));
            violations
        }
        // A yes is judged wherever it counts; a no by its writer alone.
        Subject::Consent(Change {
            old: None,
            new: Some(spec),
        }) if spec.decision != ConsentDecision::Granted => {
            let consent = consent::parse(spec).ok();
            let writer = |consent| consent::writer(&request.name, &consent, directory, now);
            consent.and_then(writer).into_iter().collect()
        }
        Subject::Tenant(_) | Subject::Impersonation(..) | Subject::Consent(_) | Subject::Catalog(_) => vec![],
    }
}

/// The rules about objects, by which the reconciler judges as well.
fn about_objects(request: &Request, directory: &Directory, now: Timestamp) -> Answer {
    let name = &request.name;
    match &request.subject {
        Subject::Tenant(change) => judge(
            change,
            |spec| tenant::read(name, spec, directory.settings()),
            |tenant| tenant::rules(name, tenant, directory),
            || tenant::deletion(name, directory),
            |tenant| tenant_warnings(tenant, directory),
        ),
        Subject::Role(change) => heir::settle(
            request,
            change,
            directory,
            judge(
                change,
                role::read,
                |role| {
                    let mut violations = role::rules(name, role, None, directory, now);
                    violations.extend(role::granted(name, role, directory).violations);
                    violations
                },
                || role::deletion(name, directory, now),
                |role| {
                    let mut warnings = role_warnings(name, role, directory);
                    let heirs = change.old.is_none().then(|| role::inherited(name, directory, now));
                    warnings.extend(heirs.flatten());
                    warnings
                },
            ),
        ),
        Subject::Employee(change) => judge(
            change,
            employee::read,
            |employee| employee::rules(name, employee, None, directory, now),
            Violations::new,
            |employee| {
                let newcomer = change.old.is_none().then(|| employee::lookalike(&employee.username));
                let missing = sentences(employee::missing(name, employee, directory, now));
                newcomer.flatten().into_iter().chain(missing).collect()
            },
        ),
        Subject::Impersonation(change, meta) => session(request, change, meta.as_ref(), directory, now),
        Subject::Consent(change) => said(name, change, directory, now),
        Subject::Catalog(change) => judge(
            change,
            |spec| match catalog::parse(&name.name, spec) {
                Ok(catalog) => (Some(catalog), vec![]),
                Err(violations) => (None, violations),
            },
            |catalog| {
                let rules = |catalog| catalog::rules(&name.name, catalog, directory);
                catalog.as_ref().map(rules).unwrap_or_default()
            },
            Violations::new,
            |catalog| {
                let given = |catalog| catalog::still_given(&name.name, catalog, directory);
                catalog.as_ref().and_then(given).into_iter().collect()
            },
        ),
    }
}

/// What `read` and `rules` find wrong with the new object and did not with the old one.
fn judge<S, T>(
    change: &Change<S>,
    read: impl Fn(&S) -> (T, Violations),
    rules: impl Fn(&T) -> Violations,
    deletion: impl Fn() -> Violations,
    warnings: impl Fn(&T) -> Vec<String>,
) -> Answer {
    let Some(new) = &change.new else {
        return Answer {
            violations: deletion(),
            ..Answer::default()
        };
    };
    let wrong = |(object, mut violations): (T, Violations)| {
        violations.extend(rules(&object));
        (object, violations)
    };
    let (_, before) = change.old.as_ref().map(|old| wrong(read(old))).unzip();
    let before = before.unwrap_or_default();
    let before: BTreeSet<(Reason, &str)> = (before.iter())
        .map(|violation| (violation.reason, violation.message.as_str()))
        .collect();
    let known = |violation: &Violation| before.contains(&(violation.reason, violation.message.as_str()));
    let (object, violations) = wrong(read(new));
    Answer {
        violations: violations.into_iter().filter(|violation| !known(violation)).collect(),
        warnings: warnings(&object),
        hints: vec![],
    }
}

/// A session is judged when it is created; afterwards only `stop` can change, which is the impersonator's and the
/// session's own to set (I9).
fn session(
    request: &Request,
    change: &Change<api::ImpersonationSpec>,
    meta: Option<&Meta>,
    directory: &Directory,
    now: Timestamp,
) -> Answer {
    let name = &request.name;
    let mut answer = Answer::default();
    match (&change.old, &change.new) {
        (None, Some(spec)) => {
            let session = match impersonation::parse(spec) {
                Ok(session) => session,
                Err(violations) => {
                    return Answer {
                        violations,
                        ..Answer::default()
                    };
                }
            };
            if let Some(over) = over(name, &session, directory, now) {
                answer.warnings.push(over);
                return answer;
            }
            answer.violations = impersonation::rules(name, &session, None, directory, now);
            match directory.tenant(&name.namespace) {
                Some(tenant) => {
                    answer.violations.extend(impersonation::limits(
                        &session,
                        (now, asked_end(&session, tenant, now)),
                        tenant,
                        now,
                    ));
                    if answer.violations.is_empty() {
                        answer.warnings.push(opening(tenant));
                    }
                }
                None => answer.warnings.push(role::tenant_missing(&name.namespace).1),
            }
        }
        (Some(old), Some(new)) if new.stop && !old.stop => {
            let uid = meta.map(|meta| &*meta.uid).unwrap_or_default();
            let account = format!(
                "system:serviceaccount:{}:{}",
                directory.settings().sessions_namespace,
                impersonation::account_name(uid)
            );
            if *request.user != *old.impersonator && *request.user != *account {
                let message = format!(
                    "`{}` is not the impersonator: the impersonator stops the session, or somebody inside it; to end it from outside, delete the Impersonation",
                    request.user
                );
                answer
                    .violations
                    .push(Violation::whole(Reason::NotTheImpersonator, "spec.stop", message));
            }
        }
        _ => {}
    }
    answer
}

/// A consent is judged when it is created; afterwards it cannot change.
fn said(name: &Name, change: &Change<api::ImpersonationConsentSpec>, directory: &Directory, now: Timestamp) -> Answer {
    let (None, Some(spec)) = (&change.old, &change.new) else {
        return Answer::default();
    };
    match consent::parse(spec) {
        Ok(consent) => Answer {
            violations: consent::rules(name, &consent, None, directory, now),
            warnings: consent::needless(name, &consent, directory).into_iter().collect(),
            hints: vec![],
        },
        Err(violations) => Answer {
            violations,
            ..Answer::default()
        },
    }
}

/// Why nothing is opened, whatever else there is: the end has passed, or what is asked for has ended. A manifest that is
/// applied again from Git is then no reason to refuse (I12).
fn over(name: &Name, session: &impersonation::Impersonation, directory: &Directory, now: Timestamp) -> Option<String> {
    if now >= session.end(now) {
        return Some("the end has passed already: nothing is opened".to_owned());
    }
    let (at, _) = directory.ledger().ended_claim(&impersonation::claim(name, session)?)?;
    Some(impersonation::again(at))
}

/// When a session would end that is asked for now; not known while its time does not count yet.
fn asked_end(session: &impersonation::Impersonation, tenant: &tenant::Tenant, now: Timestamp) -> Option<Timestamp> {
    let counts = !tenant.consent || session.is_absolute();
    counts.then(|| session.end(now))
}

fn opening(tenant: &tenant::Tenant) -> String {
    if tenant.consent {
        return "the session waits until the tenant consents".to_owned();
    }
    impersonation::banner(tenant)
}

fn tenant_warnings(tenant: &tenant::Tenant, directory: &Directory) -> Vec<String> {
    let parent = tenant.parent.iter().filter(|parent| directory.tenant(parent).is_none());
    let parent = parent.map(|parent| format!("the parent `{parent}` does not exist yet"));
    let catalogs = tenant
        .applications
        .iter()
        .filter(|application| directory.catalog(application).is_none());
    let catalogs =
        catalogs.map(|application| format!("the catalogue of application `{application}` does not exist yet"));
    parent.chain(catalogs).collect()
}

/// What waits, what is granted without being listed (P2), and what is listed without need (P5).
fn role_warnings(name: &Name, role: &role::Role, directory: &Directory) -> Vec<String> {
    let granted = role::granted(name, role, directory);
    let mut warnings = sentences(granted.pending);
    let listed: catalog::Actions = (role.lines.iter())
        .flat_map(|line| {
            let actions = if line.actions.is_empty() {
                vec!["use".to_owned()]
            } else {
                line.actions.clone()
            };
            actions
                .into_iter()
                .map(|action| catalog::Action::new(&line.application, &line.permission, &action))
        })
        .collect();
    let implied: Vec<String> = granted.actions.difference(&listed).map(ToString::to_string).collect();
    if !implied.is_empty() {
        warnings.push(format!(
            "also granted, because it is implied: {}",
            access::quoted(implied)
        ));
    }
    let free = listed
        .iter()
        .filter(|action| directory.action(action).is_some_and(|entry| entry.unrestricted));
    warnings.extend(
        free.map(|action| format!("`{action}` is everybody's in the tenant anyway: listing it changes nothing")),
    );
    if directory.tenant_entry(&Name::tenant(&name.namespace)).is_none() {
        warnings.push(role::tenant_missing(&name.namespace).1);
    }
    warnings
}

fn sentences(pending: Vec<(Reason, String)>) -> Vec<String> {
    pending.into_iter().map(|(_, sentence)| sentence).collect()
}
