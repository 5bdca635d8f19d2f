//! I9: what a session stands on goes, and the session with it, at once and for ever.

use super::*;

/// A way in which the ground goes, and how it comes back.
struct Loss {
    sentence: &'static str,
    mode: &'static str,
    gone: Vec<(&'static str, Value)>,
    back: Vec<(&'static str, Value)>,
}

fn loss(sentence: &'static str, mode: &'static str, which: &'static str, gone: Value, back: Value) -> Loss {
    Loss {
        sentence,
        mode,
        gone: vec![(which, json!({"spec": gone}))],
        back: vec![(which, json!({"spec": back}))],
    }
}

fn losses() -> Vec<Loss> {
    let tony = "Employee lsp/tony";
    let paris = "Tenant lsp-paris/lsp-paris";
    let office = "Role lsp/partner-admin";
    let with = |actions: Value| json!({"permissions": [{"application": "tenant-management", "permission": "impersonation", "actions": actions}]});
    vec![
        loss(
            "the impersonator becomes Inactive",
            "Support",
            tony,
            json!({"state": "Inactive"}),
            json!({"state": "Active"}),
        ),
        loss(
            "the impersonator gets another role",
            "Support",
            tony,
            json!({"primaryRole": "fitter"}),
            json!({"primaryRole": "partner-admin"}),
        ),
        loss(
            "the impersonator's window is over",
            "Support",
            tony,
            json!({"validUntil": "2020-01-01T00:00:00Z"}),
            json!({"validUntil": null}),
        ),
        loss(
            "the role loses the permission",
            "Support",
            office,
            with(json!(["Configure"])),
            with(json!(["Configure", "Support"])),
        ),
        loss(
            "the tenant leaves Active",
            "Support",
            paris,
            json!({"state": "Inactive"}),
            json!({"state": "Active"}),
        ),
        loss(
            "the tenant leaves Active, for Configure",
            "Configure",
            paris,
            json!({"state": "Inactive"}),
            json!({"state": "Active"}),
        ),
        loss(
            "the tenant switches the mode off",
            "Support",
            paris,
            json!({"impersonation": {"support": "Disabled"}}),
            json!({"impersonation": {"support": "Enabled"}}),
        ),
        loss(
            "the tenant's trial is over",
            "Support",
            paris,
            json!({"trial": {"expiresAt": "2020-01-01T00:00:00Z"}}),
            json!({"trial": null}),
        ),
        loss(
            "the impersonator's own tenant leaves Active",
            "Support",
            "Tenant lsp/lsp",
            json!({"state": "Inactive"}),
            json!({"state": "Active"}),
        ),
        loss(
            "the impersonator's own tenant loses the application",
            "Support",
            "Tenant lsp/lsp",
            json!({"applications": []}),
            json!({"applications": ["tenant-management"]}),
        ),
    ]
}

#[tokio::test]
async fn a_session_whose_ground_goes_is_withdrawn_for_ever() -> Result<()> {
    let stage = Stage::set(World::start().await?).await?;
    let mut failures = vec![];
    for (number, loss) in losses().iter().enumerate() {
        if let Err(error) = withdrawn(loss, number, &stage).await {
            failures.push(format!("{}: {error:#}", loss.sentence));
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

async fn withdrawn(loss: &Loss, number: usize, stage: &Stage) -> Result<()> {
    stage
        .allowed(DEWHURST, "create", "impersonations.pimpernel.dev", "lsp-paris")
        .await?;
    let which = format!("Impersonation lsp-paris/lost-{number}");
    let session = Session::open(stage, &which, (loss.mode, DEWHURST), "").await?;
    ensure!(
        session.inside.may("list", EMPLOYEES, "lsp-paris").await?,
        "the session can act"
    );
    for (which, patch) in &loss.gone {
        stage.admin.merge(which, patch).await?.object()?;
    }
    let over = session.ended(stage, "Withdrawn").await?;
    for (which, patch) in &loss.back {
        stage.admin.merge(which, patch).await?.object()?;
        // Admission judges by what the operator has seen.
        stage.admin.judged(which).await?;
    }
    stage
        .allowed(DEWHURST, "create", "impersonations.pimpernel.dev", "lsp-paris")
        .await
        .context("the ground is back")?;
    // Whoever opens the next one has been looked at after the ground came back; so has the ended one.
    let next = Session::open(
        stage,
        &format!("Impersonation lsp-paris/next-{number}"),
        (loss.mode, DEWHURST),
        "",
    )
    .await?;
    ensure!(session.objects(stage).await?.is_empty(), "it has come back");
    ensure!(
        stage.admin.get(&session.which).await?.object()?["status"]["endTime"] == over["status"]["endTime"],
        "its end has changed"
    );
    ensure!(
        !session
            .inside
            .may("list", EMPLOYEES, "lsp-paris")
            .await
            .unwrap_or(false),
        "its credential works again"
    );
    next.stop(stage.caller(DEWHURST)).await?.object()?;
    next.ended(stage, "Stopped").await?;
    Ok(())
}

/// E10, T5: nobody writes anything at that moment; the operator knows it beforehand.
#[tokio::test]
async fn a_session_ends_at_the_instant_at_which_its_ground_does() -> Result<()> {
    let stage = Stage::set(World::start().await?).await?;
    for (number, (which, field)) in [
        ("Employee lsp/tony", "validUntil"),
        ("Tenant lsp-paris/lsp-paris", "trial"),
    ]
    .into_iter()
    .enumerate()
    {
        let session = Session::open(
            &stage,
            &format!("Impersonation lsp-paris/timed-{number}"),
            ("Support", DEWHURST),
            "",
        )
        .await?;
        let now = stage.admin.get("Namespace default").await?.date.context("a date")?;
        let end = now + SignedDuration::from_secs(5);
        let value = if field == "trial" {
            json!({"expiresAt": end})
        } else {
            json!(end)
        };
        stage
            .admin
            .merge(which, &json!({"spec": {field: value}}))
            .await?
            .object()?;
        stage.admin.judged(which).await?;
        stage
            .says(&session.which, "Active", "True", "Open")
            .await
            .context("before the instant")?;
        let over = session.ended(&stage, "Withdrawn").await?;
        let at: jiff::Timestamp = over["status"]["endTime"].as_str().context("endTime")?.parse()?;
        let late = at.duration_since(end).as_secs();
        ensure!((0..=2).contains(&late), "{field}: it ended {late} s after the instant");
        stage
            .admin
            .merge(which, &json!({"spec": {field: null}}))
            .await?
            .object()?;
        stage
            .allowed(DEWHURST, "create", "impersonations.pimpernel.dev", "lsp-paris")
            .await?;
    }
    Ok(())
}
