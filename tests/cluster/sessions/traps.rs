//! A credential is good for its own session alone: neither for another one, nor for another account of the same name.

use super::*;

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
