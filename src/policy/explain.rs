//! The questions that people ask about permissions: what somebody may do and because of what, what is granted and has no
//! effect, who may do something, and why somebody may not. The answers come from the functions that decide, so they are
//! what the operator makes true.

use super::access;
use super::catalog::{Action, Actions};
use super::directory::{Directory, Entry};
use super::employee::{self, Employee};
use super::name::{Folded, Name};
use super::role;
use super::tenant;
use super::verdict::Reason;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Why something is so, as a condition would say it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Why {
    /// The reason, if conditions have one for it.
    pub reason: Option<Reason>,
    /// The sentence.
    pub message: String,
}

/// Where somebody has an action from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Because {
    /// A role lists it.
    Listed(Arc<str>),
    /// A role has another action that implies it (P2).
    Implied(Arc<str>, Action),
    /// It is everybody's in the tenant (P5).
    Unrestricted,
}

/// What a role comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct RoleView {
    /// Why it gives nobody anything at present, if so.
    pub idle: Option<Why>,
    /// What it gives, or would give; with each the action that implies it, if it is not listed.
    pub actions: BTreeMap<Action, Option<Action>>,
    /// What it lists, or what that would bring, that has no effect, and why.
    pub without_effect: BTreeMap<Action, Why>,
}

/// One role of an employee.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// The role.
    pub role: Arc<str>,
    /// Until when it counts, if that is limited.
    pub until: Option<Timestamp>,
    /// Why it gives her nothing at present, if so.
    pub idle: Option<Why>,
}

/// What an employee comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct EmployeeView {
    /// Her user name; empty if she cannot be read.
    pub username: Arc<str>,
    /// Why she may do nothing at all at present, if so.
    pub idle: Option<Why>,
    /// Her roles, the primary one first.
    pub roles: Vec<Held>,
    /// Her net permissions (E8), each with all that it comes from.
    pub actions: BTreeMap<Action, Vec<Because>>,
    /// What a role of hers lists, or what that would bring, that has no effect, and why.
    pub without_effect: Vec<(Arc<str>, Action, Why)>,
}

/// Why somebody may not do something, or that they may.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Where the action comes from; empty: it is not theirs.
    pub because: Vec<Because>,
    /// What stands in the way, the nearest to the cause first.
    pub obstacles: Vec<Why>,
}

impl Why {
    fn of((reason, message): (Reason, String)) -> Self {
        let reason = Some(reason);
        Self { reason, message }
    }

    fn by_itself(message: String) -> Self {
        Self { reason: None, message }
    }

    /// The same, of a role.
    fn of_role(&self, role: &str) -> Self {
        let message = format!("role `{role}`: {}", self.message);
        Self {
            message,
            ..self.clone()
        }
    }
}

/// What the role of that name comes to, if there is one.
pub fn role(name: &Name, directory: &Directory, now: Timestamp) -> Option<RoleView> {
    let entry = directory.role(name)?;
    let granted = match &entry.spec {
        Ok(role) => role::granted(name, role, directory),
        Err(_) => access::Granted::default(),
    };
    let origin = |action: Action| {
        let by = granted.implied.get(&action).cloned();
        (action, by)
    };
    let without_effect = granted.without_effect.into_iter();
    Some(RoleView {
        idle: role::idle(name, entry, directory, now).map(Why::of),
        actions: granted.actions.into_iter().map(origin).collect(),
        without_effect: without_effect.map(|(action, why)| (action, Why::of(why))).collect(),
    })
}

/// What the employee of that name comes to, if there is one.
pub fn employee(name: &Name, directory: &Directory, now: Timestamp) -> Option<EmployeeView> {
    let entry = directory.employee(name)?;
    let idle = employee::idle(name, entry, directory, now).map(Why::of);
    let mut view = EmployeeView {
        username: entry
            .spec
            .as_ref()
            .map(|employee| employee.username.clone())
            .unwrap_or_default(),
        idle,
        roles: vec![],
        actions: BTreeMap::new(),
        without_effect: vec![],
    };
    let Ok(employee) = &entry.spec else { return Some(view) };
    let (in_effect, net) = employee::net(name, entry, directory, now);
    for (_, held, until) in employee.roles_with_fields() {
        let role_name = Name::new(name.namespace.clone(), held.clone());
        let found = role(&role_name, directory, now);
        view.roles.push(Held {
            role: held.clone(),
            until,
            idle: idle_role(&role_name, (employee, found.as_ref()), now),
        });
        let Some(found) = found.filter(|_| in_effect.contains(held)) else {
            continue;
        };
        for (action, by) in found.actions {
            let because = match by {
                None => Because::Listed(held.clone()),
                Some(by) => Because::Implied(held.clone(), by),
            };
            view.actions.entry(action).or_default().push(because);
        }
        let idle = found
            .without_effect
            .into_iter()
            .filter(|(action, _)| !net.contains(action));
        view.without_effect
            .extend(idle.map(|(action, why)| (held.clone(), action, why)));
    }
    let free = unrestricted(&name.namespace, directory);
    for action in net.into_iter().filter(|action| free.contains(action)) {
        view.actions.entry(action).or_default().push(Because::Unrestricted);
    }
    Some(view)
}

/// Why the role gives an employee who holds it nothing.
fn idle_role(name: &Name, (employee, found): (&Employee, Option<&RoleView>), now: Timestamp) -> Option<Why> {
    let Some(found) = found else {
        return Some(Why::of((
            Reason::RoleNotFound,
            format!("role `{}` does not exist yet", name.name),
        )));
    };
    if !employee.holds(&name.name, now) {
        return Some(Why::by_itself("its time is over".to_owned()));
    }
    found.idle.clone()
}

fn unrestricted(namespace: &str, directory: &Directory) -> Actions {
    let tenant = directory.tenant(namespace);
    tenant
        .map(|tenant| access::unrestricted(tenant, directory))
        .unwrap_or_default()
}

/// The employees of `namespace` who may do `action`, each with all that it comes from.
pub fn who_can<'a>(
    action: &Action,
    namespace: &Arc<str>,
    directory: &'a Directory,
    now: Timestamp,
) -> BTreeMap<&'a Name, (Arc<str>, Vec<Because>)> {
    let mut found: BTreeMap<&Name, (Arc<str>, Vec<Because>)> = BTreeMap::new();
    if !tenant::is_active(namespace, directory, now) {
        return found;
    }
    let mut add = |name: &'a Name, entry: &'a Entry<Employee>, because: Because| {
        if let Ok(employee) = &entry.spec
            && employee::in_effect_one(name, entry, directory, now)
        {
            let entry = found.entry(name).or_insert_with(|| (employee.username.clone(), vec![]));
            entry.1.push(because);
        }
    };
    for (name, _) in directory.roles_in(namespace) {
        let Some(view) = role(name, directory, now).filter(|view| view.idle.is_none()) else {
            continue;
        };
        let Some(by) = view.actions.get(action) else { continue };
        let counts = |entry: &Entry<Employee>| entry.spec.as_ref().is_ok_and(|held| held.holds(&name.name, now));
        for (holder, entry) in directory.holders(name).filter(|(_, entry)| counts(entry)) {
            let because = match by {
                None => Because::Listed(name.name.clone()),
                Some(by) => Because::Implied(name.name.clone(), by.clone()),
            };
            add(holder, entry, because);
        }
    }
    if unrestricted(namespace, directory).contains(action) {
        for (name, entry) in directory.employees_in(namespace) {
            add(name, entry, Because::Unrestricted);
        }
    }
    found
}

/// Why `user` may not do `action` in `namespace`, or that they may. `user` is a user name, or the name of an employee.
pub fn why_not(user: &str, action: &Action, namespace: &Arc<str>, directory: &Directory, now: Timestamp) -> Verdict {
    let obstacle = |why| Verdict {
        because: vec![],
        obstacles: vec![why],
    };
    if let Err(message) = access::known(action, directory) {
        return obstacle(Why::of((Reason::UnknownPermission, message)));
    }
    if let Some(why) = tenant::idle(namespace, directory, now) {
        return obstacle(Why::of(why));
    }
    let application = action.application();
    if !directory
        .tenant(namespace)
        .is_some_and(|tenant| tenant.has(application))
    {
        let message =
            format!("tenant `{namespace}` does not have the application `{application}`: have it switched on");
        return obstacle(Why::of((Reason::ApplicationNotEnabled, message)));
    }
    let Some(name) = find(user, namespace, directory) else {
        let message = format!("no employee of tenant `{namespace}` has the user name `{user}`");
        return obstacle(Why::by_itself(message));
    };
    let Some(mut view) = employee(&name, directory, now) else {
        return obstacle(Why::by_itself(format!("there is no employee `{name}`")));
    };
    if *view.username != *user && *name.name != *user {
        let message = format!(
            "the user name of employee `{}` is `{}`, and Kubernetes takes user names byte by byte: `{user}` is somebody else",
            name.name, view.username
        );
        return obstacle(Why::by_itself(message));
    }
    let because = view.actions.remove(action).unwrap_or_default();
    let obstacles = if because.is_empty() {
        in_the_way(&name, &view, action, directory, now)
    } else {
        vec![]
    };
    Verdict { because, obstacles }
}

/// The employee of `namespace` who is meant: one of several with the same user name is the one in effect.
pub fn find(user: &str, namespace: &Arc<str>, directory: &Directory) -> Option<Name> {
    let folded = Folded::new(user);
    let mut named: Vec<(&Name, &Arc<Entry<Employee>>)> = directory
        .employees_named(&folded)
        .filter(|(name, _)| name.namespace == *namespace)
        .collect();
    named.sort_by_key(|(_, entry)| entry.age());
    let by_name = Name::new(namespace.clone(), user);
    let by_name = directory.employee(&by_name).map(|_| by_name);
    named.first().map(|(name, _)| (*name).clone()).or(by_name)
}

/// What keeps an employee from an action that she has not.
fn in_the_way(name: &Name, view: &EmployeeView, action: &Action, directory: &Directory, now: Timestamp) -> Vec<Why> {
    let mut obstacles: Vec<Why> = view.idle.iter().cloned().collect();
    let mut granted = unrestricted(&name.namespace, directory).contains(action);
    for held in &view.roles {
        let Some(found) = role(&Name::new(name.namespace.clone(), held.role.clone()), directory, now) else {
            obstacles.extend(held.idle.clone());
            continue;
        };
        if let Some(why) = found.without_effect.get(action) {
            obstacles.push(why.of_role(&held.role));
            granted = true;
        } else if found.actions.contains_key(action) {
            granted = true;
            obstacles.extend(held.idle.iter().map(|why| why.of_role(&held.role)));
        }
    }
    if !granted {
        let gives = |(role_name, _): &(&Name, &Arc<Entry<role::Role>>)| {
            let view = role(role_name, directory, now);
            view.is_some_and(|view| view.idle.is_none() && view.actions.contains_key(action))
        };
        let roles: Vec<&str> = directory
            .roles_in(&name.namespace)
            .filter(gives)
            .map(|(role, _)| &*role.name)
            .collect();
        let who = if roles.is_empty() {
            "no role of the tenant grants it".to_owned()
        } else {
            format!("these grant it: {}", access::some_of(&roles))
        };
        obstacles.push(Why::by_itself(format!("none of their roles grants `{action}`; {who}")));
    }
    obstacles
}
