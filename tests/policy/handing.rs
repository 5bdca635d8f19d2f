//! R16 and I5 with the catalogues that come with Pimpernel: what the people of a tenant that lacks an application may hand
//! out, and what its sessions may do.

use super::cxone::{BATH, with};
use super::saying::{admitted, refused};
use super::specs::*;
use super::world::{NOW, SESSIONS, World, at};
use pimpernel::api::{EmployeeState, LifecycleState, Mode};
use pimpernel::policy::access::{ceiling_of_sessions, in_effect, of_sessions};
use pimpernel::policy::admission::{Answer, Change, Request, Subject, admit};
use pimpernel::policy::{Name, Reason, default_roles};

const ADA: &str = "ada@bath.example";

/// A tenant with its out-of-the-box roles, and Ada, its administrator.
fn staffed(applications: &[&str]) -> World {
    let mut world = with(applications);
    for role in ["agent", "manager", "administrator"] {
        let tenant = world.directory.tenant(BATH).unwrap();
        let spec = default_roles::from_factory(role, tenant, &world.directory).unwrap();
        world.role(BATH, role, spec);
    }
    let ada = employee(ADA, EmployeeState::Active, "administrator", &[]);
    world.employee(BATH, "ada", ada);
    world
}

/// A colleague is given the role, by a writer who has no `escalate`.
fn gives(world: &World, role: &str, user: &str) -> Answer {
    let colleague = employee("bess@bath.example", EmployeeState::Active, role, &[]);
    let request = Request {
        name: Name::new(BATH, "bess"),
        subject: Subject::Employee(Change {
            old: None,
            new: Some(colleague),
        }),
        user: user.into(),
        bounded: true,
        ordering: None,
        renamed_from: None,
    };
    admit(&request, &world.directory, at(NOW))
}

#[test]
fn r16_the_out_of_the_box_roles_can_be_given_where_an_application_is_missing_that_they_imply() {
    let mut world = staffed(&["interactions-hub"]);
    world.session(BATH, "set-up", session(Mode::Configure, PERCY), NOW);
    world.open(BATH, "set-up");
    let judging: Lines = &[("qm", "perform-evaluations", &["Evaluate"])];
    world.role(BATH, "judge", role("Judge", LifecycleState::Active, judging));
    let entry = world.directory.session(&Name::new(BATH, "set-up")).unwrap();
    let session = format!("system:serviceaccount:{SESSIONS}:impersonated-admin-{}", entry.meta.uid);
    for writer in [ADA, &session] {
        for role in ["agent", "manager", "administrator"] {
            admitted(&gives(&world, role, writer));
        }
        refused(
            &gives(&world, "judge", writer),
            Reason::ExceedsCeiling,
            "spec.primaryRole",
            &["`judge`", "`qm/perform-evaluations:Evaluate`"],
        );
    }
}

#[test]
fn i5_p3_a_session_has_nothing_that_lacks_what_it_requires() {
    for (applications, whether) in [(&["acd"][..], false), (&["acd", "dashboard"], true)] {
        let world = with(applications);
        let (directory, tenant) = (&world.directory, world.directory.tenant(BATH).unwrap());
        for mode in [Mode::Configure, Mode::Support] {
            let fixed = of_sessions(tenant, mode, directory);
            assert!(fixed.is_subset(&in_effect(&fixed, tenant, directory)), "{mode:?}");
            for all in [fixed, ceiling_of_sessions(tenant, mode, directory)] {
                let named = |name: &str| all.iter().any(|action| action.to_string() == name);
                assert_eq!(
                    named("acd/dashboard-agent-counter:use"),
                    whether,
                    "{mode:?} {applications:?}"
                );
                assert!(named("acd/skills:Assign"), "{mode:?} {applications:?}");
            }
        }
    }
}
