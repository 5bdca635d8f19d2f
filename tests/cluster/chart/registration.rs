//! What the chart should have registered and is not there is said by the operator, which leaves it to the chart.

use anyhow::{Result, ensure};
use pimpernel_launcher::{assets, wait};

use crate::common::chart::Release;
use crate::common::{PATIENCE, metric};

const CONSENT: &str = "validatingadmissionpolicy/consent.pimpernel.dev";

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
    wait::until("the operator to say what is missing", PATIENCE, || {
        let answer = operator.http_get("/readyz");
        Ok(answer
            .is_ok_and(|(code, body)| code == 503 && body.contains(says))
            .then_some(()))
    })?;
    release.upgrade("replicas=3")?;
    operator.wait_ready(PATIENCE)?;

    release.kubectl(&["delete", CONSENT])?;
    let intact = |wanted: f64| {
        wait::until("the operator to notice", PATIENCE, || {
            Ok((metric(&operator, "pimpernel_registration_intact")? == Some(wanted)).then_some(()))
        })
    };
    intact(0.0)?;
    wait::until("an Event", PATIENCE, || {
        let told = [
            "get",
            "events",
            "--field-selector=reason=RegistrationChanged",
            "--output=jsonpath={.items[*].message}",
        ];
        let told = release.kubectl(&told)?;
        Ok(told
            .contains("there is no ValidatingAdmissionPolicy `consent.pimpernel.dev`")
            .then_some(()))
    })?;
    let (code, body) = operator.http_get("/readyz")?;
    ensure!(code == 200, "it is not ready any more: {body}");
    ensure!(
        release.kubectl(&["get", CONSENT]).is_err(),
        "it made what is the chart's"
    );
    release.upgrade("replicas=2")?;
    intact(1.0)?;
    ensure!(operator.terminate()?.success(), "it failed:\n{}", operator.log_end());
    Ok(())
}
