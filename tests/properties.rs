//! What holds of every small world: generated tenants, roles, employees and sessions, changed at random.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

#[path = "properties/bounds.rs"]
mod bounds;
#[path = "properties/catalogues.rs"]
mod catalogues;
#[path = "properties/consents.rs"]
mod consents;
#[path = "properties/model.rs"]
mod model;
#[path = "properties/plan.rs"]
mod plan;
#[path = "policy/specs.rs"]
mod specs;
#[path = "policy/world.rs"]
mod world;

use jiff::Timestamp;
use pimpernel::api::Mode;
use pimpernel::policy::catalog::Action;
use pimpernel::policy::name::Folded;
use pimpernel::policy::verdict::Standing;
use pimpernel::policy::{Key, Kind, Name, affected, employee, entitlement, explain};
use plan::{Op, build, change, namespaces, plan, tidy_plan};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use std::collections::BTreeSet;
use world::{Outcome, World};

fn config(cases: u32) -> ProptestConfig {
    let mut config = ProptestConfig::with_cases(cases);
    config.failure_persistence = Some(Box::new(proptest::test_runner::FileFailurePersistence::Direct(
        "proptest-regressions/properties.txt",
    )));
    config
}

/// The namespaces whose tenants are below `namespace` in `world`, itself included.
fn below(namespace: &str, world: &World) -> BTreeSet<String> {
    let mut found = BTreeSet::from([namespace.to_owned()]);
    for _ in 0..world.tenants.len() {
        for (name, spec) in &world.tenants {
            if spec.parent.as_ref().is_some_and(|parent| found.contains(parent)) {
                found.insert(name.namespace.to_string());
            }
        }
    }
    found
}

/// Without what is bound to happen as time goes by.
fn steady(mut outcome: Outcome) -> Outcome {
    if let Some(status) = outcome.status.as_object_mut() {
        status.remove("endTime");
    }
    // A record is stamped once, when it is stored.
    outcome.records.clear();
    outcome
}

/// At each of `instants` before a decision says to look again it is the same.
fn steady_until_woken(world: &World, instants: &[Timestamp]) -> Result<(), TestCaseError> {
    for (key, outcome) in world.decisions(world.now) {
        let outcome = steady(outcome);
        for &later in instants
            .iter()
            .filter(|t| **t > world.now && outcome.wake_at.is_none_or(|wake| **t < wake))
        {
            let then = world.decide_at(&key, later).map(steady);
            prop_assert_eq!(Some(&outcome), then.as_ref(), "{} at {}", &key, later);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(96))]

    /// Taking away never gives: no deny, no default, no inheritance that a removal could uncover.
    #[test]
    fn e8_removing_a_role_a_line_a_secondary_role_or_an_employee_never_adds_a_right(
        ops in tidy_plan(), removal in any::<prop::sample::Index>(), part in any::<prop::sample::Index>(),
    ) {
        let mut world = build(&ops);
        let before = world.rights(world.now);
        let removable: Vec<&Op> = ops.iter().filter(|op| op.removable()).collect();
        prop_assume!(!removable.is_empty());
        removal.get(&removable).without(part).apply(&mut world);
        let after = world.rights(world.now);
        let added: Vec<_> = after.difference(&before).collect();
        prop_assert!(added.is_empty(), "added {added:?}");
    }

    /// What happens in a tenant stays in it and below.
    #[test]
    fn e8_a_change_in_a_tenant_changes_rights_only_there_and_below(ops in plan(false), op in change(false)) {
        let mut world = build(&ops);
        let before = world.rights(world.now);
        let mut concerned = below(op.namespace(), &world);
        op.apply(&mut world);
        concerned.extend(below(op.namespace(), &world));
        let after = world.rights(world.now);
        let elsewhere: Vec<_> = before.symmetric_difference(&after).filter(|(ns, ..)| !concerned.contains(ns)).collect();
        prop_assert!(elsewhere.is_empty(), "{elsewhere:?} outside {concerned:?}");
    }

    /// A snapshot is a function of what there is, not of how it came to be.
    #[test]
    fn v1_changes_in_any_order_and_with_detours_give_the_same_decisions(
        (ops, shuffled) in plan(true).prop_flat_map(|ops| (Just(ops.clone()), Just(ops).prop_shuffle())),
        noise in prop::collection::vec(change(true), 0..6),
    ) {
        let world = build(&ops);
        let mut other = plan::nothing();
        let half = shuffled.len() / 2;
        let gone: Vec<Op> = noise.iter().map(Op::undone).collect();
        for op in noise.iter().chain(&shuffled[..half]).chain(&gone).chain(&shuffled) {
            op.apply(&mut other);
        }
        prop_assert_eq!(world.decisions(world.now), other.decisions(other.now));
    }

    /// Whatever got in can be labelled, annotated and kept as it is.
    #[test]
    fn an_update_that_changes_nothing_is_always_admitted(ops in plan(true)) {
        let world = build(&ops);
        for (name, spec) in &world.tenants {
            prop_assert_eq!(world.write_tenant(&name.namespace, spec.clone()).violations, vec![]);
        }
        for (name, spec) in &world.roles {
            prop_assert_eq!(world.write_role(&name.namespace, &name.name, spec.clone()).violations, vec![]);
        }
        for (name, spec) in &world.employees {
            prop_assert_eq!(world.write_employee(&name.namespace, &name.name, spec.clone()).violations, vec![]);
        }
    }

    /// Nobody is forgotten: whoever's decision a change alters is woken for it.
    #[test]
    fn v8_whatever_a_change_alters_is_among_the_affected(ops in plan(true), op in change(true)) {
        let mut world = build(&ops);
        let before = world.decisions(world.now);
        let mut woken = affected::by(&op.key(), &world.directory);
        op.apply(&mut world);
        woken.extend(affected::by(&op.key(), &world.directory));
        let after = world.decisions(world.now);
        let keys: BTreeSet<&Key> = before.keys().chain(after.keys()).collect();
        let asleep: Vec<_> = keys
            .into_iter()
            .filter(|key| before.get(key) != after.get(key) && !woken.contains(key))
            .map(|key| (key.to_string(), before.get(key), after.get(key)))
            .collect();
        prop_assert!(asleep.is_empty(), "{op:?} alters {asleep:#?}");
    }

    /// A tenant need not be looked at soon because of a session, which it only counts.
    #[test]
    fn v8_what_a_tenant_only_counts_changes_nothing_of_it_but_counts(ops in plan(true), op in change(true)) {
        let counts_apart = |world: &World| {
            let tenants = world.decisions(world.now).into_iter().filter(|(key, _)| key.kind == Kind::Tenant);
            let apart = |(key, mut outcome): (Key, Outcome)| {
                outcome.status["openSessions"] = serde_json::Value::Null;
                (key, outcome)
            };
            tenants.map(apart).collect::<Vec<_>>()
        };
        prop_assume!(affected::only_counted(&op.key()));
        let mut world = build(&ops);
        let before = counts_apart(&world);
        op.apply(&mut world);
        prop_assert_eq!(before, counts_apart(&world), "{:?}", op);
    }

    /// The rules, read aloud in nested loops, give the same rights as the decisions.
    #[test]
    fn e8_i2_i5_the_rights_are_those_that_a_slow_and_obvious_model_gives(ops in plan(true)) {
        let world = build(&ops);
        let rights = world.rights(world.now);
        let model = model::rights(&world);
        let wrongly: Vec<_> = rights.difference(&model).collect();
        prop_assert!(wrongly.is_empty(), "given and should not be: {wrongly:?}");
        let missing: Vec<_> = model.difference(&rights).collect();
        prop_assert!(missing.is_empty(), "should be given: {missing:?}");
    }

    /// Whether one person may enter is asked of that person's own roles, and says the same as the list of all who may.
    #[test]
    fn i2_a_person_is_let_in_exactly_if_among_all_who_may_enter(ops in plan(false)) {
        let world = build(&ops);
        let directory = &world.directory;
        let people: BTreeSet<&str> = world.employees.values().map(|spec| spec.username.as_str()).collect();
        for tenant in world.tenants.keys().filter_map(|name| directory.tenant(&name.namespace)) {
            for (mode, person) in [Mode::Configure, Mode::Support].into_iter().flat_map(|mode| people.iter().map(move |person| (mode, person))) {
                let folded = Folded::new(person);
                let admits = |now| entitlement::admits((person, &folded), (tenant, mode), directory, now);
                let (admitted, wake_at) = admits(world.now);
                let (all, _) = entitlement::users(tenant, mode, directory, world.now);
                prop_assert_eq!(admitted, all.contains(*person), "{} for {:?} into {:?}", person, mode, tenant);
                for later in plan::instants().into_iter().filter(|t| *t > world.now && wake_at.is_none_or(|wake| *t < wake)) {
                    prop_assert_eq!(admitted, admits(later).0, "{} for {:?} at {}", person, mode, later);
                }
            }
        }
    }

    /// What is explained is what is decided, whoever is asked about and however.
    #[test]
    fn e8_what_is_explained_is_what_is_decided(ops in plan(true)) {
        let world = build(&ops);
        let (directory, now) = (&world.directory, world.now);
        let catalogs = directory.applications().filter_map(|name| directory.catalog(name));
        let actions: BTreeSet<&Action> = catalogs.flat_map(|catalog| catalog.actions.keys()).collect();
        for name in world.employees.keys() {
            let entry = directory.employee(name).unwrap();
            let (_, net) = employee::net(name, entry, directory, now);
            let view = explain::employee(name, directory, now).unwrap();
            prop_assert_eq!(view.actions.keys().collect::<Vec<_>>(), net.iter().collect::<Vec<_>>());
            prop_assert!(view.actions.values().all(|because| !because.is_empty()));
            let meant = explain::find(&name.name, &name.namespace, directory);
            for action in &actions {
                let may = net.contains(*action);
                let who = explain::who_can(action, &name.namespace, directory, now);
                prop_assert_eq!(who.contains_key(name), may, "{} {}", name, action);
                let verdict = explain::why_not(&name.name, action, &name.namespace, directory, now);
                prop_assert_ne!(verdict.because.is_empty(), verdict.obstacles.is_empty(), "{} {}", name, action);
                if meant.as_ref() == Some(name) {
                    prop_assert_eq!(!verdict.because.is_empty(), may, "{} {}", name, action);
                }
            }
        }
    }

    /// What admission lets in, the reconciler does not refuse.
    #[test]
    fn v5_what_is_admitted_does_not_stand_refused(ops in plan(true), op in change(true)) {
        let mut world = build(&ops);
        op.undone().apply(&mut world);
        if let Some(answer) = op.ask(&world) && answer.violations.is_empty() {
            op.apply(&mut world);
            let outcome = world.decide_at(&op.key(), world.now);
            let refused = matches!(outcome.as_ref().map(|o| &o.standing), Some(Standing::Refused(_)));
            prop_assert!(!refused, "{op:?} is admitted and {outcome:?}");
        }
    }

    /// Until a decision says to look again, looking again says the same.
    #[test]
    fn v12_nothing_changes_by_itself_before_its_wake_at(ops in plan(true)) {
        let world = build(&ops);
        let instants = plan::instants();
        steady_until_woken(&world, &instants)?;
    }

    /// Each derived object follows from one declared one, and lies in the tenant's namespace or in that of the sessions.
    #[test]
    fn v4_no_two_decisions_claim_the_same_object_and_none_reaches_into_another_tenant(ops in plan(true)) {
        let world = build(&ops);
        let mut claimed = BTreeSet::new();
        for (key, outcome) in world.decisions(world.now) {
            for child in outcome.children {
                prop_assert_eq!(&child.owner, &key);
                let place = &child.id.name.namespace;
                prop_assert!(*place == key.name.namespace || &**place == world::SESSIONS, "{:?}", child.id);
                prop_assert!(claimed.insert(child.id.clone()), "{:?} twice", child.id);
            }
        }
    }
}

#[test]
fn the_worlds_are_not_trivial() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut rights, mut sessions, mut refused) = (0, 0, 0);
    for _ in 0..64 {
        let ops = proptest::strategy::ValueTree::current(&plan(true).new_tree(&mut runner).unwrap());
        let world = build(&ops);
        rights += world.rights(world.now).len();
        let decisions = world.decisions(world.now);
        let open = |outcome: &&Outcome| {
            outcome
                .further
                .as_ref()
                .is_some_and(|told| told.type_ == "Active" && told.holds)
        };
        sessions += decisions.values().filter(open).count();
        refused += decisions
            .values()
            .filter(|o| matches!(o.standing, Standing::Refused(_)))
            .count();
    }
    assert!(
        rights > 640 && sessions > 12 && refused > 64,
        "{rights} rights, {sessions} sessions, {refused} refused"
    );
    assert_eq!(namespaces().len(), 5);
    assert_ne!(
        Key::new(Kind::Role, Name::new("a", "b")),
        Key::new(Kind::Role, Name::new("b", "a"))
    );
}
