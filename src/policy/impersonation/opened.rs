//! An open session: what exists because of it (I5) and what its status says (I1, I6).

use super::Impersonation;
use super::ended::Told;
use crate::api::{self, ImpersonationStatus, Mode};
use crate::policy::children::{
    Body, Child, ChildId, ChildKind, Observations, Parent, Rule, SESSION_END, SESSION_TOLD, SESSION_UID, Subject,
};
use crate::policy::directory::{Directory, Entry};
use crate::policy::entitlement;
use crate::policy::name::{Key, Kind, Name};
use crate::policy::tenant::{self, Tenant};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::collections::BTreeMap;
use std::sync::Arc;

/// I6, word for word.
pub fn banner(tenant: &Tenant) -> String {
    format!(
        "You are currently impersonating Impersonated Admin on tenant [{}]",
        tenant.display_name
    )
}

/// The `ServiceAccount` of the session with that UID (I5); also the name of its Secret and of the right to read that.
pub fn account_name(uid: &str) -> String {
    format!("impersonated-admin-{uid}")
}

/// Whether the session was open, and whether its end has begun: its binding, which goes first, or its account is gone, and
/// its Secret, which is made after both and goes after both, is there. An end that has begun is never taken back, though the
/// operator may have died before it could say so (I9). So does whoever deletes the binding by hand end the session; and with
/// another account, though of the same name, the credential would not work.
pub(super) fn traces(name: &Name, uid: &Arc<str>, observed: &Observations, directory: &Directory) -> (bool, bool) {
    let private = Name::new(directory.settings().sessions_namespace.clone(), account_name(uid));
    let exists = |kind, name: &Name| {
        observed.contains_key(&ChildId {
            kind,
            name: name.clone(),
        })
    };
    let open = directory.account(uid).is_some() || exists(ChildKind::ServiceAccount, &private);
    let bound = exists(ChildKind::RoleBinding, &binding_name(name, uid));
    let severed = exists(ChildKind::Secret, &private) && !(open && bound);
    (open, severed)
}

/// The binding of the session's account to the fixed role.
fn binding_name(name: &Name, uid: &str) -> Name {
    Name::new(name.namespace.clone(), format!("pimpernel:session:{uid}"))
}

/// What the status of an open session says.
pub(super) fn describe(
    status: &mut ImpersonationStatus,
    (entry, start): (&Entry<Impersonation>, Timestamp),
    session: &Impersonation,
    tenant: &Tenant,
    directory: &Directory,
) {
    status.start_time = Some(Time(start));
    status.banner = Some(banner(tenant));
    status.credential = Some(api::Credential {
        namespace: directory.settings().sessions_namespace.to_string(),
        secret_name: account_name(&entry.meta.uid),
    });
    status.landing_page = landing(session.mode, tenant, directory);
}

/// Where the session begins: Configure in ACD; Support, and Configure where there is no ACD, in Admin (I1).
fn landing(mode: Mode, tenant: &Tenant, directory: &Directory) -> Option<api::Landing> {
    let candidates: &[(&str, Mode)] = match mode {
        Mode::Configure => &[
            ("acd", Mode::Configure),
            (tenant::ADMIN, Mode::Configure),
            (tenant::ADMIN, Mode::Support),
        ],
        Mode::Support => &[(tenant::ADMIN, Mode::Support)],
    };
    let mut present = candidates.iter().filter(|(application, _)| tenant.has(application));
    present.find_map(|(application, mode)| {
        let page = directory.catalog(application)?.landing.get(mode)?;
        Some(api::Landing {
            application: (*application).to_owned(),
            page: page.page.clone(),
            url: page.path.clone(),
        })
    })
}

/// The account, its credential, who may read that, and what the session may do (I5).
pub(super) fn open(
    name: &Name,
    entry: &Entry<Impersonation>,
    session: &Impersonation,
    (start, end): (Timestamp, Timestamp),
    directory: &Directory,
) -> Vec<Child> {
    let uid = &entry.meta.uid;
    let sessions = &directory.settings().sessions_namespace;
    let account = account_name(uid);
    let private = Name::new(sessions.clone(), account.clone());
    let bound = binding_name(name, uid);
    let own = Name::new(name.namespace.clone(), format!("pimpernel:session:{uid}:self"));
    let parent = Parent {
        key: Key::new(Kind::Impersonation, name.clone()),
        uid,
    };
    let itself = [Subject::ServiceAccount(private.clone())];
    let binding = |role: String, subjects: &[Subject]| Body::RoleBinding {
        role,
        subjects: subjects.iter().cloned().collect(),
    };
    let mut children = vec![
        parent.child(ChildKind::ServiceAccount, private.clone(), Body::ServiceAccount),
        parent.child(
            ChildKind::Role,
            private.clone(),
            Body::Role(vec![Rule::new("", "secrets", &["get"]).only(&account)]),
        ),
        parent.child(
            ChildKind::Role,
            own.clone(),
            Body::Role(vec![
                Rule::new(api::GROUP, "impersonations", &["get", "patch", "update"]).only(&name.name),
                Rule::new(api::GROUP, "tenants", &["get"]).only(&name.namespace),
            ]),
        ),
        parent.child(
            ChildKind::RoleBinding,
            bound,
            binding(entitlement::fixed_role(session.mode), &itself),
        ),
        parent.child(
            ChildKind::RoleBinding,
            own.clone(),
            binding(own.name.to_string(), &itself),
        ),
        parent.child(
            ChildKind::RoleBinding,
            private.clone(),
            binding(account.clone(), &[Subject::User(session.impersonator.clone())]),
        ),
        parent.child(ChildKind::Secret, private, Body::Secret { account }),
    ];
    let annotations = BTreeMap::from([
        (SESSION_END.to_owned(), end.to_string()),
        (SESSION_UID.to_owned(), uid.to_string()),
    ]);
    let told = Told::of(entry, start).and_then(|told| serde_json::to_string(&told).ok());
    for child in &mut children {
        child.annotations.clone_from(&annotations);
        if let (ChildKind::ServiceAccount, Some(told)) = (child.id.kind, &told) {
            child.annotations.insert(SESSION_TOLD.to_owned(), told.clone());
        }
    }
    children
}
