//! What depends on the door through which the writer comes: who may escalate, who may adopt.

use super::*;

#[tokio::test]
async fn r4_only_who_may_escalate_gives_the_names_of_one_role_to_another() {
    let mut directory = paris();
    let used = json!({"subject": {"kind": "Role", "name": "night", "uid": "a"}, "operation": "Create", "generation": 1,
        "actor": {"username": "somebody", "verified": true}, "time": "2026-01-01T00:00:00Z",
        "changes": [{"path": "spec.displayName", "to": "Night Watch"}]});
    let record = Name::new("lsp-paris", "change-1");
    directory.fold(Change::Record(record, Noted::read("lsp-paris", &spec(used))));
    let mut object = role_object(&json!({"displayName": "Night Watch"}));
    object["metadata"]["annotations"] = json!({"pimpernel.dev/renamed-from": "night"});
    let asked = review("Role", "CREATE", (object.clone(), Value::Null));
    let free = ask(webhook(Some(directory.clone())).await, PATH, &asked).await;
    assert_eq!(free["allowed"], true, "{free}");
    let bounded = ask(webhook(Some(directory.clone())).await, BOUNDED_PATH, &asked).await;
    assert_eq!(bounded["status"]["code"], 403);
    let causes = bounded["status"]["details"]["causes"].as_array().unwrap();
    assert!(
        causes.iter().any(|cause| cause["reason"] == "MayNotInherit"),
        "{bounded}"
    );
    // What was noted by a process that knew more than this one is not let in unjudged.
    let note = json!([{"id": "a", "operation": "Create", "generation": 1, "at": "2026-01-01T00:00:01Z", "by": "somebody",
        "changes": [{"path": "metadata.annotations[pimpernel.dev/renamed-from]", "to": "night"}]}]);
    let mut carries = object.clone();
    carries["metadata"]["annotations"]["pimpernel.dev/pending-changes"] = json!(note.to_string());
    let carries = review("Role", "CREATE", (carries, Value::Null));
    let behind = ask(webhook(Some(paris())).await, BOUNDED_PATH, &carries).await;
    assert_eq!(behind["status"]["code"], 503, "{behind}");
    let free = ask(webhook(Some(directory.clone())).await, PATH, &carries).await;
    assert_eq!(free["allowed"], true, "{free}");
    // What stands there already means nothing; what is set later is refused.
    let kept = review("Role", "UPDATE", (object.clone(), object.clone()));
    let answer = ask(webhook(Some(paris())).await, BOUNDED_PATH, &kept).await;
    assert_eq!(answer["allowed"], true, "{answer}");
    let set = review(
        "Role",
        "UPDATE",
        (object, role_object(&json!({"displayName": "Night Watch"}))),
    );
    let answer = ask(webhook(Some(directory)).await, PATH, &set).await;
    assert_eq!(answer["status"]["details"]["causes"][0]["reason"], "NotTheHeir");
}

/// LSP Lyon is there as well.
pub(crate) fn lyon(mut directory: Directory, parent: &str) -> Directory {
    let name = Name::tenant("lsp-lyon");
    let wire: TenantSpec = spec(json!({"displayName": "Lyon", "type": "Customer", "parent": parent}));
    let entry = Entry {
        meta: meta("lyon"),
        spec: tenant::parse(&name, &wire, &settings()),
    };
    directory.fold(Change::Tenant(name, Some(entry)));
    directory
}

#[tokio::test]
async fn t2_the_same_tenant_is_judged_by_the_door_through_which_its_writer_comes() {
    let object = json!({"apiVersion": "pimpernel.dev/v1alpha1", "kind": "Tenant",
        "metadata": {"name": "lsp", "namespace": "lsp"}, "spec": {"displayName": "Mine", "type": "Provider"}});
    let mut asked = review("Tenant", "CREATE", (object, Value::Null));
    asked["request"]["name"] = json!("lsp");
    asked["request"]["namespace"] = json!("lsp");
    let directory = lyon(paris(), "lsp");
    let free = ask(webhook(Some(directory.clone())).await, PATH, &asked).await;
    assert_eq!(free["allowed"], true);
    let answer = ask(webhook(Some(directory)).await, ADOPTION_PATH, &asked).await;
    assert_eq!(
        (&answer["allowed"], &answer["status"]["code"]),
        (&json!(false), &json!(403))
    );
    assert_eq!(answer["status"]["details"]["causes"][0]["reason"], "MayNotAdopt");
    let unnamed = ask(webhook(Some(paris())).await, ADOPTION_PATH, &asked).await;
    assert_eq!(unnamed["allowed"], true);
}
