//! Catalogues: which applications, permissions and actions there are, what each grants in Kubernetes, and what it implies
//! or requires (P1 to P4, P6). What a role's grants come to in a tenant is left to [`super::access`].

use super::access;
use super::children::Rule;
use super::directory::{Directory, Entry};
use super::verdict::{Reason, Standing, Violation, Violations};
use super::{Decision, Kind, forbidden};
use crate::api::{ActionSpec, Mode, PermissionCatalogSpec, PermissionCatalogStatus, PermissionSpec};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

mod references;

/// The out-of-the-box role whose factory permissions sessions have where the catalogue does not say otherwise.
pub const ADMINISTRATOR: &str = "administrator";
/// The one action of a switch.
pub const USE: &str = "use";

/// One thing that can be granted, written `application/permission:Action`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Action(Arc<str>);

/// A set of actions.
pub type Actions = BTreeSet<Action>;

impl Action {
    /// The action `action` of `permission` of `application`.
    pub fn new(application: &str, permission: &str, action: &str) -> Self {
        Self(format!("{application}/{permission}:{action}").into())
    }

    /// The application that it belongs to.
    pub fn application(&self) -> &str {
        self.0.split_once('/').map_or(&self.0, |(application, _)| application)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One application's permissions, checked and indexed.
#[derive(Clone, Debug, PartialEq)]
pub struct Catalog {
    /// Where sessions begin.
    pub landing: BTreeMap<Mode, Landing>,
    /// The out-of-the-box roles that it brings: their names, and those for people (R12).
    pub default_roles: Vec<(String, String)>,
    /// Every action by itself.
    pub actions: BTreeMap<Action, ActionEntry>,
    /// The actions of each permission, by permission and action name.
    pub permissions: BTreeMap<String, BTreeMap<String, Action>>,
}

/// A page on which sessions begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Landing {
    /// As the menu names it.
    pub page: String,
    /// Its path.
    pub path: Option<String>,
}

/// What a catalogue says of one action.
#[derive(Clone, Debug, PartialEq)]
pub struct ActionEntry {
    /// What it grants too (P2).
    pub implies: Vec<Action>,
    /// What must be granted too for it to have effect (P3).
    pub requires: Vec<Action>,
    /// Whether every Active employee has it (P5).
    pub unrestricted: bool,
    /// The modes of session that have it (I5).
    pub sessions: BTreeSet<Mode>,
    /// Whether sessions that have an action which implies this one have this too: where the catalogue does not say.
    pub sessions_by_implication: bool,
    /// The out-of-the-box roles that have it from the factory (R12).
    pub default_for: BTreeSet<String>,
    /// What it is in Kubernetes (P6).
    pub rules: Vec<Rule>,
}

/// Reads the catalogue of `application`.
pub fn parse(application: &str, spec: &PermissionCatalogSpec) -> Result<Catalog, Violations> {
    let mut catalog = Catalog {
        landing: spec
            .landing_pages
            .iter()
            .map(|l| {
                (
                    l.mode,
                    Landing {
                        page: l.page.clone(),
                        path: l.path.clone(),
                    },
                )
            })
            .collect(),
        default_roles: spec
            .default_roles
            .iter()
            .map(|role| (role.name.clone(), role.display_name.clone()))
            .collect(),
        actions: BTreeMap::new(),
        permissions: BTreeMap::new(),
    };
    let mut violations = impossible(spec);
    for (index, permission) in spec.permissions.iter().enumerate() {
        let field = format!("spec.permissions[{index}]");
        let (mut by_name, mut verbs) = (BTreeMap::new(), BTreeMap::new());
        for action in actions_of(permission) {
            if let Some(other) = verbs.insert(action.name.to_lowercase(), action.name.clone()) {
                let message = format!(
                    "action `{}` would be the same right as `{other}`: give it another name",
                    action.name
                );
                violations.push(Violation::whole(Reason::InvalidCatalog, &field, message));
            }
            let id = Action::new(application, &permission.name, &action.name);
            let entry = entry(application, permission, &action);
            violations.extend(
                entry
                    .rules
                    .iter()
                    .filter_map(|rule| forbidden::judge(application, rule))
                    .map(|why| {
                        let message = format!("action `{}` would hand out {why}: leave that rule out", action.name);
                        Violation::whole(Reason::ForbiddenRule, &field, message)
                    }),
            );
            by_name.insert(action.name.clone(), id.clone());
            catalog.actions.insert(id, entry);
        }
        catalog.permissions.insert(permission.name.clone(), by_name);
    }
    violations.extend(references::within(application, &catalog));
    if violations.is_empty() {
        Ok(catalog)
    } else {
        Err(violations)
    }
}

/// A switch is a permission with the one action `use`.
fn actions_of(permission: &PermissionSpec) -> Vec<ActionSpec> {
    if !permission.switch {
        return permission.actions.clone();
    }
    vec![ActionSpec {
        name: USE.to_owned(),
        implies: permission.implies.clone(),
        requires: permission.requires.clone(),
        default_for: permission.default_for.clone(),
        ..ActionSpec::default()
    }]
}

fn entry(application: &str, permission: &PermissionSpec, action: &ActionSpec) -> ActionEntry {
    let refer = |text: &String| {
        if text.contains('/') {
            Action(text.as_str().into())
        } else {
            Action::new(application, &permission.name, text)
        }
    };
    let from_factory = action.default_for.iter().any(|role| role == ADMINISTRATOR);
    let sessions = match &action.sessions {
        Some(modes) => modes.iter().copied().collect(),
        None if from_factory => [Mode::Configure, Mode::Support].into(),
        None => BTreeSet::new(),
    };
    let mut rules: Vec<Rule> = action.rules.iter().flat_map(explicit).collect();
    if rules.is_empty() {
        let group = format!("{application}.apps.pimpernel.dev");
        rules.push(Rule::new(&group, &permission.name, &[&action.name.to_lowercase()]));
    }
    ActionEntry {
        implies: action.implies.iter().map(refer).collect(),
        requires: action.requires.iter().map(refer).collect(),
        unrestricted: permission.unrestricted,
        sessions,
        sessions_by_implication: action.sessions.is_none(),
        default_for: action.default_for.iter().cloned().collect(),
        rules,
    }
}

fn explicit(rule: &crate::api::RuleSpec) -> Vec<Rule> {
    let verbs: Vec<&str> = rule.verbs.iter().map(String::as_str).collect();
    let pairs = rule
        .api_groups
        .iter()
        .flat_map(|group| rule.resources.iter().map(move |resource| (group, resource)));
    pairs
        .map(|(group, resource)| Rule::new(group, resource, &verbs))
        .collect()
}

/// Out-of-the-box roles that no tenant could have (R1, R2).
fn impossible(spec: &PermissionCatalogSpec) -> Violations {
    let mut violations = vec![];
    for (index, role) in spec.default_roles.iter().enumerate() {
        let field = format!("spec.defaultRoles[{index}].displayName");
        for why in super::role::display_name(&role.display_name) {
            violations.push(Violation::whole(Reason::InvalidCatalog, &field, why.message));
        }
    }
    violations
}

/// What the catalogue of `application` contradicts in others that are there. Those that are not may come later.
pub fn rules(application: &str, catalog: &Catalog, directory: &Directory) -> Violations {
    references::abroad(application, catalog, directory)
}

/// What the writer of a catalogue should know that takes actions from everybody: which roles give them, so that their
/// holders keep them. While it changed nothing, whoever may write roles could list them (P5, R16).
pub fn still_given(application: &str, catalog: &Catalog, directory: &Directory) -> Option<String> {
    let stored = directory.catalog(application)?;
    let free = |action: &Action| stored.actions.get(action).is_some_and(|entry| entry.unrestricted);
    let taken = catalog.actions.iter();
    let taken = taken.filter(|(action, entry)| !entry.unrestricted && free(action));
    let taken: Actions = taken.map(|(action, _)| action.clone()).collect();
    if taken.is_empty() {
        return None;
    }
    let (mut kept, mut roles) = (Actions::new(), vec![]);
    for key in directory.keys().filter(|key| key.kind == Kind::Role) {
        let Some(role) = directory.role(&key.name).and_then(|entry| entry.spec.as_ref().ok()) else {
            continue;
        };
        let given = access::stored(&role.lines, directory);
        let given = given
            .listed
            .union(&given.potential)
            .filter(|action| taken.contains(*action));
        let given: Actions = given.cloned().collect();
        if !given.is_empty() {
            kept.extend(given);
            roles.push(key.name.to_string());
        }
    }
    let (are, them, they_are) = match kept.len() {
        0 => return None,
        1 => ("is", "it", "it is"),
        _ => ("are", "one of them", "they are"),
    };
    let shown = |names: Vec<String>| access::some_of(&names.iter().map(String::as_str).collect::<Vec<_>>());
    Some(format!(
        "{} {are} no longer everybody's, but of those whose roles give {them}: {}; see that {they_are} meant for them",
        shown(kept.iter().map(ToString::to_string).collect()),
        shown(roles)
    ))
}

/// What to say of a catalogue. Nothing exists because of one alone.
pub fn decide(application: &str, entry: &Entry<Catalog>, directory: &Directory) -> Decision<PermissionCatalogStatus> {
    let ready = (Reason::InEffect, "The catalogue is in effect".to_owned());
    let violations = match &entry.spec {
        Ok(catalog) => rules(application, catalog, directory),
        Err(violations) => violations.clone(),
    };
    Decision::saying(Standing::of(violations, vec![], ready))
}

/// All that the operator must hold itself to be able to grant what `catalog` lists.
pub fn grantable(catalog: &Catalog) -> Vec<Rule> {
    super::children::merged(catalog.actions.values().flat_map(|entry| entry.rules.clone()))
}
