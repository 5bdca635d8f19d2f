//! What there is of ours in a cluster, in the order in which it goes.

use super::super::cluster::Cluster;
use crate::api::{GROUP, VERSION};
use crate::artifacts::{self, WEBHOOKS};
use crate::policy::children::DERIVED;
use anyhow::{Context as _, Result};
use kube::api::{Api, ListParams};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind, PartialObjectMeta};
use serde::Serialize;

/// How many objects are asked for at once.
const PAGE: u32 = 500;
/// The binding of the policy that lets nobody delete what was made of our objects.
const LOCK: &str = "derived-objects.pimpernel.dev";

/// A step: what of it goes together. The next one begins when nothing is left of it.
#[derive(Serialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// What would refuse the next two, and that alone: all else holds until nobody has rights left to use.
    Lock,
    /// What binds people and sessions to rights.
    Bindings,
    /// What else was made of our objects: the rights, and the accounts and credentials of sessions.
    Rights,
    /// What holds the rules about our objects, and would refuse what comes next: webhooks and admission policies.
    Guards,
    /// The objects, but for the history.
    Objects,
    /// The history, which tells of all that went before.
    History,
    /// The definitions.
    Definitions,
}

impl Part {
    /// All, in order.
    pub const ALL: [Self; 7] = [
        Self::Lock,
        Self::Bindings,
        Self::Rights,
        Self::Guards,
        Self::Objects,
        Self::History,
        Self::Definitions,
    ];

    /// Whether an operator would make it again by itself.
    pub fn is_of_rights(self) -> bool {
        matches!(self, Self::Lock | Self::Bindings | Self::Rights | Self::Guards)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lock => "Lock",
            Self::Bindings => "Bindings",
            Self::Rights => "Rights",
            Self::Guards => "Guards",
            Self::Objects => "Objects",
            Self::History => "History",
            Self::Definitions => "Definitions",
        }
    }
}

/// Which objects of a kind are ours.
#[derive(Clone, Copy, Debug)]
enum Ours {
    /// All.
    All,
    /// Those of that name.
    Named(&'static str),
    /// Those with the name of one of our policies, but for [`LOCK`].
    Unlocked,
    /// Those with the name of one of our policies.
    Policies,
    /// The definitions of our kinds.
    Definitions,
    /// Those that were made of our objects.
    Derived,
}

/// A kind of which something goes.
#[derive(Debug)]
pub struct Sort {
    /// In which step.
    pub part: Part,
    /// The kind.
    pub kind: &'static str,
    group: &'static str,
    version: &'static str,
    ours: Ours,
}

const fn sort(part: Part, (group, version): (&'static str, &'static str), kind: &'static str, ours: Ours) -> Sort {
    Sort {
        part,
        kind,
        group,
        version,
        ours,
    }
}

const ADMISSION: (&str, &str) = ("admissionregistration.k8s.io", "v1");
const RBAC: (&str, &str) = ("rbac.authorization.k8s.io", "v1");
const CORE: (&str, &str) = ("", "v1");
const OURS: (&str, &str) = (GROUP, VERSION);

/// All of them.
pub static SORTS: [Sort; 17] = [
    sort(
        Part::Lock,
        ADMISSION,
        "ValidatingAdmissionPolicyBinding",
        Ours::Named(LOCK),
    ),
    sort(Part::Bindings, RBAC, "RoleBinding", Ours::Derived),
    sort(Part::Rights, RBAC, "Role", Ours::Derived),
    sort(Part::Rights, CORE, "ServiceAccount", Ours::Derived),
    sort(Part::Rights, CORE, "Secret", Ours::Derived),
    sort(
        Part::Guards,
        ADMISSION,
        "ValidatingWebhookConfiguration",
        Ours::Named(WEBHOOKS),
    ),
    sort(
        Part::Guards,
        ADMISSION,
        "MutatingWebhookConfiguration",
        Ours::Named(WEBHOOKS),
    ),
    sort(
        Part::Guards,
        ADMISSION,
        "ValidatingAdmissionPolicyBinding",
        Ours::Unlocked,
    ),
    sort(Part::Guards, ADMISSION, "ValidatingAdmissionPolicy", Ours::Policies),
    sort(Part::Objects, OURS, "Impersonation", Ours::All),
    sort(Part::Objects, OURS, "ImpersonationConsent", Ours::All),
    sort(Part::Objects, OURS, "Employee", Ours::All),
    sort(Part::Objects, OURS, "Role", Ours::All),
    sort(Part::Objects, OURS, "Tenant", Ours::All),
    sort(Part::Objects, OURS, "PermissionCatalog", Ours::All),
    sort(Part::History, OURS, "ChangeRecord", Ours::All),
    sort(
        Part::Definitions,
        ("apiextensions.k8s.io", "v1"),
        "CustomResourceDefinition",
        Ours::Definitions,
    ),
];

/// The resources of our kinds, as kubectl names them.
pub fn ours() -> impl Iterator<Item = String> {
    let ours = SORTS.iter().filter(|sort| sort.group == GROUP);
    ours.map(|sort| format!("{}.{GROUP}", sort.resource().plural))
}

impl Sort {
    /// How its objects are asked for.
    pub fn resource(&self) -> ApiResource {
        ApiResource::from_gvk(&GroupVersionKind::gvk(self.group, self.version, self.kind))
    }

    fn is_ours(&self, object: &PartialObjectMeta<DynamicObject>) -> bool {
        let name = object.metadata.name.as_deref().unwrap_or_default();
        match self.ours {
            Ours::All | Ours::Derived => true,
            Ours::Named(named) => name == named,
            Ours::Unlocked => name != LOCK && is_policy(name),
            Ours::Policies => is_policy(name),
            Ours::Definitions => ours().any(|ours| ours == name),
        }
    }
}

/// Whether one of our policies, and its binding, is named like that.
fn is_policy(name: &str) -> bool {
    artifacts::policies().any(|policy| policy == name)
}

/// What there is of a kind.
pub struct Found {
    /// The kind.
    pub sort: &'static Sort,
    /// The objects that go.
    pub objects: Vec<PartialObjectMeta<DynamicObject>>,
}

/// All that goes, of every step or of those about rights.
pub async fn all(cluster: &Cluster, rights_only: bool) -> Result<Vec<Found>> {
    let mut found = vec![];
    for sort in SORTS.iter().filter(|sort| !rights_only || sort.part.is_of_rights()) {
        found.push(of(cluster, sort).await?);
    }
    Ok(found)
}

/// What there is of a kind; nothing, where the kind itself is gone.
pub async fn of(cluster: &Cluster, sort: &'static Sort) -> Result<Found> {
    let api: Api<DynamicObject> = Api::all_with(cluster.client.clone(), &sort.resource());
    let mut which = ListParams::default().limit(PAGE);
    if matches!(sort.ours, Ours::Derived) {
        which = which.labels(&format!("{DERIVED}=true"));
    }
    let mut objects = vec![];
    loop {
        let page = match api.list_metadata(&which).await {
            Err(kube::Error::Api(status)) if status.code == 404 => break,
            other => {
                other.with_context(|| format!("the cluster does not show you its objects of kind {}", sort.kind))?
            }
        };
        objects.extend(page.items.into_iter().filter(|object| sort.is_ours(object)));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => which = which.continue_token(&token),
            None => break,
        }
    }
    Ok(Found { sort, objects })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::crds;

    #[test]
    fn all_but_the_lock_stays_guarded_until_no_rights_are_left() {
        let at = |wanted: Part| Part::ALL.iter().position(|part| *part == wanted);
        assert!(at(Part::Lock) < at(Part::Bindings));
        assert!(at(Part::Bindings) < at(Part::Rights) && at(Part::Rights) < at(Part::Guards));
        assert!(at(Part::Guards) < at(Part::Objects) && at(Part::Objects) < at(Part::Definitions));
        let early = SORTS.iter().filter(|sort| at(sort.part) < at(Part::Guards));
        let early: Vec<_> = early.filter(|sort| sort.group == ADMISSION.0).collect();
        assert!(
            early.len() == 1 && matches!(early[0].ours, Ours::Named(LOCK)),
            "{early:?}"
        );
    }

    #[test]
    fn what_goes_by_name_is_ours() {
        assert!(is_policy(LOCK));
        assert!(!is_policy("theirs.pimpernel.dev") && !is_policy("consent.fleet.example"));
        let mut defined: Vec<_> = crds().into_iter().filter_map(|crd| crd.metadata.name).collect();
        let mut named: Vec<_> = ours().collect();
        defined.sort();
        named.sort();
        assert_eq!(named, defined);
    }
}
