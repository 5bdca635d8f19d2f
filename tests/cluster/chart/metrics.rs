//! Metrics for those alone who may read them: what the chart makes of that, and the operator with the chart's rights.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use k8s_openapi::ByteString;
use pimpernel_launcher::{Operator, assets, wait};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};

use super::find;
use crate::common::PATIENCE;
use crate::common::chart::{NAMESPACE, Release, rendered, template};
use crate::common::secured::Secured;

const CHOSEN: &str = "metrics.authenticate=true";
/// What the operator needs to ask.
const RIGHT: &str = "pimpernel-operator:metrics-reviews";

/// The release of one chart, its operator, and who comes to read.
struct Reading {
    release: Release,
    operator: Operator,
    port: Secured,
    /// Every token that was ever sent.
    sent: BTreeSet<String>,
}

impl Reading {
    fn start() -> Result<Self> {
        let release = Release::install(&assets::helms()?[0])?;
        release.upgrade(&format!("{CHOSEN},log.filter=trace"))?;
        let operator = release.start_operator()?;
        operator.wait_ready(PATIENCE)?;
        for account in ["prometheus", "chauvelin"] {
            release.kubectl(&["create", "serviceaccount", account])?;
        }
        let port = Secured::new(release.metrics_port(), &of_the_secret(&release, "ca.crt")?)?;
        Ok(Self {
            release,
            operator,
            port,
            sent: BTreeSet::new(),
        })
    }

    fn read(&mut self, token: &str) -> Result<(u16, String)> {
        self.sent.insert(token.to_owned());
        self.port.get("/metrics", &format!("authorization: Bearer {token}\r\n"))
    }

    /// With a token that nobody has seen yet, of which nothing is remembered.
    fn read_as(&mut self, account: &str) -> Result<(u16, String)> {
        let token = self.release.kubectl(&["create", "token", account])?;
        self.read(token.trim())
    }

    fn becomes(&mut self, account: &str, wanted: u16) -> Result<String> {
        let mut last = (0, String::new());
        let became = wait::until(&format!("{account} to be told {wanted}"), PATIENCE, || {
            last = self.read_as(account)?;
            Ok((last.0 == wanted).then(|| last.1.clone()))
        });
        became.with_context(|| format!("{last:?}\n{}", self.operator.log_end()))
    }

    /// Exchanges the rules of what the operator needs to ask.
    fn rules(&self, rules: &Value) -> Result<()> {
        let patch = format!(
            "--patch={}",
            json!([{"op": "replace", "path": "/rules", "value": rules}])
        );
        self.release
            .kubectl(&["patch", "clusterrole", RIGHT, "--type=json", &patch])?;
        Ok(())
    }
}

/// What the Secret has from which Prometheus is to take whom to trust.
fn of_the_secret(release: &Release, key: &str) -> Result<Vec<u8>> {
    let at = format!("--namespace={NAMESPACE}");
    let secret = release.kubectl(&["get", "secret", "pimpernel-webhook-certificate", &at, "--output=json"])?;
    let secret: Value = serde_json::from_str(&secret)?;
    let value: ByteString = serde_json::from_value(secret["data"][key].clone())?;
    Ok(value.0)
}

#[test]
fn metrics_are_read_over_tls_by_those_alone_who_may_and_the_rights_for_that_are_exactly_enough() -> Result<()> {
    let mut reading = Reading::start()?;
    let (plain, _) = reading.operator.http_get("/metrics")?;
    ensure!(plain == 404, "without TLS: {plain}");
    let (status, said) = reading.port.get("/metrics", "")?;
    ensure!(status == 401 && said.contains("Bearer"), "no token: {status} {said}");
    let (status, said) = reading.read("scarlet-garbage")?;
    ensure!(status == 401, "garbage: {status} {said}");
    let (status, said) = reading.read_as("chauvelin")?;
    ensure!(
        status == 403 && said.contains("nonResourceURL"),
        "without the role: {status} {said}"
    );
    let bind = [
        "create",
        "clusterrolebinding",
        "reads",
        "--clusterrole=pimpernel-metrics-reader",
        "--serviceaccount=default:prometheus",
    ];
    reading.release.kubectl(&bind)?;
    let metrics = reading.becomes("prometheus", 200)?;
    ensure!(metrics.contains("pimpernel_build_info"), "{metrics}");
    let (status, _) = reading.read_as("chauvelin")?;
    ensure!(status == 403, "another one's role: {status}");
    let stranger = Secured::new(
        reading.release.metrics_port(),
        reading.release.plane().ca_pem().as_bytes(),
    )?;
    ensure!(stranger.get("/metrics", "").is_err(), "whoever signed it is trusted");
    renewed_with_the_webhooks(&reading)?;

    reading.release.kubectl(&["delete", "clusterrolebinding", "reads"])?;
    reading.becomes("prometheus", 403)?;
    reading.release.kubectl(&bind)?;
    reading.becomes("prometheus", 200)?;
    let log = reading.operator.log();
    ensure!(log.lines().count() > 100, "{log}");
    ensure!(!log.contains("is forbidden"), "the chart gives too few rights");
    each_right_is_needed(&mut reading)?;

    let log = reading.operator.log();
    ensure!(log.contains("could not be asked who reads the metrics"), "{log}");
    let told = reading.sent.iter().find(|token| log.contains(token.as_str()));
    ensure!(told.is_none(), "a token is logged");
    ensure!(
        reading.operator.terminate()?.success(),
        "{}",
        reading.operator.log_end()
    );
    Ok(())
}

/// That the webhook's next certificate is presented here as well.
fn renewed_with_the_webhooks(reading: &Reading) -> Result<()> {
    let presented = || -> Result<Option<Vec<u8>>> {
        let port = Secured::new(
            reading.release.metrics_port(),
            &of_the_secret(&reading.release, "ca.crt")?,
        )?;
        let mut tls = port.secured(&[])?;
        // It is not there yet, or is not trusted yet.
        if tls.conn.complete_io(&mut tls.sock).is_err() {
            return Ok(None);
        }
        let chain = tls.conn.peer_certificates().context("no certificate")?;
        Ok(chain.first().map(|certificate| certificate.to_vec()))
    };
    let before = presented()?.context("it is not trusted")?;
    let broken = r#"--patch={"data":{"tls.crt":"bm8="}}"#;
    let at = format!("--namespace={NAMESPACE}");
    let secret = [
        "patch",
        "secret",
        "pimpernel-webhook-certificate",
        &at,
        "--type=merge",
        broken,
    ];
    reading.release.kubectl(&secret)?;
    wait::until("the next certificate", PATIENCE, || {
        let made = CertificateDer::from_pem_slice(&of_the_secret(&reading.release, "tls.crt")?);
        let presented = presented()?;
        Ok(made
            .is_ok_and(|made| presented == Some(made.to_vec()) && presented.as_ref() != Some(&before))
            .then_some(()))
    })
}

/// Takes away each right that the operator has for that alone.
fn each_right_is_needed(reading: &mut Reading) -> Result<()> {
    let role = reading
        .release
        .kubectl(&["get", "clusterrole", RIGHT, "--output=json"])?;
    let role: Value = serde_json::from_str(&role)?;
    let rules = role["rules"].as_array().context("no rules")?.clone();
    ensure!(rules.len() == 2, "{rules:?}");
    for left in 0..rules.len() {
        reading.rules(&json!([rules[left]]))?;
        let said = reading.becomes("prometheus", 503)?;
        ensure!(said.contains("try again"), "{said}");
        reading.rules(&json!(rules))?;
        reading.becomes("prometheus", 200)?;
    }
    Ok(())
}

#[test]
fn who_reads_the_metrics_is_asked_only_if_that_is_chosen() -> Result<()> {
    for helm in assets::helms()? {
        let without = template(&helm, &["serviceMonitor.create=true", "monitoring.whenMissing=render"])?;
        for trace in ["8443", "pimpernel-metrics-reader", "metrics-reviews", "bearerTokenFile"] {
            ensure!(!without.contains(trace), "{trace} is there without being chosen");
        }
        let objects = rendered(
            &helm,
            &[CHOSEN, "networkPolicy.create=true", "networkPolicy.metricsFrom[0].a=b"],
        )?;
        let container =
            &find(&objects, "Deployment", "pimpernel-operator")?["spec"]["template"]["spec"]["containers"][0];
        ensure!(
            container["args"].to_string().contains("--metrics-listen=0.0.0.0:8443"),
            "{container}"
        );
        ensure!(container["ports"][2]["containerPort"] == 8443, "{container}");
        let port = &find(&objects, "Service", "pimpernel-webhook")?["spec"]["ports"][2];
        ensure!(
            port["name"] == "metrics" && port["targetPort"] == container["ports"][2]["name"],
            "{port}"
        );
        let let_in = &find(&objects, "NetworkPolicy", "pimpernel-operator")?["spec"]["ingress"];
        ensure!(
            let_in[1]["ports"][0]["port"] == "metrics" && let_in[1]["from"][0]["a"] == "b",
            "{let_in}"
        );
        ensure!(
            let_in[2]["ports"][0]["port"] == "http" && let_in[2]["from"][1].is_null(),
            "{let_in}"
        );
        let reader = find(&objects, "ClusterRole", "pimpernel-metrics-reader")?;
        ensure!(
            reader["rules"] == json!([{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}]),
            "{reader}"
        );
        let create = |group: &str, kind: &str| json!({"apiGroups": [group], "resources": [kind], "verbs": ["create"]});
        let wanted = json!([
            create("authentication.k8s.io", "tokenreviews"),
            create("authorization.k8s.io", "subjectaccessreviews"),
        ]);
        let rights = find(&objects, "ClusterRole", RIGHT)?;
        ensure!(rights["rules"] == wanted, "{rights}");
        let binding = find(&objects, "ClusterRoleBinding", RIGHT)?;
        ensure!(binding["subjects"][0]["kind"] == "ServiceAccount", "{binding}");
        let of_others = rendered(&helm, &[CHOSEN, "rbac.create=false"])?;
        ensure!(
            find(&of_others, "ClusterRole", RIGHT).is_err(),
            "it gets rights that others give"
        );
    }
    Ok(())
}

#[test]
fn prometheus_is_told_whom_to_trust_and_whose_token_to_send() -> Result<()> {
    let helm = &assets::helms()?[0];
    let service = "pimpernel-webhook.pimpernel-system.svc";
    let of_account = json!("/var/run/secrets/kubernetes.io/serviceaccount/token");
    for (value, secret, host) in [
        ("replicas=2", "pimpernel-webhook-certificate", service),
        ("webhook.certManager.enabled=true", "pimpernel-webhook-serving", service),
        ("webhook.existingSecret=serving", "serving", service),
        (
            "webhook.url=https://[::1]:9443/",
            "pimpernel-webhook-certificate",
            "::1",
        ),
        (
            "serviceMonitor.tokenSecret=prometheus",
            "pimpernel-webhook-certificate",
            service,
        ),
    ] {
        let values = [
            CHOSEN,
            "serviceMonitor.create=true",
            "monitoring.whenMissing=render",
            value,
        ];
        let objects = rendered(helm, &values)?;
        let endpoint = &find(&objects, "ServiceMonitor", "pimpernel-operator")?["spec"]["endpoints"][0];
        ensure!(
            endpoint["port"] == "metrics" && endpoint["scheme"] == "https",
            "{endpoint}"
        );
        let trusted = json!({"ca": {"secret": {"name": secret, "key": "ca.crt"}}, "serverName": host});
        ensure!(endpoint["tlsConfig"] == trusted, "{value}: {endpoint}");
        let by_secret = json!({"credentials": {"name": "prometheus", "key": "token"}});
        let wanted = if value.starts_with("serviceMonitor") {
            [&by_secret, &Value::Null]
        } else {
            [&Value::Null, &of_account]
        };
        ensure!(
            [&endpoint["authorization"], &endpoint["bearerTokenFile"]] == wanted,
            "{value}: {endpoint}"
        );
    }
    let refused = template(helm, &["serviceMonitor.tokenSecret=prometheus"])
        .err()
        .context("it is taken")?;
    ensure!(
        refused.to_string().contains("nobody would ask for that token"),
        "{refused}"
    );
    Ok(())
}
