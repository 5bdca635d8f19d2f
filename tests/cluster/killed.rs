//! I9, I10: killed in any call of the opening or of the ending of a session, before it leaves or after it has been obeyed, the
//! operator comes to the same end as undisturbed.

use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::common::cast::{MARGUERITE, Stage};
use crate::common::proxy::{Call, Moment};
use crate::common::rest::object;
use crate::common::session::Session;
use crate::common::{PATIENCE, SESSIONS, Wish, World};

const LENGTH: SignedDuration = SignedDuration::from_mins(20);

/// Which call is not completed.
#[derive(Clone, Copy)]
struct Cut {
    number: usize,
    moment: Moment,
}

#[tokio::test]
async fn i10_killed_in_any_call_of_opening_or_ending_a_session_it_comes_to_the_same_end() -> Result<()> {
    let wish = Wish {
        proxy: true,
        ..Wish::default()
    };
    let stage = Stage::set(World::of(wish).await?).await?;
    stage.world.proxy()?.calls();
    let undisturbed = open(&stage, "undisturbed", None).await?;
    let opening = calls(&stage)?;
    end(&stage, &undisturbed, None).await?;
    let ending = calls(&stage)?;
    // The account, three bindings and the Roles of two, the token, its Secret, and the status; the same backwards with the
    // record instead of the token.
    ensure!(opening.len() >= 9, "opening takes only {opening:#?}");
    ensure!(ending.len() >= 9, "ending takes only {ending:#?}");
    for number in 1..=opening.len().max(ending.len()) {
        for moment in [Moment::Before, Moment::After] {
            let cut = Cut { number, moment };
            let name = format!("{moment:?}-{number}").to_lowercase();
            let told = |what: &str, calls: &[Call]| format!("killed {moment:?} {what} {:?}", calls.get(number - 1));
            let session = open(&stage, &name, Some(cut).filter(|_| number <= opening.len())).await;
            let session = session.with_context(|| told("opening", &opening))?;
            let ended = end(&stage, &session, Some(cut).filter(|_| number <= ending.len())).await;
            ended.with_context(|| told("ending", &ending))?;
        }
    }
    Ok(())
}

/// The calls for sessions since this was last asked.
fn calls(stage: &Stage) -> Result<Vec<Call>> {
    let calls = stage.world.proxy()?.calls().into_iter();
    Ok(calls.filter(Call::is_of_a_session).collect())
}

/// Opens a session, and proves that it is whole, and the only one.
async fn open(stage: &Stage, name: &str, cut: Option<Cut>) -> Result<Session> {
    let which = format!("Impersonation lsp-paris/{name}");
    let spec = format!("{{mode: Support, impersonator: {MARGUERITE}, reason: Whatever happens to us, duration: 20m}}");
    set_trap(stage, cut)?;
    let asked = stage
        .caller(MARGUERITE)
        .create(&object(&which, &spec))
        .await?
        .object()?;
    die(stage, cut).await?;
    let session = Session::opened(stage, &which, MARGUERITE).await?;
    let created: Timestamp = asked["metadata"]["creationTimestamp"]
        .as_str()
        .context("created")?
        .parse()?;
    ensure!(
        session.end == created + LENGTH,
        "it ends at {}, created {created}",
        session.end
    );
    session.dies_in_time()?;
    let objects = session.objects(stage).await?;
    ensure!(objects.len() == 7, "there are only {objects:?}");
    for which in objects {
        let annotations = stage.admin.get(&which).await?.object()?["metadata"]["annotations"].clone();
        ensure!(
            annotations["pimpernel.dev/session-end"] == session.end.to_string(),
            "{which} says of the end: {annotations}"
        );
    }
    for kind in ["ServiceAccount", "Secret", "rbac.Role", "rbac.RoleBinding"] {
        let all = of_sessions(stage, kind).await?;
        ensure!(all.len() == 1, "{} of kind {kind}: {all:?}", all.len());
    }
    Ok(session)
}

/// Ends a session, and proves that nothing of it is left but one record.
async fn end(stage: &Stage, session: &Session, cut: Option<Cut>) -> Result<()> {
    set_trap(stage, cut)?;
    session.stop(stage.caller(MARGUERITE)).await?.object()?;
    // Whatever the next operator found out anew would be later.
    stage.world.proxy()?.date_ahead(SignedDuration::from_secs(2));
    die(stage, cut).await?;
    let over = match cut {
        None => session.ended(stage, "Stopped").await?,
        Some(_) => session.over(stage, "Stopped").await?,
    };
    let records = stage.admin.list("ChangeRecord", "lsp-paris", "").await?;
    let of_it: Vec<&Value> = records
        .iter()
        .filter(|record| record["spec"]["subject"]["uid"] == json!(session.uid))
        .collect();
    ensure!(of_it.len() == 1, "on record are {of_it:?}");
    ensure!(
        of_it[0]["spec"]["time"] == over["status"]["endTime"],
        "the record says {}, the status {}",
        of_it[0]["spec"]["time"],
        over["status"]["endTime"]
    );
    stage.world.proxy()?.date_ahead(SignedDuration::ZERO);
    for kind in ["ServiceAccount", "Secret", "rbac.Role", "rbac.RoleBinding"] {
        let left = of_sessions(stage, kind).await?;
        ensure!(left.is_empty(), "left are {left:?}");
    }
    Ok(())
}

fn set_trap(stage: &Stage, cut: Option<Cut>) -> Result<()> {
    if let Some(Cut { number, moment }) = cut {
        stage.world.proxy()?.cut_off(Call::is_of_a_session, number, moment);
    }
    Ok(())
}

/// Waits until the call is there that is not completed, and begins anew.
async fn die(stage: &Stage, cut: Option<Cut>) -> Result<()> {
    if cut.is_none() {
        return Ok(());
    }
    let proxy = stage.world.proxy()?;
    proxy.await_cut(PATIENCE)?;
    stage.world.crash_operator().await?;
    proxy.restore()?;
    stage.world.start_operator()
}

/// The names of what exists for sessions in their namespace.
async fn of_sessions(stage: &Stage, kind: &str) -> Result<Vec<String>> {
    let all = stage.admin.list(kind, SESSIONS, "").await?;
    let names = all.iter().filter_map(|object| object["metadata"]["name"].as_str());
    Ok(names
        .filter(|name| name.starts_with("impersonated-admin-"))
        .map(str::to_owned)
        .collect())
}
