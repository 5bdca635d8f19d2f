//! The policies as files; what is found to be changed, and how that is put right, on an API server in memory that fills in
//! defaults.

use std::sync::Mutex;

use http::{Method, Request, Response, StatusCode};
use kube::client::Body;
use serde_json::Map;
use tower::service_fn;

use super::*;

mod files;
mod told;

const BUNDLE: &str = "the bundle";

fn names() -> Names {
    Names {
        operator_user: "system:serviceaccount:pimpernel-system:scarlet".into(),
        operator_namespace: "pimpernel-system".into(),
        sessions_namespace: "pimpernel-sessions".into(),
    }
}

fn registration(registrar: Registrar) -> Registration {
    Registration::new(registrar, &names(), "https://127.0.0.1:9443", Employees::Sessions).unwrap()
}

/// Objects by path, and how often one was written.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<(Map<String, Value>, usize)>>);

impl Server {
    fn client(&self) -> Client {
        let server = self.clone();
        let service = service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect_bytes().await?;
                let (code, answer) = server.answer(&parts.method, parts.uri.path(), &body);
                let answer = Body::from(serde_json::to_vec(&answer)?);
                Ok::<_, tower::BoxError>(Response::builder().status(code).body(answer)?)
            }
        });
        Client::new(service, "default")
    }

    fn answer(&self, method: &Method, path: &str, body: &[u8]) -> (StatusCode, Value) {
        let (objects, written) = &mut *self.0.lock().unwrap();
        let mut object: Value = serde_json::from_slice(body).unwrap();
        let path = match *method {
            Method::POST => format!("{path}/{}", object["metadata"]["name"].as_str().unwrap()),
            _ => path.to_owned(),
        };
        let (before, known) = (&object["metadata"]["resourceVersion"], objects.get(&path));
        if known.is_some_and(|known| known["metadata"]["resourceVersion"] != *before) {
            let status = json!({"kind": "Status", "status": "Failure", "reason": "Conflict", "code": 409});
            return (StatusCode::CONFLICT, status);
        }
        *written += 1;
        object["metadata"]["resourceVersion"] = json!(written.to_string());
        for webhook in object["webhooks"].as_array_mut().into_iter().flatten() {
            webhook["namespaceSelector"] = json!({});
            webhook["reinvocationPolicy"] = json!("IfNeeded");
        }
        for rule in object["spec"]["matchConstraints"]["resourceRules"]
            .as_array_mut()
            .into_iter()
            .flatten()
        {
            rule["scope"] = json!("*");
        }
        objects.insert(path, object.clone());
        (StatusCode::OK, object)
    }

    fn objects(&self) -> Objects {
        let (objects, _) = &*self.0.lock().unwrap();
        let identified = |object: &Value| {
            let object = DynamicObject::deserialize(object).unwrap();
            let kind = object.types.as_ref().unwrap().kind.clone();
            let kind = Kind::ALL
                .into_iter()
                .find(|known| format!("{known:?}") == kind)
                .unwrap();
            let name = object.metadata.name.clone().unwrap();
            (Id { kind, name }, Arc::new(object))
        };
        objects.values().map(identified).collect()
    }

    /// Changes the one object of that kind and name.
    fn change(&self, kind: Kind, name: &str, change: impl Fn(&mut Value)) {
        let (objects, _) = &mut *self.0.lock().unwrap();
        let is = |object: &Value| object["kind"] == format!("{kind:?}") && object["metadata"]["name"] == name;
        change(objects.values_mut().find(|object| is(object)).unwrap());
    }

    fn remove(&self, kind: Kind, name: &str) {
        let (objects, _) = &mut *self.0.lock().unwrap();
        objects.retain(|_, object| object["kind"] != format!("{kind:?}") || object["metadata"]["name"] != name);
    }

    async fn mended(&self, registration: &Registration) -> usize {
        let before = self.0.lock().unwrap().1;
        for amiss in registration.amiss(&self.objects(), BUNDLE) {
            amiss.mend(&self.client()).await.unwrap();
        }
        self.0.lock().unwrap().1 - before
    }

    fn wrong(&self, registration: &Registration) -> Vec<String> {
        let amiss = registration.amiss(&self.objects(), BUNDLE);
        let wrong = amiss.into_iter().flat_map(|amiss| amiss.wrong);
        wrong.map(|wrong| wrong.what).collect()
    }
}

/// An API server on which all is registered.
async fn registered() -> Server {
    let server = Server::default();
    server.mended(&registration(Registrar::Operator)).await;
    server
}

const RULES: &str = "/webhooks/0";

/// What somebody may do to it: to which object, where in it, what is put there, and what is said of it.
const DEEDS: &str = r#"
ValidatingWebhookConfiguration pimpernel | /webhooks | [] | lacks the webhook `rules.pimpernel.dev`
MutatingWebhookConfiguration pimpernel | /webhooks | null | lacks the webhook `history.pimpernel.dev`
ValidatingWebhookConfiguration pimpernel | /webhooks/0/rules/0/operations | ["CREATE"] | has another `rules`
ValidatingWebhookConfiguration pimpernel | /webhooks/0/rules/0/resourceNames | ["lsp"] | has another `rules`
ValidatingWebhookConfiguration pimpernel | /webhooks/0/rules/0/scope | "Cluster" | has another `rules`
ValidatingWebhookConfiguration pimpernel | /webhooks/0/matchConditions | [] | has another `matchConditions`
ValidatingWebhookConfiguration pimpernel | /webhooks/0/failurePolicy | "Ignore" | has another `failurePolicy`
ValidatingWebhookConfiguration pimpernel | /webhooks/0/sideEffects | "Some" | has another `sideEffects`
ValidatingWebhookConfiguration pimpernel | /webhooks/0/namespaceSelector | {"matchLabels": {"a": "b"}} | has `namespaceSelector`, which it should not
ValidatingWebhookConfiguration pimpernel | /webhooks/0/objectSelector | {"matchLabels": {"a": "b"}} | has `objectSelector`, which it should not
ValidatingWebhookConfiguration pimpernel | /webhooks/0/clientConfig/url | "https://x/validate/bounded" | leads elsewhere
ValidatingAdmissionPolicy consent.pimpernel.dev | /spec/validations | [] | has another `validations`
ValidatingAdmissionPolicy consent.pimpernel.dev | /spec/failurePolicy | "Ignore" | has another `failurePolicy`
ValidatingAdmissionPolicy consent.pimpernel.dev | /spec/matchConstraints/objectSelector | {"matchLabels": {"a": "b"}} | another `matchConstraints`
ValidatingAdmissionPolicyBinding consent.pimpernel.dev | /spec/validationActions | ["Audit"] | has another `validationActions`
ValidatingAdmissionPolicy sessions-namespace.pimpernel.dev | /spec/matchConstraints/namespaceSelector | {"matchLabels": {"no": "where"}} | another `matchConstraints`
ValidatingAdmissionPolicy tenant-fields.pimpernel.dev | /spec/auditAnnotations | [{"key": "x", "valueExpression": "'y'"}] | has `auditAnnotations`, which it should not
ValidatingAdmissionPolicyBinding consent.pimpernel.dev | /spec/matchResources | {"namespaceSelector": {"a": {"b": "c"}}} | has `matchResources`, which it should not
"#;

fn deeds() -> Vec<(Kind, &'static str, &'static str, Value, &'static str)> {
    let read = |line: &'static str| {
        let fields: Vec<&str> = line.split(" | ").collect();
        let (kind, name) = fields[0].split_once(' ').unwrap();
        let kind = Kind::ALL
            .into_iter()
            .find(|known| format!("{known:?}") == kind)
            .unwrap();
        (
            kind,
            name,
            fields[1],
            serde_json::from_str(fields[2]).unwrap(),
            fields[3],
        )
    };
    DEEDS.trim().lines().map(read).collect()
}

fn put(object: &mut Value, at: &str, value: &Value) {
    let (parent, field) = at.rsplit_once('/').unwrap();
    object.pointer_mut(parent).unwrap()[field] = value.clone();
}

#[tokio::test]
async fn a_second_start_writes_nothing() {
    let server = Server::default();
    let registration = registration(Registrar::Operator);
    assert_eq!(server.mended(&registration).await, 2 * POLICIES.len() + 2);
    assert!(in_place(&server.objects(), BUNDLE) && !in_place(&server.objects(), "another"));
    assert_eq!(trusted(&server.objects()), BUNDLE);
    assert_eq!(server.mended(&registration).await, 0);
}

#[tokio::test]
async fn whatever_weakens_the_registration_is_noticed_and_put_right() {
    let server = registered().await;
    let registration = registration(Registrar::Operator);
    for (kind, name, at, value, says) in deeds() {
        server.change(kind, name, |object| put(object, at, &value));
        let wrong = server.wrong(&registration);
        assert!(wrong.iter().any(|wrong| wrong.contains(says)), "{at}: {wrong:?}");
        assert_eq!(server.mended(&registration).await, 1, "{at}");
        assert_eq!(server.wrong(&registration), [""; 0], "{at}");
    }
    for (id, _) in server.objects() {
        server.remove(id.kind, &id.name);
        assert_eq!(server.wrong(&registration), [format!("there is no {id}")]);
        assert_eq!(server.mended(&registration).await, 1, "{id}");
    }
}

#[tokio::test]
async fn only_what_differs_is_written() {
    let server = registered().await;
    server.change(Kind::MutatingWebhookConfiguration, NAME, |object| {
        put(object, "/webhooks/0/clientConfig/caBundle", &json!("bWFsbG9yeQ=="));
    });
    assert!(!in_place(&server.objects(), BUNDLE));
    assert_eq!(server.mended(&registration(Registrar::Operator)).await, 1);
    assert!(in_place(&server.objects(), BUNDLE));
}

#[tokio::test]
async fn a_webhook_that_is_no_longer_wanted_goes() {
    let server = registered().await;
    server.change(Kind::ValidatingWebhookConfiguration, NAME, |object| {
        let mut old = object.pointer(RULES).unwrap().clone();
        old["name"] = json!("old.pimpernel.dev");
        object["webhooks"].as_array_mut().unwrap().push(old);
    });
    assert_eq!(server.mended(&registration(Registrar::Operator)).await, 1);
    assert_eq!(server.wrong(&registration(Registrar::Operator)), [""; 0]);
}

#[tokio::test]
async fn whoever_was_quicker_wins_and_is_looked_at_again() {
    let server = registered().await;
    let registration = registration(Registrar::Operator);
    server.change(Kind::ValidatingWebhookConfiguration, NAME, |object| {
        put(object, "/webhooks", &json!([]));
    });
    let amiss = registration.amiss(&server.objects(), BUNDLE);
    server.change(Kind::ValidatingWebhookConfiguration, NAME, |object| {
        put(object, "/metadata/resourceVersion", &json!("4711"));
    });
    amiss[0].mend(&server.client()).await.unwrap();
    assert_eq!(server.wrong(&registration).len(), 5);
}

/// As a chart makes it: behind a Service, trusting nobody.
async fn with_chart() -> Server {
    let server = registered().await;
    for kind in [Kind::MutatingWebhookConfiguration, Kind::ValidatingWebhookConfiguration] {
        server.change(kind, NAME, |object| {
            for webhook in object["webhooks"].as_array_mut().unwrap() {
                let url = webhook["clientConfig"]["url"].as_str().unwrap();
                let path = url.trim_start_matches("https://127.0.0.1:9443");
                webhook["clientConfig"] = json!({"service": {"name": "pimpernel-webhook", "path": path, "port": 443}});
            }
        });
    }
    server
}

#[tokio::test]
async fn of_what_the_chart_registers_the_trust_alone_is_written_and_once() {
    let server = with_chart().await;
    let registration = registration(Registrar::Chart);
    assert_eq!(server.wrong(&registration), [""; 0]);
    let before = server.objects();
    assert_eq!(server.mended(&registration).await, 2);
    assert!(in_place(&server.objects(), BUNDLE));
    for (id, after) in server.objects() {
        let mut without = after.data.clone();
        for webhook in without["webhooks"].as_array_mut().into_iter().flatten() {
            webhook["clientConfig"].as_object_mut().unwrap().remove("caBundle");
        }
        assert_eq!(without, before[&id].data, "{id}");
    }
    assert_eq!(server.mended(&registration).await, 0);
}

#[tokio::test]
async fn what_of_the_chart_is_weaker_or_missing_is_said_and_left() {
    let server = with_chart().await;
    let registration = registration(Registrar::Chart);
    server.mended(&registration).await;
    for (kind, name, at, value, says) in deeds() {
        let before = server.objects();
        server.change(kind, name, |object| {
            if at.ends_with("/url") {
                object["webhooks"][0]["clientConfig"]["service"]["path"] = json!("/validate/bounded");
            } else {
                put(object, at, &value);
            }
        });
        let amiss = registration.amiss(&server.objects(), BUNDLE);
        let sentence = sentence(&amiss, |_| Course::Smooth).unwrap_or_default();
        assert!(sentence.contains(says), "{at}: {sentence}");
        let remedy = if says.contains("which it should not") {
            ": take that out, and have whatever adds it to webhooks or policies leave this one alone"
        } else {
            ": upgrade chart and operator together, or put it back"
        };
        assert!(sentence.ends_with(remedy), "{sentence}");
        assert_eq!(server.mended(&registration).await, 0, "{at}");
        let id = Id {
            kind,
            name: name.to_owned(),
        };
        server.change(kind, name, |object| {
            *object = serde_json::to_value(&*before[&id]).unwrap();
        });
    }
    for (id, _) in server.objects() {
        let gone = with_chart().await;
        gone.mended(&registration).await;
        gone.remove(id.kind, &id.name);
        assert_eq!(gone.wrong(&registration), [format!("there is no {id}")]);
        assert_eq!(gone.mended(&registration).await, 0, "{id}");
    }
}

#[tokio::test]
async fn a_newer_chart_may_have_more_and_one_that_says_so_leaves_the_definitions_unguarded() {
    let server = with_chart().await;
    let registration = registration(Registrar::Chart);
    server.change(Kind::ValidatingWebhookConfiguration, NAME, |object| {
        let mut newer = object.pointer(RULES).unwrap().clone();
        newer["name"] = json!("newer.pimpernel.dev");
        object["webhooks"].as_array_mut().unwrap().insert(0, newer);
    });
    for kind in [Kind::ValidatingAdmissionPolicy, Kind::ValidatingAdmissionPolicyBinding] {
        server.remove(kind, DEFINITIONS);
    }
    assert_eq!(
        server.wrong(&registration),
        [Kind::ValidatingAdmissionPolicy, Kind::ValidatingAdmissionPolicyBinding]
            .map(|kind| format!("there is no {kind:?} `{DEFINITIONS}`"))
    );
    let registration = registration.without_definitions();
    assert_eq!(server.wrong(&registration), [""; 0]);
    assert_eq!(server.mended(&registration).await, 2);
    assert!(in_place(&server.objects(), BUNDLE), "the newer one is trusted as well");
}

#[test]
fn an_object_of_another_kind_is_refused() {
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "mine"}});
    let refused = Registration::of(Registrar::Operator, &[secret]).err().unwrap();
    assert_eq!(
        refused.to_string(),
        "an object of kind `Secret` is not for registration"
    );
}
