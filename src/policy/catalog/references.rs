//! What the actions of a catalogue say of each other: that what they name exists, that none leads back to itself (P2, P3),
//! and that none brings what it must not: what is not everybody's (P5), or its own catalogue could not hand out (P8).

use super::{Action, ActionEntry, Catalog};
use crate::policy::access::unknown;
use crate::policy::directory::Directory;
use crate::policy::forbidden;
use crate::policy::verdict::{Reason, Violation, Violations};
use std::collections::BTreeSet;

/// What is wrong with references, as far as the catalogue itself tells: those that cannot be read, those to actions of its
/// own that it does not have, and circles.
pub fn within(application: &str, catalog: &Catalog) -> Violations {
    let mut violations = vec![];
    for (action, other) in all(catalog) {
        if !well_formed(other) {
            violations.push(refused(format!(
                "action `{action}` refers to `{other}`: write it as application/permission:Action"
            )));
        } else if other.application() == application && !catalog.actions.contains_key(other) {
            violations.push(refused(format!(
                "action `{action}` refers to `{other}`, which does not exist: correct the name"
            )));
        }
    }
    violations.extend(circle(catalog, "implies", |entry| &entry.implies));
    violations.extend(circle(catalog, "requires", |entry| &entry.requires));
    violations
}

/// What is wrong with references to other applications, as far as their catalogues are there: actions that they do not
/// have; and what implications bring that they must not (P5, P8).
pub fn abroad(application: &str, catalog: &Catalog, directory: &Directory) -> Violations {
    let dangling = all(catalog).filter_map(|(action, other)| {
        let target = directory.catalog(other.application())?;
        let strange = other.application() != application && !target.actions.contains_key(other);
        strange.then(|| {
            let known: Vec<String> = target.actions.keys().map(ToString::to_string).collect();
            let known = known.iter().map(String::as_str);
            let why = unknown(&format!("`{other}`"), &other.to_string(), known);
            let message = format!("action `{action}` refers to what is not there: {why}");
            Violation::part(Reason::InvalidCatalog, "spec.permissions", message)
        })
    });
    dangling.chain(brought(catalog, directory)).collect()
}

/// What actions would bring by implying it, and must not.
fn brought(catalog: &Catalog, directory: &Directory) -> impl Iterator<Item = Violation> {
    let edges = catalog.actions.iter();
    let edges = edges.flat_map(|(action, entry)| entry.implies.iter().map(move |implied| ((action, entry), implied)));
    edges.filter_map(|(action, implied)| {
        let target = catalog.actions.get(implied).or_else(|| directory.action(implied))?;
        let (reason, message) = forbidden::implied(action, (implied, target), directory)?;
        Some(Violation::part(reason, "spec.permissions", message))
    })
}

fn all(catalog: &Catalog) -> impl Iterator<Item = (&Action, &Action)> {
    let entries = catalog.actions.iter();
    entries.flat_map(|(action, entry)| (entry.implies.iter().chain(&entry.requires)).map(move |other| (action, other)))
}

fn refused(message: String) -> Violation {
    Violation::whole(Reason::InvalidCatalog, "spec.permissions", message)
}

/// Whether a reference reads as application, permission and action.
fn well_formed(action: &Action) -> bool {
    let text = action.to_string();
    let parts = text
        .split_once('/')
        .and_then(|(application, rest)| Some((application, rest.split_once(':')?)));
    parts.is_some_and(|(application, (permission, action))| {
        let named = |part: &str| !part.is_empty() && !part.contains(['/', ':']);
        named(application) && named(permission) && named(action)
    })
}

/// An action that leads back to itself within the catalogue, if there is one.
fn circle(catalog: &Catalog, verb: &str, edges: impl Fn(&ActionEntry) -> &Vec<Action>) -> Option<Violation> {
    let mut seen: BTreeSet<&Action> = BTreeSet::new();
    for start in catalog.actions.keys() {
        if !seen.insert(start) {
            continue;
        }
        let mut way: Vec<(&Action, usize)> = vec![(start, 0)];
        let mut on_way = BTreeSet::from([start]);
        while let Some((action, tried)) = way.last_mut() {
            let next = catalog.actions.get(*action).and_then(|entry| edges(entry).get(*tried));
            *tried += 1;
            match next {
                None => {
                    on_way.remove(*action);
                    way.pop();
                }
                Some(next) if on_way.contains(next) => return Some(led_round(&way, next, verb)),
                Some(next) if seen.insert(next) => {
                    on_way.insert(next);
                    way.push((next, 0));
                }
                Some(_) => {}
            }
        }
    }
    None
}

fn led_round(way: &[(&Action, usize)], back: &Action, verb: &str) -> Violation {
    let round = way
        .iter()
        .map(|(action, _)| *action)
        .skip_while(|action| *action != back);
    let named: Vec<String> = round.chain([back]).map(|action| format!("`{action}`")).collect();
    let message = format!("{} each {verb} the next one: take one of these out", named.join(", "));
    refused(message)
}
