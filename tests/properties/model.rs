//! The rules once more, read aloud: nested loops over what was declared, none of the code that is tested. Slow and obvious.

use crate::world::{Right, SESSIONS, World};
use jiff::{SignedDuration, Timestamp};
use pimpernel::api::{
    ActionSpec, Approval, EmployeeSpec, EmployeeState, ImpersonationSpec, LifecycleState, Mode, RoleSpec, Switch,
    TenantSpec, TenantType,
};
use pimpernel::policy::Name;
use std::collections::BTreeSet;

/// An action: application, permission, action.
type Action = (String, String, String);

fn action(application: &str, permission: &str, name: &str) -> Action {
    (application.to_owned(), permission.to_owned(), name.to_owned())
}

/// Everything that the catalogues list.
fn listed(world: &World) -> Vec<(Action, ActionSpec, bool)> {
    let mut all = vec![];
    for (application, catalog) in &world.catalogs {
        for permission in &catalog.permissions {
            let mut actions = permission.actions.clone();
            if permission.switch {
                actions = vec![ActionSpec {
                    name: "use".to_owned(),
                    requires: permission.requires.clone(),
                    default_for: permission.default_for.clone(),
                    ..ActionSpec::default()
                }];
            }
            for spec in actions {
                let id = action(application, &permission.name, &spec.name);
                all.push((id, spec, permission.unrestricted));
            }
        }
    }
    all
}

/// `View`, or `acd/skills:View`, as an action of `of` means it.
fn reference(text: &str, of: &Action) -> Action {
    match text.split_once('/') {
        Some((application, rest)) => {
            let (permission, name) = rest.split_once(':').unwrap();
            action(application, permission, name)
        }
        None => action(&of.0, &of.1, text),
    }
}

/// T4.
fn has(tenant: &TenantSpec, application: &str) -> bool {
    application == "admin" || tenant.applications.iter().any(|a| a == application)
}

fn find<'a>(world: &'a World, namespace: &str) -> Option<&'a TenantSpec> {
    world.tenants.get(&Name::tenant(namespace))
}

/// The tenants above, nearest first, until one is missing or comes again.
fn above(world: &World, namespace: &str) -> Vec<String> {
    let mut line = vec![];
    let mut next = find(world, namespace).and_then(|tenant| tenant.parent.clone());
    while let Some(parent) = next {
        if line.len() > 20 || find(world, &parent).is_none() {
            break;
        }
        next = find(world, &parent).and_then(|tenant| tenant.parent.clone());
        line.push(parent);
    }
    line
}

/// T2. The generated worlds are not deep enough for the limit of levels.
fn stands(world: &World, namespace: &str) -> bool {
    let Some(tenant) = find(world, namespace) else {
        return false;
    };
    let parent = tenant.parent.as_ref().and_then(|parent| find(world, parent));
    let under_customer = parent.is_some_and(|parent| parent.type_ == TenantType::Customer);
    let circle = above(world, namespace).len() > 20;
    !(circle || tenant.type_ == TenantType::Partner && under_customer)
}

/// T3, T5.
fn state(world: &World, namespace: &str) -> Option<LifecycleState> {
    let tenant = find(world, namespace).filter(|_| stands(world, namespace))?;
    let over = tenant
        .trial
        .as_ref()
        .is_some_and(|trial| world.now >= trial.expires_at.0);
    Some(if over { LifecycleState::Inactive } else { tenant.state })
}

fn created(world: &World, kind: pimpernel::policy::Kind, name: &Name) -> (Timestamp, String) {
    let key = pimpernel::policy::Key::new(kind, name.clone());
    let meta = world.directory.meta(&key).unwrap();
    (meta.created, meta.uid.to_string())
}

/// R1 to R3, R6: the role is Active, well named, and nobody older has the name.
fn role_counts(world: &World, name: &Name, role: &RoleSpec) -> bool {
    let well_named = |spec: &RoleSpec| !spec.display_name.contains('/');
    for (other, spec) in &world.roles {
        let same = spec.display_name.to_lowercase() == role.display_name.to_lowercase();
        let kind = pimpernel::policy::Kind::Role;
        let older = || created(world, kind, other) < created(world, kind, name);
        if other != name && other.namespace == name.namespace && well_named(spec) && same && older() {
            return false;
        }
    }
    role.state == LifecycleState::Active && well_named(role)
}

/// E2, E10: the employee can be read at all.
fn sound(employee: &EmployeeSpec) -> bool {
    let mut names = vec![&employee.primary_role];
    names.extend(employee.secondary_roles.iter().map(|secondary| &secondary.name));
    let distinct: BTreeSet<_> = names.iter().collect();
    let window = match (&employee.valid_from, &employee.valid_until) {
        (Some(from), Some(until)) => from.0 < until.0,
        _ => true,
    };
    distinct.len() == names.len() && window
}

/// E7, E8, E10: the employee is Active now and the user name is hers.
fn employee_counts(world: &World, name: &Name, employee: &EmployeeSpec) -> bool {
    let kind = pimpernel::policy::Kind::Employee;
    for (other, spec) in &world.employees {
        let same = spec.username.to_lowercase() == employee.username.to_lowercase();
        let older = || created(world, kind, other) < created(world, kind, name);
        if other != name && other.namespace == name.namespace && sound(spec) && same && older() {
            return false;
        }
    }
    let begun = employee.valid_from.as_ref().is_none_or(|from| from.0 <= world.now);
    let ended = employee.valid_until.as_ref().is_some_and(|until| until.0 <= world.now);
    sound(employee) && employee.state == EmployeeState::Active && begun && !ended
}

/// P2, P3, P7, T4: what a role grants in its tenant.
fn grants(world: &World, tenant: &TenantSpec, role: &RoleSpec) -> BTreeSet<Action> {
    let all: Vec<_> = listed(world)
        .into_iter()
        .filter(|(id, ..)| has(tenant, &id.0))
        .collect();
    let mut granted = BTreeSet::new();
    for line in &role.permissions {
        for (id, ..) in &all {
            let named = line.actions.contains(&id.2) || line.actions.is_empty() && id.2 == "use";
            if id.0 == line.application && id.1 == line.permission && named {
                granted.insert(id.clone());
            }
        }
    }
    for _ in 0..all.len() {
        for (id, spec, _) in &all {
            for implied in spec.implies.iter().map(|text| reference(text, id)) {
                if granted.contains(id) && all.iter().any(|(known, ..)| *known == implied) {
                    granted.insert(implied);
                }
            }
        }
    }
    drop_lacking(&mut granted, &all);
    granted
}

/// P3: what lacks something that it requires has no effect; what is everybody's is never lacking.
fn drop_lacking(granted: &mut BTreeSet<Action>, all: &[(Action, ActionSpec, bool)]) {
    let free = |id: &Action| all.iter().any(|(known, _, free)| *free && known == id);
    for _ in 0..all.len() {
        for (id, spec, _) in all {
            let lacks = |required: &Action| !free(required) && !granted.contains(required);
            if spec.requires.iter().any(|text| lacks(&reference(text, id))) {
                granted.remove(id);
            }
        }
    }
}

/// E8, P5: what the employee may do in her tenant now.
fn net(world: &World, name: &Name, employee: &EmployeeSpec) -> BTreeSet<Action> {
    let mut net = BTreeSet::new();
    let Some(tenant) = find(world, &name.namespace) else {
        return net;
    };
    let active = state(world, &name.namespace) == Some(LifecycleState::Active);
    if !active || !employee_counts(world, name, employee) {
        return net;
    }
    for (role_name, role) in &world.roles {
        let primary = *employee.primary_role == *role_name.name;
        let secondary = employee
            .secondary_roles
            .iter()
            .any(|held| *held.name == *role_name.name && held.until.as_ref().is_none_or(|until| world.now < until.0));
        if role_name.namespace == name.namespace && (primary || secondary) && role_counts(world, role_name, role) {
            net.extend(grants(world, tenant, role));
        }
    }
    let free = listed(world)
        .into_iter()
        .filter(|(id, _, unrestricted)| *unrestricted && has(tenant, &id.0));
    net.extend(free.map(|(id, ..)| id));
    net
}

/// I2: who may enter the tenant of `namespace` in `mode`.
fn entitled(world: &World, namespace: &str, mode: Mode) -> BTreeSet<String> {
    let wanted = action("tenant-management", "impersonation", &format!("{mode:?}"));
    let mut who = BTreeSet::new();
    for (level, parent) in above(world, namespace).iter().enumerate() {
        let provider = find(world, parent).is_some_and(|tenant| tenant.type_ == TenantType::Provider);
        for (name, employee) in &world.employees {
            let of_parent = *name.namespace == **parent && (level == 0 || provider);
            if of_parent && net(world, name, employee).contains(&wanted) {
                who.insert(employee.username.clone());
            }
        }
    }
    who
}

/// Whether the session was opened before.
fn opened(world: &World, name: &Name) -> bool {
    let uid = crate::world::uid("session", name);
    world.directory.account(&uid).is_some()
}

fn length(spec: &ImpersonationSpec) -> i64 {
    spec.duration
        .as_ref()
        .map_or(3600, |duration| duration.seconds().unwrap())
}

fn end(world: &World, name: &Name, spec: &ImpersonationSpec) -> Timestamp {
    created(world, pimpernel::policy::Kind::Impersonation, name).0 + SignedDuration::from_secs(length(spec))
}

/// I1 to I4: nothing speaks against the session but, perhaps, another one.
fn grounded(world: &World, name: &Name, spec: &ImpersonationSpec) -> bool {
    let Some(tenant) = find(world, &name.namespace) else {
        return false;
    };
    let policy = tenant.impersonation.as_ref();
    let state = state(world, &name.namespace);
    let (switch, enterable) = match spec.mode {
        Mode::Configure => (
            policy.map(|p| p.configure),
            matches!(state, Some(LifecycleState::Draft | LifecycleState::Active)),
        ),
        Mode::Support => (policy.map(|p| p.support), state == Some(LifecycleState::Active)),
    };
    let own = world.employees.iter().any(|(employee, e)| {
        employee.namespace == name.namespace
            && sound(e)
            && e.username.to_lowercase() == spec.impersonator.to_lowercase()
    });
    let may = entitled(world, &name.namespace, spec.mode).contains(&spec.impersonator);
    switch != Some(Switch::Disabled) && enterable && !own && may
}

/// I8 to I11: it is open, or could be opened if there were no other.
fn live(world: &World, name: &Name, spec: &ImpersonationSpec) -> bool {
    let end = end(world, name, spec);
    if spec.stop || world.now >= end {
        return false;
    }
    let policy = find(world, &name.namespace).and_then(|tenant| tenant.impersonation.as_ref());
    let most = policy
        .and_then(|p| p.max_duration.as_ref())
        .map_or(8 * 3600, |d| d.seconds().unwrap());
    let consent = policy.is_some_and(|p| p.approval == Approval::Required);
    let early = world.now < end - SignedDuration::from_secs(670);
    opened(world, name) || grounded(world, name, spec) && length(spec) <= most && !consent && early
}

/// I3: it may be used now.
fn open(world: &World, name: &Name, spec: &ImpersonationSpec) -> bool {
    let rank = |name: &Name| {
        (
            !opened(world, name),
            created(world, pimpernel::policy::Kind::Impersonation, name),
        )
    };
    for (other, rival) in &world.sessions {
        let same = rival.impersonator.to_lowercase() == spec.impersonator.to_lowercase();
        if other != name && same && live(world, other, rival) && rank(other) < rank(name) {
            return false;
        }
    }
    live(world, name, spec) && grounded(world, name, spec)
}

/// I5: what sessions of `mode` may do in the tenant.
fn of_sessions(world: &World, tenant: &TenantSpec, mode: Mode) -> BTreeSet<Action> {
    let all: Vec<_> = listed(world)
        .into_iter()
        .filter(|(id, ..)| has(tenant, &id.0))
        .collect();
    let mut actions = BTreeSet::new();
    for (id, spec, _) in &all {
        let factory = spec.default_for.iter().any(|role| role == "administrator");
        if spec.sessions.as_ref().map_or(factory, |modes| modes.contains(&mode)) {
            actions.insert(id.clone());
        }
    }
    for _ in 0..all.len() {
        for (id, spec, _) in &all {
            for implied in spec.implies.iter().map(|text| reference(text, id)) {
                let silent = all
                    .iter()
                    .any(|(known, spec, _)| *known == implied && spec.sessions.is_none());
                if actions.contains(id) && silent {
                    actions.insert(implied);
                }
            }
        }
    }
    drop_lacking(&mut actions, &all);
    actions
}

/// P6: what the action is in Kubernetes.
fn rights_of(world: &World, id: &Action) -> Vec<String> {
    let all = listed(world);
    let (_, spec, _) = all.iter().find(|(known, ..)| known == id).unwrap();
    let mut rights = vec![];
    for rule in &spec.rules {
        for (group, resource) in rule
            .api_groups
            .iter()
            .flat_map(|g| rule.resources.iter().map(move |r| (g, r)))
        {
            rights.extend(rule.verbs.iter().map(|verb| format!("{verb} {resource}.{group}")));
        }
    }
    if rights.is_empty() {
        rights.push(format!("{} {}.{}.apps.pimpernel.dev", id.2.to_lowercase(), id.1, id.0));
    }
    rights
}

/// Every right of everybody.
pub fn rights(world: &World) -> BTreeSet<Right> {
    let mut rights = BTreeSet::new();
    for (name, employee) in &world.employees {
        for id in net(world, name, employee) {
            for right in rights_of(world, &id) {
                rights.insert((name.namespace.to_string(), employee.username.clone(), right));
            }
        }
    }
    for name in world.tenants.keys().filter(|name| stands(world, &name.namespace)) {
        for user in [Mode::Configure, Mode::Support]
            .iter()
            .flat_map(|mode| entitled(world, &name.namespace, *mode))
        {
            let writing = ["create", "get", "list", "patch", "update", "watch"]
                .map(|verb| format!("{verb} impersonations.pimpernel.dev"));
            let looking = ["get", "list", "watch"].map(|verb| format!("{verb} tenants.pimpernel.dev"));
            rights.extend(
                writing
                    .into_iter()
                    .chain(looking)
                    .map(|right| (name.namespace.to_string(), user.clone(), right)),
            );
        }
    }
    for (name, spec) in world.sessions.iter().filter(|(name, spec)| open(world, name, spec)) {
        let account = format!("impersonated-admin-{}", crate::world::uid("session", name));
        let who = format!("serviceaccount {SESSIONS}/{account}");
        rights.insert((
            SESSIONS.to_owned(),
            spec.impersonator.clone(),
            format!("get secrets. {account}"),
        ));
        let place = name.namespace.to_string();
        for id in of_sessions(world, find(world, &place).unwrap(), spec.mode) {
            rights.extend(
                rights_of(world, &id)
                    .into_iter()
                    .map(|right| (place.clone(), who.clone(), right)),
            );
        }
        let own = ["get", "patch", "update"].map(|verb| format!("{verb} impersonations.pimpernel.dev {}", name.name));
        let tenant = [format!("get tenants.pimpernel.dev {place}")];
        rights.extend(
            own.into_iter()
                .chain(tenant)
                .map(|right| (place.clone(), who.clone(), right)),
        );
    }
    rights
}
