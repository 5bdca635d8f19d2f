//! `kubectl pimpernel history`, by the certificates of those who may read it and of one who may not.

use super::Person;
use crate::common::cast::{CHAUVELIN, DEWHURST, PERCY, STRANGER, Stage};
use crate::common::rest::Caller;
use crate::common::{World, eventually_may};
use anyhow::{Result, ensure};
use serde_json::{Value, json};

/// A record of a change to a role, which only the operator can write.
struct Change<'a> {
    name: &'a str,
    uid: &'a str,
    operation: &'a str,
    time: &'a str,
    actor: Value,
    changes: Value,
}

impl Change<'_> {
    fn of(self, role: &str) -> Value {
        json!({
            "apiVersion": "pimpernel.dev/v1alpha1", "kind": "ChangeRecord",
            "metadata": {"namespace": "lsp-paris", "name": self.name},
            "spec": {
                "subject": {"kind": "Role", "name": role, "uid": self.uid, "displayName": "Nights"},
                "operation": self.operation, "generation": 1, "actor": self.actor, "time": self.time,
                "changes": self.changes,
            },
        })
    }
}

fn by(user: &str) -> Value {
    json!({"username": user, "verified": true})
}

/// Two lives of a role that is not there any more.
fn two_lives() -> Vec<Value> {
    let permissions = "spec.permissions[admin/employees].actions";
    let account = "system:serviceaccount:pimpernel-sessions:impersonated-admin-1";
    let changes = [
        Change {
            name: "nights-1",
            uid: "first",
            operation: "Create",
            time: "2026-01-01T08:00:00Z",
            actor: by(DEWHURST),
            changes: json!([{"path": permissions, "to": "View"}]),
        },
        Change {
            name: "nights-2",
            uid: "first",
            operation: "Update",
            time: "2026-02-01T08:00:00Z",
            actor: json!({"username": account, "onBehalfOf": PERCY, "session": "lsp-paris/case", "verified": true}),
            changes: json!([
                {"path": permissions, "from": "View", "to": "View, Edit"},
                {"path": "spec.description", "from": "By night, \"mostly\"\nand at dawn"},
            ]),
        },
        Change {
            name: "nights-3",
            uid: "first",
            operation: "Delete",
            time: "2026-02-01T08:00:01Z",
            actor: json!({"username": "unknown", "verified": false}),
            changes: json!([]),
        },
        Change {
            name: "nights-4",
            uid: "second",
            operation: "Create",
            time: "2026-03-01T08:00:00Z",
            actor: by(CHAUVELIN),
            changes: json!([{"path": "spec.displayName", "to": "Nights"}]),
        },
    ];
    changes.into_iter().map(|change| change.of("nights")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn r13_the_history_of_a_role_that_is_gone_is_told_newest_first_searched_and_limited() -> Result<()> {
    let stage = Stage::set(World::start().await?).await?;
    let operator = Caller::user(stage.world.plane(), "pimpernel-operator").await?;
    for record in two_lives() {
        operator.create(&record).await?.object()?;
    }
    let auditor = "auditor@lsp-paris.example";
    stage
        .given(
            "Role lsp-paris/auditor",
            "{displayName: Auditor, state: Active, permissions: [{application: admin, permission: change-history, actions: [View]}]}",
        )
        .await?;
    stage
        .given(
            "Employee lsp-paris/auditor",
            &format!("{{username: {auditor}, primaryRole: auditor, state: Active}}"),
        )
        .await?;
    let right = ("list", "changerecords.pimpernel.dev", "lsp-paris");
    eventually_may(&stage.world.client(), auditor, right, true).await?;
    let auditor = Person::new(&stage.world, auditor)?;
    it_is_told(&auditor)?;
    it_is_limited(&auditor)?;
    it_is_given_to_programs(&auditor)?;
    let stranger = Person::new(&stage.world, STRANGER)?.runs("pimpernel history nights -n lsp-paris")?;
    ensure!(
        stranger.code == 1 && stranger.stdout.is_empty(),
        "a stranger: {}",
        stranger.stdout
    );
    let everywhere = auditor.runs("pimpernel history -A")?;
    ensure!(everywhere.code == 1, "other tenants: {}", everywhere.stdout);
    let everywhere = auditor.runs_with(stage.world.plane().admin(), "pimpernel history nights -A -o name")?;
    ensure!(
        everywhere.stdout.lines().count() == 4,
        "{}{}",
        everywhere.stdout,
        everywhere.stderr
    );
    Ok(())
}

fn it_is_told(auditor: &Person<'_>) -> Result<()> {
    let said = auditor.runs("pimpernel history nights -n lsp-paris")?;
    ensure!(said.code == 0, "{}", said.stderr);
    let expected = [
        "TIME                   UID      WHAT     BY",
        "2026-03-01T08:00:00Z   second   Create   chauvelin@lsp-paris.example",
        "  spec.displayName: Nights",
        "2026-02-01T08:00:01Z   first    Delete   unknown (unverified)",
        "2026-02-01T08:00:00Z   first    Update   blakeney@classics.example (session)",
        "  spec.permissions[admin/employees].actions: View → View, Edit",
        "  spec.description: By night, \"mostly\"\\nand at dawn → <none>",
        "2026-01-01T08:00:00Z   first    Create   dewhurst@lsp.example",
        "  spec.permissions[admin/employees].actions: View",
    ];
    let lines: Vec<&str> = said.stdout.lines().collect();
    ensure!(lines == expected, "{}", said.stdout);
    let wide = auditor.runs("pimpernel history nights -n lsp-paris -o wide")?;
    let words = wide.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    for line in [
        "TIME UID GENERATION SESSION OPERATION BY CHANGE",
        "first 1 lsp-paris/case Update Impersonated Admin on behalf of blakeney@classics.example spec.permissions[admin/employees].actions: View → View, Edit",
    ] {
        ensure!(words.contains(line), "{}", wide.stdout);
    }
    let all = auditor.runs("pimpernel history nights -n lsp-paris -o yaml")?;
    ensure!(
        all.stdout.contains("nights-4") && !all.stdout.contains("managedFields"),
        "{}",
        all.stdout
    );
    Ok(())
}

fn it_is_limited(auditor: &Person<'_>) -> Result<()> {
    let cases: [(&str, &[&str]); 10] = [
        ("--since 2026-02-01", &["nights-4", "nights-3", "nights-2"]),
        ("--until 2026-02-01", &["nights-3", "nights-2", "nights-1"]),
        ("--since 2026-02-01T08:00:01Z --until 2026-02-28", &["nights-3"]),
        ("--since 1h", &[]),
        ("--search by_NIGHT", &["nights-2"]),
        ("--search view,_edit", &["nights-2"]),
        ("--by Blakeney@classics.example", &["nights-2"]),
        ("--by unknown", &["nights-3"]),
        ("--kind tenant", &[]),
        ("--kind role --search dewhurst", &["nights-1"]),
    ];
    for (words, expected) in cases {
        let said = auditor.runs(&format!("pimpernel history nights -n lsp-paris -o name {words}"))?;
        ensure!(said.code == 0, "{words}: {}", said.stderr);
        let names: Vec<&str> = said
            .stdout
            .lines()
            .filter_map(|line| line.split('/').next_back())
            .collect();
        ensure!(names == expected, "{words}: {names:?}");
        ensure!(
            names.is_empty() == said.stderr.contains("there is no record"),
            "{words}: {}",
            said.stderr
        );
    }
    let wrong = auditor.runs("pimpernel history nights -n lsp-paris --since yesterday")?;
    ensure!(wrong.code == 2 && wrong.stderr.contains("`7d`"), "{}", wrong.stderr);
    Ok(())
}

fn it_is_given_to_programs(auditor: &Person<'_>) -> Result<()> {
    let said = auditor.runs("pimpernel history nights -n lsp-paris -o json")?;
    let list: Value = serde_json::from_str(&said.stdout)?;
    ensure!(list["kind"] == "ChangeRecordList", "{}", said.stdout);
    ensure!(
        list["items"][2]["spec"]["actor"]["onBehalfOf"] == PERCY,
        "{}",
        said.stdout
    );
    let said = auditor.runs("pimpernel history nights -n lsp-paris -o csv --since 2026-02-01 --until 2026-02-01")?;
    let account = "system:serviceaccount:pimpernel-sessions:impersonated-admin-1";
    let head = "2026-02-01T08:00:00Z,lsp-paris,Role,nights,first,Nights,Update,1";
    let actor = format!("{account},{PERCY},lsp-paris/case,true");
    let expected = format!(
        "time,tenant,kind,name,uid,displayName,operation,generation,by,onBehalfOf,session,verified,path,from,to\n\
         2026-02-01T08:00:01Z,lsp-paris,Role,nights,first,Nights,Delete,1,unknown,,,false,,,\n\
         {head},{actor},spec.permissions[admin/employees].actions,View,\"View, Edit\"\n\
         {head},{actor},spec.description,\"By night, \"\"mostly\"\"\nand at dawn\",\n"
    );
    ensure!(said.stdout == expected, "{}", said.stdout);
    Ok(())
}
