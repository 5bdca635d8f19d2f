//! Write: what follows from an object, by server-side apply, and the removal of what no longer does. Withdrawing never
//! depends on a right of ours: where the API server does not let a binding be narrowed, it is removed and made again.

use super::context::Context;
use super::credential;
use super::error::{Error, answer, is_gone, is_terminating};
use super::gather::version_of;
use super::reconcile::MANAGER;
use super::rights::{self, described, divide, held};
use super::wire::{self, Derived};
use crate::policy::children::{Body, Child, ChildId, ChildKind, Observations, Rule};
use crate::policy::plan::plan;
use crate::policy::status::Applied;
use crate::policy::{Key, Reason};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1 as rbac;
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, PartialObjectMeta};
use std::collections::BTreeSet;

/// Withdraws what `owner` no longer gives and writes what it gives. What is left over goes with [`tidy`].
pub async fn children(owner: &Key, desired: &[Child], context: &Context) -> Result<Applied, Error> {
    let observed = context.observed.of(owner);
    let plan = plan(desired, &observed);
    let mut applied = Applied::Complete;
    for id in &plan.withdraw {
        remove(id, context).await?;
    }
    let mut withheld = BTreeSet::new();
    for child in &plan.write {
        if role_of(child).is_some_and(|role| withheld.contains(role)) {
            continue;
        }
        match write(child, context).await {
            Ok(()) => {}
            Err(Error::Child { source, .. }) if is_terminating(&source) => return Ok(Applied::Complete),
            Err(Error::Child { source, .. }) if is_escalation(&source) => {
                let Some(role) = role_of(child) else { continue };
                withheld.insert(role.to_owned());
                applied = withhold(role, desired, &observed, context).await?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(applied)
}

/// Withdraws the one binding of `owner` that is to go before all others, and gives whether there was one and it is gone.
pub async fn withdraw_one(owner: &Key, desired: &[Child], context: &Context) -> bool {
    match plan(desired, &context.observed.of(owner)).withdraw.first() {
        // If it fails, so will `children`, which tells it.
        Some(id) => remove(id, context).await.is_ok(),
        None => false,
    }
}

/// Removes what exists in the name of `owner` and gives nobody anything, when all else is done and told.
pub async fn tidy(owner: &Key, desired: &[Child], context: &Context) -> Result<(), Error> {
    for id in plan(desired, &context.observed.of(owner)).tidy {
        remove(&id, context).await?;
    }
    Ok(())
}

/// The Role that a child is, or binds.
fn role_of(child: &Child) -> Option<&str> {
    match &child.body {
        Body::Role(_) => Some(&child.id.name.name),
        Body::RoleBinding { role, .. } => Some(role),
        Body::ServiceAccount | Body::Secret { .. } => None,
    }
}

/// Whether the API server refused because it would have handed out what the operator does not have.
fn is_escalation(error: &kube::Error) -> bool {
    answer(error).is_some_and(|status| {
        status.code == 403
            && status
                .message
                .contains("attempting to grant RBAC permissions not currently held")
    })
}

/// Gives what the operator has of `role` to those who should have it, and takes the rest from everybody. The role is cut
/// down first: what is left the operator may bind, so that bindings can be narrowed like any other. Should even that fail,
/// the bindings from which somebody must go are removed altogether.
async fn withhold(role: &str, desired: &[Child], observed: &Observations, context: &Context) -> Result<Applied, Error> {
    let concerned: Vec<&Child> = desired.iter().filter(|child| role_of(child) == Some(role)).collect();
    match cut_down(&concerned, observed, context).await {
        Ok(lacking) => {
            let lacking = if lacking.is_empty() {
                format!("a right of role `{role}`")
            } else {
                described(&lacking)
            };
            context.wake(rights::in_doubt(&context.directory()));
            let message = format!(
                "the operator lacks {lacking} and cannot hand it out: give the operator that right, or take it out of the catalogue"
            );
            Ok(Applied::Failed(Reason::NotGrantable, message))
        }
        Err(error) => {
            for binding in observed
                .values()
                .filter(|child| role_of(child) == Some(role) && loses(child, &concerned))
            {
                remove(&binding.id, context).await?;
            }
            Err(error)
        }
    }
}

/// Writes the children with only those rules that the operator holds itself. What it lacks.
async fn cut_down(concerned: &[&Child], observed: &Observations, context: &Context) -> Result<Vec<Rule>, Error> {
    let mut lacking = vec![];
    for child in concerned {
        let mut child = (*child).clone();
        if let Body::Role(rules) = &mut child.body {
            let (kept, missing) = divide(rules, &held(&child.id.name.namespace, context).await?);
            *rules = kept;
            lacking = missing;
        }
        if observed.get(&child.id) != Some(&child) {
            write(&child, context).await?;
        }
    }
    Ok(lacking)
}

/// Whether a binding that exists has a subject that it should not have.
fn loses(binding: &Child, desired: &[&Child]) -> bool {
    let Body::RoleBinding { subjects, .. } = &binding.body else {
        return false;
    };
    let wanted = desired
        .iter()
        .find(|child| child.id == binding.id)
        .map(|child| &child.body);
    match wanted {
        Some(Body::RoleBinding { subjects: wanted, .. }) => !subjects.is_subset(wanted),
        _ => true,
    }
}

async fn write(child: &Child, context: &Context) -> Result<(), Error> {
    let failed = |source| Error::Child {
        child: Box::new(child.id.clone()),
        source,
    };
    let body = match &child.body {
        Body::Secret { account } => credential::secret(child, account, context).await?,
        _ => wire::applied(child).map_err(|source| Error::Encode {
            child: Box::new(child.id.clone()),
            source,
        })?,
    };
    let api = api(child.id.kind, &child.id.name.namespace, context);
    let params = PatchParams::apply(MANAGER).force();
    let name = &child.id.name.name;
    let written = match api.patch(name, &params, &Patch::Apply(&body)).await {
        // A binding of that name to another role: what it refers to cannot change, so it is made again.
        Err(error) if child.id.kind == ChildKind::RoleBinding && answer(&error).is_some_and(|s| s.code == 422) => {
            remove(&child.id, context).await?;
            api.patch(name, &params, &Patch::Apply(&body)).await.map_err(failed)?
        }
        other => other.map_err(failed)?,
    };
    context
        .observed
        .child(version_of(&written.metadata), read(child, written));
    Ok(())
}

/// The object as the API server has it now. If it cannot be read back it is taken for what was sent.
fn read(sent: &Child, written: DynamicObject) -> Child {
    let read = match sent.id.kind {
        ChildKind::ServiceAccount => written
            .try_parse::<ServiceAccount>()
            .ok()
            .and_then(|object| object.child()),
        ChildKind::Role => written.try_parse::<rbac::Role>().ok().and_then(|object| object.child()),
        ChildKind::RoleBinding => written
            .try_parse::<rbac::RoleBinding>()
            .ok()
            .and_then(|object| object.child()),
        ChildKind::Secret => None,
    };
    read.unwrap_or_else(|| sent.clone())
}

async fn remove(id: &ChildId, context: &Context) -> Result<(), Error> {
    let api = api(id.kind, &id.name.namespace, context);
    match api.delete(&id.name.name, &DeleteParams::background()).await {
        Ok(_) => {}
        Err(error) if is_gone(&error) => {}
        Err(source) => {
            return Err(Error::Child {
                child: Box::new(id.clone()),
                source,
            });
        }
    }
    context.observed.gone(id, u64::MAX);
    Ok(())
}

fn api(kind: ChildKind, namespace: &str, context: &Context) -> Api<DynamicObject> {
    let resource = match kind {
        ChildKind::ServiceAccount => ApiResource::erase::<ServiceAccount>(&()),
        ChildKind::Role => ApiResource::erase::<rbac::Role>(&()),
        ChildKind::RoleBinding => ApiResource::erase::<rbac::RoleBinding>(&()),
        ChildKind::Secret => ApiResource::erase::<PartialObjectMeta<Secret>>(&()),
    };
    Api::namespaced_with(context.client.clone(), namespace, &resource)
}
