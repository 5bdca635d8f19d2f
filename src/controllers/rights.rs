//! What the operator holds itself: it can hand out no more than that, and each catalogue says whether it is enough (P6).

use super::context::{Context, Woken};
use super::error::Error;
use crate::policy::children::Rule;
use crate::policy::verdict::Further;
use crate::policy::{Directory, Key, Kind, Name, Reason, catalog};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::authorization::v1::{SelfSubjectRulesReview, SelfSubjectRulesReviewSpec};
use k8s_openapi::api::rbac::v1 as rbac;
use kube::api::{Api, PostParams};
use std::collections::BTreeSet;
use tokio::sync::Mutex;

/// Where the operator has no other rights than everywhere.
const ANYWHERE: &str = "default";
/// How soon a catalogue is looked at again for which the operator lacks a right: nothing tells when it gets it.
const AGAIN: SignedDuration = SignedDuration::from_secs(2);

/// What the operator was last told that it holds everywhere, and when.
#[derive(Default)]
pub struct Told(Mutex<Option<(Timestamp, Vec<rbac::PolicyRule>)>>);

/// What the operator holds everywhere.
struct Answer {
    held: Vec<rbac::PolicyRule>,
    at: Timestamp,
    /// Whether it is something else than the time before.
    changed: bool,
}

impl Told {
    /// Asks what the operator holds at `now`; all who ask within [`AGAIN`] get the same answer.
    async fn ask(&self, context: &Context, now: Timestamp) -> Result<Answer, Error> {
        let mut last = self.0.lock().await;
        if let Some((at, held)) = &*last
            && now.duration_since(*at).abs() < AGAIN
        {
            let (held, at, changed) = (held.clone(), *at, false);
            return Ok(Answer { held, at, changed });
        }
        let held = held(ANYWHERE, context).await?;
        let changed = last.as_ref().is_some_and(|(_, last)| !same(last, &held));
        *last = Some((now, held.clone()));
        Ok(Answer { held, at: now, changed })
    }
}

/// Whether both are the same rights, in whatever order.
fn same(one: &[rbac::PolicyRule], other: &[rbac::PolicyRule]) -> bool {
    let told = |rules: &[rbac::PolicyRule]| rules.iter().map(|rule| format!("{rule:?}")).collect::<BTreeSet<_>>();
    told(one) == told(other)
}

/// Whether the operator holds all that the catalogue grants, as a condition, and when to look again; of one that is refused
/// nothing is said. If the operator holds something else than before, whatever failed is tried again at once.
pub async fn grantable(
    name: &Name,
    (directory, now): (&Directory, Timestamp),
    context: &Context,
) -> Result<Option<(Further, Option<Timestamp>)>, Error> {
    let Some(catalog) = directory.catalog(&name.name) else {
        return Ok(None);
    };
    let Answer { held, at, changed } = context.rights.ask(context, now).await?;
    if changed {
        context.wake(in_doubt(directory));
        context.retry();
    }
    let (_, lacking) = divide(&catalog::grantable(catalog), &held);
    let holds = lacking.is_empty();
    let (reason, message) = if holds {
        let message = "The operator has all the rights that the catalogue lists";
        (Reason::InEffect, message.to_owned())
    } else {
        let message = format!(
            "the operator lacks {} and cannot hand it out: give the operator that right, or take it out of the catalogue",
            described(&lacking)
        );
        (Reason::NotGrantable, message)
    };
    let further = Further {
        type_: "Grantable",
        holds,
        reason,
        message,
    };
    // An answer that is older may be of before what made this catalogue doubtful.
    let again = (!holds || at < now).then(|| at.checked_add(AGAIN).ok()).flatten();
    Ok(Some((further, again)))
}

/// The catalogues, all of which a right may be missing for.
pub fn in_doubt(directory: &Directory) -> Woken {
    let changed = directory.applications();
    Woken {
        changed: changed
            .map(|name| Key::new(Kind::PermissionCatalog, Name::new("", name)))
            .collect(),
        ..Woken::default()
    }
}

/// Rights, for a message.
pub fn described(rules: &[Rule]) -> String {
    let one = |rule: &Rule| {
        let verbs = rule.verbs.iter().cloned().collect::<Vec<_>>().join(", ");
        format!("`{verbs}` on `{}.{}`", rule.resource, rule.group)
    };
    rules.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// What the operator itself may do in `namespace`.
pub async fn held(namespace: &str, context: &Context) -> Result<Vec<rbac::PolicyRule>, Error> {
    let review = SelfSubjectRulesReview {
        spec: SelfSubjectRulesReviewSpec {
            namespace: Some(namespace.to_owned()),
        },
        ..SelfSubjectRulesReview::default()
    };
    let api: Api<SelfSubjectRulesReview> = Api::all(context.client.clone());
    let answer = api
        .create(&PostParams::default(), &review)
        .await
        .map_err(Error::Review)?;
    let rules = answer.status.map(|status| status.resource_rules).unwrap_or_default();
    Ok(rules
        .into_iter()
        .map(|rule| rbac::PolicyRule {
            api_groups: rule.api_groups,
            resources: rule.resources,
            resource_names: rule.resource_names,
            verbs: rule.verbs,
            non_resource_urls: None,
        })
        .collect())
}

/// The rules of which the operator has everything, and what it lacks of the others.
pub fn divide(rules: &[Rule], held: &[rbac::PolicyRule]) -> (Vec<Rule>, Vec<Rule>) {
    let has = |rule: &Rule, verb: &String| {
        held.iter().any(|own| {
            let covers = |list: &Option<Vec<String>>, wanted: &String| {
                list.iter().flatten().any(|item| item == wanted || item == "*")
            };
            covers(&own.api_groups, &rule.group)
                && covers(&own.resources, &rule.resource)
                && own.resource_names.as_ref().is_none_or(Vec::is_empty)
                && own.verbs.iter().any(|own| own == verb || own == "*")
        })
    };
    let (mut kept, mut missing) = (vec![], vec![]);
    for rule in rules {
        let (ours, lacking): (BTreeSet<String>, BTreeSet<String>) =
            rule.verbs.iter().cloned().partition(|verb| has(rule, verb));
        if !ours.is_empty() {
            kept.push(Rule {
                verbs: ours,
                ..rule.clone()
            });
        }
        if !lacking.is_empty() {
            missing.push(Rule {
                verbs: lacking,
                ..rule.clone()
            });
        }
    }
    (kept, missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p6_rights_that_come_or_go_are_noticed_in_whatever_order_they_are_told() {
        let right = |resource: &str| rbac::PolicyRule {
            resources: Some(vec![resource.to_owned()]),
            ..rbac::PolicyRule::default()
        };
        let (skills, teams) = (right("skills"), right("teams"));
        let both = [skills.clone(), teams.clone()];
        assert!(!same(std::slice::from_ref(&skills), &both));
        assert!(same(&both, &[teams.clone(), skills]));
        assert!(!same(&both, &[teams]));
    }
}
