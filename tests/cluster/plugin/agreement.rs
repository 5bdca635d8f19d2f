//! P6, E8: what `explain` and `who-can` say is what the API server allows, for random roles and employees.

use super::Person;
use crate::common::rest::{Caller, object};
use crate::common::{PATIENCE, World, may};
use anyhow::{Context as _, Result, ensure};
use futures::stream::{self, StreamExt, TryStreamExt};
use pimpernel::api::PermissionCatalog;
use pimpernel::artifacts::CATALOGS;
use pimpernel::cli::{Cluster, Known, known};
use pimpernel::policy::Name;
use pimpernel::policy::catalog::Action;
use pimpernel::policy::explain::{self, Because};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

const ROLES: u64 = 500;
const EMPLOYEES: u64 = 500;
const ACTIONS: usize = 40;
const SEED: u64 = 1792;
/// Every how many-th of what is asked of the library is asked of the plugin too.
const BY_PLUGIN: usize = 100;

/// User, verb and resource, and whether that is allowed.
type Expected = BTreeMap<(String, String, String), bool>;

/// Numbers that are the same in every run and look like none.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Application, permission and the actions of each permission that is a verb on a resource of its own.
fn permissions() -> Result<Vec<(String, String, Vec<String>)>> {
    let mut all = vec![];
    for (name, text) in CATALOGS {
        let catalog: PermissionCatalog = serde_yaml::from_str(text)?;
        for permission in catalog.spec.permissions {
            let plain = permission.actions.iter().filter(|action| action.rules.is_empty());
            let actions: Vec<String> = plain.map(|action| action.name.clone()).collect();
            if permission.switch || !actions.is_empty() {
                all.push(((*name).to_owned(), permission.name, actions));
            }
        }
    }
    Ok(all)
}

#[tokio::test(flavor = "multi_thread")]
async fn p6_e8_what_is_explained_is_what_the_api_server_allows() -> Result<()> {
    let world = World::start().await?;
    let (permissions, mut dice) = (permissions()?, Dice(SEED));
    eprintln!("seed {SEED}");
    populate(&world, &permissions, &mut dice).await?;
    let cluster = Cluster {
        client: world.client(),
        namespace: "bath".to_owned(),
    };
    let began = Instant::now();
    let known = known(&cluster, false).await?;
    let by_user = explained(&known)?;
    eprintln!(
        "{EMPLOYEES} employees and {ROLES} roles are explained after {:?}",
        began.elapsed()
    );
    let mut expected = Expected::new();
    for (application, permission, action) in some(&permissions, &mut dice)? {
        let asked = Action::new(&application, &permission, &action);
        let found = explain::who_can(&asked, &known.namespace, &known.directory, known.now);
        let users: BTreeSet<&str> = found.values().map(|(user, _)| &**user).collect();
        for (user, given) in &by_user {
            let has = given.contains(&asked);
            ensure!(
                has == users.contains(user.as_str()),
                "`explain` and `who-can` differ on {user} and {asked}"
            );
            let resource = format!("{permission}.{application}.apps.pimpernel.dev");
            expected.insert((user.clone(), action.to_lowercase(), resource), has);
        }
    }
    said_by_the_plugin(&world, &known)?;
    agree(&world, &expected).await
}

/// A tenant with all of them.
async fn populate(world: &World, permissions: &[(String, String, Vec<String>)], dice: &mut Dice) -> Result<()> {
    let admin = Caller::with(world.plane().admin()).await?;
    let applications: Vec<&str> = CATALOGS
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| *name != "coaching")
        .collect();
    let tenant = json!({"displayName": "Spa", "type": "Provider", "state": "Active", "applications": applications, "defaultRoles": "None"});
    admin.apply(&object("Namespace bath", "{}")).await?.object()?;
    let mut objects = vec![object("Tenant bath/bath", &tenant.to_string())];
    objects.extend((0..ROLES).map(|number| random_role(number, permissions, dice)));
    let began = Instant::now();
    let applied = |batch: Vec<Value>| {
        let admin = &admin;
        stream::iter(batch)
            .map(move |object| async move { admin.apply(&object).await?.object().map(drop) })
            .buffer_unordered(4)
            .try_collect::<()>()
    };
    applied(objects).await?;
    applied((0..EMPLOYEES).map(|number| random_employee(number, dice)).collect()).await?;
    eprintln!(
        "{ROLES} roles and {EMPLOYEES} employees are there after {:?}",
        began.elapsed()
    );
    Ok(())
}

/// What `explain` says that each user may do; and that it is what it says of her roles, each by itself.
fn explained(known: &Known) -> Result<BTreeMap<String, BTreeSet<Action>>> {
    let mut of_roles: BTreeMap<String, BTreeSet<Action>> = BTreeMap::new();
    for number in 0..ROLES {
        let name = format!("r-{number}");
        let view = explain::role(&Name::new("bath", name.as_str()), &known.directory, known.now);
        let view = view.with_context(|| format!("no {name}"))?;
        let given = view.actions.into_keys().filter(|_| view.idle.is_none());
        of_roles.insert(name, given.collect());
    }
    let mut by_user = BTreeMap::new();
    for number in 0..EMPLOYEES {
        let name = Name::new("bath", format!("e-{number}"));
        let view = explain::employee(&name, &known.directory, known.now);
        let view = view.with_context(|| format!("no {name}"))?;
        let free = |because: &Vec<Because>| because.contains(&Because::Unrestricted);
        let everybodys = view.actions.iter().filter(|(_, because)| free(because));
        let mut due: BTreeSet<&Action> = everybodys.map(|(action, _)| action).collect();
        if view.idle.is_none() {
            due.extend(view.roles.iter().filter_map(|held| of_roles.get(&*held.role)).flatten());
        }
        ensure!(
            view.actions.keys().collect::<BTreeSet<_>>() == due,
            "what is said of {name} is not what is said of her roles"
        );
        by_user.insert(view.username.to_string(), view.actions.into_keys().collect());
    }
    Ok(by_user)
}

/// So many actions of theirs.
fn some(permissions: &[(String, String, Vec<String>)], dice: &mut Dice) -> Result<BTreeSet<(String, String, String)>> {
    let mut some = BTreeSet::new();
    while some.len() < ACTIONS {
        let (application, permission, actions) = &permissions[usize::try_from(dice.below(permissions.len() as u64))?];
        let action = match actions.len() as u64 {
            0 => "use",
            count => &actions[usize::try_from(dice.below(count))?],
        };
        some.insert((application.clone(), permission.clone(), action.to_owned()));
    }
    Ok(some)
}

/// The plugin says what the library says.
fn said_by_the_plugin(world: &World, known: &Known) -> Result<()> {
    let person = Person::new(world, "keeper")?;
    for number in (0..EMPLOYEES).step_by(BY_PLUGIN) {
        for (kind, name) in [("employee", format!("e-{number}")), ("role", format!("r-{number}"))] {
            let words = format!("pimpernel explain {kind} {name} -n bath -o name");
            let said = person.runs_with(world.plane().admin(), &words)?;
            ensure!(said.code == 0, "{words}: {}", said.stderr);
            let full = Name::new("bath", name.as_str());
            let actions: Vec<Action> = match kind {
                "role" => {
                    explain::role(&full, &known.directory, known.now).map(|view| view.actions.into_keys().collect())
                }
                _ => {
                    explain::employee(&full, &known.directory, known.now).map(|view| view.actions.into_keys().collect())
                }
            }
            .unwrap_or_default();
            let expected: Vec<String> = actions.iter().map(ToString::to_string).collect();
            ensure!(
                said.stdout.lines().eq(&expected),
                "{words}: {}, not {expected:?}",
                said.stdout
            );
        }
    }
    Ok(())
}

/// Asks the API server everything, and again what it does not show yet.
async fn agree(world: &World, expected: &Expected) -> Result<()> {
    let (client, began) = (world.client(), Instant::now());
    let allowed = expected.values().filter(|allowed| **allowed).count();
    ensure!(
        expected.len() == 20_000 && allowed > 500 && allowed < 15_000,
        "{allowed} of {}",
        expected.len()
    );
    let mut open: Vec<(&(String, String, String), bool)> =
        expected.iter().map(|(right, allowed)| (right, *allowed)).collect();
    while !open.is_empty() {
        ensure!(
            began.elapsed() < 10 * PATIENCE,
            "the API server says otherwise of {} rights: {:?}",
            open.len(),
            open.first()
        );
        let client = &client;
        let answers = stream::iter(open).map(move |(right, wanted)| async move {
            let (user, verb, resource) = right;
            let is = may(client, user, (verb, resource, "bath")).await?;
            anyhow::Ok((right, wanted, is))
        });
        let answers: Vec<_> = answers.buffer_unordered(16).try_collect().await?;
        open = answers
            .into_iter()
            .filter(|(_, wanted, is)| wanted != is)
            .map(|(right, wanted, _)| (right, wanted))
            .collect();
    }
    eprintln!(
        "20000 reviews agree, {allowed} of them allowed, after {:?}",
        began.elapsed()
    );
    Ok(())
}

fn random_role(number: u64, permissions: &[(String, String, Vec<String>)], dice: &mut Dice) -> Value {
    let lines: BTreeMap<(&String, &String), Vec<&String>> = (0..=dice.below(12))
        .map(|_| {
            let index = usize::try_from(dice.below(permissions.len() as u64)).unwrap_or_default();
            let (application, permission, actions) = &permissions[index];
            let some = actions.iter().filter(|_| dice.below(2) == 0).collect::<Vec<_>>();
            let some = if some.is_empty() {
                actions.iter().take(1).collect()
            } else {
                some
            };
            ((application, permission), some)
        })
        .filter(|((application, _), _)| *application != "coaching")
        .collect();
    let lines: Vec<Value> = lines
        .into_iter()
        .map(|((application, permission), actions)| {
            let mut line = json!({"application": application, "permission": permission});
            if !actions.is_empty() {
                line["actions"] = json!(actions);
            }
            line
        })
        .collect();
    // Every tenth is Draft.
    let state = if number % 10 == 9 { "Draft" } else { "Active" };
    let spec = json!({"displayName": format!("Hand {number}"), "state": state, "permissions": lines});
    object(&format!("Role bath/r-{number}"), &spec.to_string())
}

fn random_employee(number: u64, dice: &mut Dice) -> Value {
    let active = dice.below(4) > 0;
    let mut role = || {
        let role = dice.below(ROLES);
        // An Active employee holds Active roles only.
        if active && role % 10 == 9 { role - 1 } else { role }
    };
    // The role of the same number has at least this holder.
    let primary = if active && number % 10 == 9 { number - 1 } else { number };
    let secondary: BTreeSet<u64> = (0..number % 4)
        .map(|_| role())
        .filter(|role| *role != primary)
        .collect();
    let secondary: Vec<Value> = secondary
        .into_iter()
        .map(|role| json!({"name": format!("r-{role}")}))
        .collect();
    let state = if active { "Active" } else { "Inactive" };
    let spec = json!({"username": format!("u{number}@bath.example"), "state": state, "primaryRole": format!("r-{primary}"), "secondaryRoles": secondary});
    object(&format!("Employee bath/e-{number}"), &spec.to_string())
}
