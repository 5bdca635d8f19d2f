//! A server whose clock is set at will, on tokio's paused time.

use std::{convert::Infallible, sync::atomic::AtomicI64, sync::atomic::Ordering};

use tower::{ServiceExt, service_fn};

use super::*;

/// Eight in the morning of a day in November 2026.
const START: Timestamp = Timestamp::constant(1_795_420_800, 0);

/// The true time of a server, and a client that asks it.
#[derive(Clone)]
struct Server {
    origin: Instant,
    set_by_millis: Arc<AtomicI64>,
    latency: Duration,
}

impl Server {
    fn new(latency: Duration) -> Self {
        Self {
            origin: Instant::now(),
            set_by_millis: Arc::default(),
            latency,
        }
    }

    fn time(&self) -> Timestamp {
        let set_by = SignedDuration::from_millis(self.set_by_millis.load(Ordering::SeqCst));
        START + SignedDuration::try_from(self.origin.elapsed()).unwrap() + set_by
    }

    fn date(&self) -> String {
        self.time().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
    }

    async fn asked_by(&self, clock: &ServerClock) {
        let server = self.clone();
        answered(clock, move || {
            let server = server.clone();
            async move {
                tokio::time::sleep(server.latency / 2).await;
                let answer = Response::builder().header(DATE, server.date()).body(()).unwrap();
                tokio::time::sleep(server.latency / 2).await;
                answer
            }
        })
        .await;
    }
}

async fn answered<F, A>(clock: &ServerClock, answer: F)
where
    F: Fn() -> A + Send + 'static,
    A: Future<Output = Response<()>> + Send + 'static,
{
    let service = service_fn(move |_: Request<()>| {
        let answer = answer();
        async move { Ok::<_, Infallible>(answer.await) }
    });
    clock.layer(service).oneshot(Request::new(())).await.unwrap();
}

fn behind(clock: &ServerClock, server: &Server) -> SignedDuration {
    server.time().duration_since(clock.now().unwrap())
}

#[tokio::test(start_paused = true)]
async fn before_the_first_answer_there_is_no_time() {
    let clock = ServerClock::new();
    assert_eq!(clock.now(), None);
    assert_eq!(clock.skew(), None);
}

#[tokio::test(start_paused = true)]
async fn estimate_is_never_ahead_and_converges() {
    let server = Server::new(Duration::from_millis(4));
    let clock = ServerClock::new();
    for round in 0..60 {
        server.asked_by(&clock).await;
        assert!(
            behind(&clock, &server) >= SignedDuration::ZERO,
            "ahead of the server in round {round}"
        );
        tokio::time::sleep(Duration::from_millis(617)).await;
    }
    assert!(
        behind(&clock, &server) < SignedDuration::from_millis(30),
        "still behind by {:?}",
        behind(&clock, &server)
    );
}

#[tokio::test(start_paused = true)]
async fn estimate_runs_on_without_answers() {
    let server = Server::new(Duration::ZERO);
    let clock = ServerClock::new();
    server.asked_by(&clock).await;
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert_eq!(clock.now(), Some(START + SignedDuration::from_hours(1)));
}

#[tokio::test(start_paused = true)]
async fn a_server_set_back_is_followed_at_once() {
    let server = Server::new(Duration::from_millis(10));
    let clock = ServerClock::new();
    server.asked_by(&clock).await;
    server.set_by_millis.store(-5_000, Ordering::SeqCst);
    server.asked_by(&clock).await;
    let behind = behind(&clock, &server);
    assert!(
        behind >= SignedDuration::ZERO && behind < SignedDuration::from_secs(1),
        "behind by {behind:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_is_no_proof_of_a_step_back() {
    let clock = ServerClock::new();
    Server::new(Duration::ZERO).asked_by(&clock).await;
    let estimate = clock.now().unwrap();
    let received = Instant::now() + Duration::from_secs(20);
    let sample = clock
        .sample(START + SignedDuration::from_secs(1), Instant::now(), received)
        .unwrap();
    assert_eq!(clock.known().bounds.admit(sample), Step::None);
    assert_eq!(clock.now(), Some(estimate));
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_more_than_a_minute_ago_does_not_count() {
    let server = Server::new(Duration::ZERO);
    let clock = ServerClock::new();
    server.asked_by(&clock).await;
    // A server that runs slow: each answer alone is consistent, the first would keep the estimate ahead for ever.
    server.set_by_millis.store(-400, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(61_900)).await;
    server.asked_by(&clock).await;
    assert!(behind(&clock, &server) >= SignedDuration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn absent_malformed_or_doubled_date_changes_nothing() {
    let server = Server::new(Duration::ZERO);
    let clock = ServerClock::new();
    for dates in [
        &[][..],
        &["yesterday"],
        &["Mon, 31 Feb 2026 08:00:00 GMT"],
        &["2026-11-23T08:00:00Z"],
    ] {
        answered(&clock, move || async move {
            dates
                .iter()
                .fold(Response::builder(), |answer, date| answer.header(DATE, *date))
                .body(())
                .unwrap()
        })
        .await;
    }
    assert_eq!(clock.now(), None);
    let (one, other) = (server.date(), "Fri, 31 Dec 9999 23:59:59 GMT");
    answered(&clock, move || {
        let answer = Response::builder()
            .header(DATE, &one)
            .header(DATE, other)
            .body(())
            .unwrap();
        async { answer }
    })
    .await;
    assert_eq!(clock.now(), None);
}

#[tokio::test(start_paused = true)]
async fn sleeper_wakes_at_the_deadline_and_not_before() {
    let server = Server::new(Duration::ZERO);
    let clock = ServerClock::new();
    server.asked_by(&clock).await;
    let deadline = START + SignedDuration::from_millis(95_250);
    clock.sleep_until(deadline).await;
    assert_eq!(server.time().duration_since(deadline).as_millis(), 0);
}

#[tokio::test(start_paused = true)]
async fn sleeper_wakes_when_an_answer_shows_that_it_is_late() {
    let server = Server::new(Duration::ZERO);
    let clock = ServerClock::new();
    server.asked_by(&clock).await;
    let sleeper = tokio::spawn({
        let clock = clock.clone();
        async move { clock.sleep_until(START + SignedDuration::from_hours(1)).await }
    });
    tokio::time::sleep(Duration::from_secs(5)).await;
    let resumed = Instant::now();
    server.set_by_millis.store(2 * 3_600_000, Ordering::SeqCst);
    server.asked_by(&clock).await;
    sleeper.await.unwrap();
    assert_eq!(resumed.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn sleeper_waits_for_the_first_answer() {
    let server = Server::new(Duration::ZERO);
    let clock = ServerClock::new();
    let sleeper = tokio::spawn({
        let clock = clock.clone();
        async move { clock.sleep_until(START).await }
    });
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert!(!sleeper.is_finished());
    server.asked_by(&clock).await;
    sleeper.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn skew_is_remembered_until_the_clocks_agree_again() {
    let clock = ServerClock::new();
    let node = node_time();
    for (off_by, skewed) in [(0, false), (3600, true), (3601, true), (0, false), (-3600, true)] {
        let date = (node + SignedDuration::from_secs(off_by))
            .strftime("%a, %d %b %Y %H:%M:%S GMT")
            .to_string();
        answered(&clock, move || {
            let answer = Response::builder().header(DATE, &date).body(()).unwrap();
            async { answer }
        })
        .await;
        assert_eq!(clock.known().skewed, skewed, "off by {off_by}");
        assert!((clock.skew().unwrap().as_secs() + off_by).abs() <= 5);
    }
}
