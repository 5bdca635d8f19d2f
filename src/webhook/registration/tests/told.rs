//! Which fault is said first, and what to do about it.

use super::*;

const SELECTOR: &str =
    "`history.pimpernel.dev` in MutatingWebhookConfiguration `pimpernel` has `namespaceSelector`, which it should not";
const TAKE_OUT: &str = "take that out, and have whatever adds it to webhooks or policies leave this one alone";
const UPGRADE: &str = "upgrade chart and operator together, or put it back";
const AGAIN: &str = "it is put right, and changed again: have whatever changes it leave it alone";
const FORBIDDEN: &str = "writing is forbidden";

fn history() -> Id {
    Id {
        kind: Kind::MutatingWebhookConfiguration,
        name: NAME.to_owned(),
    }
}

/// What is said of these changes, as a sentence and of the configuration that notes changes; that one's `course`.
async fn said(registrar: Registrar, changes: &[(&str, Value)], course: Course<'_>) -> (String, String) {
    let server = match registrar {
        Registrar::Chart => with_chart().await,
        Registrar::Operator => registered().await,
    };
    let registration = registration(registrar);
    server.mended(&registration).await;
    for (at, value) in changes {
        let (kind, at) = match at.strip_prefix("judged:") {
            Some(at) => (Kind::ValidatingWebhookConfiguration, at),
            None => (Kind::MutatingWebhookConfiguration, *at),
        };
        server.change(kind, NAME, |object| put(object, at, value));
    }
    let amiss = registration.amiss(&server.objects(), BUNDLE);
    let of = |id: &Id| if *id == history() { course } else { Course::Smooth };
    let note = amiss.iter().find(|amiss| amiss.id == history());
    let note = note.map(|amiss| amiss.note(course)).unwrap_or_default();
    (sentence(&amiss, of).unwrap_or_default(), note)
}

type Change = (&'static str, Value);

fn selector() -> Change {
    ("/webhooks/0/namespaceSelector", json!({"matchLabels": {"a": "b"}}))
}

fn policy() -> Change {
    ("/webhooks/0/failurePolicy", json!("Ignore"))
}

fn trust() -> Change {
    ("/webhooks/0/clientConfig/caBundle", json!("bWFsbG9yeQ=="))
}

fn judged() -> Change {
    ("judged:/webhooks/0/failurePolicy", json!("Ignore"))
}

const RULES: &str = "`rules.pimpernel.dev` in ValidatingWebhookConfiguration `pimpernel` has another `failurePolicy`";
const REFUSED: Course<'_> = Course::Refused(FORBIDDEN);

fn another() -> String {
    format!("`history.pimpernel.dev` in {} has another `failurePolicy`", history())
}

fn trusts() -> String {
    format!("{} trusts another certificate than the webhook's", history())
}

async fn says(registrar: Registrar, changes: &[Change], course: Course<'_>, wanted: String) {
    let (sentence, _) = said(registrar, changes, course).await;
    assert_eq!(sentence, wanted, "{registrar:?} {changes:?} {course:?}");
}

#[tokio::test]
async fn with_the_chart_the_fault_is_said_of_which_somebody_must_do_something_and_what() {
    let says = async |changes: &[Change], course, wanted| says(Registrar::Chart, changes, course, wanted).await;
    let (other, trusts, added) = (another(), trusts(), format!("{SELECTOR} (and 1 more): {TAKE_OUT}"));
    says(&[policy()], Course::Smooth, format!("{other}: {UPGRADE}")).await;
    says(&[policy(), selector()], Course::Smooth, added.clone()).await;
    says(&[judged(), selector()], Course::Smooth, added).await;
    let older = format!("{RULES} (and 1 more): {UPGRADE}");
    says(&[judged(), policy()], Course::Again, older).await;
    says(&[trust()], Course::Smooth, String::new()).await;
    says(&[trust()], REFUSED, format!("{trusts}: {FORBIDDEN}")).await;
    let refused = format!("{trusts} (and 1 more): {FORBIDDEN}");
    says(&[policy(), trust()], REFUSED, refused).await;
}

#[tokio::test]
async fn without_the_chart_the_fault_is_said_first_that_is_fought_over_or_cannot_be_mended() {
    let says = async |changes: &[Change], course, wanted| says(Registrar::Operator, changes, course, wanted).await;
    let (both, other, trusts) = ([judged(), policy()], another(), trusts());
    says(&both, Course::Smooth, format!("{RULES} (and 1 more): it is put right")).await;
    says(&both, Course::Again, format!("{other} (and 1 more): {AGAIN}")).await;
    says(&both, REFUSED, format!("{other} (and 1 more): {FORBIDDEN}")).await;
    let fought = format!("{trusts} (and 1 more): {AGAIN}");
    says(&[judged(), trust()], Course::Again, fought).await;
}

#[tokio::test]
async fn an_event_says_all_that_is_wrong_with_its_object_and_what_becomes_of_it() {
    use Registrar::{Chart, Operator};
    let notes = async |registrar, changes: &[Change], course, wanted: String| {
        let (_, note) = said(registrar, changes, course).await;
        assert_eq!(note, wanted, "{registrar:?} {changes:?} {course:?}");
    };
    let (both, other) = ([policy(), selector()], another());
    let added = format!("{SELECTOR}: {TAKE_OUT}; {other}: {UPGRADE}");
    notes(Chart, &both, Course::Smooth, added).await;
    notes(
        Chart,
        &[trust()],
        Course::Smooth,
        format!("{}: it is put right", trusts()),
    )
    .await;
    let all = format!("{other}; {SELECTOR}");
    notes(Operator, &both, Course::Smooth, format!("{all}: it is put right")).await;
    notes(Operator, &both, REFUSED, format!("{all}: {FORBIDDEN}")).await;
}
