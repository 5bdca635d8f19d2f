//! What became overdue while the operator was dead is ended first of all when it is back.

use super::*;
use crate::common::audit::Request;

#[tokio::test]
async fn after_a_restart_what_is_overdue_ends_before_any_other_write() -> Result<()> {
    let wish = Wish {
        audit: true,
        args: &SHORT_LEASE,
        ..Wish::default()
    };
    let stage = Stage::set(World::unguarded(wish).await?).await?;
    let stopped = Session::open(&stage, CASE, ("Support", MARGUERITE), "").await?;
    let lost = Session::open(&stage, "Impersonation lsp-paris/lost", ("Support", DEWHURST), "").await?;
    let kept = Session::open(&stage, "Impersonation lsp-paris/kept", ("Configure", FFOULKES), "").await?;
    audit::quiet(stage.world.plane())?;
    stage.world.kill_operator()?;
    while_it_is_dead(&stopped, &stage).await?;
    for session in [&stopped, &lost, &kept] {
        ensure!(
            session.inside.may("list", EMPLOYEES, "lsp-paris").await?,
            "nobody is there to end it"
        );
    }
    let place = audit::here(stage.world.plane())?;
    stage.world.start_operator()?;
    stopped.ended(&stage, "Stopped").await?;
    lost.ended(&stage, "Withdrawn").await?;
    stage.ready("Employee lsp-paris/late-30").await?;
    let writes = audit::writes_since(stage.world.plane(), place)?;
    let overdue = [&stopped, &lost];
    rights_go_first(&writes, &overdue)?;
    ensure!(
        kept.inside.may("list", EMPLOYEES, "lsp-paris").await?,
        "the third session goes on"
    );
    ensure!(
        !writes.iter().any(|write| write.object.contains(&kept.uid)),
        "the third session was touched:{}",
        audit::list(&writes)
    );
    Ok(())
}

/// Two sessions lose their ground, and there is a lot of other work.
async fn while_it_is_dead(stopped: &Session, stage: &Stage) -> Result<()> {
    stopped.stop(stage.caller(MARGUERITE)).await?.object()?;
    stage
        .admin
        .merge("Employee lsp/tony", &json!({"spec": {"state": "Inactive"}}))
        .await?
        .object()?;
    for number in 1..=30 {
        let role = format!(
            "{{displayName: Late {number}, state: Active, permissions: [{{application: acd, permission: skills, actions: [View]}}]}}"
        );
        stage
            .admin
            .apply(&object(&format!("Role lsp-paris/late-{number}"), &role))
            .await?
            .object()?;
        let employee =
            format!("{{username: late-{number}@lsp-paris.example, state: Active, primaryRole: late-{number}}}");
        stage
            .admin
            .apply(&object(&format!("Employee lsp-paris/late-{number}"), &employee))
            .await?
            .object()?;
    }
    Ok(())
}

/// The bindings of the overdue sessions go before anything of another object is written, and before their own accounts.
fn rights_go_first(writes: &[Request], overdue: &[&Session]) -> Result<()> {
    let shown = || audit::list(writes.get(..20).unwrap_or(writes));
    let position = |wanted: &dyn Fn(&Request) -> bool| writes.iter().position(wanted);
    let binding = |session: &Session| {
        let name = format!("lsp-paris/pimpernel:session:{}", session.uid);
        position(&|write| write.verb == "delete" && write.resource.starts_with("rolebindings.") && write.object == name)
    };
    let first = writes.first().context("nothing was written")?;
    ensure!(
        first.verb == "delete" && first.resource.starts_with("rolebindings."),
        "the first write is {first}:{}",
        shown()
    );
    let others = position(&|write| {
        !overdue.iter().any(|session| write.object.contains(&session.uid))
            && !write.resource.starts_with("events.")
            && !overdue.iter().any(|session| session.which.ends_with(&write.object))
    });
    for session in overdue {
        let gone = binding(session)
            .with_context(|| format!("the binding of {} was not deleted:{}", session.which, shown()))?;
        let account = position(&|write| write.resource == "serviceaccounts" && write.object.contains(&session.uid))
            .context("the account was not deleted")?;
        ensure!(gone < account, "the account went before the binding:{}", shown());
        ensure!(
            others.is_none_or(|others| gone < others),
            "other work came first:{}",
            shown()
        );
    }
    Ok(())
}

/// Nothing is left of the first one then but its account.
#[tokio::test]
async fn i9_i13_a_session_that_is_deleted_and_made_anew_while_nobody_looks_is_told_as_deleted() -> Result<()> {
    let wish = Wish {
        args: &SHORT_LEASE,
        ..Wish::default()
    };
    // Without the webhook, which would let nobody make it anew.
    let stage = Stage::set(World::unguarded(wish).await?).await?;
    let first = Session::open(&stage, CASE, ("Support", MARGUERITE), "").await?;
    stage.world.kill_operator()?;
    stage.removed(CASE).await?;
    Session::ask(&stage, CASE, ("Support", MARGUERITE), "").await?;
    stage.world.start_operator()?;
    first.deleted(&stage).await?;
    let second = Session::opened(&stage, CASE, MARGUERITE).await?;
    ensure!(second.uid != first.uid, "it is the same session");
    Ok(())
}
