//! R20: whatever is sent, to the API server or straight at the webhook's port, is refused or does no harm: the operator
//! neither ends nor grows without bound, and judges the next object as if nothing had been.

use std::fmt::Write as _;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::common::World;
use crate::common::cast::{CHAUVELIN, Stage};

#[path = "hostile/port.rs"]
mod port;

const KINDS: &str = "/apis/pimpernel.dev/v1alpha1/namespaces/lsp-paris";
/// How much memory the operator may ever have had, in MiB: far more than it needs, far less than what comes in could take.
const MEMORY: u64 = 256;
/// How much time of a processor all of it may cost, in seconds: a single body that is not bounded costs more.
const PROCESSOR: f64 = 20.0;

#[tokio::test]
async fn r20_whatever_is_sent_is_refused_or_does_no_harm() -> Result<()> {
    let stage = Stage::set(World::start().await?).await?;
    let pid = stage.world.operator_pid()?;
    let before = processor_seconds(pid)?;
    let mut failures = vec![];
    for (what, kind, type_, body) in refused_bodies()? {
        let path = format!("{KINDS}/{kind}?fieldValidation=Strict");
        let answer = stage.admin.send_bytes("POST", &path, Some((type_, body))).await?;
        if !(400..500).contains(&answer.code) {
            failures.push(format!("{what}: {} {}", answer.code, answer.message()));
        }
    }
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    no_text(&stage).await?;
    far_away(&stage).await?;
    port::attacked(&stage).await?;
    goes_on(&stage, "at-last").await?;
    ensure!(stage.world.operator_pid()? == pid, "it is another process");
    ensure!(!stage.world.log().contains("panicked"), "something panicked");
    let (spent, memory) = (processor_seconds(pid)? - before, most_memory(pid)?);
    eprintln!("{spent} s of a processor, at most {memory} MiB");
    ensure!(spent < PROCESSOR, "it cost {spent} s of a processor");
    ensure!(memory < MEMORY, "it has had {memory} MiB");
    Ok(())
}

type Sent = (&'static str, &'static str, &'static str, Vec<u8>);

fn refused_bodies() -> Result<Vec<Sent>> {
    let json = "application/json";
    let role = |name: &str, spec: &str| {
        format!(
            r#"{{"apiVersion":"pimpernel.dev/v1alpha1","kind":"Role","metadata":{{"name":"{name}"}},"spec":{spec}}}"#
        )
        .into_bytes()
    };
    let employee = |rest: &str| {
        let spec = format!(r#"{{"username":"hostile@lsp-paris.example","primaryRole":"team-lead"{rest}}}"#);
        format!(r#"{{"apiVersion":"pimpernel.dev/v1alpha1","kind":"Employee","metadata":{{"name":"hostile"}},"spec":{spec}}}"#)
            .into_bytes()
    };
    let mut bomb = String::from(
        "apiVersion: pimpernel.dev/v1alpha1\nkind: Role\nmetadata: {name: bomb}\na0: &a0 [x, x, x, x, x, x, x, x, x]\n",
    );
    for level in 1..12 {
        writeln!(
            bomb,
            "a{level}: &a{level} [{}]",
            vec![format!("*a{}", level - 1); 9].join(", ")
        )?;
    }
    writeln!(bomb, "spec: {{displayName: Bomb, permissions: *a11}}")?;
    let deep = format!(
        r#"{{"displayName":"Deep","permissions":{}{}}}"#,
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    let line =
        |number: usize| json!({"application": "acd", "permission": "skills", "actions": [format!("fly-{number}")]});
    let lines = |count: usize| json!({"displayName": "Long", "permissions": (0..count).map(line).collect::<Vec<_>>()});
    // The longest list of which all is allowed by the schema, and nothing by the rules.
    let unknown = |number: usize| {
        let actions: Vec<String> = (0..32).map(|action| format!("{:x<55}{number}-{action}", "")).collect();
        json!({"application": "acd", "permission": "skills", "actions": actions})
    };
    let longest = json!({"displayName": "Longest", "permissions": (0..512).map(unknown).collect::<Vec<_>>()});
    let many: Vec<_> = (0..10_000)
        .map(|number| json!({"name": format!("role-{number}")}))
        .collect();
    let many = format!(r#","secondaryRoles":{}"#, json!(many));
    let megabytes = |count: usize| {
        format!(
            r#"{{"displayName":"Large","description":"{}"}}"#,
            "x".repeat(count << 20)
        )
    };
    let tenant = |cap: &str| {
        let spec = format!(r#"{{"displayName":"X","type":"Customer","parent":"lsp","userCap":{cap}}}"#);
        format!(r#"{{"apiVersion":"pimpernel.dev/v1alpha1","kind":"Tenant","metadata":{{"name":"lsp-paris"}},"spec":{spec}}}"#)
            .into_bytes()
    };
    let other_version = |version: &str| {
        String::from_utf8_lossy(&role("versed", r#"{"displayName":"V"}"#))
            .replace("v1alpha1", version)
            .into_bytes()
    };
    let mut all = vec![
        ("aliases without end", "roles", "application/yaml", bomb.into_bytes()),
        ("10,000 levels", "roles", json, role("deep", &deep)),
        ("levels without end", "roles", json, "[".repeat(1 << 20).into_bytes()),
        ("3 MB", "roles", json, role("large", &megabytes(4))),
        ("1 MB", "roles", json, role("large", &megabytes(1))),
        ("20,000 lines", "roles", json, role("long", &lines(20_000).to_string())),
        (
            "512 lines that are wrong",
            "roles",
            json,
            role("long", &lines(512).to_string()),
        ),
        (
            "the longest lines",
            "roles",
            json,
            role("longest", &longest.to_string()),
        ),
        ("10,000 roles", "employees", json, employee(&many)),
        (
            "a key twice",
            "roles",
            json,
            role("twice", r#"{"displayName":"One","displayName":"Two"}"#),
        ),
        (
            "a key in another case",
            "roles",
            json,
            role("cased", r#"{"DisplayName":"One"}"#),
        ),
        (
            "an unknown field",
            "roles",
            json,
            role("more", r#"{"displayName":"One","admin":true}"#),
        ),
        ("a list for an object", "roles", json, role("list", "[]")),
        (
            "a name of 253 characters",
            "roles",
            json,
            role(&"n".repeat(253), r#"{"displayName":"Named"}"#),
        ),
        (
            "a name that is a path",
            "roles",
            json,
            role("../../x", r#"{"displayName":"Named"}"#),
        ),
        ("another version", "roles", json, other_version("v1")),
        ("a version that is none", "roles", json, other_version("v1alpha1/../v1")),
        ("nothing", "roles", json, vec![]),
    ];
    for cap in [
        "9223372036854775808",
        "-9223372036854775809",
        "1e400",
        "0.5",
        "0",
        "\"1\"",
    ] {
        all.push(("no such number", "tenants", json, tenant(cap)));
    }
    for date in [
        "2026-02-30T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "-0001-01-01T00:00:00Z",
        "2026-01-01",
        "9999-12-31T23:59:59Z",
    ] {
        all.push((
            "no such time",
            "employees",
            json,
            employee(&format!(r#","validUntil":"{date}""#)),
        ));
    }
    Ok(all)
}

/// What is no UTF-8 is stored as such.
async fn no_text(stage: &Stage) -> Result<()> {
    let body = [
        br#"{"apiVersion":"pimpernel.dev/v1alpha1","kind":"Role","metadata":{"name":"bytes"},"spec":{"displayName":""#,
        &[0xff, 0xfe][..],
        br#""}}"#,
    ];
    let path = format!("{KINDS}/roles");
    let sent = Some(("application/json", body.concat()));
    stage.admin.send_bytes("POST", &path, sent).await?.object()?;
    let stored = stage.ready("Role lsp-paris/bytes").await?;
    ensure!(
        stored["spec"]["displayName"] == "\u{fffd}\u{fffd}",
        "{}",
        stored["spec"]
    );
    Ok(())
}

/// Instants that are very far away, which nobody waits for in a way that could break.
async fn far_away(stage: &Stage) -> Result<()> {
    for (name, window) in [
        ("ancient", "validFrom: 0001-01-01T00:00:00Z"),
        ("eternal", "validUntil: 9999-12-01T00:00:00Z"),
        (
            "unborn",
            "validFrom: 9998-12-01T00:00:00Z, validUntil: 9999-12-01T00:00:00Z",
        ),
    ] {
        let spec = format!("{{username: {name}@lsp-paris.example, state: Active, primaryRole: team-lead, {window}}}");
        stage.given(&format!("Employee lsp-paris/{name}"), &spec).await?;
        stage.ready(&format!("Employee lsp-paris/{name}")).await.context(name)?;
    }
    goes_on(stage, "after-all-time").await
}

/// Somebody new gets the right that the role gives.
async fn goes_on(stage: &Stage, name: &str) -> Result<()> {
    let user = format!("{name}@lsp-paris.example");
    let spec = format!("{{username: {user}, state: Active, primaryRole: team-lead}}");
    stage.given(&format!("Employee lsp-paris/{name}"), &spec).await?;
    stage.ready(&format!("Employee lsp-paris/{name}")).await?;
    stage
        .allowed(CHAUVELIN, "edit", "skills.acd.apps.pimpernel.dev", "lsp-paris")
        .await
}

/// The time of a processor that a process has had.
fn processor_seconds(pid: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields = stat.rsplit_once(')').context("no name")?.1;
    // The 14th and 15th of proc(5), in hundredths of a second on Linux.
    let ticks: Vec<f64> = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse().ok())
        .collect();
    Ok(ticks.iter().sum::<f64>() / 100.0)
}

/// The most memory that a process has ever had, in MiB.
fn most_memory(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .context("no VmHWM")?;
    let kilobytes: u64 = line.split_whitespace().next().context("no number")?.parse()?;
    Ok(kilobytes / 1024)
}
