//! A credential is good for its own session alone: neither for another one, nor for another account of the same name. And what
//! is asked for when little time is left, or just as much as API servers treat specially.

use super::*;
use crate::common::proxy::Asked;
use crate::common::rest::told;

#[tokio::test]
async fn i5_a_credential_is_good_for_its_own_session_and_its_own_account_alone() -> Result<()> {
    // Without the policies that keep everybody out of the namespace of the accounts.
    let stage = Stage::set(World::unguarded(Wish::default()).await?).await?;
    let hers = Session::open(&stage, CASE, ("Support", MARGUERITE), "").await?;
    let his = Session::open(&stage, "Impersonation lsp-calais/his", ("Configure", DEWHURST), "").await?;
    for (one, other) in [(&hers, &his), (&his, &hers)] {
        let account = format!(
            "/api/v1/namespaces/{SESSIONS}/serviceaccounts/impersonated-admin-{}",
            other.uid
        );
        let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
        for (method, path, body) in [
            (
                "GET",
                format!("/api/v1/namespaces/{SESSIONS}/secrets/impersonated-admin-{}", other.uid),
                None,
            ),
            ("POST", format!("{account}/token"), Some(("application/json", &request))),
            ("DELETE", account.clone(), None),
        ] {
            let answer = one.inside.send(method, &path, body).await?;
            ensure!(answer.code == 403, "{} may {method} {path}: {}", one.which, answer.code);
        }
        let elsewhere = one.inside.may("list", EMPLOYEES, other.namespace()).await?;
        ensure!(!elsewhere, "{} may act in {}", one.which, other.namespace());
    }
    let account = format!("ServiceAccount {SESSIONS}/impersonated-admin-{}", hers.uid);
    ensure!(
        stage.admin.delete(&account).await?.granted(),
        "the account cannot be deleted"
    );
    hers.ended(&stage, "Withdrawn").await?;
    let name = format!("impersonated-admin-{}", hers.uid);
    let again =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"namespace": SESSIONS, "name": name}});
    stage.admin.create(&again).await?.object()?;
    let bound = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"namespace": "lsp-paris", "name": "again"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "namespace": SESSIONS, "name": name}],
    });
    stage.admin.create(&bound).await?.object()?;
    let began = Instant::now();
    // The API server remembers for ten seconds that a token was good.
    while hers.inside.get("Namespace lsp-paris").await?.code != 401 {
        ensure!(
            began.elapsed() < PATIENCE,
            "the credential is good for the other account"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    stage.says(&his.which, "Active", "True", "Open").await?;
    Ok(())
}

/// A token of less than 600 s is not to be had, and 70 s must be left after it.
#[tokio::test]
async fn i10_where_too_little_time_is_left_for_a_token_none_is_asked_for_and_nothing_is_opened() -> Result<()> {
    let wish = Wish {
        proxy: true,
        ..Wish::default()
    };
    let stage = Stage::set(World::of(wish).await?).await?;
    let proxy = stage.world.proxy()?;
    let ahead = |seconds| {
        proxy.date_ahead(SignedDuration::from_secs(seconds));
        proxy.await_answer(PATIENCE)
    };
    // 669 s are left at most, and 599 s for the token.
    ahead(231)?;
    proxy.tokens();
    let asked = Session::ask(&stage, CASE, ("Support", MARGUERITE), "duration: 15m").await?;
    let late = stage.says(CASE, "Stalled", "True", "TooLate").await?;
    let (ready, _, message) = told(&late, "Ready").context("Ready")?;
    ensure!(
        ready == "False" && message.contains("create another Impersonation"),
        "{ready}: {message}"
    );
    let account = format!(
        "impersonated-admin-{}",
        asked["metadata"]["uid"].as_str().context("a UID")?
    );
    for kind in ["ServiceAccount", "Secret"] {
        let made = stage.admin.get(&format!("{kind} {SESSIONS}/{account}")).await?;
        ensure!(made.code == 404, "a {kind} was made");
    }
    let tokens = proxy.tokens();
    ensure!(tokens.is_empty(), "it was asked for {tokens:?}");
    stage.removed(CASE).await?;
    // 700 s are left, and some of them go by.
    ahead(200)?;
    Session::open(&stage, CASE, ("Support", MARGUERITE), "duration: 15m").await?;
    let tokens = proxy.tokens();
    ensure!(
        !tokens.is_empty() && tokens.iter().all(|asked| (600..=630).contains(&asked.seconds)),
        "it was asked for {tokens:?}"
    );
    Ok(())
}

/// A token asked for with 3607 s may be given a year by the API server.
#[tokio::test]
async fn i10_a_token_that_would_have_the_special_life_is_asked_for_with_a_second_less() -> Result<()> {
    let wish = Wish {
        proxy: true,
        ..Wish::default()
    };
    let stage = Stage::set(World::of(wish).await?).await?;
    let proxy = stage.world.proxy()?;
    proxy.tokens();
    // Which length comes to that life depends on what is left of the second in which it is asked for.
    for number in 0..40 {
        let (which, length) = (format!("Impersonation lsp-paris/special-{number}"), 3678 + number % 3);
        let session = Session::open(&stage, &which, ("Support", MARGUERITE), &format!("duration: {length}s")).await?;
        let tokens = proxy.tokens();
        let special = |asked: &Asked| session.end.duration_since(asked.at).as_secs() - 70 == 3607;
        for asked in &tokens {
            ensure!(asked.seconds != 3607, "{which} asked for the special life");
        }
        session.dies_in_time()?;
        session.stop(stage.caller(MARGUERITE)).await?.object()?;
        session.ended(&stage, "Stopped").await?;
        if let Some(asked) = tokens.iter().find(|asked| special(asked)) {
            ensure!(asked.seconds == 3606, "it was asked for {asked:?}");
            return Ok(());
        }
    }
    anyhow::bail!("no session had just that long left")
}
