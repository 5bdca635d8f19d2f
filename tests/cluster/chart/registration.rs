//! What the chart should have registered and is not there is said by the operator, which leaves it to the chart.

use anyhow::{Context, Result, ensure};
use pimpernel_launcher::{Operator, assets, wait};

use crate::common::chart::Release;
use crate::common::{PATIENCE, metric};

const CONSENT: &str = "validatingadmissionpolicy/consent.pimpernel.dev";
const GUARD: [&str; 2] = [
    "validatingadmissionpolicy/definitions.pimpernel.dev",
    "validatingadmissionpolicybinding/definitions.pimpernel.dev",
];

#[test]
fn what_the_chart_has_not_registered_is_said_and_comes_back_with_an_upgrade() -> Result<()> {
    let release = Release::install(&assets::helms()?[0])?;
    let remove = r#"--patch=[{"op": "remove", "path": "/webhooks/2"}]"#;
    release.kubectl(&[
        "patch",
        "validatingwebhookconfiguration",
        "pimpernel",
        "--type=json",
        remove,
    ])?;
    let operator = release.start_operator()?;
    let says = "ValidatingWebhookConfiguration `pimpernel` lacks the webhook `adoptions.pimpernel.dev`: \
                upgrade chart and operator together";
    waits(&operator, says)?;
    release.upgrade("replicas=3")?;
    operator.wait_ready(PATIENCE)?;

    release.kubectl(&["delete", CONSENT])?;
    intact(&operator, 0.0)?;
    told(
        &release,
        "there is no ValidatingAdmissionPolicy `consent.pimpernel.dev`",
    )?;
    let (code, body) = operator.http_get("/readyz")?;
    ensure!(code == 200, "it is not ready any more: {body}");
    ensure!(
        release.kubectl(&["get", CONSENT]).is_err(),
        "it made what is the chart's"
    );
    release.upgrade("replicas=2")?;
    intact(&operator, 1.0)?;

    // Nothing of it is left by which it could be missed.
    release.kubectl(&[&["delete"], &GUARD[..]].concat())?;
    intact(&operator, 0.0)?;
    for kind in ["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"] {
        told(&release, &format!("there is no {kind} `definitions.pimpernel.dev`"))?;
    }
    ensure!(operator.terminate()?.success(), "it failed:\n{}", operator.log_end());
    release.upgrade("crds.keep=false")?;
    let operator = release.start_operator()?;
    operator.wait_ready(PATIENCE)?;
    intact(&operator, 1.0)?;
    ensure!(
        release.kubectl(&[&["get"], &GUARD[..]].concat()).is_err(),
        "a chart that keeps no definitions guards them"
    );
    ensure!(operator.terminate()?.success(), "it failed:\n{}", operator.log_end());
    Ok(())
}

#[test]
fn what_the_cluster_adds_to_webhooks_is_said_with_what_to_do_and_no_operator_is_ready_before() -> Result<()> {
    let release = Release::install(&assets::helms()?[0])?;
    let selector = r#"{"matchExpressions": [{"key": "control-plane", "operator": "DoesNotExist"}]}"#;
    let change = |op: &str| {
        let change =
            format!(r#"--patch=[{{"op": "{op}", "path": "/webhooks/0/namespaceSelector", "value": {selector}}}]"#);
        release.kubectl(&[
            "patch",
            "mutatingwebhookconfiguration",
            "pimpernel",
            "--type=json",
            &change,
        ])
    };
    change("replace")?;
    let operator = release.start_operator()?;
    let wrong = "`history.pimpernel.dev` in MutatingWebhookConfiguration `pimpernel` has `namespaceSelector`, which it \
                 should not: take that out, and have whatever adds it to webhooks or policies leave this one alone";
    waits(&operator, wrong)?;
    told(&release, wrong)?;
    intact(&operator, 0.0)?;
    change("remove")?;
    operator.wait_ready(PATIENCE)?;
    change("add")?;
    intact(&operator, 0.0)?;
    let (code, body) = operator.http_get("/readyz")?;
    ensure!(code == 200, "it is not ready any more: {body}");
    ensure!(operator.terminate()?.success(), "it failed:\n{}", operator.log_end());
    Ok(())
}

/// Waits until the operator says this, and that it is not ready.
fn waits(operator: &Operator, says: &str) -> Result<()> {
    wait::until("the operator to say what is wrong", PATIENCE, || {
        let answer = operator.http_get("/readyz");
        Ok(answer
            .is_ok_and(|(code, body)| code == 503 && body.contains(says))
            .then_some(()))
    })
}

fn intact(operator: &Operator, wanted: f64) -> Result<()> {
    wait::until("the operator to notice", PATIENCE, || {
        Ok((metric(operator, "pimpernel_registration_intact")? == Some(wanted)).then_some(()))
    })
}

/// Waits for an Event that says so.
fn told(release: &Release, says: &str) -> Result<()> {
    let events = [
        "get",
        "events",
        "--field-selector=reason=RegistrationChanged",
        "--output=jsonpath={.items[*].message}",
    ];
    wait::until("an Event", PATIENCE, || {
        Ok(release.kubectl(&events)?.contains(says).then_some(()))
    })
    .with_context(|| says.to_owned())
}
