//! Who may do what, as the API server sees it.

use super::PATIENCE;
use anyhow::{Result, ensure};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::Client;
use kube::api::{Api, PostParams};
use std::time::{Duration, Instant};

/// Whether a user may use `verb` on `resource`, which is `RESOURCE.GROUP`, in a namespace, as the API server sees it.
pub async fn may(client: &Client, user: &str, (verb, resource, namespace): (&str, &str, &str)) -> Result<bool> {
    let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
    let attributes = ResourceAttributes {
        verb: Some(verb.to_owned()),
        resource: Some(resource.to_owned()),
        group: Some(group.to_owned()),
        namespace: Some(namespace.to_owned()),
        ..ResourceAttributes::default()
    };
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(user.to_owned()),
            resource_attributes: Some(attributes),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let answer = Api::all(client.clone()).create(&PostParams::default(), &review).await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}

/// Waits until a user may do that, or may not: the API server's own rules see a change of bindings a moment later.
pub async fn eventually_may(client: &Client, user: &str, right: (&str, &str, &str), wanted: bool) -> Result<()> {
    let began = Instant::now();
    while may(client, user, right).await? != wanted {
        ensure!(
            began.elapsed() < PATIENCE,
            "that `{user}` may {right:?} is never {wanted}"
        );
        // A review is an answer of the moment and cannot be watched.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
