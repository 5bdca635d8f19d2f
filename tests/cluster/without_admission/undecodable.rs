//! V11: what was stored under an older, looser definition and cannot be read any more stops nobody, gives nothing, says so,
//! and works once it is mended.

use super::*;

/// Objects that do not decode, and what each gives when it does.
fn broken() -> Vec<Case> {
    let mut cases = vec![];
    for (name, wrong) in [
        ("state-is-a-number", "{displayName: Numbered, state: 7}"),
        ("state-is-unknown", "{displayName: Suspended, state: Suspended}"),
        ("name-is-an-object", "{displayName: {en: Named}, state: Active}"),
        (
            "permissions-are-a-map",
            "{displayName: Mapped, state: Active, permissions: {acd: [skills]}}",
        ),
        (
            "nameless",
            "{state: Active, permissions: [{application: acd, permission: skills, actions: [Edit]}]}",
        ),
    ] {
        let user = format!("{name}@lsp-paris.example");
        let mended = format!(
            "{{displayName: {name}, state: Active, permissions: [{{application: acd, permission: skills, actions: [Edit]}}]}}"
        );
        cases.push(
            case(name, &format!("Role lsp-paris/{name}"), wrong, &mended)
                .given(
                    &format!("Employee lsp-paris/of-{name}"),
                    &format!("{{username: {user}, state: Active, primaryRole: {name}}}"),
                )
                .gives(&user, "edit", "skills.acd.apps.pimpernel.dev", "lsp-paris"),
        );
    }
    for (name, wrong) in [
        ("roleless", "state: Active"),
        ("role-is-an-object", "state: Active, primaryRole: {name: team-lead}"),
        (
            "roles-are-texts",
            "state: Active, primaryRole: team-lead, secondaryRoles: [team-lead]",
        ),
        ("state-is-true", "state: true, primaryRole: team-lead"),
        (
            "window-is-no-time",
            "state: Active, primaryRole: team-lead, validUntil: tomorrow",
        ),
    ] {
        let user = format!("{name}@lsp-paris.example");
        let spec = |rest: &str| format!("{{username: {user}, {rest}}}");
        cases.push(
            case(
                name,
                &format!("Employee lsp-paris/{name}"),
                &spec(wrong),
                &spec("state: Active, primaryRole: team-lead"),
            )
            .gives(&user, "edit", "skills.acd.apps.pimpernel.dev", "lsp-paris"),
        );
    }
    cases
}

/// Those of which one would take others with it.
fn above() -> Vec<Case> {
    vec![
        case(
            "a tenant",
            "Tenant lsp-calais/lsp-calais",
            "{displayName: LSP Calais, type: 7, state: [Active]}",
            "{displayName: LSP Calais, type: Customer, parent: lsp, state: Active}",
        ),
        case(
            "a session",
            "Impersonation lsp-paris/spying",
            "{mode: Spy, impersonator: 7, reason: He cannot save it}",
            &dewhursts("duration: 1h"),
        ),
        case(
            "a catalogue",
            "PermissionCatalog fleet",
            "{displayName: Fleet, permissions: [ships]}",
            "{displayName: Fleet, permissions: [{name: ships, switch: true}]}",
        ),
    ]
}

/// Where a rule of the definition is about the field of the wrong type, the API server can evaluate it no more, and
/// refuses every write of the object, that of a status too.
const LETS_NO_STATUS_IN: [&str; 6] = [
    "state-is-a-number",
    "name-is-an-object",
    "role-is-an-object",
    "roles-are-texts",
    "a tenant",
    "a session",
];

/// What the Event says that the object cannot be read.
async fn told_by_an_event(object: &Value, stage: &Stage) -> Result<String> {
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or("default");
    let uid = object["metadata"]["uid"].as_str().context("a UID")?;
    let event = stage.event(namespace, uid, "InvalidSpec").await?;
    Ok(event["message"].as_str().context("a message")?.to_owned())
}

#[tokio::test]
async fn v11_what_cannot_be_read_stops_nobody_and_works_once_it_is_mended() -> Result<()> {
    let stage = loose_stage(Looseness::Anything).await?;
    stage.world.kill_operator()?;
    let cases: Vec<Case> = broken().into_iter().chain(above()).collect();
    for case in &cases {
        for given in &case.given {
            stage.admin.apply(given).await?.object()?;
        }
        // Made anew: stored when the definition was another, not changed.
        let which = name_of(&case.wrong);
        if stage.admin.get(&which).await?.granted() {
            stage.removed(&which).await?;
        }
        stage
            .admin
            .create(&case.wrong)
            .await?
            .object()
            .with_context(|| which.clone())?;
    }
    definitions(&stage.admin, Looseness::None).await?;
    stage.world.start_operator()?;
    let mut failures = vec![];
    for (number, case) in cases.iter().enumerate() {
        if let Err(error) = unread(case, number, &stage).await {
            failures.push(format!("{}: {error:#}", name_of(&case.wrong)));
        }
    }
    ensure!(
        failures.is_empty(),
        "{} cases failed:\n- {}",
        failures.len(),
        failures.join("\n- ")
    );
    Ok(())
}

async fn unread(case: &Case, number: usize, stage: &Stage) -> Result<()> {
    let which = name_of(&case.wrong);
    let stored = stage.admin.get(&which).await?.object()?;
    let message = if LETS_NO_STATUS_IN.contains(&case.sentence.as_str()) {
        told_by_an_event(&stored, stage).await?
    } else {
        let stored = stage.says(&which, "Stalled", "True", "InvalidSpec").await?;
        let (ready, reason, message) = told(&stored, "Ready").context("Ready")?;
        ensure!(
            (ready.as_str(), reason.as_str()) == ("False", "InvalidSpec"),
            "Ready is {ready}, {reason}"
        );
        message
    };
    ensure!(
        message.contains("cannot be read") && message.contains("correct the object"),
        "{message}"
    );
    goes_on(number, stage).await?;
    case.gives_nothing(&stored, stage).await?;
    mend(case, &stored, stage).await?;
    stage.ready(&which).await.context("once it is mended")?;
    match &case.gives {
        Some(right) => granted(right, true, stage).await,
        None => Ok(()),
    }
}

/// What must be made anew, because no change of it is let in, or its state could not be reached.
const ANEW: [&str; 4] = ["state-is-a-number", "name-is-an-object", "a tenant", "a session"];

/// Mends it in place; what cannot change once it is stored is made anew.
async fn mend(case: &Case, stored: &Value, stage: &Stage) -> Result<()> {
    let which = name_of(&case.wrong);
    if ANEW.contains(&case.sentence.as_str()) {
        stage.removed(&which).await?;
        stage
            .admin
            .create(&case.mended)
            .await?
            .object()
            .context("making it anew")?;
        return Ok(());
    }
    let folder = crate::common::rest::folder(&which)?;
    let path = format!("{folder}/{}", stored["metadata"]["name"].as_str().context("a name")?);
    let mut mended = stored.clone();
    mended["spec"] = case.mended["spec"].clone();
    let put = stage
        .admin
        .send("PUT", &path, Some(("application/json", &mended)))
        .await?;
    put.object().context("mending it in place")?;
    Ok(())
}
