//! The names of roles: what one may look like, whose it is, and for how long (R1 to R4).

use super::Role;
use crate::api;
use crate::policy::access;
use crate::policy::directory::{Directory, Entry, came_first};
use crate::policy::ledger::{self, DISPLAY_NAME, Record, digest};
use crate::policy::name::{Folded, Kind, Name};
use crate::policy::verdict::{Reason, Violation, Violations};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::collections::BTreeSet;

/// The characters that a display name may not contain (R2).
pub const FORBIDDEN: [char; 12] = ['/', '\\', '+', '!', '?', '<', '>', '#', '&', ',', '%', '"'];
/// The name of the account that sessions act as (R3, I5).
pub const RESERVED: &str = "Impersonated Admin";
/// How many names a role can have had (R4).
const MAX_NAMES: usize = 20;
/// Who changed a role, as far as whoever only sees it stored can say.
const UNKNOWN: &str = "unknown";

/// R1, R2 and the reserved name of R3.
pub(in crate::policy) fn display_name(name: &str) -> Violations {
    let field = "spec.displayName";
    let mut violations = vec![];
    let length = name.chars().count();
    if length == 0 || length > 50 {
        let message = format!("has {length} characters: give it 1 to 50");
        violations.push(Violation::whole(Reason::InvalidDisplayName, field, message));
    }
    if name.trim() != name {
        let message = format!("`{name}` begins or ends with a blank: remove it");
        violations.push(Violation::whole(Reason::InvalidDisplayName, field, message));
    }
    let found: BTreeSet<char> = name.chars().filter(|c| FORBIDDEN.contains(c)).collect();
    if !found.is_empty() {
        let found = access::quoted(found.iter().map(char::to_string));
        let message = format!("`{name}` contains {found}: leave that out");
        violations.push(Violation::whole(Reason::ForbiddenCharacter, field, message));
    }
    if Folded::new(name) == Folded::new(RESERVED) {
        let message = format!("`{name}` is reserved for sessions: choose another name");
        violations.push(Violation::whole(Reason::NameReserved, field, message));
    }
    violations
}

/// R3, R4: the name is unique in the tenant. Whoever used it first keeps it for ever; until that is on record, the older
/// object does.
pub(in crate::policy) fn taken(
    name: &Name,
    role: &Role,
    age: Option<(Timestamp, &str)>,
    directory: &Directory,
) -> Option<Violation> {
    let field = "spec.displayName";
    let living = |other: &str| {
        format!(
            "`{}` is the name of role `{other}` already, in whatever case: choose another name",
            role.display_name
        )
    };
    if let Some(owner) = directory.ledger().owner(&name.namespace, &role.folded) {
        if **owner == *name.name {
            return None;
        }
        let carries = |(other, _): (&Name, _)| other.name == *owner;
        return Some(if directory.roles_named(&name.namespace, &role.folded).any(carries) {
            Violation::whole(Reason::NameTaken, field, living(owner))
        } else {
            let message = burnt(name, role, owner, directory);
            Violation::whole(Reason::NameBurnt, field, message)
        });
    }
    let others = directory
        .roles_named(&name.namespace, &role.folded)
        .filter(|(other, _)| *other != name);
    let (other, _) = others
        .filter(|(_, other)| came_first(other, age))
        .min_by_key(|(_, other)| other.age())?;
    Some(Violation::whole(Reason::NameTaken, field, living(&other.name)))
}

/// R4: whose the name is, and how that came, as far as it is on record.
fn burnt(name: &Name, role: &Role, owner: &str, directory: &Directory) -> String {
    let first = directory.ledger().first_use(&name.namespace, &role.folded);
    let whose = match first {
        Some(first) if *first.role.name != *owner => {
            format!("role `{}`, whose names role `{owner}` has taken over", first.role.name)
        }
        _ => format!("role `{owner}`"),
    };
    let how = first.map(|first| match &first.by {
        Some(by) => format!(" ({by} gave it on {})", first.at),
        None => format!(" (on record since {}; who gave it is not known)", first.at),
    });
    format!(
        "`{}` was the name of {whose}, and a name once used stays that role's for ever, in whatever case{}: choose another name",
        role.display_name,
        how.unwrap_or_default()
    )
}

/// R4: a role that has had its names gets no other.
pub(super) fn restless(name: &Name, role: &Role, directory: &Directory) -> Option<Violation> {
    let ledger = directory.ledger();
    if ledger.has_used(name, &role.folded) || ledger.names_of(name).count() < MAX_NAMES {
        return None;
    }
    let message = format!(
        "role `{}` has had {MAX_NAMES} names, and gets no other: give it one of those back, or make another role",
        name.name
    );
    Some(Violation::whole(Reason::TooManyNames, "spec.displayName", message))
}

/// R4: that the role uses its name, to be put on record once.
pub(super) fn naming(name: &Name, entry: &Entry<Role>, directory: &Directory, now: Timestamp) -> Option<Record> {
    let role = entry.spec.as_ref().ok()?;
    let idle = directory.ledger().has_used(name, &role.folded) || entry.meta.deleting;
    let wrong = || taken(name, role, Some(entry.age()), directory).or_else(|| restless(name, role, directory));
    if idle || wrong().is_some() {
        return None;
    }
    let now = directory.ledger().instant(name, None, now);
    Some(Record {
        name: Name::new(
            name.namespace.clone(),
            format!("name-{}", digest(&[&name.name, role.folded.as_str()])),
        ),
        spec: api::ChangeRecordSpec {
            subject: api::Subject {
                kind: Kind::Role.as_str().to_owned(),
                name: name.name.to_string(),
                uid: entry.meta.uid.to_string(),
                display_name: Some(role.display_name.clone()),
            },
            operation: if entry.meta.generation <= 1 {
                api::Operation::Create
            } else {
                api::Operation::Update
            },
            generation: Some(entry.meta.generation),
            actor: api::Actor {
                username: UNKNOWN.to_owned(),
                on_behalf_of: None,
                session: None,
                verified: false,
            },
            time: Time(now),
            changes: vec![ledger::value(DISPLAY_NAME, role.display_name.as_str())],
        },
    })
}
