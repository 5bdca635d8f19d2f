//! What holds of every small world in which tenants demand consent, and people say anything to any session.

use crate::plan::{self, Op, build, change};
use crate::world::{NOW, Outcome, World, at, uid};
use crate::{config, specs, steady_until_woken};
use jiff::{SignedDuration, Timestamp};
use pimpernel::api::{
    Approval, ConsentDecision, EmployeeState, Grant, ImpersonationConsentSpec, LifecycleState, TenantType,
};
use pimpernel::policy::consent;
use pimpernel::policy::{Change, Entry, Key, Kind, Meta, Name, affected};
use proptest::prelude::*;
use proptest::sample::select;
use std::collections::{BTreeMap, BTreeSet};

/// A consent, and how many minutes ago it was made.
#[derive(Clone, Debug)]
struct Said {
    name: Name,
    spec: ImpersonationConsentSpec,
    age: i64,
}

impl Said {
    fn created(&self) -> Timestamp {
        at(NOW) - SignedDuration::from_mins(self.age)
    }

    fn apply(&self, world: &mut World) {
        let meta = Meta {
            uid: uid("consent", &self.name),
            generation: 1,
            created: self.created(),
            deleting: false,
            ended: None,
            received: BTreeSet::new(),
        };
        let spec = consent::parse(&self.spec);
        let entry = Some(Entry { meta, spec });
        world.directory.fold(Change::Consent(self.name.clone(), entry));
    }

    fn key(&self) -> Key {
        Key::new(Kind::Consent, self.name.clone())
    }
}

fn said() -> impl Strategy<Value = Said> {
    use ConsentDecision::{Granted, Rejected, Revoked};
    let decision = prop_oneof![6 => Just(Granted), 1 => Just(Rejected), 1 => Just(Revoked)];
    let by = select(vec!["ann", "ann", "bob", "bob", "cid", "dot", "Ann", "max"]);
    let place = select(vec!["city-1", "city-1", "city-1", "city-2", "city-3"]);
    let session = select(vec!["call-0", "call-0", "call-1"]);
    let age = select(vec![0_i64, 0, 1, 5, 15]);
    (place, session, 0..3, decision, by, age).prop_map(|(namespace, session, number, decision, by, age)| Said {
        name: Name::new(namespace, format!("said-{number}")),
        spec: ImpersonationConsentSpec {
            impersonation: session.to_owned(),
            impersonation_uid: uid("session", &Name::new(namespace, session)).to_string(),
            decision,
            by: by.to_owned(),
            message: None,
        },
        age,
    })
}

/// A world in which most tenants demand consent, most people may give it, and most sessions are waiting for it.
fn demanding() -> impl Strategy<Value = Vec<Op>> {
    let tidy = prop::collection::vec(prop::bool::weighted(0.8), 16);
    (plan::plan(true), tidy).prop_map(|(mut ops, tidy)| {
        let mut tidy = tidy.into_iter().cycle();
        for op in &mut ops {
            let tidy = tidy.next() == Some(true);
            match op {
                Op::Tenant(namespace, Some(spec)) if tidy => {
                    *spec = if namespace == "city-0" {
                        specs::tenant(TenantType::Provider, None, &["acd", "tenant-management"])
                    } else {
                        specs::tenant(TenantType::Customer, Some("city-0"), &["acd"])
                    };
                    let policy = spec.impersonation.insert(serde_json::from_str("{}").unwrap());
                    policy.approval = Approval::Required;
                }
                Op::Role(namespace, name, Some(spec)) if namespace != "city-0" => {
                    spec.permissions.push(Grant {
                        application: "admin".to_owned(),
                        permission: "role-impersonation".to_owned(),
                        actions: vec!["Respond".to_owned()],
                    });
                    if tidy {
                        spec.display_name = format!("Title of {name}");
                        spec.state = LifecycleState::Active;
                    }
                }
                Op::Employee(namespace, name, Some(spec)) if tidy && namespace != "city-0" => {
                    let user = if name == "badge-0" { "ann" } else { "bob" };
                    *spec = specs::employee(user, EmployeeState::Active, "role-0", &[]);
                }
                Op::Session(_, _, Some((spec, _, open))) if tidy => {
                    "max".clone_into(&mut spec.impersonator);
                    (spec.stop, *open) = (false, false);
                }
                _ => {}
            }
        }
        ops
    })
}

fn everything() -> impl Strategy<Value = (Vec<Op>, Vec<Said>)> {
    (demanding(), prop::collection::vec(said(), 0..6)).prop_map(|(ops, all)| {
        let by_name: BTreeMap<Name, Said> = all.into_iter().map(|said| (said.name.clone(), said)).collect();
        (ops, by_name.into_values().collect())
    })
}

fn told((ops, all): &(Vec<Op>, Vec<Said>)) -> World {
    let mut world = build(ops);
    for said in all {
        said.apply(&mut world);
    }
    world
}

fn is_open(outcome: &Outcome) -> bool {
    outcome
        .further
        .as_ref()
        .is_some_and(|told| told.type_ == "Active" && told.holds)
}

/// Those who may answer for the tenant of `namespace`, by the rights that the decisions give.
fn answerers(world: &World, namespace: &str) -> BTreeSet<String> {
    let right = "create impersonationconsents.pimpernel.dev";
    let rights = world.rights(world.now).into_iter();
    let theirs = rights.filter(|(ns, _, what)| ns == namespace && what == right);
    theirs.map(|(_, who, _)| who).collect()
}

/// Whether a session that was not opened yet may be, as the rule reads aloud: somebody who has the right has said yes before
/// anybody said no, and nobody has revoked.
fn granted(world: &World, session: &Name, all: &[Said]) -> bool {
    let may = answerers(world, &session.namespace);
    let own = &world.sessions.get(session).unwrap().impersonator;
    let about = |said: &&Said| said.name.namespace == session.namespace && *said.spec.impersonation == *session.name;
    if all
        .iter()
        .filter(about)
        .any(|said| said.spec.decision == ConsentDecision::Revoked)
    {
        return false;
    }
    let counts = |said: &&Said| {
        let no = said.spec.decision == ConsentDecision::Rejected;
        no || may.contains(&said.spec.by) && said.spec.by.to_lowercase() != own.to_lowercase()
    };
    let mut counting: Vec<&Said> = all.iter().filter(about).filter(counts).collect();
    counting.sort_by_key(|said| (said.created(), uid("consent", &said.name)));
    counting
        .first()
        .is_some_and(|first| first.spec.decision == ConsentDecision::Granted)
}

proptest! {
    #![proptest_config(config(32))]

    /// No yes that counts, no session; and none that lasts longer than the last yes allows.
    #[test]
    fn i11_i8_a_session_opens_with_a_yes_that_counts_alone_and_no_later_end(all in everything()) {
        let world = told(&all);
        for (name, spec) in &world.sessions {
            let outcome = world.decide_at(&Key::new(Kind::Impersonation, name.clone()), world.now).unwrap();
            if !is_open(&outcome) {
                continue;
            }
            let opened = world.directory.account(&uid("session", name)).is_some();
            let demands = world.directory.tenant(&name.namespace).unwrap().consent;
            prop_assert!(opened || !demands || granted(&world, name, &all.1), "{} is open", name);
            let created = world.directory.session(name).unwrap().meta.created;
            let yes = all.1.iter().filter(|said| said.spec.decision == ConsentDecision::Granted).map(Said::created);
            let length = spec.duration.as_ref().unwrap().seconds().unwrap();
            let latest = yes.chain([created]).max().unwrap() + SignedDuration::from_secs(length);
            let end = at(outcome.status.get("expirationTime").and_then(|end| end.as_str()).unwrap());
            prop_assert!(end <= latest, "{} ends at {}, later than {}", name, end, latest);
        }
    }

    /// In whatever order it becomes known, it comes to the same.
    #[test]
    fn v1_i11_consents_in_any_order_give_the_same_decisions(
        (all, shuffled) in everything().prop_flat_map(|all| (Just(all.clone()), Just(all.1).prop_shuffle())),
    ) {
        let world = told(&all);
        let mut other = plan::nothing();
        for said in &shuffled {
            said.apply(&mut other);
        }
        // Whether a session was opened is no consent's to say.
        for op in &all.0 {
            op.apply(&mut other);
        }
        for uid in world.sessions.keys().map(|name| uid("session", name)) {
            let account = world.directory.account(&uid).cloned();
            other.directory.fold(Change::Account(uid, account));
        }
        prop_assert_eq!(world.decisions(world.now), other.decisions(other.now));
    }

    /// Nobody is forgotten when something is said, or when something changes on which it depends.
    #[test]
    fn v8_i11_whatever_is_said_and_whatever_changes_wakes_whom_it_alters(
        all in everything(), more in said(), op in change(true), says in any::<bool>(),
    ) {
        let mut world = told(&all);
        let before = world.decisions(world.now);
        let key = if says { more.key() } else { op.key() };
        let mut woken = affected::by(&key, &world.directory);
        if says {
            more.apply(&mut world);
        } else {
            op.apply(&mut world);
        }
        woken.extend(affected::by(&key, &world.directory));
        let after = world.decisions(world.now);
        let keys: BTreeSet<&Key> = before.keys().chain(after.keys()).collect();
        let asleep: Vec<_> = keys
            .into_iter()
            .filter(|key| before.get(key) != after.get(key) && !woken.contains(key))
            .map(|key| (key.to_string(), before.get(key), after.get(key)))
            .collect();
        prop_assert!(asleep.is_empty(), "{} alters {:#?}", key, asleep);
    }

    /// Until a decision says to look again, looking again says the same.
    #[test]
    fn v12_i11_nothing_changes_by_itself_before_its_wake_at(all in everything()) {
        let world = told(&all);
        let lapses = [1435, 1440, 1445].map(|minutes| at(NOW) + SignedDuration::from_mins(minutes));
        let instants: Vec<Timestamp> = plan::instants().into_iter().chain(lapses).collect();
        steady_until_woken(&world, &instants)?;
    }
}

#[test]
fn the_worlds_with_consents_are_not_trivial() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut opened_by_yes, mut waiting, mut refused) = (0, 0, 0);
    for _ in 0..128 {
        let all = proptest::strategy::ValueTree::current(&everything().new_tree(&mut runner).unwrap());
        let world = told(&all);
        for (key, outcome) in world.decisions(world.now) {
            let new = world.directory.account(&uid("session", &key.name)).is_none();
            let demands = world
                .directory
                .tenant(&key.name.namespace)
                .is_some_and(|tenant| tenant.consent);
            opened_by_yes += usize::from(key.kind == Kind::Impersonation && is_open(&outcome) && new && demands);
            let text = format!("{:?}", outcome.standing);
            waiting += usize::from(text.contains("AwaitingConsent"));
            refused += usize::from(key.kind == Kind::Consent && text.starts_with("Refused"));
        }
    }
    assert!(
        opened_by_yes > 4 && waiting > 32 && refused > 32,
        "{opened_by_yes} opened, {waiting} waiting, {refused} refused"
    );
}
