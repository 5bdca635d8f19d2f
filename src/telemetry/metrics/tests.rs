//! What is exported, and what is not.

use super::*;
use crate::policy::Name;

fn exported(metrics: &Metrics) -> String {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &metrics.registry()).unwrap();
    text
}

#[test]
fn every_series_is_exported_under_its_name() {
    let metrics = Metrics::new();
    metrics.reconciled(Kind::Role, Outcome::Done, Duration::from_millis(20));
    metrics.reviewed(Kind::Employee, Verdict::Refused, Duration::from_micros(300));
    metrics.count_waiting(|lane| if lane == Lane::Sessions { 7 } else { 0 });
    metrics.open_sessions(3);
    metrics.session_ended(Reason::Expired, SignedDuration::from_millis(700));
    metrics.leader(true);
    metrics.clock_skew(SignedDuration::from_millis(-1500));
    metrics.certificate_expiry(Timestamp::constant(1_795_420_800, 0));
    metrics.registration_intact(true);
    metrics.registration_changed();
    let text = exported(&metrics);
    for line in [
        r#"pimpernel_reconciles_total{kind="Role",outcome="done"} 1"#,
        r#"pimpernel_reconcile_duration_seconds_bucket{le="0.025",kind="Role"} 1"#,
        r#"pimpernel_webhook_requests_total{kind="Employee",verdict="refused"} 1"#,
        r#"pimpernel_webhook_duration_seconds_bucket{le="0.001"} 1"#,
        r#"pimpernel_queue_depth{lane="sessions"} 7"#,
        r#"pimpernel_queue_depth{lane="others"} 0"#,
        "pimpernel_open_sessions{} 3",
        r#"pimpernel_session_endings_total{reason="Expired"} 1"#,
        r#"pimpernel_session_end_lateness_seconds_bucket{le="0.5"} 0"#,
        r#"pimpernel_session_end_lateness_seconds_bucket{le="1.0"} 1"#,
        "pimpernel_leader{} 1",
        "pimpernel_clock_skew_seconds{} -1.5",
        "pimpernel_webhook_certificate_expiry_timestamp_seconds{} 1795420800",
        "pimpernel_registration_intact{} 1",
        "pimpernel_registration_changes_total 1",
        concat!(
            r#"pimpernel_build_info{version=""#,
            env!("CARGO_PKG_VERSION"),
            r#""} 1"#
        ),
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is missing in:\n{text}");
    }
}

#[test]
fn a_gauge_that_was_never_set_is_absent() {
    let text = exported(&Metrics::new());
    for name in ["leader", "queue", "open_sessions", "clock_skew", "expiry", "intact"] {
        assert!(!text.contains(name), "{name} in:\n{text}");
    }
}

#[test]
fn an_object_is_counted_while_it_is_not_ready_and_by_its_last_reason() {
    let metrics = Metrics::new();
    let role = |name| Key::new(Kind::Role, Name::new("lsp", name));
    let counted = |reason: &str| {
        let series = format!(r#"pimpernel_unready_objects{{kind="Role",reason="{reason}"}} "#);
        let text = exported(&metrics);
        let line = text.lines().find_map(|line| line.strip_prefix(&series));
        line.map(str::to_owned)
    };
    metrics.stands(&role("first"), None);
    assert_eq!(counted("RoleNotReady"), None);
    metrics.stands(&role("first"), Some(Reason::TenantNotFound));
    metrics.stands(&role("second"), Some(Reason::TenantNotFound));
    metrics.stands(&role("second"), Some(Reason::TenantNotFound));
    assert_eq!(counted("TenantNotFound").as_deref(), Some("2"));
    metrics.stands(&role("first"), Some(Reason::NotGrantable));
    metrics.stands(&role("second"), None);
    let now = (counted("TenantNotFound"), counted("NotGrantable"));
    assert_eq!(now, (Some("0".to_owned()), Some("1".to_owned())));
}

#[test]
fn clones_count_into_the_same_series() {
    let metrics = Metrics::new();
    metrics
        .clone()
        .reconciled(Kind::Tenant, Outcome::Failed, Duration::ZERO);
    assert!(exported(&metrics).contains(r#"pimpernel_reconciles_total{kind="Tenant",outcome="failed"} 1"#));
}

#[test]
fn a_session_that_ended_before_it_was_due_is_not_late() {
    let metrics = Metrics::new();
    metrics.session_ended(Reason::Stopped, SignedDuration::from_secs(-600));
    assert!(exported(&metrics).contains("pimpernel_session_end_lateness_seconds_sum 0.0"));
}
