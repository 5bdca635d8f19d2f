//! R16 with catalogues at random: who writes within bounds gives nobody what she would not have herself, now or once the
//! tenant has more applications.

#![expect(clippy::indexing_slicing, reason = "a test")]

use crate::config;
use crate::specs;
use crate::world::{NOW, SESSIONS, World, at};
use pimpernel::api::{EmployeeState, Grant, LifecycleState, Mode, RoleSpec, TenantType};
use pimpernel::policy::admission::{Change, Request, Subject, admit};
use pimpernel::policy::catalog::Actions;
use pimpernel::policy::{Name, access, employee};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

pub const CITY: &str = "bath";
pub const APPLICATIONS: [&str; 4] = ["ash", "elm", "oak", "yew"];
/// How many actions there are in all.
const MOST: usize = 7;

/// One action, which is the only one of its permission; its number is its name.
#[derive(Clone, Debug)]
pub struct Deed {
    pub application: &'static str,
    pub unrestricted: bool,
    pub from_factory: bool,
    pub sessions: Option<Vec<&'static str>>,
}

/// What there is before somebody writes.
#[derive(Clone, Debug)]
pub struct Plan {
    pub deeds: Vec<Deed>,
    /// Which implies and which requires which other one, by number: none leads back.
    pub implies: Vec<(usize, usize)>,
    pub requires: Vec<(usize, usize)>,
    pub applications: Vec<&'static str>,
    /// What the roles list that the writer has, and the one that is written or given.
    pub roles: [Vec<usize>; 3],
    pub state: LifecycleState,
    /// Whether the writer, and another employee, have the third role.
    pub held: (bool, bool),
    pub session: Option<Mode>,
}

/// What is written.
#[derive(Clone, Debug)]
pub enum Write {
    /// The third role.
    Role(Vec<usize>, LifecycleState),
    /// A colleague with that role.
    Gift(usize),
}

fn deed() -> impl Strategy<Value = Deed> {
    let sessions = prop_oneof![
        3 => Just(None),
        1 => subsequence(vec!["Configure", "Support"], 0..=2).prop_map(Some)
    ];
    let weighted = prop::bool::weighted;
    (select(APPLICATIONS.to_vec()), weighted(0.15), weighted(0.4), sessions).prop_map(
        |(application, unrestricted, from_factory, sessions)| Deed {
            application,
            unrestricted,
            from_factory,
            sessions,
        },
    )
}

fn edges(most: usize) -> impl Strategy<Value = Vec<(usize, usize)>> {
    let edge = (0..MOST, 0..MOST).prop_map(|(from, to)| (from.min(to), from.max(to)));
    prop::collection::vec(edge.prop_filter("no circle", |(from, to)| from < to), 0..=most)
}

fn state() -> impl Strategy<Value = LifecycleState> {
    prop_oneof![4 => Just(LifecycleState::Active), 1 => Just(LifecycleState::Draft)]
}

fn lines() -> impl Strategy<Value = Vec<usize>> {
    subsequence((0..MOST).collect::<Vec<_>>(), 0..=3)
}

fn plan() -> impl Strategy<Value = Plan> {
    let mode = prop_oneof![3 => Just(None), 1 => select(vec![Some(Mode::Configure), Some(Mode::Support)])];
    (
        prop::collection::vec(deed(), MOST),
        (edges(7), edges(3)),
        subsequence(APPLICATIONS.to_vec(), 1..=3),
        [lines(), lines(), lines()],
        (state(), any::<(bool, bool)>(), mode),
    )
        .prop_map(
            |(deeds, (implies, requires), applications, roles, (state, held, session))| Plan {
                deeds,
                implies,
                requires,
                applications,
                roles,
                state,
                held,
                session,
            },
        )
}

fn write() -> impl Strategy<Value = Write> {
    prop_oneof![
        (lines(), state()).prop_map(|(lines, state)| Write::Role(lines, state)),
        (0..3_usize).prop_map(Write::Gift),
    ]
}

impl Plan {
    pub fn catalog(&self, application: &str) -> Value {
        let named = |(_, to): &(usize, usize)| format!("{}/p{to}:Do", self.deeds[*to].application);
        let of = |edges: &[(usize, usize)], from| edges.iter().filter(|edge| edge.0 == from).map(named).collect();
        let own = self
            .deeds
            .iter()
            .enumerate()
            .filter(|(_, deed)| deed.application == application);
        let permissions = own.map(|(number, deed)| {
            let (implies, requires): (Vec<String>, Vec<String>) = (
                of(&self.implies, number),
                of(&self.requires, number).into_iter().collect(),
            );
            let factory: &[&str] = if deed.from_factory { &["administrator"] } else { &[] };
            let mut action = json!({"name": "Do", "implies": implies, "requires": requires, "defaultFor": factory});
            if let Some(modes) = &deed.sessions {
                action["sessions"] = json!(modes);
            }
            json!({"name": format!("p{number}"), "unrestricted": deed.unrestricted, "actions": [action]})
        });
        json!({"displayName": application, "permissions": permissions.collect::<Vec<_>>()})
    }

    pub fn grants(&self, lines: &[usize]) -> impl Iterator<Item = Grant> {
        lines.iter().map(|line| Grant {
            application: self.deeds[*line].application.to_owned(),
            permission: format!("p{line}"),
            actions: vec!["Do".to_owned()],
        })
    }

    pub fn role(&self, number: usize, lines: &[usize], state: LifecycleState) -> RoleSpec {
        let mut role = specs::role(&format!("Role {number}"), state, &[]);
        role.permissions = self.grants(lines).collect();
        role
    }

    fn build(&self) -> World {
        let mut world = World::empty(true);
        for application in APPLICATIONS {
            world.catalog(application, &specs::catalog(self.catalog(application)));
        }
        world.tenant(CITY, specs::tenant(TenantType::Provider, None, &self.applications));
        let states = [LifecycleState::Active, LifecycleState::Active, self.state];
        for (number, (lines, state)) in self.roles.iter().zip(states).enumerate() {
            world.role(CITY, &format!("role-{number}"), self.role(number, lines, state));
        }
        let mut person = |user, secondary: &[&str]| {
            let spec = specs::employee(user, EmployeeState::Active, "role-0", secondary);
            world.employee(CITY, user, spec);
        };
        let (first, second) = self.held;
        person("wren", if first { &["role-1", "role-2"] } else { &["role-1"] });
        person("finch", if second { &["role-2"] } else { &[] });
        if let Some(mode) = self.session {
            world.session(CITY, "visit", specs::session(mode, "max"), NOW);
            world.open(CITY, "visit");
        }
        world
    }

    /// What the writer has.
    fn own(&self, world: &World) -> Actions {
        let tenant = world.directory.tenant(CITY).unwrap();
        let own = |mode| access::own_of_sessions(tenant, mode, &world.directory);
        match self.session {
            Some(mode) => own(mode).into_iter().flat_map(|(own, _)| own).collect(),
            None => net(world, "wren"),
        }
    }
}

impl Write {
    fn put(&self, plan: &Plan, world: &mut World) {
        match self {
            Self::Role(lines, state) => world.role(CITY, "role-2", plan.role(2, lines, *state)),
            Self::Gift(role) => world.employee(CITY, "lark", lark(*role)),
        };
    }

    /// Whether the writer is let in with it.
    pub fn admitted(&self, plan: &Plan, world: &World) -> bool {
        let (name, subject) = match self {
            Self::Role(lines, state) => {
                let old = world.roles.get(&Name::new(CITY, "role-2")).cloned();
                let new = Some(plan.role(2, lines, *state));
                ("role-2", Subject::Role(Change { old, new }))
            }
            Self::Gift(role) => {
                let (old, new) = (None, Some(lark(*role)));
                ("lark", Subject::Employee(Change { old, new }))
            }
        };
        let request = Request {
            name: Name::new(CITY, name),
            subject,
            user: user(world).into(),
            bounded: true,
            ordering: None,
            renamed_from: None,
        };
        admit(&request, &world.directory, at(NOW)).violations.is_empty()
    }
}

/// Who writes.
fn user(world: &World) -> String {
    let visit = world.directory.session(&Name::new(CITY, "visit"));
    visit.map_or("wren".to_owned(), |entry| {
        format!("system:serviceaccount:{SESSIONS}:impersonated-admin-{}", entry.meta.uid)
    })
}

fn lark(role: usize) -> pimpernel::api::EmployeeSpec {
    specs::employee("lark", EmployeeState::Active, &format!("role-{role}"), &[])
}

fn net(world: &World, who: &str) -> Actions {
    let name = Name::new(CITY, who);
    let entry = world.directory.employee(&name);
    entry.map_or_else(Actions::new, |entry| {
        employee::net(&name, entry, &world.directory, world.now).1
    })
}

/// The world where the tenant has those applications besides.
fn with(world: &World, more: &[&'static str]) -> World {
    let mut world = world.clone();
    let mut spec = world.tenants[&Name::tenant(CITY)].clone();
    spec.applications.extend(more.iter().map(|&name| name.to_owned()));
    world.tenant(CITY, spec);
    world
}

proptest! {
    #![proptest_config(config(512))]

    #[test]
    fn r16_nobody_gets_by_a_bounded_writer_what_she_would_not_have_whatever_applications_come(
        plan in plan(), write in write(),
    ) {
        let before = plan.build();
        if write.admitted(&plan, &before) {
            let mut after = before.clone();
            write.put(&plan, &mut after);
            for number in 0..1_usize << APPLICATIONS.len() {
                let more: Vec<&str> = APPLICATIONS.into_iter().enumerate()
                    .filter(|(bit, name)| number >> bit & 1 == 1 && !plan.applications.contains(name))
                    .map(|(_, name)| name).collect();
                let (before, after) = (with(&before, &more), with(&after, &more));
                let own = plan.own(&before);
                for who in ["wren", "finch", "lark"] {
                    let had = if who == "lark" { access::unrestricted(after.directory.tenant(CITY).unwrap(), &after.directory) } else { net(&before, who) };
                    let gained: Vec<String> = net(&after, who).difference(&had).filter(|action| !own.contains(*action)).map(ToString::to_string).collect();
                    prop_assert!(gained.is_empty(), "{who} gets {gained:?} with {more:?}");
                }
            }
        }
    }
}

#[test]
fn the_writes_are_not_trivial() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut admitted, mut gained) = (0, 0);
    for _ in 0..256 {
        let (plan, write) = proptest::strategy::ValueTree::current(&(plan(), write()).new_tree(&mut runner).unwrap());
        let before = plan.build();
        if write.admitted(&plan, &before) {
            admitted += 1;
            let mut after = before.clone();
            write.put(&plan, &mut after);
            let all = [before, after].map(|world| with(&world, &APPLICATIONS));
            let [before, after] = all.map(|world| ["finch", "lark"].map(|who| net(&world, who)));
            gained += usize::from(before != after);
        }
    }
    assert!(
        (48..208).contains(&admitted) && gained > 24,
        "{admitted} admitted, {gained} gained"
    );
}
