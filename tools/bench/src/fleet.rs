//! Who is there: tenants with five roles each, and employees with a primary and a secondary role, dealt round-robin over
//! the tenants.

use pimpernel::api::{Employee, EmployeeSpec, Role, RoleSpec, Tenant, TenantSpec};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// How many roles a tenant has.
pub const ROLES: u32 = 5;
const PER_TENANT: u32 = 100;

/// The objects, made when they are asked for.
pub struct Fleet {
    name: &'static str,
    per_tenant: u32,
    /// How many employees there are.
    pub employees: u32,
}

impl Fleet {
    /// One whose namespaces begin with `name`.
    pub fn new(name: &'static str, employees: u32) -> Self {
        let per_tenant = PER_TENANT;
        Self {
            name,
            per_tenant,
            employees,
        }
    }

    /// One tenant with all of them.
    pub fn of_one(employees: u32) -> Self {
        Self {
            per_tenant: u32::MAX,
            ..Self::new("fleet", employees)
        }
    }

    /// How many tenants there are.
    pub fn tenants(&self) -> u32 {
        self.employees.div_ceil(self.per_tenant)
    }

    /// The namespace of a tenant.
    pub fn namespace(&self, tenant: u32) -> String {
        format!("{}-{tenant:03}", self.name)
    }

    /// The namespace of an employee.
    pub fn home(&self, employee: u32) -> String {
        self.namespace(employee % self.tenants())
    }

    /// A tenant: the first is a Provider, the others are its customers.
    pub fn tenant(&self, tenant: u32) -> anyhow::Result<Tenant> {
        let name = self.namespace(tenant);
        let (type_, parent) = if tenant == 0 {
            ("Provider", None)
        } else {
            ("Customer", Some(self.namespace(0)))
        };
        let mut spec = json!({"displayName": name, "type": type_, "state": "Active", "applications": ["acd"],
            "defaultRoles": "None"});
        if let (Some(parent), Some(spec)) = (parent, spec.as_object_mut()) {
            spec.insert("parent".to_owned(), parent.into());
        }
        let mut tenant = Tenant::new(&name, read::<TenantSpec>(spec)?);
        tenant.metadata.namespace = Some(name);
        Ok(tenant)
    }

    /// A role of a tenant.
    pub fn role(&self, tenant: u32, role: u32) -> anyhow::Result<Role> {
        let spec = json!({"displayName": format!("Role {role}"), "state": "Active", "permissions": [
            {"application": "admin", "permission": "employees", "actions": ["View"]},
            {"application": "acd", "permission": "skills", "actions": ["View", "Edit"]},
            {"application": "acd", "permission": "campaigns", "actions": ["View", "Edit"]},
        ]});
        let mut role = Role::new(&role_name(role), read::<RoleSpec>(spec)?);
        role.metadata.namespace = Some(self.namespace(tenant));
        Ok(role)
    }

    /// An employee. `turn` moves her secondary role on.
    pub fn employee(&self, employee: u32, turn: u32) -> anyhow::Result<Employee> {
        let primary = employee / self.tenants() % ROLES;
        let spec = json!({"username": user(employee), "firstName": "Armand", "lastName": format!("St. Just {employee}"),
            "state": "Active", "primaryRole": role_name(primary),
            "secondaryRoles": [{"name": role_name(secondary(primary, turn))}]});
        let mut object = Employee::new(&format!("e{employee:05}"), read::<EmployeeSpec>(spec)?);
        object.metadata.namespace = Some(self.home(employee));
        Ok(object)
    }

    /// The binding by which an employee gets her secondary role.
    pub fn secondary_binding(&self, employee: u32, turn: u32) -> String {
        let primary = employee / self.tenants() % ROLES;
        format!("pimpernel:role:{}:b", role_name(secondary(primary, turn)))
    }
}

/// Any but the primary one.
fn secondary(primary: u32, turn: u32) -> u32 {
    (primary + 1 + turn % (ROLES - 1)) % ROLES
}

/// The user name of an employee.
pub fn user(employee: u32) -> String {
    format!("e{employee:05}@bench.example")
}

fn role_name(role: u32) -> String {
    format!("role-{role}")
}

fn read<S: DeserializeOwned>(spec: Value) -> anyhow::Result<S> {
    Ok(serde_json::from_value(spec)?)
}
