//! Small worlds at random, as lists of changes: few names, so that objects meet.

use crate::specs::{self, acd_catalog, admin_catalog, catalog, management_catalog};
use crate::world::{NOW, World, at};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use pimpernel::api::{
    Approval, Duration, EmployeeSpec, EmployeeState, Grant, ImpersonationPolicy, ImpersonationSpec, LifecycleState,
    Mode, RoleSpec, SecondaryRole, Switch, TenantSpec, TenantType, Trial,
};
use pimpernel::policy::admission::Answer;
use pimpernel::policy::{Key, Kind, Name};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::json;

/// One change. Without a spec: the object is gone.
#[derive(Clone, Debug)]
pub enum Op {
    Tenant(String, Option<TenantSpec>),
    Role(String, String, Option<RoleSpec>),
    Employee(String, String, Option<EmployeeSpec>),
    /// With how many minutes ago it was created and whether it was opened.
    Session(String, String, Option<(ImpersonationSpec, i64, bool)>),
}

pub fn namespaces() -> Vec<String> {
    (0..5).map(|number| format!("city-{number}")).collect()
}

/// The instants at which anything generated begins or ends, and some between.
pub fn instants() -> Vec<Timestamp> {
    (-60..=540)
        .step_by(5)
        .map(|minutes| at(NOW) + SignedDuration::from_mins(minutes))
        .collect()
}

fn instant() -> impl Strategy<Value = Time> {
    select(vec![-30_i64, 0, 10, 30, 90]).prop_map(|minutes| Time(at(NOW) + SignedDuration::from_mins(minutes)))
}

/// Nobody, mostly.
fn seldom<S: Strategy>(strategy: S) -> impl Strategy<Value = Option<S::Value>> {
    prop::option::weighted(0.15, strategy)
}

fn state() -> impl Strategy<Value = LifecycleState> {
    use LifecycleState::{Active, Draft, Inactive};
    prop_oneof![8 => Just(Active), 1 => Just(Draft), 1 => Just(Inactive)]
}

fn user() -> impl Strategy<Value = String> {
    select(vec!["ann", "Ann", "bob", "cid", "dot", "eve", "fay", "gus"]).prop_map(str::to_owned)
}

fn policy() -> impl Strategy<Value = ImpersonationPolicy> {
    let switch = || prop_oneof![2 => Just(Switch::Enabled), 1 => Just(Switch::Disabled)];
    let approval = prop_oneof![2 => Just(Approval::NotRequired), 1 => Just(Approval::Required)];
    (switch(), switch(), approval, seldom(Just(Duration::new("30m")))).prop_map(
        |(configure, support, approval, max_duration)| ImpersonationPolicy {
            configure,
            support,
            max_duration,
            approval,
        },
    )
}

/// A provider at the top of the others, as the first tenant mostly is.
fn provider() -> impl Strategy<Value = TenantSpec> {
    let all = specs::tenant(TenantType::Provider, None, &["acd", "tenant-management"]);
    prop_oneof![4 => Just(all), 1 => tenant()]
}

fn tenant() -> impl Strategy<Value = TenantSpec> {
    use TenantType::{Customer, Partner, Provider};
    let type_ = prop_oneof![1 => Just(Provider), 2 => Just(Partner), 5 => Just(Customer)];
    let parent = prop_oneof![1 => select(namespaces()), 8 => Just("city-0".to_owned()), 1 => Just("city-1".to_owned())];
    let applications = prop::sample::subsequence(vec!["acd", "qm", "tenant-management", "wfm"], 0..=4);
    let applications = prop_oneof![1 => applications, 4 => Just(vec!["acd", "qm", "tenant-management"])];
    (
        type_,
        parent,
        state(),
        applications,
        seldom(instant()),
        seldom(policy()),
    )
        .prop_map(|(type_, parent, state, applications, trial, impersonation)| {
            let parent = (type_ != Provider).then_some(parent);
            let mut spec = specs::tenant(type_, parent.as_deref(), &applications);
            spec.state = state;
            spec.trial = trial.map(|expires_at| Trial { expires_at });
            spec.impersonation = impersonation;
            spec
        })
}

fn grant() -> impl Strategy<Value = Grant> {
    let lines: Vec<(&str, &str, &[&str])> = vec![
        ("admin", "employees", &["View"]),
        ("admin", "employees", &["Edit"]),
        ("acd", "skills", &["View"]),
        ("acd", "skills", &["Assign"]),
        ("acd", "skills", &["Fly", "Edit"]),
        ("acd", "queue-counter", &[]),
        ("acd", "data-download", &[]),
        ("acd", "nonsense", &["View"]),
        ("qm", "forms", &["Edit"]),
        ("qm", "report", &[]),
        ("qm", "score", &["use"]),
        ("wfm", "plans", &["View"]),
        ("tenant-management", "impersonation", &["Configure"]),
        ("tenant-management", "impersonation", &["Support"]),
        ("tenant-management", "impersonation", &["Configure", "Support"]),
        ("tenant-management", "impersonation", &["Configure", "Support"]),
        ("tenant-management", "impersonation", &["Configure", "Support"]),
    ];
    select(lines).prop_map(|(application, permission, actions)| Grant {
        application: application.to_owned(),
        permission: permission.to_owned(),
        actions: actions.iter().map(|&action| action.to_owned()).collect(),
    })
}

fn role() -> impl Strategy<Value = RoleSpec> {
    let title = select(vec![
        "Lead", "lead", "Judge", "Scribe", "Spy", "Clerk", "Monitor", "Agent", "No/good",
    ]);
    (title, state(), prop::collection::vec(grant(), 0..5)).prop_map(|(title, state, permissions)| {
        let mut spec = specs::role(title, state, &[]);
        spec.permissions = permissions;
        spec
    })
}

/// Who enters the tenants below, with the role `entering` of the first one.
fn chief() -> impl Strategy<Value = Vec<Op>> {
    let lines: specs::Lines = &[("tenant-management", "impersonation", &["Configure", "Support"])];
    let role = specs::role("Entering", LifecycleState::Active, lines);
    let active = specs::employee("max", EmployeeState::Active, "entering", &[]);
    seldom(instant()).prop_map(move |until| {
        let mut chief = active.clone();
        chief.valid_until = until;
        let namespace = || "city-0".to_owned();
        vec![
            Op::Role(namespace(), "entering".to_owned(), Some(role.clone())),
            Op::Employee(namespace(), "chief".to_owned(), Some(chief)),
        ]
    })
}

fn role_name() -> impl Strategy<Value = String> {
    select(vec![
        "role-0", "role-0", "role-1", "role-1", "role-2", "role-3", "entering",
    ])
    .prop_map(str::to_owned)
}

fn employee() -> impl Strategy<Value = EmployeeSpec> {
    let state = prop_oneof![5 => Just(EmployeeState::Active), 1 => Just(EmployeeState::Inactive)];
    let secondary = (role_name(), seldom(instant())).prop_map(|(name, until)| SecondaryRole { name, until });
    let secondary = prop::collection::vec(secondary, 0..3);
    (
        user(),
        state,
        role_name(),
        secondary,
        seldom(instant()),
        seldom(instant()),
    )
        .prop_map(|(user, state, primary, mut secondary, from, until)| {
            let mut spec = specs::employee(&user, state, &primary, &[]);
            let mut seen = std::collections::BTreeSet::from([primary]);
            // A role named twice voids the employee: now and then that is what is wanted.
            secondary.retain(|s| seen.insert(s.name.clone()) || s.until.is_some());
            spec.secondary_roles = secondary;
            (spec.valid_from, spec.valid_until) = (from, until);
            spec
        })
}

fn session() -> impl Strategy<Value = (ImpersonationSpec, i64, bool)> {
    let mode = select(vec![Mode::Configure, Mode::Support]);
    let length = select(vec!["15m", "1h", "1h", "2h", "2h", "9h"]);
    let stop = prop::bool::weighted(0.1);
    let user = prop_oneof![2 => Just("max".to_owned()), 1 => user()];
    (mode, user, length, stop, select(vec![0_i64, 1, 5, 20]), any::<bool>()).prop_map(
        |(mode, user, length, stop, age, open)| {
            let mut spec = specs::lasting(specs::session(mode, &user), length);
            spec.stop = stop;
            (spec, age, open)
        },
    )
}

/// One change to any object, to be put or removed.
pub fn change(sessions: bool) -> BoxedStrategy<Op> {
    fn maybe<S: Strategy>(strategy: S) -> impl Strategy<Value = Option<S::Value>> {
        prop::option::weighted(0.75, strategy)
    }
    let namespace = || select(namespaces());
    let person = select(vec!["badge-0", "badge-1", "badge-2", "badge-3", "badge-4", "chief"]).prop_map(str::to_owned);
    let call = select(vec!["call-0", "call-1"]).prop_map(str::to_owned);
    let tenants = (namespace(), maybe(tenant())).prop_map(|(ns, spec)| Op::Tenant(ns, spec));
    let roles = (namespace(), role_name(), maybe(role())).prop_map(|(ns, name, spec)| Op::Role(ns, name, spec));
    let employees = (namespace(), person, maybe(employee())).prop_map(|(ns, name, spec)| Op::Employee(ns, name, spec));
    let calls = (namespace(), call, maybe(session())).prop_map(|(ns, name, spec)| Op::Session(ns, name, spec));
    if sessions {
        prop_oneof![2 => tenants, 2 => roles, 2 => employees, 1 => calls].boxed()
    } else {
        prop_oneof![tenants, roles, employees].boxed()
    }
}

/// A world: two to four tenants, with up to four roles and five employees each, and some sessions.
pub fn plan(sessions: bool) -> impl Strategy<Value = Vec<Op>> {
    let count = 1..=3_usize;
    let calls = if sessions { 0..=5_usize } else { 0..=0 };
    let entered = vec!["city-0", "city-1", "city-1", "city-1", "city-2", "city-2", "city-3"];
    let call = (select(entered), select(vec!["call-0", "call-1"]), session());
    let calls = prop::collection::vec(call, calls);
    let first = (
        provider(),
        prop::collection::vec(role(), 1..=4),
        prop::collection::vec(employee(), 1..=5),
    );
    let town = (
        tenant(),
        prop::collection::vec(role(), 0..=4),
        prop::collection::vec(employee(), 0..=5),
    );
    (first, chief(), prop::collection::vec(town, count), calls).prop_map(|(first, chief, towns, calls)| {
        let mut ops = chief;
        for ((tenant, roles, employees), namespace) in [first].into_iter().chain(towns).zip(namespaces()) {
            ops.push(Op::Tenant(namespace.clone(), Some(tenant)));
            let roles = roles.into_iter().enumerate();
            ops.extend(roles.map(|(n, spec)| Op::Role(namespace.clone(), format!("role-{n}"), Some(spec))));
            let people = employees.into_iter().enumerate();
            ops.extend(people.map(|(n, spec)| Op::Employee(namespace.clone(), format!("badge-{n}"), Some(spec))));
        }
        let mut seen = std::collections::BTreeSet::new();
        let calls = calls.into_iter().filter(|(ns, name, _)| seen.insert((*ns, *name)));
        let calls: Vec<Op> = calls
            .map(|(ns, name, call)| Op::Session(ns.to_owned(), name.to_owned(), Some(call)))
            .collect();
        ops.extend(calls);
        ops
    })
}

/// A world without sessions in which nobody and nothing goes by another's name.
pub fn tidy_plan() -> impl Strategy<Value = Vec<Op>> {
    plan(false).prop_map(|mut ops| {
        for op in &mut ops {
            match op {
                Op::Role(_, name, Some(spec)) => spec.display_name = format!("Title of {name}"),
                Op::Employee(_, name, Some(spec)) => spec.username = format!("user of {name}"),
                _ => {}
            }
        }
        ops
    })
}

/// The catalogues and nothing else.
pub fn nothing() -> World {
    let mut world = World::empty(true);
    world.ages_by_name = true;
    let quality = json!({"displayName": "Quality", "permissions": [
        {"name": "forms", "actions": [
            {"name": "Edit", "implies": ["acd/skills:Edit", "View"], "defaultFor": ["administrator"]},
            {"name": "View"},
        ]},
        {"name": "report", "switch": true, "requires": ["acd/data-download:use"], "defaultFor": ["administrator"]},
        {"name": "score", "switch": true, "requires": ["qm/report:use", "admin/employees:Edit"]},
    ]});
    world
        .catalog("admin", &admin_catalog())
        .catalog("tenant-management", &management_catalog())
        .catalog("acd", &acd_catalog())
        .catalog("qm", &catalog(quality));
    world
}

pub fn build(ops: &[Op]) -> World {
    let mut world = nothing();
    for op in ops {
        op.apply(&mut world);
    }
    world
}

impl Op {
    pub fn apply(&self, world: &mut World) {
        let key = self.key();
        match self {
            Self::Tenant(ns, Some(spec)) => world.tenant(ns, spec.clone()),
            Self::Role(ns, name, Some(spec)) => world.role(ns, name, spec.clone()),
            Self::Employee(ns, name, Some(spec)) => world.employee(ns, name, spec.clone()),
            Self::Session(ns, name, Some((spec, age, open))) => {
                let created = at(NOW) - SignedDuration::from_mins(*age);
                world
                    .closed(ns, name)
                    .session(ns, name, spec.clone(), &created.to_string());
                if *open { world.open(ns, name) } else { world }
            }
            Self::Session(ns, name, None) => world.closed(ns, name).remove(key.kind, &key.name),
            _ => world.remove(key.kind, &key.name),
        };
    }

    pub fn key(&self) -> Key {
        match self {
            Self::Tenant(ns, _) => Key::new(Kind::Tenant, Name::tenant(ns)),
            Self::Role(ns, name, _) => Key::new(Kind::Role, Name::new(ns.as_str(), name.as_str())),
            Self::Employee(ns, name, _) => Key::new(Kind::Employee, Name::new(ns.as_str(), name.as_str())),
            Self::Session(ns, name, _) => Key::new(Kind::Impersonation, Name::new(ns.as_str(), name.as_str())),
        }
    }

    pub fn namespace(&self) -> &str {
        let (Self::Tenant(ns, _) | Self::Role(ns, ..) | Self::Employee(ns, ..) | Self::Session(ns, ..)) = self;
        ns
    }

    /// The object is gone.
    pub fn undone(&self) -> Self {
        match self.clone() {
            Self::Tenant(ns, _) => Self::Tenant(ns, None),
            Self::Role(ns, name, _) => Self::Role(ns, name, None),
            Self::Employee(ns, name, _) => Self::Employee(ns, name, None),
            Self::Session(ns, name, _) => Self::Session(ns, name, None),
        }
    }

    /// Whether it puts something whose removal can only take away.
    pub fn removable(&self) -> bool {
        matches!(self, Self::Role(_, _, Some(_)) | Self::Employee(_, _, Some(_)))
    }

    /// The same without one line or secondary role, or without the object.
    pub fn without(&self, part: Index) -> Self {
        let mut op = self.clone();
        match &mut op {
            Self::Role(_, _, Some(spec)) if !spec.permissions.is_empty() => {
                let at = part.index(spec.permissions.len() + 1);
                if at == spec.permissions.len() {
                    return self.undone();
                }
                spec.permissions.remove(at);
                op
            }
            Self::Employee(_, _, Some(spec)) if !spec.secondary_roles.is_empty() => {
                let at = part.index(spec.secondary_roles.len() + 1);
                if at == spec.secondary_roles.len() {
                    return self.undone();
                }
                // A secondary role that is a duplicate voids the employee: without it there may be more.
                let name = spec.secondary_roles.remove(at).name;
                let again = name == spec.primary_role || spec.secondary_roles.iter().any(|s| s.name == name);
                if again { self.undone() } else { op }
            }
            _ => self.undone(),
        }
    }

    /// What admission says to it.
    pub fn ask(&self, world: &World) -> Option<Answer> {
        Some(match self {
            Self::Tenant(ns, Some(spec)) => world.write_tenant(ns, spec.clone()),
            Self::Role(ns, name, Some(spec)) => world.write_role(ns, name, spec.clone()),
            Self::Employee(ns, name, Some(spec)) => world.write_employee(ns, name, spec.clone()),
            Self::Session(ns, _, Some((spec, 0, false))) => world.request(ns, spec.clone()),
            _ => return None,
        })
    }
}
