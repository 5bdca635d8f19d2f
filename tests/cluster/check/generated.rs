//! Objects beside the quickstart: sound ones, some that break a rule about other objects, and some that were damaged
//! afterwards.

use super::damage::{damage, without_lists_for_times};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

/// Namespaces that exist; the first ones have tenants.
pub const NAMESPACES: [&str; 8] = [
    "classics",
    "lsp",
    "lsp-paris",
    "lsp-calais",
    "free-1",
    "free-2",
    "default",
    "pimpernel-sessions",
];

/// `count` objects from a seed, always the same ones. `now` is what times are counted from.
pub fn objects(seed: u64, count: usize, now: Timestamp) -> Vec<Value> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = object(now);
    (0..count)
        .map(|_| strategy.new_tree(&mut runner).expect("a value").current())
        .collect()
}

fn object(now: Timestamp) -> impl Strategy<Value = Value> {
    let sound = prop_oneof![
        2 => tenant(),
        4 => role(),
        4 => employee(now),
        2 => impersonation(now),
        1 => catalog(),
    ];
    let damages = prop_oneof![
        7 => Just(vec![]).boxed(),
        4 => damage().prop_map(|damage| vec![damage]).boxed(),
        1 => prop::collection::vec(damage(), 2..=3).boxed(),
    ];
    (sound, damages).prop_map(|(mut object, damages)| {
        for damage in &damages {
            damage.inflict(&mut object);
        }
        without_lists_for_times(&mut object["spec"]);
        object
    })
}

fn namespace() -> impl Strategy<Value = &'static str> {
    prop_oneof![6 => select(&NAMESPACES[1..4]), 2 => select(&NAMESPACES[..])]
}

fn whole(kind: &str, namespace: &str, name: &str, spec: Value) -> Value {
    let mut spec = spec;
    if let Some(fields) = spec.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    json!({
        "apiVersion": "pimpernel.dev/v1alpha1", "kind": kind,
        "metadata": {"namespace": namespace, "name": name}, "spec": spec,
    })
}

fn maybe(strategy: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Value> {
    prop_oneof![2 => Just(Value::Null), 1 => strategy].boxed()
}

fn one_of(values: &'static [&'static str]) -> BoxedStrategy<Value> {
    select(values).prop_map(Value::from).boxed()
}

const STATES: &[&str] = &["Draft", "Active", "Active", "Inactive"];
const DURATIONS: &[&str] = &[
    "15m", "14m59s", "24h", "24h1s", "90m", "8h", "1h30m", "9h", "0s", "1s", "9999h",
];

fn tenant() -> impl Strategy<Value = Value> {
    let parents = &["classics", "lsp", "lsp-paris", "lsp-calais", "nowhere", "free-1"];
    let policy = (
        one_of(&["Enabled", "Disabled"]),
        maybe(one_of(DURATIONS)),
        one_of(&["Required", "NotRequired"]),
    );
    let policy = policy.prop_map(|(support, longest, approval)| {
        let mut policy = json!({"support": support, "approval": approval});
        if !longest.is_null() {
            policy["maxDuration"] = longest;
        }
        policy
    });
    (
        select(&NAMESPACES[..]),
        prop_oneof![9 => Just(None), 1 => select(&NAMESPACES[..]).prop_map(Some)],
        one_of(&["Provider", "Partner", "Customer", "Customer"]),
        prop_oneof![4 => one_of(parents), 1 => Just(Value::Null)],
        one_of(STATES),
        maybe(
            prop::collection::vec(select(&["acd", "tenant-management", "dialler", "admin"][..]), 0..3)
                .prop_map(|a| json!(a)),
        ),
        maybe(policy),
        maybe(one_of(&[
            "2030-01-01T00:00:00Z",
            "2020-01-01T00:00:00Z",
            "2030-01-01T00:00:00+02:00",
            "tomorrow",
        ])),
    )
        .prop_map(
            |(namespace, name, type_, parent, state, applications, impersonation, expires)| {
                let parent = if type_ == "Provider" && parent != "nowhere" {
                    Value::Null
                } else {
                    parent
                };
                let trial = if expires.is_null() {
                    Value::Null
                } else {
                    json!({"expiresAt": expires})
                };
                let spec = json!({
                    "displayName": "Another Tenant", "type": type_, "parent": parent, "state": state,
                    "applications": applications, "impersonation": impersonation, "trial": trial,
                });
                whole("Tenant", namespace, name.unwrap_or(namespace), spec)
            },
        )
}

const TITLES: &[&str] = &[
    "Team Lead",
    "TEAM LEAD",
    "team lead",
    "Night Watch",
    "Administrator",
    "Impersonated Admin",
    "Straße",
    "STRASSE",
    "Ａｇｅｎｔ",
    "e\u{301}quipe",
    "équipe",
    " Blank",
    "Blank\u{a0}",
    "Chat & E-mail",
    "a\u{202e}b",
    "🦊",
    "Agent\u{0}",
    "x",
    "12345678901234567890123456789012345678901234567890",
    "ééééééééééééééééééééééééééééééééééééééééééééééééééx",
];

fn grant() -> impl Strategy<Value = Value> {
    let lines = select(
        &[
            ("admin", "employees"),
            ("admin", "employees"),
            ("acd", "skills"),
            ("acd", "skils"),
            ("acd", "dashboard-queue-counter"),
            ("tenant-management", "impersonation"),
            ("dialler", "lists"),
            ("admin", "roles"),
            ("admin", "tenants"),
        ][..],
    );
    let actions = prop::collection::vec(
        select(&["View", "View", "Edit", "Create", "Delete", "Support", "view", "use"][..]),
        0..3,
    );
    (lines, actions).prop_map(|((application, permission), actions)| {
        json!({"application": application, "permission": permission, "actions": actions})
    })
}

fn role() -> impl Strategy<Value = Value> {
    let names = &["team-lead", "administrator", "night-watch", "agent", "day-watch"];
    (
        namespace(),
        select(&names[..]),
        one_of(TITLES),
        maybe(one_of(&[
            "Looks after",
            "See https://a.example",
            "<b>bold</b>",
            "a\nb",
            "",
        ])),
        maybe(one_of(STATES)),
        prop::collection::vec(grant(), 0..3),
        prop_oneof![6 => Just(None), 1 => Just(Some("eventual")), 1 => Just(Some("later"))],
    )
        .prop_map(|(namespace, name, title, description, state, permissions, ordering)| {
            let spec =
                json!({"displayName": title, "description": description, "state": state, "permissions": permissions});
            let mut role = whole("Role", namespace, name, spec);
            if let Some(ordering) = ordering {
                role["metadata"]["annotations"] = json!({"pimpernel.dev/ordering": ordering});
            }
            role
        })
}

fn employee(now: Timestamp) -> impl Strategy<Value = Value> {
    let users = &[
        "dewhurst@lsp.example",
        "Chauvelin@LSP-Paris.example",
        "galloway@lsp-paris.example",
        "new@lsp.example",
        "system:admin",
        "System:Masters",
        "straße@lsp.example",
        "a b",
        "bibot",
        "chauvelin@lsp-paris.example",
    ];
    let roles = &["team-lead", "administrator", "night-watch", "nowhere"];
    let times: Vec<Value> = [-48, -1, 1, 48]
        .map(|hours| json!(later(now, hours * 60).to_string()))
        .into();
    let secondary = (select(&roles[..]), maybe(select(times.clone()).boxed())).prop_map(|(name, until)| {
        if until.is_null() {
            json!({"name": name})
        } else {
            json!({"name": name, "until": until})
        }
    });
    (
        namespace(),
        select(&["dewhurst", "chauvelin", "galloway", "bibot", "desgas"][..]),
        one_of(users),
        maybe(one_of(&["Active", "Active", "Inactive"])),
        one_of(roles),
        prop::collection::vec(secondary, 0..3),
        maybe(select(times.clone()).boxed()),
        maybe(select(times).boxed()),
    )
        .prop_map(|(namespace, name, username, state, primary, secondary, from, until)| {
            let spec = json!({
                "username": username, "state": state, "primaryRole": primary, "secondaryRoles": secondary,
                "validFrom": from, "validUntil": until,
            });
            whole("Employee", namespace, name, spec)
        })
}

/// Always with an absolute end, without which nobody names another as impersonator (I12).
fn impersonation(now: Timestamp) -> impl Strategy<Value = Value> {
    let people = &[
        "dewhurst@lsp.example",
        "Dewhurst@lsp.example",
        "chauvelin@lsp-paris.example",
        "ffoulkes@lsp.example",
        "nobody@x.example",
    ];
    let reasons = &[
        "Chauvelin cannot save his skill",
        "He asked",
        "          ",
        "ten\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}",
    ];
    let ends: Vec<Value> = [-60, 5, 20, 120, 400, 600, 3000]
        .map(|minutes| json!(later(now, minutes).to_string()))
        .into();
    (
        namespace(),
        select(&["dewhurst-1", "dewhurst-2", "s1"][..]),
        one_of(&["Support", "Configure"]),
        one_of(people),
        one_of(reasons),
        select(ends),
        prop_oneof![9 => Just(Value::Null), 1 => one_of(DURATIONS)],
        maybe(Just(json!(true))),
    )
        .prop_map(|(namespace, name, mode, impersonator, reason, end, duration, stop)| {
            let spec = json!({
                "mode": mode, "impersonator": impersonator, "reason": reason, "notAfter": end, "duration": duration, "stop": stop,
            });
            whole("Impersonation", namespace, name, spec)
        })
}

fn catalog() -> impl Strategy<Value = Value> {
    let resources = &["skills", "secrets", "roles", "*", "pods", "serviceaccounts/token"];
    let rule = (select(resources.to_vec()), select(&["get", "*", "create", "escalate"][..])).prop_map(|(resource, verb)| {
        json!([{"apiGroups": ["", "rbac.authorization.k8s.io"], "resources": [resource], "verbs": [verb]}])
    });
    let action = (
        select(&["View", "Edit", "view", "1st"][..]),
        maybe(one_of(&["View", "lamps:View", "acd/skills:View", "lantern/lamps:Edit"])),
        maybe(rule),
    );
    let action = action.prop_map(|(name, implies, rules)| {
        let implies = if implies.is_null() { json!([]) } else { json!([implies]) };
        let rules = if rules.is_null() { json!([]) } else { rules };
        json!({"name": name, "implies": implies, "rules": rules})
    });
    let permission = (
        select(&["lamps", "oil", "Wick"][..]),
        any::<bool>(),
        prop::collection::vec(action, 0..3),
    );
    let permission =
        permission.prop_map(|(name, switch, actions)| json!({"name": name, "switch": switch, "actions": actions}));
    (
        select(&["lantern", "acd", "a.b"][..]),
        prop::collection::vec(permission, 0..3),
    )
        .prop_map(|(name, permissions)| {
            let mut catalog = whole(
                "PermissionCatalog",
                "",
                name,
                json!({"displayName": "Lantern", "permissions": permissions}),
            );
            catalog["metadata"] = json!({"name": name});
            catalog
        })
}

fn later(now: Timestamp, minutes: i64) -> Timestamp {
    now.checked_add(SignedDuration::from_mins(minutes))
        .expect("a time near now")
}
