//! What there is of ours in a cluster, in the order in which it goes.

use super::super::cluster::Cluster;
use crate::api::{GROUP, VERSION};
use crate::policy::children::DERIVED;
use anyhow::{Context as _, Result};
use kube::api::{Api, ListParams};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind, PartialObjectMeta};
use serde::Serialize;

/// How many objects are asked for at once.
const PAGE: u32 = 500;

/// A step: what of it goes together. The next one begins when nothing is left of it.
#[derive(Serialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// What would refuse what comes next: webhooks and admission policies.
    Guards,
    /// What binds people and sessions to rights.
    Bindings,
    /// What else was made of our objects: the rights, and the accounts and credentials of sessions.
    Rights,
    /// The objects, but for the history.
    Objects,
    /// The history, which tells of all that went before.
    History,
    /// The definitions.
    Definitions,
}

impl Part {
    /// All, in order.
    pub const ALL: [Self; 6] = [
        Self::Guards,
        Self::Bindings,
        Self::Rights,
        Self::Objects,
        Self::History,
        Self::Definitions,
    ];

    /// Whether an operator would make it again by itself.
    pub fn is_of_rights(self) -> bool {
        matches!(self, Self::Guards | Self::Bindings | Self::Rights)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Guards => "Guards",
            Self::Bindings => "Bindings",
            Self::Rights => "Rights",
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
    /// Those whose name is a label before `.pimpernel.dev`.
    InGroup,
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
pub static SORTS: [Sort; 16] = [
    sort(
        Part::Guards,
        ADMISSION,
        "ValidatingWebhookConfiguration",
        Ours::Named("pimpernel"),
    ),
    sort(
        Part::Guards,
        ADMISSION,
        "MutatingWebhookConfiguration",
        Ours::Named("pimpernel"),
    ),
    sort(
        Part::Guards,
        ADMISSION,
        "ValidatingAdmissionPolicyBinding",
        Ours::InGroup,
    ),
    sort(Part::Guards, ADMISSION, "ValidatingAdmissionPolicy", Ours::InGroup),
    sort(Part::Bindings, RBAC, "RoleBinding", Ours::Derived),
    sort(Part::Rights, RBAC, "Role", Ours::Derived),
    sort(Part::Rights, CORE, "ServiceAccount", Ours::Derived),
    sort(Part::Rights, CORE, "Secret", Ours::Derived),
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
        Ours::InGroup,
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
            Ours::InGroup => name
                .strip_suffix(GROUP)
                .and_then(|rest| rest.strip_suffix('.'))
                .is_some_and(|label| !label.contains('.')),
        }
    }
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
