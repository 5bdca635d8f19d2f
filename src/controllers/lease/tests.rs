//! Competitors for one Lease, against an API server in memory whose lines can be cut one by one. Time is tokio's, paused.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, Ordering},
};

use serde_json::json;
use tokio::task::JoinHandle;

use super::*;
use server::{Line, Server, client};

mod server;

const TIMING: Timing = Timing {
    lease_duration: Duration::from_secs(15),
    renew_deadline: Duration::from_secs(10),
    retry_period: Duration::from_secs(2),
};

/// A process that competes, and the line that connects it.
struct Competitor {
    line: Arc<Mutex<Line>>,
    requests: Arc<AtomicU32>,
    holder: String,
    leads: watch::Receiver<bool>,
    shutdown: watch::Sender<bool>,
    outcome: JoinHandle<Outcome>,
}

impl Competitor {
    fn start(server: &Server, identity: &str) -> Self {
        let line = Arc::new(Mutex::new(Line::Open));
        let requests = Arc::new(AtomicU32::new(0));
        let clock = ServerClock::new();
        let client = client(server, &clock, line.clone(), requests.clone());
        let seat = Seat {
            namespace: "here".into(),
            name: "pimpernel".into(),
            identity: identity.into(),
        };
        let elector = Elector::new(client, clock, seat, TIMING, Term::default()).unwrap();
        let (holder, leads) = (elector.holder().to_owned(), elector.leadership());
        let (shutdown, asked) = watch::channel(false);
        let outcome = tokio::spawn(elector.run(asked));
        Self {
            line,
            requests,
            holder,
            leads,
            shutdown,
            outcome,
        }
    }

    fn leads(&self) -> bool {
        *self.leads.borrow()
    }

    async fn led(&mut self) {
        self.leads.wait_for(|leads| *leads).await.unwrap();
    }

    fn cut(&self, line: Line) {
        *self.line.lock().unwrap() = line;
    }
}

/// The outcome; panics if there is none within the hour, on the paused clock.
async fn ended(outcome: JoinHandle<Outcome>) -> Outcome {
    tokio::time::timeout(Duration::from_hours(1), outcome)
        .await
        .unwrap()
        .unwrap()
}

/// Watches two competitors for a while; panics if ever both lead.
async fn never_both(one: &Competitor, other: &Competitor, span: Duration) {
    let began = Instant::now();
    while began.elapsed() < span {
        assert!(
            !(one.leads() && other.leads()),
            "two leaders after {:?}",
            began.elapsed()
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn absent_lease_is_taken_with_two_requests_and_no_pause() {
    let server = Server::new();
    let mut only = Competitor::start(&server, "percy");
    let started = Instant::now();
    only.led().await;
    assert_eq!(started.elapsed(), Duration::ZERO);
    assert_eq!(only.requests.load(Ordering::SeqCst), 2);
    assert_eq!(server.holder().as_ref(), Some(&only.holder));
}

#[tokio::test(start_paused = true)]
async fn lease_without_holder_is_taken_with_two_requests_and_no_pause() {
    let server = Server::new();
    server.held_by("");
    let mut only = Competitor::start(&server, "percy");
    let started = Instant::now();
    only.led().await;
    assert_eq!(started.elapsed(), Duration::ZERO);
    assert_eq!(only.requests.load(Ordering::SeqCst), 2);
    assert_eq!(
        server.lease.lock().unwrap().as_ref().unwrap()["spec"]["leaseTransitions"],
        4
    );
}

#[tokio::test(start_paused = true)]
async fn a_healthy_leader_stays_and_the_other_never_leads() {
    let server = Server::new();
    let mut one = Competitor::start(&server, "percy");
    one.led().await;
    let other = Competitor::start(&server, "percy");
    let watched = never_both(&one, &other, Duration::from_mins(10));
    watched.await;
    assert!(one.leads() && !other.leads());
}

#[tokio::test(start_paused = true)]
async fn of_two_that_start_together_one_leads() {
    let server = Server::new();
    let (one, other) = (
        Competitor::start(&server, "percy"),
        Competitor::start(&server, "andrew"),
    );
    never_both(&one, &other, Duration::from_mins(1)).await;
    assert!(one.leads() != other.leads());
}

#[tokio::test(start_paused = true)]
async fn a_leader_cut_off_steps_down_before_the_other_takes_over() {
    for line in [Line::Failing, Line::Silent] {
        for offset in [0, 700, 1900] {
            let server = Server::new();
            let mut one = Competitor::start(&server, "percy");
            one.led().await;
            let mut other = Competitor::start(&server, "andrew");
            tokio::time::sleep(Duration::from_millis(20_000 + offset)).await;
            one.cut(line);
            let cut = Instant::now();
            one.leads.wait_for(|leads| !leads).await.unwrap();
            assert!(
                cut.elapsed() <= TIMING.renew_deadline,
                "stepped down after {:?}",
                cut.elapsed()
            );
            assert!(!other.leads());
            assert_eq!(ended(one.outcome).await, Outcome::Lost);
            other.led().await;
            assert!(
                cut.elapsed() < TIMING.lease_duration + 2 * TIMING.retry_period,
                "took over after {:?}",
                cut.elapsed()
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_silent_request_does_not_cost_leadership() {
    let server = Server::new();
    let mut one = Competitor::start(&server, "percy");
    one.led().await;
    one.cut(Line::Silent);
    tokio::time::sleep(Duration::from_secs(4)).await;
    one.cut(Line::Open);
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert!(one.leads());
}

#[tokio::test(start_paused = true)]
async fn clean_shutdown_hands_over_within_one_retry() {
    let server = Server::new();
    let mut one = Competitor::start(&server, "percy");
    one.led().await;
    let mut other = Competitor::start(&server, "andrew");
    tokio::time::sleep(Duration::from_secs(5)).await;
    one.shutdown.send_replace(true);
    let asked = Instant::now();
    assert_eq!(ended(one.outcome).await, Outcome::Released);
    assert_eq!(server.holder().as_deref(), Some(""));
    assert!(!*one.leads.borrow());
    other.led().await;
    assert!(asked.elapsed() <= TIMING.retry_period);
}

#[tokio::test(start_paused = true)]
async fn shutdown_of_a_follower_leaves_the_lease_alone() {
    let server = Server::new();
    let mut one = Competitor::start(&server, "percy");
    one.led().await;
    let other = Competitor::start(&server, "andrew");
    tokio::time::sleep(Duration::from_secs(5)).await;
    other.shutdown.send_replace(true);
    assert_eq!(ended(other.outcome).await, Outcome::Released);
    assert_eq!(server.holder().as_ref(), Some(&one.holder));
    assert!(one.leads());
}

#[tokio::test(start_paused = true)]
async fn a_stranger_in_the_lease_ends_leadership_at_the_next_renewal() {
    let server = Server::new();
    let mut one = Competitor::start(&server, "percy");
    one.led().await;
    server.held_by("stranger");
    let taken = Instant::now();
    assert_eq!(ended(one.outcome).await, Outcome::Lost);
    assert!(taken.elapsed() <= TIMING.retry_period);
    assert!(!*one.leads.borrow());
    assert_eq!(
        server.holder().as_deref(),
        Some("stranger"),
        "a lost Lease must not be given back"
    );
}

#[tokio::test(start_paused = true)]
async fn a_conflict_on_renewal_ends_leadership() {
    let server = Server::new();
    let mut one = Competitor::start(&server, "percy");
    one.led().await;
    let ours = server.lease.lock().unwrap().clone();
    *server.interference.lock().unwrap() = ours;
    assert_eq!(ended(one.outcome).await, Outcome::Lost);
    assert!(!*one.leads.borrow());
}

#[tokio::test(start_paused = true)]
async fn a_conflict_on_takeover_starts_the_wait_again() {
    let server = Server::new();
    server.held_by("stranger");
    let mut one = Competitor::start(&server, "percy");
    tokio::time::sleep(Duration::from_secs(14)).await;
    let mut renewed = server.lease.lock().unwrap().clone().unwrap();
    renewed["spec"]["renewTime"] = json!("2026-11-23T08:00:14.000000Z");
    *server.interference.lock().unwrap() = Some(renewed);
    let renewed = Instant::now();
    one.led().await;
    assert!(
        renewed.elapsed() >= TIMING.lease_duration,
        "took over after {:?}",
        renewed.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_longer_duration_written_by_the_holder_is_honoured() {
    let server = Server::new();
    server.held_by("stranger");
    let mut lease = server.lease.lock().unwrap().clone().unwrap();
    lease["spec"]["leaseDurationSeconds"] = json!(40);
    server.store(lease);
    let mut one = Competitor::start(&server, "percy");
    let started = Instant::now();
    one.led().await;
    assert!(
        started.elapsed() >= Duration::from_secs(40),
        "took over after {:?}",
        started.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn an_aborted_elector_does_not_go_on_leading() {
    let server = Server::new();
    let mut one = Competitor::start(&server, "percy");
    one.led().await;
    one.outcome.abort();
    one.leads.wait_for(|leads| !leads).await.unwrap();
}
