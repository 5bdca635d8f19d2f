//! Each manifest of `examples/refused` is refused on a real API server, as its writer, for the reason in its head, and
//! nothing changes.

use crate::common::refused::{self, Deed, Refused};
use crate::common::rest::{Answer, Caller, name_of};
use crate::common::{Wish, World};
use anyhow::{Context, Result, anyhow, ensure};
use pimpernel::api;
use serde_json::Value;

#[tokio::test]
async fn v9_every_refused_example_is_refused_as_its_writer_for_its_reason() -> Result<()> {
    let world = World::of(Wish::default()).await?;
    world.quickstart().await?;
    world.all_ready::<api::Tenant>("lsp-paris").await?;
    world.all_ready::<api::Employee>("lsp").await?;
    let admin = Caller::with(world.plane().admin()).await?;
    let mut failures = vec![];
    for file in refused::all().map_err(|error| anyhow!(error))? {
        if let Err(error) = play(&file, &admin, &world).await {
            failures.push(format!("{}: {error:#}", file.path));
        }
    }
    ensure!(
        failures.is_empty(),
        "{} failed:\n- {}",
        failures.len(),
        failures.join("\n- ")
    );
    Ok(())
}

async fn play(file: &Refused, admin: &Caller, world: &World) -> Result<()> {
    for given in &file.given {
        let text = std::fs::read_to_string(given)?;
        for document in refused::documents(&text).map_err(|error| anyhow!(error))? {
            place(&document, admin, admin).await?;
        }
    }
    let person;
    let writer = if file.writer == "platform" {
        admin
    } else {
        person = Caller::user(world.plane(), &file.writer).await?;
        &person
    };
    let (last, before) = file.documents.split_last().context("no document")?;
    for document in before {
        place(document, writer, admin).await?;
    }
    let which = name_of(last);
    let stored = admin.get(&which).await?.found()?;
    refusal(file, &written(last, file.deed, writer).await?)?;
    if WITH_KUBECTL.contains(&&*file.reason) {
        people_see_it(file, last, writer, world)?;
    }
    let now = admin.get(&which).await?.found()?;
    let essence = |object: &Option<Value>| {
        let object = object.as_ref()?;
        Some((object["spec"].clone(), object["metadata"]["deletionTimestamp"].clone()))
    };
    ensure!(essence(&stored) == essence(&now), "what is stored has changed");
    Ok(())
}

/// One for each layer that refuses: the definition, an admission policy, the webhook.
const WITH_KUBECTL: [&str; 3] = ["InvalidDisplayName", "NotTheImpersonator", "NameTaken"];

/// Whoever uses kubectl is told the same by `apply`, by a dry-run and by `diff`.
fn people_see_it(file: &Refused, last: &Value, writer: &Caller, world: &World) -> Result<()> {
    for command in [&["apply"][..], &["apply", "--dry-run=server"], &["diff"]] {
        let (went_well, written) = writer.kubectl(world.plane(), command, last)?;
        ensure!(!went_well, "kubectl {command:?} goes well: {written}");
        for text in &file.says {
            ensure!(
                written.contains(text),
                "kubectl {command:?} does not say «{text}», but: {written}"
            );
        }
    }
    Ok(())
}

/// What must be there before.
async fn place(document: &Value, writer: &Caller, admin: &Caller) -> Result<()> {
    let which = name_of(document);
    let asked = std::time::Instant::now();
    let answer = loop {
        let answer = writer.apply(document).await?;
        // What gives a person a right is there a moment before the API server heeds it.
        if answer.code != 403 || asked.elapsed() > crate::common::PATIENCE {
            break answer;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    answer.object().with_context(|| format!("{which} must be admitted"))?;
    let ours = document["apiVersion"]
        .as_str()
        .unwrap_or_default()
        .starts_with("pimpernel.dev/");
    if ours {
        admin.judged(&which).await?;
    }
    Ok(())
}

async fn written(document: &Value, deed: Deed, writer: &Caller) -> Result<Answer> {
    let asked = std::time::Instant::now();
    loop {
        let answer = match deed {
            Deed::Apply => writer.apply(document).await?,
            Deed::Delete => writer.delete(&name_of(document)).await?,
        };
        let lacks_rights = answer.code == 403 && answer.message().contains(" cannot ");
        if !lacks_rights
            || asked.elapsed() > crate::common::PATIENCE
            || answer.body.pointer("/details/causes").is_some()
        {
            return Ok(answer);
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

fn refusal(file: &Refused, answer: &Answer) -> Result<()> {
    ensure!(!answer.granted(), "it is admitted");
    let message = answer.message();
    for text in &file.says {
        ensure!(
            message.contains(text),
            "the refusal does not say «{text}», but: {message}"
        );
    }
    // The API server's own layers give their own reasons, the webhook gives ours.
    let causes = answer.body.pointer("/details/causes").and_then(Value::as_array);
    let by_webhook = message.contains("admission webhook");
    let named = |cause: &Value| cause["reason"] == *file.reason;
    ensure!(
        !by_webhook || causes.is_some_and(|causes| causes.iter().any(named)),
        "no cause has the reason: {causes:?}"
    );
    Ok(())
}
