//! What a role's grants come to in its tenant: the closure (P2), what has no effect and why (T4, P3, P7), and the rights
//! in Kubernetes (P6). Who holds the role is left to `role` and `employee`.

use super::catalog::{ADMINISTRATOR, Action, ActionEntry, Actions, USE};
use super::children::{Rule, merged};
use super::directory::Directory;
use super::forbidden;
use super::tenant::Tenant;
use super::verdict::{Reason, Violation, Violations};
use crate::api::Mode;
use std::collections::{BTreeMap, BTreeSet};

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

impl Line {
    /// The actions that it lists; a switch need not list its only one.
    pub(super) fn listed(&self) -> impl Iterator<Item = Action> {
        let switch = self.actions.is_empty().then_some(USE);
        let names = self.actions.iter().map(String::as_str).chain(switch);
        names.map(|name| Action::new(&self.application, &self.permission, name))
    }
}

/// What the lines of a role come to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Granted {
    /// The actions that have effect, closure included.
    pub actions: Actions,
    /// Those that no line lists, each with an action that implies it.
    pub implied: BTreeMap<Action, Action>,
    /// What lines list, or what that would bring, that has no effect, and why.
    pub without_effect: BTreeMap<Action, (Reason, String)>,
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
    if let Some(tenant) = tenant {
        settle(&mut granted, tenant, directory);
    }
    granted
}

/// What of `actions` has effect in `tenant`, closure included.
pub fn in_effect(actions: &Actions, tenant: &Tenant, directory: &Directory) -> Actions {
    let mut granted = Granted {
        actions: actions.clone(),
        ..Granted::default()
    };
    settle(&mut granted, tenant, directory);
    granted.actions
}

/// Adds what is implied and takes away what lacks something. Says of what an action must not bring that it does not.
fn settle(granted: &mut Granted, tenant: &Tenant, directory: &Directory) {
    let has = |action: &Action| tenant.has(action.application());
    granted.implied = close(&mut granted.actions, directory, |action, _| has(action));
    let known = |action| directory.action(action).map(|entry| (action, entry));
    for (action, entry) in granted.actions.iter().filter_map(known) {
        let kept_back = |implied: &&Action| has(implied) && !granted.actions.contains(*implied);
        for implied in entry.implies.iter().filter(kept_back).filter_map(known) {
            let why = forbidden::implied((action, entry), implied, directory);
            granted.without_effect.extend(why.map(|why| (implied.0.clone(), why)));
        }
    }
    let free = unrestricted(tenant, directory);
    drop_unmet(granted, |action| free.contains(action), directory);
}

impl Granted {
    /// Says of every action of the line why it has no effect.
    fn idle(&mut self, line: &Line, reason: Reason, message: &str) {
        for action in line.listed() {
            self.without_effect.insert(action, (reason, message.to_owned()));
        }
    }

    fn refuse(&mut self, reason: Reason, field: String, message: String) {
        self.violations.push(Violation::part(reason, field, message));
    }
}

/// Takes up what one line grants by itself.
fn resolve(line: &Line, field: &str, tenant: Option<&Tenant>, directory: &Directory, granted: &mut Granted) {
    let application = line.application.as_str();
    let enabled = tenant.is_some_and(|tenant| tenant.has(application));
    let Some(catalog) = directory.catalog(application) else {
        if enabled || tenant.is_none() {
            let message = format!("the catalogue of application `{application}` does not exist yet");
            granted.idle(line, Reason::CatalogNotFound, &message);
            granted.pending.push((Reason::CatalogNotFound, message));
        } else {
            let known = directory
                .applications()
                .filter(|name| directory.catalog(name).is_some());
            let message = unknown(&format!("application `{application}`"), application, known);
            granted.idle(line, Reason::UnknownPermission, &message);
            granted.refuse(Reason::UnknownPermission, format!("{field}.application"), message);
        }
        return;
    };
    let Some(permission) = catalog.permissions.get(&line.permission) else {
        let what = format!("permission `{}` of application `{application}`", line.permission);
        let message = unknown(&what, &line.permission, catalog.permissions.keys().map(String::as_str));
        granted.idle(line, Reason::UnknownPermission, &message);
        granted.refuse(Reason::UnknownPermission, format!("{field}.permission"), message);
        return;
    };
    for name in named(line, field, permission, granted) {
        match permission.get(&name) {
            Some(action) if enabled => drop(granted.actions.insert(action.clone())),
            Some(action) if tenant.is_some() => {
                let message = format!(
                    "`{action}` is of application `{application}`, which the tenant does not have: leave it out, or have the application switched on"
                );
                let why = (Reason::ApplicationNotEnabled, message.clone());
                granted.without_effect.insert(action.clone(), why);
                granted.refuse(Reason::ApplicationNotEnabled, format!("{field}.application"), message);
            }
            Some(_) => {}
            None => {
                let what = format!("action `{name}` of `{application}/{}`", line.permission);
                let message = unknown(&what, &name, permission.keys().map(String::as_str));
                let action = Action::new(application, &line.permission, &name);
                let why = (Reason::UnknownPermission, message.clone());
                granted.without_effect.insert(action, why);
                granted.refuse(Reason::UnknownPermission, format!("{field}.actions"), message);
            }
        }
    }
}

/// The actions that the line names; a switch need not name its only one.
fn named(line: &Line, field: &str, permission: &BTreeMap<String, Action>, granted: &mut Granted) -> Vec<String> {
    if !line.actions.is_empty() {
        return line.actions.clone();
    }
    if permission.len() == 1 && permission.contains_key(USE) {
        return vec![USE.to_owned()];
    }
    let message = format!(
        "permission `{}` needs actions: name some of {}",
        line.permission,
        quoted(permission.keys())
    );
    granted.refuse(Reason::UnknownPermission, format!("{field}.actions"), message);
    vec![]
}

/// Adds what the actions imply, and what that implies, as far as `may` lets it (P2). What was added, and because of what.
/// What an application that the tenant does not have would imply further is not looked at; nor is what an action must not
/// bring (P5, P8): admission may not have known the other catalogue.
fn close(
    actions: &mut Actions,
    directory: &Directory,
    may: impl Fn(&Action, &ActionEntry) -> bool,
) -> BTreeMap<Action, Action> {
    let mut implied_by = BTreeMap::new();
    let mut open: Vec<Action> = actions.iter().cloned().collect();
    while let Some(action) = open.pop() {
        let Some(entry) = directory.action(&action) else {
            continue;
        };
        for implied in &entry.implies {
            let brings = |target| forbidden::implied((&action, entry), (implied, target), directory).is_none();
            let target = directory.action(implied).filter(|target| may(implied, target));
            if target.is_some_and(brings) && actions.insert(implied.clone()) {
                implied_by.insert(implied.clone(), action.clone());
                open.push(implied.clone());
            }
        }
    }
    implied_by
}

/// Takes away what lacks something it requires, until nothing does (P3). What is `free` to everybody is never lacking.
fn drop_unmet(granted: &mut Granted, free: impl Fn(&Action) -> bool, directory: &Directory) {
    loop {
        let unmet = granted.actions.iter().find_map(|action| {
            let requires = &directory.action(action)?.requires;
            requires
                .iter()
                .find(|required| !granted.actions.contains(required) && !free(required))
                .map(|r| (action.clone(), r.clone()))
        });
        let Some((action, required)) = unmet else { return };
        let message = format!("`{action}` has no effect without `{required}`: grant that too");
        granted.actions.remove(&action);
        granted
            .without_effect
            .insert(action, (Reason::RequirementMissing, message.clone()));
        granted.pending.push((Reason::RequirementMissing, message));
    }
}

/// That catalogues know the action; if not, which is the nearest one.
pub fn known(action: &Action, directory: &Directory) -> Result<(), String> {
    if directory.action(action).is_some() {
        return Ok(());
    }
    let application = action.application();
    let Some(catalog) = directory.catalog(application) else {
        return Err(unknown(
            &format!("application `{application}`"),
            application,
            directory.applications(),
        ));
    };
    let text = action.to_string();
    let permission = text.split(['/', ':']).nth(1).unwrap_or_default();
    let name = text.rsplit(':').next().unwrap_or_default();
    Err(if let Some(actions) = catalog.permissions.get(permission) {
        let what = format!("action `{name}` of `{application}/{permission}`");
        unknown(&what, name, actions.keys().map(String::as_str))
    } else {
        let what = format!("permission `{permission}` of application `{application}`");
        unknown(&what, permission, catalog.permissions.keys().map(String::as_str))
    })
}

/// What lines store, whatever has effect just now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stored {
    /// The actions that lines list.
    pub listed: Actions,
    /// What would have effect in a tenant with every application, closure included.
    pub potential: Actions,
    /// What no catalogue knows, as text.
    pub unknown: BTreeSet<String>,
}

/// What `lines` store, closure included, whether or not the tenant has the applications (R16).
pub fn stored(lines: &[Line], directory: &Directory) -> Stored {
    let mut stored = Stored::default();
    for line in lines {
        for action in line.listed() {
            if directory.action(&action).is_some() {
                stored.listed.insert(action);
            } else {
                stored.unknown.insert(action.to_string());
            }
        }
    }
    let mut all = Granted {
        actions: closed(stored.listed.clone(), directory),
        ..Granted::default()
    };
    drop_unmet(&mut all, |action| free(action, directory), directory);
    stored.potential = all.actions;
    stored
}

/// `actions` and all that they imply, whether or not a tenant has the applications.
pub fn closed(mut actions: Actions, directory: &Directory) -> Actions {
    let _ = close(&mut actions, directory, |_, _| true);
    actions
}

/// Whether the action is everybody's in each tenant that has its application (P5).
pub fn free(action: &Action, directory: &Directory) -> bool {
    directory.action(action).is_some_and(|entry| entry.unrestricted)
}

/// What somebody has; what sessions of a mode have by its fixed role, with that mode.
pub type Own = (Actions, Option<Mode>);

/// What a session of `mode` has in `tenant` to hand out (R16): what Administrator has from the factory, and the fixed role.
pub fn own_of_sessions(tenant: &Tenant, mode: Mode, directory: &Directory) -> Vec<Own> {
    let factory = chosen(tenant, directory, |entry| entry.default_for.contains(ADMINISTRATOR));
    vec![
        (in_effect(&factory, tenant, directory), None),
        (of_sessions(tenant, mode, directory), Some(mode)),
    ]
}

/// What of a role that lists `listed` is within the bounds of who has `own` (R16): that, and what follows from it as soon as
/// the tenant has the application. It follows by the same steps for both, if it is not listed itself, and nothing else in the
/// role is needed for it (P3).
pub fn within((own, mode): &Own, listed: &Actions, directory: &Directory) -> Actions {
    let mut actions: Actions = listed.intersection(own).cloned().collect();
    let _ = close(&mut actions, directory, |_, entry| {
        mode.is_none_or(|mode| implied_in(mode, entry))
    });
    actions.retain(|action| {
        let mut needs = directory.action(action).into_iter().flat_map(|entry| &entry.requires);
        !listed.contains(action) && needs.all(|required| free(required, directory))
    });
    actions.extend(own.iter().cloned());
    actions
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
    chosen(tenant, directory, |entry| entry.unrestricted)
}

/// What a session of `mode` may do in `tenant` (I5): like a role, nothing that lacks what it requires (P3).
pub fn of_sessions(tenant: &Tenant, mode: Mode, directory: &Directory) -> Actions {
    let mut granted = Granted {
        actions: chosen(tenant, directory, |entry| entry.sessions.contains(&mode)),
        ..Granted::default()
    };
    let _ = close(&mut granted.actions, directory, |action, entry| {
        tenant.has(action.application()) && implied_in(mode, entry)
    });
    let free = unrestricted(tenant, directory);
    drop_unmet(&mut granted, |action| free.contains(action), directory);
    granted.actions
}

/// Whether sessions of `mode` have what something that they have implies.
fn implied_in(mode: Mode, entry: &ActionEntry) -> bool {
    entry.sessions.contains(&mode) || entry.sessions_by_implication
}

/// Those actions of the tenant's applications of which that is true.
fn chosen(tenant: &Tenant, directory: &Directory, which: impl Fn(&ActionEntry) -> bool) -> Actions {
    let applications = tenant.applications.iter();
    let catalogs = applications.filter_map(|application| directory.catalog(application));
    catalogs
        .flat_map(|catalog| &catalog.actions)
        .filter(|(_, entry)| which(entry))
        .map(|(action, _)| action.clone())
        .collect()
}

/// That `what`, called `name`, is not known, with the nearest name that is (P7). Names whose lengths differ by more than
/// the distance that counts as near are not compared: names come from writers, who could make that costly.
pub(super) fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> String {
    match nearest(name, known) {
        Some(nearest) => format!("{what} does not exist: did you mean `{nearest}`?"),
        None => format!("{what} does not exist: name one that the catalogue lists"),
    }
}

/// The one of `known` that somebody most likely meant who wrote `name`, if any is near.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let letters = name.chars().count();
    let near = 1 + letters / 2;
    let nearest = known
        .filter(|known| known.chars().count().abs_diff(letters) <= near)
        .map(|known| {
            (
                strsim::damerau_levenshtein(&name.to_lowercase(), &known.to_lowercase()),
                known,
            )
        })
        .min();
    nearest
        .filter(|(distance, _)| *distance <= near)
        .map(|(_, nearest)| nearest)
}

/// `a`, `b` and `c`, in back-ticks.
pub fn quoted<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> String {
    let names: BTreeSet<String> = names.into_iter().map(|name| format!("`{}`", name.as_ref())).collect();
    names.into_iter().collect::<Vec<_>>().join(", ")
}

/// The first five, in back-ticks, and how many more there are.
pub fn some_of(names: &[&str]) -> String {
    let shown = quoted(names.iter().take(5));
    match names.len().saturating_sub(5) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
