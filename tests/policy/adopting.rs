//! T2: whoever creates a tenant does not thereby get those that name it as their parent.

use super::saying::{admitted, refused};
use super::specs::*;
use super::world::World;
use pimpernel::api::{TenantSpec, TenantType};
use pimpernel::policy::admission::{self, Change, Request, Subject};
use pimpernel::policy::{Name, Reason};

fn provider() -> TenantSpec {
    tenant(TenantType::Provider, None, &[])
}

fn asked(name: &str, old: Option<TenantSpec>) -> Request {
    let new = Some(provider());
    Request {
        name: Name::tenant(name),
        subject: Subject::Tenant(Change { old, new }),
        user: "somebody".into(),
        bounded: true,
        ordering: None,
        renamed_from: None,
    }
}

fn adopt(world: &World, name: &str) -> admission::Answer {
    admission::adopt(&asked(name, None), &world.directory)
}

#[test]
fn t2_who_may_not_adopt_creates_no_tenant_that_others_name_as_their_parent() {
    let mut world = league();
    admitted(&adopt(&world, "ghent"));
    for (child, many) in [("bruges", "one tenant names"), ("ypres", "2 tenants name")] {
        world.tenant(child, tenant(TenantType::Customer, Some("ghent"), &[]));
        let answer = adopt(&world, "ghent");
        let says = [many, "`ghent` as parent", "`adopt`", "all namespaces"];
        refused(&answer, Reason::MayNotAdopt, "metadata.name", &says);
        let message = &answer.violations[0].message;
        assert!(!message.contains(child), "a stranger is told whose they are: {message}");
    }
    // Whoever may adopt is not asked that, and what is there can be written.
    admitted(&world.write_tenant("ghent", provider()));
    let changed = asked("ghent", Some(provider()));
    admitted(&admission::adopt(&changed, &world.directory));
}
