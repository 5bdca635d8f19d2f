//! R16 with every catalogue of three actions: whatever they imply, whatever one of them requires, which are everybody's,
//! of how many applications they are and which of those the tenant has. In every such tenant every role is written, and
//! every role is given, by a writer who has whatever can be had: what she is let in with gives nobody what she has not.

#![expect(clippy::indexing_slicing, reason = "a test")]

use crate::bounds::{APPLICATIONS, CITY, Deed, Plan, Write};
use crate::specs;
use crate::world::World;
use pimpernel::api::{EmployeeState, Grant, LifecycleState, TenantType};
use pimpernel::policy::access::{self, Line};
use pimpernel::policy::catalog::Action;

/// How many actions there are.
const ACTIONS: usize = 3;
/// Of which application each is: one of three, or two of them of one.
const HOMES: [[usize; ACTIONS]; 4] = [[0, 1, 2], [0, 0, 1], [0, 1, 0], [0, 1, 1]];
const ORDERS: [[usize; ACTIONS]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
/// Which may imply which: none leads back.
const IMPLIES: [(usize, usize); 3] = [(0, 1), (0, 2), (1, 2)];
const REQUIRES: [(usize, usize); 6] = [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)];

/// Some of the actions, or of the applications: a bit for each.
type Set = usize;

fn sets() -> impl Iterator<Item = Set> {
    0..1 << ACTIONS
}

fn members(set: Set) -> Vec<usize> {
    (0..ACTIONS).filter(|member| set >> member & 1 == 1).collect()
}

fn is_within(set: Set, other: Set) -> bool {
    set & !other == 0
}

/// What the catalogues say.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Catalogues {
    homes: [usize; ACTIONS],
    implies: Vec<(usize, usize)>,
    requires: Vec<(usize, usize)>,
    unrestricted: Set,
}

impl Catalogues {
    /// The same with the actions in another order, if none leads back to an earlier one then.
    fn reordered(&self, order: [usize; ACTIONS]) -> Option<Self> {
        let edges = |edges: &[(usize, usize)]| {
            let mut edges: Vec<_> = edges.iter().map(|(from, to)| (order[*from], order[*to])).collect();
            edges.sort_unstable();
            edges
        };
        let implies = edges(&self.implies);
        let mut homes = [0; ACTIONS];
        (0..ACTIONS).for_each(|action| homes[order[action]] = self.homes[action]);
        let mut seen = vec![];
        for home in &mut homes {
            let known = seen.iter().position(|seen| seen == home);
            seen.extend(known.is_none().then_some(*home));
            *home = known.unwrap_or(seen.len() - 1);
        }
        let free = members(self.unrestricted).into_iter();
        implies.iter().all(|(from, to)| from < to).then(|| Self {
            homes,
            requires: edges(&self.requires),
            unrestricted: free.map(|action| 1 << order[action]).sum(),
            implies,
        })
    }

    /// All of them, and of those that differ in the order of the actions alone one.
    fn all() -> Vec<Self> {
        let mut all = vec![];
        for (homes, implied) in HOMES
            .into_iter()
            .flat_map(|homes| sets().map(move |implied| (homes, implied)))
        {
            let implies: Vec<_> = members(implied).into_iter().map(|edge| IMPLIES[edge]).collect();
            let required = [vec![]].into_iter().chain(REQUIRES.map(|edge| vec![edge]));
            for (requires, unrestricted) in required.flat_map(|edges| sets().map(move |free| (edges.clone(), free))) {
                let implies = implies.clone();
                all.push(Self {
                    homes,
                    implies,
                    requires,
                    unrestricted,
                });
            }
        }
        let others = |one: &Self| ORDERS.iter().filter_map(|order| one.reordered(*order)).min();
        let firsts = all.iter().filter(|one| others(one).as_ref() == Some(one));
        firsts.cloned().collect()
    }

    fn plan(&self) -> Plan {
        let deed = |action: usize| Deed {
            application: APPLICATIONS[self.homes[action]],
            unrestricted: self.unrestricted >> action & 1 == 1,
            from_factory: false,
            sessions: None,
        };
        Plan {
            deeds: (0..ACTIONS).map(deed).collect(),
            implies: self.implies.clone(),
            requires: self.requires.clone(),
            applications: vec![],
            roles: [vec![], vec![], vec![]],
            state: LifecycleState::Active,
            held: (false, false),
            session: None,
        }
    }

    /// How many applications there are.
    fn applications(&self) -> usize {
        self.homes.iter().map(|home| home + 1).max().unwrap()
    }

    /// Which actions are of `applications`.
    fn of(&self, applications: Set) -> Set {
        let of = |action: &usize| applications >> self.homes[*action] & 1 == 1;
        (0..ACTIONS).filter(of).map(|action| 1 << action).sum()
    }
}

/// One set of catalogues, a city, and what each role gives in it, by the city's applications and by what the role lists.
struct City {
    said: Catalogues,
    plan: Plan,
    world: World,
    gives: [[Set; 1 << ACTIONS]; 1 << ACTIONS],
    /// Which applications the city has, and what the writer's role lists.
    now: Option<(Set, Set)>,
}

impl City {
    fn new(said: Catalogues) -> Self {
        let (plan, mut world) = (said.plan(), World::empty(true));
        for application in &APPLICATIONS[..said.applications()] {
            world.catalog(application, &specs::catalog(plan.catalog(application)));
        }
        let gives = [[0; 1 << ACTIONS]; 1 << ACTIONS];
        let mut city = Self {
            said,
            plan,
            world,
            gives,
            now: None,
        };
        for applications in 0..1 << city.said.applications() {
            city.has(applications);
            for listed in sets() {
                city.gives[applications][listed] = city.given(listed);
            }
        }
        city
    }

    fn has(&mut self, applications: Set) {
        let numbers = members(applications).into_iter();
        let names: Vec<&str> = numbers.map(|number| APPLICATIONS[number]).collect();
        let spec = specs::tenant(TenantType::Provider, None, &names);
        self.world.tenant(CITY, spec);
    }

    fn given(&self, listed: Set) -> Set {
        let directory = &self.world.directory;
        let line = |grant: Grant| Line {
            application: grant.application,
            permission: grant.permission,
            actions: grant.actions,
        };
        let lines = self.plan.grants(&members(listed)).map(line).collect::<Vec<_>>();
        let given = access::granted(&lines, directory.tenant(CITY), directory).actions;
        let action = |number: usize| Action::new(self.plan.deeds[number].application, &format!("p{number}"), "Do");
        let given = (0..ACTIONS).filter(|number| given.contains(&action(*number)));
        given.map(|number| 1 << number).sum()
    }

    fn role(&mut self, number: usize, listed: Set) {
        let spec = self.plan.role(number, &members(listed), LifecycleState::Active);
        self.world.role(CITY, &format!("role-{number}"), spec);
    }

    /// What `new` in place of `old` gives that who lists `own` has not, whatever applications the city gets; it has
    /// `applications` now. What lists plainly what she has not is looked at only if that is all, and nothing is required.
    fn gained(&self, applications: Set, own: Set, (old, new): (Set, Set)) -> Set {
        let has = self.gives[applications][own];
        let plainly = new & !old & !has & !self.said.unrestricted != 0;
        if plainly && !(old == 0 && new.is_power_of_two() && self.said.requires.is_empty()) {
            return 0;
        }
        let all = 0..1 << self.said.applications();
        let later = all.filter(|later| is_within(applications, *later));
        later.fold(0, |all, later| {
            let free = self.said.unrestricted & self.said.of(later);
            let gives = |listed: Set| self.gives[later][listed];
            all | gives(new) & !gives(old) & !gives(own) & !free
        })
    }

    /// That nobody is let in who would give `gained`, by role or by employee. How often that was asked.
    fn refuses(&mut self, applications: Set, own: Set, (old, new): (Set, Set), gained: Set) -> usize {
        if self.now.replace((applications, own)) != Some((applications, own)) {
            self.has(applications);
            self.role(0, own);
            let wren = specs::employee("wren", EmployeeState::Active, "role-0", &[]);
            self.world.employee(CITY, "wren", wren);
        }
        let role = Write::Role(members(new), LifecycleState::Active);
        let gift = (old == 0).then_some((new, Write::Gift(2)));
        let writes: Vec<_> = [(old, role)].into_iter().chain(gift).collect();
        for (listed, write) in &writes {
            self.role(2, *listed);
            let told = [applications, own, *listed, gained].map(members);
            assert!(
                !write.admitted(&self.plan, &self.world),
                "{:?}, {write:?}; applications, own, listed before, gained: {told:?}",
                self.said
            );
        }
        writes.len()
    }
}

/// What is written to the third role: what it listed, and what it is to list. Taking away is free.
fn writes() -> impl Iterator<Item = (Set, Set)> {
    let pairs = sets().flat_map(|old| sets().map(move |new| (old, new)));
    pairs.filter(|(old, new)| !is_within(*new, *old))
}

#[test]
fn r16_no_catalogue_of_three_actions_lets_a_bounded_writer_hand_out_more_than_she_has() {
    let mut asked = 0;
    for said in Catalogues::all() {
        let mut city = City::new(said.clone());
        for applications in 0..1 << said.applications() {
            for own in sets().filter(|own| is_within(*own, said.of(applications))) {
                for change in writes() {
                    let gained = city.gained(applications, own, change);
                    if gained != 0 {
                        asked += city.refuses(applications, own, change, gained);
                    }
                }
            }
        }
    }
    assert!(asked > 1_000, "{asked}");
}
