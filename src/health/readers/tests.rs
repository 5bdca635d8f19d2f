//! With an API server in memory, and a clock that moves only when told to.

use std::sync::atomic::AtomicUsize;

use axum::body::Body;
use axum::routing::get;
use futures::future::join_all;
use serde_json::{Value, json};
use tower::{ServiceExt as _, service_fn};

use super::*;

/// What an API server does with what it is asked.
#[derive(Clone, Copy, PartialEq)]
enum Line {
    Open,
    /// It says no to the operator itself, and repeats what it was sent.
    Failing,
    Silent,
    /// It comes to no end with a token that it does not know.
    Unsure,
}

/// It knows tokens that begin with `known`.
struct Server {
    line: Mutex<Line>,
    may: AtomicBool,
    asked: Mutex<Vec<Value>>,
    now: AtomicUsize,
    most: AtomicUsize,
}

/// A question that is being answered.
struct Open<'a>(&'a Server);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Server {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            line: Mutex::new(Line::Open),
            may: AtomicBool::new(true),
            asked: Mutex::default(),
            now: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        })
    }

    fn line(&self, line: Line) {
        *self.line.lock().unwrap() = line;
    }

    fn questions(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    async fn answer(&self, mut asked: Value) -> (StatusCode, Value) {
        self.asked.lock().unwrap().push(asked.clone());
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        let _open = Open(self);
        let line = *self.line.lock().unwrap();
        let unsure = asked["spec"]["token"].as_str().is_some_and(|token| token != "known");
        match line {
            Line::Failing => {
                return (
                    StatusCode::FORBIDDEN,
                    json!({"message": asked.to_string(), "code": 403}),
                );
            }
            Line::Silent | Line::Unsure if unsure || line == Line::Silent => std::future::pending().await,
            Line::Open | Line::Silent | Line::Unsure => {}
        }
        asked["status"] = match asked["kind"].as_str() {
            Some("TokenReview") if asked["spec"]["token"].as_str().unwrap().starts_with("known") => {
                let extra = json!({"where": ["calais"]});
                let user = json!({"username": "percy", "groups": ["league"], "uid": "1792", "extra": extra});
                json!({"authenticated": true, "user": user})
            }
            Some("TokenReview") => json!({"authenticated": false, "error": "invalid bearer token"}),
            _ => json!({"allowed": self.may.load(Ordering::SeqCst)}),
        };
        (StatusCode::CREATED, asked)
    }

    fn guarded(self: &Arc<Self>) -> Router {
        let server = self.clone();
        let service = service_fn(move |request: Request<kube::client::Body>| {
            let server = server.clone();
            async move {
                let body = request.into_body().collect_bytes().await?;
                let (code, answer) = server.answer(serde_json::from_slice(&body)?).await;
                let answer = kube::client::Body::from(serde_json::to_vec(&answer)?);
                Ok::<_, tower::BoxError>(http::Response::builder().status(code).body(answer)?)
            }
        });
        let router = Router::new().route("/metrics", get(|| async { "everything" }));
        guarded(router, Client::new(service, "default"))
    }
}

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

async fn read(router: &Router, authorization: &str) -> (u16, String) {
    let request = Request::get("/metrics").header(AUTHORIZATION, authorization);
    let answer = router
        .clone()
        .oneshot(request.body(Body::empty()).unwrap())
        .await
        .unwrap();
    let challenged = answer.headers().contains_key(WWW_AUTHENTICATE);
    assert_eq!(challenged, answer.status() == StatusCode::UNAUTHORIZED);
    let parted = answer.headers().contains_key(CONNECTION);
    assert_eq!(parted, !answer.status().is_success(), "strangers keep no connection");
    let status = answer.status().as_u16();
    let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn status(router: &Router, token: &str) -> u16 {
    read(router, &format!("Bearer {token}")).await.0
}

#[tokio::test]
async fn without_a_token_nobody_is_asked_and_nothing_is_read() {
    let server = Server::new();
    let router = server.guarded();
    let without = Request::get("/metrics").body(Body::empty()).unwrap();
    assert_eq!(
        router.clone().oneshot(without).await.unwrap().status(),
        StatusCode::UNAUTHORIZED
    );
    for other in ["", "known", "Basic known", "Bearer", "Bearer ", "Bearer\u{e9} known"] {
        let (status, said) = read(&router, other).await;
        assert!(
            status == 401 && said.contains("`Authorization: Bearer TOKEN`"),
            "{other}: {status} {said}"
        );
    }
    let elsewhere = Request::get("/elsewhere").body(Body::empty()).unwrap();
    assert_eq!(
        router.oneshot(elsewhere).await.unwrap().status(),
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(server.questions(), 0);
}

#[tokio::test]
async fn who_the_token_is_for_and_whether_they_may_is_asked_of_the_api_server() {
    let server = Server::new();
    let router = server.guarded();
    assert_eq!(read(&router, "bearer  known").await, (200, "everything".to_owned()));
    let asked = server.asked.lock().unwrap().clone();
    assert_eq!((asked.len(), &asked[0]["spec"]), (2, &json!({"token": "known"})));
    let wanted = json!({
        "user": "percy", "groups": ["league"], "uid": "1792", "extra": {"where": ["calais"]},
        "nonResourceAttributes": {"path": "/metrics", "verb": "get"},
    });
    assert_eq!(asked[1]["spec"], wanted);
    let (status, said) = read(&router, "Bearer garbage").await;
    assert!(
        status == 401 && said.contains("does not know this token"),
        "{status} {said}"
    );
    assert_eq!(server.questions(), 3, "of nobody it is not asked what they may");
    server.may.store(false, Ordering::SeqCst);
    let (status, said) = read(&router, "Bearer known-too").await;
    assert!(
        status == 403 && said.contains("verb `get` on the nonResourceURL `/metrics`"),
        "{status} {said}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_counts_for_a_minute_whatever_it_was() {
    let server = Server::new();
    let router = server.guarded();
    assert_eq!(
        [status(&router, "known").await, status(&router, "garbage").await],
        [200, 401]
    );
    server.may.store(false, Ordering::SeqCst);
    let asked = server.questions();
    tokio::time::advance(Duration::from_secs(59)).await;
    assert_eq!(
        [status(&router, "known").await, status(&router, "garbage").await],
        [200, 401]
    );
    assert_eq!(server.questions(), asked, "it is remembered");
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(status(&router, "known").await, 403, "the right is gone");
    assert_eq!(status(&router, "garbage").await, 401);
    assert_eq!(server.questions(), asked + 3);
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_cannot_be_asked_is_said_once_without_the_token_and_not_remembered() {
    let (server, log) = (Server::new(), Log::default());
    let router = server.guarded();
    let lines = log.clone();
    let logged = tracing_subscriber::fmt().with_max_level(tracing::Level::WARN);
    let _logged = tracing::subscriber::set_default(logged.with_writer(move || lines.clone()).finish());
    for line in [Line::Failing, Line::Silent, Line::Failing] {
        server.line(line);
        let (status, said) = read(&router, "Bearer known").await;
        assert!(
            status == 503 && said.contains("try again") && !said.contains("known"),
            "{status} {said}"
        );
    }
    server.line(Line::Open);
    assert_eq!(status(&router, "known").await, 200);
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.lines().count() == 1 && log.contains("could not be asked"), "{log}");
    assert!(log.contains("TokenReview") && !log.contains("known"), "{log}");
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_tokens_is_few_questions_at_once_and_keeps_out_nobody_who_could_read() {
    let server = Server::new();
    let router = server.guarded();
    assert_eq!(status(&router, "known").await, 200);
    tokio::time::advance(REMEMBERED).await;
    server.line(Line::Unsure);
    let tokens: Vec<String> = (0..200).map(|number| format!("bad-{number}")).collect();
    let flood = join_all(tokens.iter().map(|token| status(&router, token)));
    let reader = async {
        while server.now.load(Ordering::SeqCst) < AT_ONCE {
            tokio::task::yield_now().await;
        }
        for asked in [2, 0] {
            let (began, before) = (Instant::now(), server.questions());
            assert_eq!((status(&router, "known").await, began.elapsed()), (200, Duration::ZERO));
            assert_eq!(server.questions() - before, asked);
        }
    };
    let (answers, ()) = tokio::join!(flood, reader);
    assert!(answers.iter().all(|status| *status == 503), "{answers:?}");
    assert_eq!(server.most.load(Ordering::SeqCst), AT_ONCE + 1);
    assert!(server.questions() < 4 + 4 * AT_ONCE, "{} questions", server.questions());
}

#[tokio::test]
async fn many_who_come_at_once_with_the_same_token_are_few_questions() {
    let server = Server::new();
    let router = server.guarded();
    let answers = join_all((0..50).map(|_| status(&router, "garbage"))).await;
    assert!(answers.iter().all(|status| *status == 401), "{answers:?}");
    assert!(server.questions() <= AT_ONCE, "{} questions", server.questions());
}

#[test]
fn the_memory_has_bounds_and_forgets_refusals_first() {
    let key = |number: usize| Key(Sha256::digest(number.to_string()).into());
    let (mut memory, start) = (Memory::default(), Instant::now());
    memory.keep(key(0), Verdict::Reads, start);
    for number in 1..3 * MOST {
        let now = start + Duration::from_millis(number as u64);
        memory.keep(key(number), Verdict::Unknown, now);
        assert!(memory.0.len() <= MOST);
    }
    let now = start + Duration::from_secs(59);
    assert_eq!(memory.recall(key(0), now), Some(Verdict::Reads), "who may read is kept");
    assert_eq!(memory.recall(key(1), now), None, "the oldest refusal went");
    assert_eq!(memory.recall(key(3 * MOST - 1), now), Some(Verdict::Unknown));
    assert_eq!(memory.recall(key(0), start + REMEMBERED), None, "its minute is over");
    memory.keep(key(1), Verdict::MayNot, start + 2 * REMEMBERED);
    assert_eq!(
        memory.0.len(),
        2,
        "what counts no more makes room, but for who could read"
    );
    assert!(memory.could_read(key(0)) && !memory.could_read(key(1)));
}
