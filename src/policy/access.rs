//! What a role's grants come to in its tenant: the closure (P2), what has no effect and why (T4, P3, P7), and the rights
//! in Kubernetes (P6). Who holds the role is left to `role` and `employee`.

use super::catalog::{Action, Actions};
use super::children::{Rule, merged};
use super::directory::Directory;
use super::tenant::Tenant;
use super::verdict::{Reason, Violation, Violations};
use std::collections::BTreeSet;

/// One line of a role's permissions, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The application.
    pub application: String,
    /// The permission.
    pub permission: String,
    /// The actions; none for a switch.
    pub actions: Vec<String>,
}

/// What the lines of a role come to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Granted {
    /// The actions that have effect, closure included.
    pub actions: Actions,
    /// What has no effect because it cannot stand.
    pub violations: Violations,
    /// What has no effect because something does not exist yet.
    pub pending: Vec<(Reason, String)>,
}

/// What `lines` come to in `tenant`; without a tenant nothing has effect yet.
pub fn granted(lines: &[Line], tenant: Option<&Tenant>, directory: &Directory) -> Granted {
    let mut granted = Granted::default();
    for (index, line) in lines.iter().enumerate() {
        let field = format!("spec.permissions[{index}]");
        resolve(line, &field, tenant, directory, &mut granted);
    }
    let Some(tenant) = tenant else { return granted };
    close(&mut granted.actions, directory);
    granted.actions.retain(|action| tenant.has(action.application()));
    drop_unmet(&mut granted, directory);
    granted
}

fn resolve(line: &Line, field: &str, tenant: Option<&Tenant>, directory: &Directory, granted: &mut Granted) {
    let application = line.application.as_str();
    let enabled = tenant.is_some_and(|tenant| tenant.has(application));
    let Some(catalog) = directory.catalog(application) else {
        if enabled || tenant.is_none() {
            let message = format!("the catalogue of application `{application}` does not exist yet");
            granted.pending.push((Reason::CatalogNotFound, message));
        } else {
            let message = unknown("application", application, directory.applications());
            granted.violations.push(Violation::part(
                Reason::UnknownPermission,
                format!("{field}.application"),
                message,
            ));
        }
        return;
    };
    let Some(permission) = catalog.permissions.get(&line.permission) else {
        let message = unknown(
            "permission",
            &line.permission,
            catalog.permissions.keys().map(String::as_str),
        );
        granted.violations.push(Violation::part(
            Reason::UnknownPermission,
            format!("{field}.permission"),
            message,
        ));
        return;
    };
    if tenant.is_some() && !enabled {
        let message = format!(
            "the tenant does not have application `{application}`: leave the permission out, or have the application switched on"
        );
        granted.violations.push(Violation::part(
            Reason::ApplicationNotEnabled,
            format!("{field}.application"),
            message,
        ));
    }
    let switch = "use".to_owned();
    let is_switch = permission.len() == 1 && permission.contains_key(&switch);
    if line.actions.is_empty() && !is_switch {
        let message = format!(
            "permission `{}` needs actions: name some of {}",
            line.permission,
            quoted(permission.keys())
        );
        granted.violations.push(Violation::part(
            Reason::UnknownPermission,
            format!("{field}.actions"),
            message,
        ));
    }
    let names = if line.actions.is_empty() && is_switch {
        std::slice::from_ref(&switch)
    } else {
        &line.actions
    };
    for name in names {
        match permission.get(name) {
            Some(action) if enabled => drop(granted.actions.insert(action.clone())),
            Some(_) => {}
            None => {
                let message = unknown("action", name, permission.keys().map(String::as_str));
                let violation = Violation::part(Reason::UnknownPermission, format!("{field}.actions"), message);
                granted.violations.push(violation);
            }
        }
    }
}

/// Adds what the actions imply, and what that implies.
fn close(actions: &mut Actions, directory: &Directory) {
    let mut open: Vec<Action> = actions.iter().cloned().collect();
    while let Some(action) = open.pop() {
        let implied = directory
            .action(&action)
            .map(|entry| entry.implies.as_slice())
            .unwrap_or_default();
        open.extend(
            implied
                .iter()
                .filter(|implied| actions.insert((*implied).clone()))
                .cloned(),
        );
    }
    actions.retain(|action| directory.action(action).is_some());
}

/// Takes away what lacks something it requires, until nothing does (P3).
fn drop_unmet(granted: &mut Granted, directory: &Directory) {
    loop {
        let unmet = granted.actions.iter().find_map(|action| {
            let requires = &directory.action(action)?.requires;
            requires
                .iter()
                .find(|required| !granted.actions.contains(required))
                .map(|r| (action.clone(), r.clone()))
        });
        let Some((action, required)) = unmet else { return };
        let message = format!("`{action}` has no effect without `{required}`: grant that too");
        granted.pending.push((Reason::RequirementMissing, message));
        granted.actions.remove(&action);
    }
}

/// What `actions` are in Kubernetes.
pub fn rules<'a>(actions: impl IntoIterator<Item = &'a Action>, directory: &Directory) -> Vec<Rule> {
    merged(
        actions
            .into_iter()
            .filter_map(|action| directory.action(action))
            .flat_map(|entry| entry.rules.clone()),
    )
}

/// What every Active employee of `tenant` may do whatever the roles (P5).
pub fn unrestricted(tenant: &Tenant, directory: &Directory) -> Actions {
    tenant
        .applications
        .iter()
        .filter_map(|application| directory.catalog(application))
        .flat_map(|catalog| catalog.actions.iter().filter(|(_, entry)| entry.unrestricted))
        .map(|(action, _)| action.clone())
        .collect()
}

/// What a session of `mode` may do in `tenant` (I5).
pub fn of_sessions(tenant: &Tenant, mode: crate::api::Mode, directory: &Directory) -> Actions {
    let mut actions: Actions = tenant
        .applications
        .iter()
        .filter_map(|application| directory.catalog(application))
        .flat_map(|catalog| {
            catalog
                .actions
                .iter()
                .filter(|(_, entry)| entry.sessions.contains(&mode))
        })
        .map(|(action, _)| action.clone())
        .collect();
    close(&mut actions, directory);
    actions.retain(|action| {
        directory
            .action(action)
            .is_some_and(|entry| entry.sessions.contains(&mode))
    });
    actions
}

/// That `name` is not known, with the nearest name that is (P7).
fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let nearest = known
        .map(|known| {
            (
                strsim::damerau_levenshtein(&name.to_lowercase(), &known.to_lowercase()),
                known,
            )
        })
        .min();
    match nearest {
        Some((distance, nearest)) if distance <= 1 + name.chars().count() / 2 => {
            format!("{what} `{name}` does not exist: did you mean `{nearest}`?")
        }
        _ => format!("{what} `{name}` does not exist: name one that the catalogue lists"),
    }
}

/// `a`, `b` and `c`, in back-ticks.
pub fn quoted<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> String {
    let names: BTreeSet<String> = names.into_iter().map(|name| format!("`{}`", name.as_ref())).collect();
    names.into_iter().collect::<Vec<_>>().join(", ")
}
