//! What somebody takes from the registration is noticed by a watch, told, and put back by the leader alone.

use anyhow::{Result, ensure};
use k8s_openapi::ByteString;
use pimpernel_launcher::wait;
use serde_json::{Value, json};

use crate::common::audit::{self, Request};
use crate::common::rest::Caller;
use crate::common::{PATIENCE, Wish, World, metric};

/// Long enough not to be lost on a slow machine, short enough to be waited for.
const LEASE: [&str; 3] = ["--lease-duration=9s", "--renew-deadline=7s", "--retry-period=1s"];
const CONSENT: &str = "validatingadmissionpolicy/consent.pimpernel.dev";
const DERIVED: &str = "validatingadmissionpolicybinding/derived-objects.pimpernel.dev";
const RULES: &str = "validatingwebhookconfiguration/pimpernel";
const HISTORY: &str = "mutatingwebhookconfiguration/pimpernel";

/// What counts of an object.
fn essence(world: &World, object: &str) -> Result<Value> {
    let object: Value = serde_json::from_str(&world.kubectl(&["get", object, "--output=json"])?)?;
    Ok(json!([object["webhooks"], object["spec"]]))
}

fn registers(request: &Request) -> bool {
    request.resource.contains(".admissionregistration.k8s.io")
}

/// What is done, to which object, and how.
fn deeds(world: &World) -> Result<[(&'static str, &'static str, String); 7]> {
    let foreign = serde_json::to_string(&ByteString(world.plane().ca_pem().into()))?;
    let patch = |op: &str| format!("--patch=[{op}]");
    Ok([
        (CONSENT, "delete", String::new()),
        (DERIVED, "delete", String::new()),
        (RULES, "patch", patch(r#"{"op": "remove", "path": "/webhooks/1"}"#)),
        (
            HISTORY,
            "patch",
            patch(r#"{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Ignore"}"#),
        ),
        (
            RULES,
            "patch",
            patch(&format!(
                r#"{{"op": "replace", "path": "/webhooks/0/clientConfig/caBundle", "value": {foreign}}}"#
            )),
        ),
        (RULES, "delete", String::new()),
        (
            HISTORY,
            "patch",
            patch(r#"{"op": "replace", "path": "/webhooks", "value": []}"#),
        ),
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_from_the_registration_is_noticed_at_once_told_and_put_back_by_the_leader() -> Result<()> {
    let world = World::of(Wish {
        audit: true,
        args: &LEASE,
        ..Wish::default()
    })
    .await?;
    let standby = world.another_operator()?;
    audit::quiet(world.plane())?;
    let start = audit::here(world.plane())?;
    for (number, (object, verb, patch)) in (1_u32..).zip(deeds(&world)?) {
        let wanted = essence(&world, object)?;
        let before = audit::here(world.plane())?;
        let mut command = vec![verb, object];
        if !patch.is_empty() {
            command.extend(["--type=json", &patch]);
        }
        world.kubectl(&command)?;
        let counted = |metric: Option<f64>| metric == Some(f64::from(number));
        wait::until(&format!("{command:?} to be undone"), PATIENCE, || {
            let noticed = counted(world.metric("pimpernel_registration_changes_total")?)
                && counted(metric(&standby, "pimpernel_registration_changes_total")?);
            let intact = world.metric("pimpernel_registration_intact")? == Some(1.0)
                && metric(&standby, "pimpernel_registration_intact")? == Some(1.0);
            let there = essence(&world, object).is_ok_and(|found| found == wanted);
            Ok((noticed && intact && there).then_some(()))
        })?;
        let mut written = audit::writes_since(world.plane(), before)?;
        written.retain(registers);
        ensure!(written.len() == 1, "{command:?}: {}", audit::list(&written));
    }
    let mut asked = audit::questions_since(world.plane(), start)?;
    asked.retain(|request| registers(request) && !request.is_write());
    ensure!(asked.is_empty(), "it asked:{}", audit::list(&asked));
    events_tell(&world).await?;

    world.kill_operator()?;
    world.kubectl(&["delete", CONSENT])?;
    wait::until("the next leader to put it back", PATIENCE, || {
        Ok(essence(&world, CONSENT).is_ok().then_some(()))
    })?;
    ensure!(metric(&standby, "pimpernel_leader")? == Some(1.0), "it does not lead");
    Ok(())
}

/// That the leader has told of each object.
async fn events_tell(world: &World) -> Result<()> {
    let admin = Caller::with(world.plane().admin()).await?;
    for (name, says) in [
        (
            "consent.pimpernel.dev",
            "there is no ValidatingAdmissionPolicy `consent.pimpernel.dev`",
        ),
        (
            "derived-objects.pimpernel.dev",
            "there is no ValidatingAdmissionPolicyBinding",
        ),
        ("pimpernel", "lacks the webhook `bounded-rules.pimpernel.dev`"),
        ("pimpernel", "has another `failurePolicy`"),
        ("pimpernel", "there is no ValidatingWebhookConfiguration `pimpernel`"),
    ] {
        let query = format!("?fieldSelector=reason%3DRegistrationChanged%2CinvolvedObject.name%3D{name}");
        let events = admin.list("Event", "default", &query).await?;
        let note = |event: &Value| event["message"].as_str().unwrap_or_default().to_owned();
        let notes: Vec<String> = events.iter().map(note).collect();
        ensure!(notes.iter().any(|note| note.contains(says)), "{name}: {notes:?}");
        ensure!(events.iter().all(|event| event["type"] == "Warning"), "{events:?}");
    }
    // What is told again is counted.
    let rules = |event: &&Value| event["involvedObject"]["kind"] == "ValidatingWebhookConfiguration";
    let events = admin
        .list("Event", "default", "?fieldSelector=reason%3DRegistrationChanged")
        .await?;
    let counted = |event: &Value| event["series"]["count"].as_u64() >= Some(2);
    ensure!(events.iter().filter(rules).any(counted), "{events:?}");
    Ok(())
}
