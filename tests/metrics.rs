//! The series: all are documented, and whatever reads series reads some that exist. The alerts come when they should.

use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use pimpernel::policy::{Key, Kind, Name, Reason};
use pimpernel::telemetry::{Metrics, Outcome, Verdict};
use pimpernel_launcher::assets;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

fn read(path: &str) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).with_context(|| path.display().to_string())
}

/// Every series, as it is exported when everything has happened once: its name with its labels, and its type.
fn exported() -> Result<BTreeMap<String, String>> {
    let metrics = Metrics::new();
    metrics.reconciled(Kind::Role, Outcome::Done, Duration::ZERO);
    metrics.turned(Kind::Role, SignedDuration::ZERO);
    metrics.stands(
        &Key::new(Kind::Role, Name::new("lsp", "agent")),
        Some(Reason::RoleNotReady),
    );
    metrics.reviewed(Kind::Role, Verdict::Allowed, Duration::ZERO);
    metrics.count_waiting(|_| 1);
    metrics.open_sessions(1);
    metrics.session_ended(Reason::Expired, SignedDuration::ZERO);
    metrics.leader(true);
    metrics.clock_skew(SignedDuration::ZERO);
    metrics.registration_intact(true);
    metrics.registration_changed();
    metrics.certificate_expiry(Timestamp::UNIX_EPOCH);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &metrics.registry())?;
    let mut series = BTreeMap::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (family, type_) = line.split_once(' ').context("no type")?;
        let ending = match type_ {
            "counter" => "_total",
            "histogram" => "_count",
            "info" => "_info",
            _ => "",
        };
        let sample = text
            .lines()
            .find(|line| line.starts_with(&format!("{family}{ending}")) && !line.starts_with('#'));
        let labels = sample.context("no sample")?.split_once('{');
        let labels = labels
            .and_then(|(_, rest)| rest.split_once('}'))
            .map_or("", |(labels, _)| labels);
        let mut labels: Vec<&str> = labels
            .split(',')
            .filter_map(|label| Some(label.split_once('=')?.0))
            .collect();
        labels.sort_unstable();
        let labels = if labels.is_empty() {
            String::new()
        } else {
            format!("{{{}}}", labels.join(","))
        };
        let ending = if type_ == "histogram" { "" } else { ending };
        series.insert(format!("{family}{ending}{labels}"), type_.to_owned());
    }
    ensure!(series.len() > 10, "{text}");
    Ok(series)
}

#[test]
fn the_page_has_every_series_and_no_other() -> Result<()> {
    let mut told = BTreeMap::new();
    for row in read("docs/metrics.md")?
        .lines()
        .filter(|line| line.starts_with("| `pimpernel_"))
    {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        ensure!(cells.len() == 3 && cells[2].len() > 10, "{row}");
        told.insert(cells[0].trim_matches('`').to_owned(), cells[1].to_owned());
    }
    let exported = exported()?;
    ensure!(
        told == exported,
        "docs/metrics.md has\n{told:#?}\nand there are\n{exported:#?}"
    );
    Ok(())
}

/// That an expression reads something, and nothing that is not exported.
fn reads_what_exists(expression: &str, exported: &BTreeMap<String, String>) -> Result<()> {
    let words = expression.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let read: Vec<&str> = words.filter(|word| word.starts_with("pimpernel_")).collect();
    ensure!(!read.is_empty(), "{expression} reads nothing");
    for name in read {
        let exists = exported.iter().any(|(series, type_)| {
            let series = series.split('{').next().unwrap_or_default();
            if type_ == "histogram" {
                name == format!("{series}_bucket")
            } else {
                name == series
            }
        });
        ensure!(exists, "{expression} reads {name}, which is not exported");
    }
    Ok(())
}

#[test]
fn every_alert_has_a_page_and_reads_series_that_exist() -> Result<()> {
    let alerts: Value = serde_yaml::from_str(&read("charts/pimpernel/alerts.yaml")?)?;
    let (page, exported) = (read("docs/alerts.md")?, exported()?);
    let rules = alerts["groups"][0]["rules"].as_array().context("no rules")?;
    ensure!(rules.len() >= 5, "{alerts}");
    for rule in rules {
        let name = rule["alert"].as_str().context("no name")?;
        ensure!(
            page.contains(&format!("\n## {name}\n")),
            "docs/alerts.md has no section {name}"
        );
        let runbook = rule["annotations"]["runbook_url"].as_str().context("no page")?;
        ensure!(
            runbook.ends_with(&format!("/docs/alerts.md#{}", name.to_lowercase())),
            "{runbook}"
        );
        for field in ["summary", "description"] {
            ensure!(rule["annotations"][field].is_string(), "{name} has no {field}");
        }
        let expression = rule["expr"].as_str().context("no expression")?;
        reads_what_exists(expression, &exported)?;
    }
    Ok(())
}

fn promtool(arguments: &[&str]) -> Result<()> {
    let mut command = Command::new(assets::promtool()?);
    let output = command
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()?;
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    ensure!(output.status.success(), "promtool {arguments:?}:\n{}", said.concat());
    Ok(())
}

#[test]
fn each_alert_comes_when_it_should_and_says_what_it_should() -> Result<()> {
    promtool(&[
        "check",
        "rules",
        "--lint=all",
        "--lint-fatal",
        "charts/pimpernel/alerts.yaml",
    ])?;
    promtool(&["test", "rules", "tests/alerts.yaml"])
}

/// An instant as promtool's tests have it, such as `2h30s`, in seconds.
fn seconds(instant: &str) -> Result<i64> {
    let span: jiff::SignedDuration = instant.parse().with_context(|| instant.to_owned())?;
    Ok(span.as_secs())
}

#[test]
fn each_alert_is_tried_where_it_fires_just_before_and_where_it_stays_quiet() -> Result<()> {
    let alerts: Value = serde_yaml::from_str(&read("charts/pimpernel/alerts.yaml")?)?;
    let cases: Value = serde_yaml::from_str(&read("tests/alerts.yaml")?)?;
    for rule in alerts["groups"][0]["rules"].as_array().context("no rules")? {
        let name = rule["alert"].as_str().context("no name")?;
        // When it fires first, and until when it is quiet before that or altogether: for each case.
        let mut tried: Vec<(Option<i64>, i64)> = vec![];
        for case in cases["tests"].as_array().context("no tests")? {
            let (mut fires, mut quiet) = (None, None);
            let looks = case["alert_rule_test"].as_array().context("no alert")?;
            for look in looks.iter().filter(|look| look["alertname"] == name) {
                let at = seconds(look["eval_time"].as_str().context("no time")?)?;
                let expected = look["exp_alerts"].as_array().context("nothing expected")?;
                let end = if expected.is_empty() { &mut quiet } else { &mut fires };
                *end = Some(end.unwrap_or(at).max(at));
            }
            tried.extend(quiet.map(|quiet| (fires, quiet)));
        }
        let due = tried
            .iter()
            .find_map(|(fires, quiet)| fires.filter(|fires| fires - quiet == 30));
        let due = due.with_context(|| format!("{name} is nowhere tried where it fires and half a minute before"))?;
        let quiet = |(fires, quiet): &(Option<i64>, i64)| fires.is_none() && *quiet >= due;
        ensure!(tried.iter().any(quiet), "{name} is tried nowhere where it stays quiet");
    }
    Ok(())
}

#[test]
fn every_panel_of_the_dashboard_reads_series_that_exist() -> Result<()> {
    let dashboard: Value = serde_json::from_str(&read("charts/pimpernel/dashboard.json")?)?;
    ensure!(
        dashboard.get("__inputs").is_none(),
        "Grafana would ask for a data source"
    );
    let exported = exported()?;
    let panels = dashboard["panels"].as_array().context("no panels")?;
    let mut identities: Vec<i64> = panels.iter().filter_map(|panel| panel["id"].as_i64()).collect();
    identities.dedup();
    ensure!(identities.len() == panels.len(), "an identity is there twice");
    let mut read = String::new();
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        ensure!(
            panel["description"].is_string() && panel["datasource"]["uid"] == "${datasource}",
            "{panel}"
        );
        for target in panel["targets"].as_array().context("no targets")? {
            let expression = target["expr"].as_str().context("no expression")?;
            reads_what_exists(expression, &exported).with_context(|| panel["title"].to_string())?;
            read += expression;
        }
    }
    for series in exported.keys().filter_map(|series| series.split('{').next()) {
        ensure!(read.contains(series), "no panel shows {series}");
    }
    Ok(())
}
