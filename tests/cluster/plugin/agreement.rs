//! P6, E8: what `explain` and `who-can` say is what the API server allows, for random roles and employees.

use super::Person;
use crate::common::rest::{Caller, object};
use crate::common::{PATIENCE, World, may};
use anyhow::{Result, ensure};
use futures::stream::{self, StreamExt, TryStreamExt};
use pimpernel::api::PermissionCatalog;
use pimpernel::artifacts::CATALOGS;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

const ROLES: u64 = 400;
const EMPLOYEES: u64 = 600;
const ACTIONS: usize = 40;
/// How many of the employees are asked about by themselves.
const EXPLAINED: usize = 10;

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
    let admin = Caller::with(world.plane().admin()).await?;
    let applications: Vec<&str> = CATALOGS
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| *name != "coaching")
        .collect();
    let tenant = json!({"displayName": "Spa", "type": "Provider", "state": "Active", "applications": applications, "defaultRoles": "None"});
    admin.apply(&object("Namespace bath", "{}")).await?.object()?;
    let (permissions, mut dice) = (permissions()?, Dice(1792));
    let mut objects = vec![object("Tenant bath/bath", &tenant.to_string())];
    objects.extend((0..ROLES).map(|number| random_role(number, &permissions, &mut dice)));
    let began = Instant::now();
    let applied = |batch: Vec<Value>| {
        let admin = &admin;
        stream::iter(batch)
            .map(move |object| async move { admin.apply(&object).await?.object().map(drop) })
            .buffer_unordered(4)
            .try_collect::<()>()
    };
    applied(objects).await?;
    applied(
        (0..EMPLOYEES)
            .map(|number| random_employee(number, &mut dice))
            .collect(),
    )
    .await?;
    eprintln!(
        "{ROLES} roles and {EMPLOYEES} employees are there after {:?}",
        began.elapsed()
    );

    let person = Person::new(&world, "keeper")?;
    let asks = |words: &str| -> Result<Value> {
        let said = person.runs_with(world.plane().admin(), &format!("pimpernel {words} -n bath -o json"))?;
        ensure!(said.code < 2, "{words}: {}", said.stderr);
        Ok(serde_json::from_str(&said.stdout)?)
    };
    let mut expected: BTreeMap<(String, String, String), bool> = BTreeMap::new();
    let mut explained: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for number in 0..EXPLAINED {
        let answer = asks(&format!("explain employee e-{number}"))?;
        let given = answer["permissions"].as_array().into_iter().flatten();
        let given = given.map(|given| given["action"].as_str().unwrap_or_default().to_owned());
        explained.insert(format!("u{number}@bath.example"), given.collect());
    }
    let mut asked = BTreeSet::new();
    while asked.len() < ACTIONS {
        let (application, permission, actions) = &permissions[usize::try_from(dice.below(permissions.len() as u64))?];
        let action = match actions.len() as u64 {
            0 => "use",
            count => &actions[usize::try_from(dice.below(count))?],
        };
        if !asked.insert(format!("{application}/{permission}:{action}")) {
            continue;
        }
        let began = Instant::now();
        let found = asks(&format!("who-can {action} {application}/{permission}"))?;
        let users: BTreeSet<&str> = found
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|who| who["username"].as_str())
            .collect();
        eprintln!(
            "{} may {action} {application}/{permission}, said within {:?}",
            users.len(),
            began.elapsed()
        );
        for (user, given) in &explained {
            let id = format!("{application}/{permission}:{action}");
            ensure!(
                given.contains(&id) == users.contains(user.as_str()),
                "`explain` and `who-can` differ on {user} and {id}"
            );
        }
        for number in 0..500 {
            let user = format!("u{number}@bath.example");
            let resource = format!("{permission}.{application}.apps.pimpernel.dev");
            expected.insert(
                (user.clone(), action.to_lowercase(), resource),
                users.contains(user.as_str()),
            );
        }
    }
    agree(&world, &expected).await
}

/// Asks the API server everything, and again what it does not show yet.
async fn agree(world: &World, expected: &BTreeMap<(String, String, String), bool>) -> Result<()> {
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
    let primary = role();
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
