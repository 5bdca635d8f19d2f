//! I9: an end that has begun is never taken back; and the order in which what was given is taken away.

use super::specs::*;
use super::world::{NOW, World, at};
use pimpernel::api::Mode;
use pimpernel::policy::children::{Child, ChildId, ChildKind, Observations};
use pimpernel::policy::plan::plan;
use pimpernel::policy::{Name, Reason, impersonation};

/// Marguerite's call in LSP Paris, and everything that exists because it is open.
fn call() -> (World, Vec<Child>) {
    let mut world = league();
    world.session("lsp-paris", "call-1792", session(Mode::Support, MARGUERITE), NOW);
    let children = decide(&world, &Observations::new()).0;
    (world, children)
}

fn decide(world: &World, observed: &Observations) -> (Vec<Child>, Option<Reason>) {
    let name = Name::new("lsp-paris", "call-1792");
    let entry = world.directory.session(&name).unwrap();
    let decision = impersonation::decide(&name, entry, observed, &world.directory, at(NOW));
    (decision.children, decision.further.map(|told| told.reason))
}

fn observed(children: &[Child]) -> Observations {
    children.iter().map(|child| (child.id.clone(), child.clone())).collect()
}

fn is_session_binding(id: &ChildId) -> bool {
    id.kind == ChildKind::RoleBinding && !id.name.name.ends_with(":self") && &*id.name.namespace == "lsp-paris"
}

#[test]
fn i9_a_session_whose_binding_is_gone_has_ended_even_when_its_ground_is_as_good_as_before() {
    let (world, children) = call();
    let mut severed = observed(&children);
    assert_eq!(decide(&world, &severed).1, Some(Reason::Open));
    severed.retain(|id, _| !is_session_binding(id));
    assert_eq!(decide(&world, &severed), (vec![], Some(Reason::Withdrawn)));
}

#[test]
fn i9_a_session_whose_account_is_gone_has_ended_and_gets_no_other_one() {
    let (world, children) = call();
    let mut severed = observed(&children);
    severed.retain(|id, _| id.kind != ChildKind::ServiceAccount);
    assert_eq!(decide(&world, &severed), (vec![], Some(Reason::Withdrawn)));
}

#[test]
fn i9_a_session_that_is_still_being_opened_is_not_taken_for_one_that_ends() {
    let (world, children) = call();
    let mut half = observed(&children);
    half.retain(|id, _| id.kind == ChildKind::ServiceAccount);
    let (desired, reason) = decide(&world, &half);
    assert_eq!((desired, reason), (children, Some(Reason::Open)));
}

#[test]
fn i9_the_binding_goes_first_and_the_secret_last_but_for_roles() {
    let (_, children) = call();
    let plan = plan(&[], &observed(&children));
    assert!(plan.withdraw.iter().all(|id| id.kind == ChildKind::RoleBinding));
    assert_eq!(plan.withdraw.len(), 3);
    assert!(is_session_binding(&plan.withdraw[0]), "{:?}", plan.withdraw);
    let kinds: Vec<ChildKind> = plan.tidy.iter().map(|id| id.kind).collect();
    assert_eq!(
        kinds,
        [
            ChildKind::ServiceAccount,
            ChildKind::Secret,
            ChildKind::Role,
            ChildKind::Role
        ]
    );
    assert_eq!(plan.write, vec![]);
}

#[test]
fn i9_the_rights_in_the_tenant_go_first_whatever_the_tenant_is_called() {
    let (_, mut children) = call();
    for child in &mut children {
        if &*child.id.name.namespace == "lsp-paris" {
            child.id.name = Name::new("zurich", child.id.name.name.clone());
        }
    }
    let first = &plan(&[], &observed(&children)).withdraw[0].name;
    assert!(
        &*first.namespace == "zurich" && !first.name.ends_with(":self"),
        "{first}"
    );
}

#[test]
fn i10_the_secret_is_written_after_the_binding() {
    let (_, children) = call();
    let order: Vec<ChildKind> = plan(&children, &Observations::new())
        .write
        .iter()
        .map(|child| child.id.kind)
        .collect();
    let last_binding = order.iter().rposition(|kind| *kind == ChildKind::RoleBinding);
    assert!(
        last_binding < order.iter().position(|kind| *kind == ChildKind::Secret),
        "{order:?}"
    );
}

#[test]
fn v7_what_is_as_it_should_be_is_left_alone() {
    let (_, children) = call();
    assert!(plan(&children, &observed(&children)).is_empty());
}
