//! The table of steps, and ten years of rotation.

use super::*;

const DAY: SignedDuration = SignedDuration::from_hours(24);
const START: Timestamp = Timestamp::constant(1_795_420_800, 0);

fn day(number: i32) -> Timestamp {
    START + DAY * number
}

fn ca(made: i32) -> Validity {
    Validity::starting(day(made), CA_LIFETIME)
}

fn leaf(made: i32) -> Leaf {
    Leaf {
        validity: Validity::starting(day(made), LEAF_LIFETIME),
        fits: true,
    }
}

fn state(ca: Validity, leaf: Leaf) -> State {
    State {
        ca,
        leaf,
        next: None,
        previous: None,
    }
}

/// Seen in place or not.
const SEEN: bool = true;
const UNSEEN: bool = false;

#[track_caller]
fn check(state: State, now: Timestamp, in_place: bool, step: Step) {
    assert_eq!(next(Some(&state), now, in_place), step);
}

#[test]
fn without_a_usable_authority_everything_is_made_anew() {
    assert_eq!(next(None, day(0), SEEN), Step::StartOver);
    assert_eq!(next(None, day(0), UNSEEN), Step::StartOver);
    check(state(ca(0), leaf(350)), day(365), SEEN, Step::StartOver);
    check(state(ca(9), leaf(9)), day(1), SEEN, Step::StartOver);
}

#[test]
fn a_leaf_is_renewed_after_two_thirds_of_its_life() {
    let fresh = state(ca(0), leaf(0));
    let due = leaf(0).validity.renewal();
    check(fresh, day(0), SEEN, Step::Wait(due));
    check(fresh, due - SignedDuration::from_secs(1), SEEN, Step::Wait(due));
    check(fresh, due, SEEN, Step::ReissueLeaf);
    check(fresh, due, UNSEEN, Step::ReissueLeaf);
}

#[test]
fn a_leaf_that_nobody_would_accept_is_reissued_by_the_same_authority() {
    let stranger = Leaf { fits: false, ..leaf(0) };
    check(state(ca(0), stranger), day(1), UNSEEN, Step::ReissueLeaf);
    check(state(ca(0), leaf(100)), day(190), SEEN, Step::ReissueLeaf);
    check(state(ca(0), leaf(20)), day(10), SEEN, Step::ReissueLeaf);
    check(state(ca(0), leaf(100)), ca(0).renewal(), SEEN, Step::ReissueLeaf);
    check(
        State {
            next: Some(ca(250)),
            ..state(ca(0), stranger)
        },
        day(250),
        UNSEEN,
        Step::ReissueLeaf,
    );
}

#[test]
fn the_next_authority_is_published_after_two_thirds_of_the_present_ones_life() {
    let due = ca(0).renewal();
    check(
        state(ca(0), leaf(240)),
        due - SignedDuration::from_secs(1),
        SEEN,
        Step::Wait(due),
    );
    check(state(ca(0), leaf(240)), due, SEEN, Step::PublishCa);
    check(state(ca(0), leaf(180)), due, SEEN, Step::PublishCa);
    let expired_unused = State {
        next: Some(ca(-200)),
        ..state(ca(0), leaf(240))
    };
    check(expired_unused, day(250), SEEN, Step::PublishCa);
}

#[test]
fn the_leaf_is_switched_when_the_next_authority_was_in_place_for_a_while() {
    let published = State {
        next: Some(ca(250)),
        ..state(ca(0), leaf(240))
    };
    check(published, day(251), UNSEEN, Step::Wait(leaf(240).validity.renewal()));
    check(published, day(250), SEEN, Step::Wait(day(250) + SETTLE));
    check(published, day(250) + SETTLE, SEEN, Step::SwitchLeaf);
    check(published, day(301), UNSEEN, Step::ReissueLeaf);
    check(published, day(365), UNSEEN, Step::SwitchLeaf);
}

#[test]
fn the_previous_authority_is_dropped_when_every_replica_has_the_new_leaf() {
    let switched = State {
        previous: Some(ca(0)),
        ..state(ca(250), leaf(251))
    };
    check(switched, day(251), SEEN, Step::Wait(day(251) + OVERLAP));
    check(switched, day(251) + OVERLAP, SEEN, Step::DropCa);
    check(switched, day(251) + OVERLAP, UNSEEN, Step::DropCa);
}

/// What the API server trusts, and what the step makes of the state.
struct Cluster {
    state: Option<State>,
    bundle: Vec<Validity>,
    signer: Validity,
    steps: Vec<Step>,
}

fn bundle(state: &State) -> Vec<Validity> {
    [Some(state.ca), state.next, state.previous]
        .into_iter()
        .flatten()
        .collect()
}

impl Cluster {
    fn take(&mut self, step: Step, now: Timestamp) {
        let made = Validity::starting(now, CA_LIFETIME);
        let leaf = Leaf {
            validity: Validity::starting(now, LEAF_LIFETIME),
            fits: true,
        };
        self.steps.push(step);
        self.state = match (step, self.state) {
            (Step::PublishCa, Some(state)) => Some(State {
                next: Some(made),
                ..state
            }),
            (
                Step::SwitchLeaf,
                Some(State {
                    ca, next: Some(next), ..
                }),
            ) => {
                self.signer = next;
                Some(State {
                    ca: next,
                    leaf,
                    next: None,
                    previous: Some(ca),
                })
            }
            (Step::ReissueLeaf, Some(state)) => Some(State { leaf, ..state }),
            (Step::DropCa, Some(state)) => Some(State {
                previous: None,
                ..state
            }),
            (step, state) => panic!("{step:?} from {state:?}"),
        };
    }
}

#[test]
fn in_ten_years_the_presented_leaf_is_always_trusted() {
    let first = state(ca(0), leaf(0));
    let mut cluster = Cluster {
        state: Some(first),
        bundle: bundle(&first),
        signer: ca(0),
        steps: Vec::new(),
    };
    let (mut now, mut published_at) = (START, START);
    while now < day(3650) {
        let state = cluster.state.unwrap();
        let in_place = cluster.bundle == bundle(&state);
        match next(Some(&state), now, in_place) {
            Step::Wait(until) => {
                assert!(until > now, "a wait that does not wait");
                now = if in_place {
                    until
                } else {
                    published_at + SignedDuration::from_secs(90)
                };
                if !in_place && now >= published_at + SignedDuration::from_secs(90) {
                    cluster.bundle = bundle(&state);
                }
            }
            step => {
                cluster.take(step, now);
                published_at = now;
            }
        }
        let leaf = cluster.state.unwrap().leaf.validity;
        assert!(leaf.covers(now), "the leaf has expired on {now}");
        assert!(
            cluster.bundle.contains(&cluster.signer) && cluster.signer.covers(now),
            "not trusted on {now}"
        );
    }
    let switches = cluster.steps.iter().filter(|step| **step == Step::SwitchLeaf).count();
    let drops = cluster.steps.iter().filter(|step| **step == Step::DropCa).count();
    assert_eq!((switches, drops), (15, 15), "an authority every 243 days");
}

#[test]
fn validity_begins_a_little_before_now() {
    let validity = Validity::starting(START, LEAF_LIFETIME);
    assert!(validity.covers(START) && !validity.covers(START - BACKDATE - BACKDATE));
    assert!(!validity.covers(START + LEAF_LIFETIME));
    assert!((validity.renewal().duration_since(START) - DAY * 60).abs() < BACKDATE);
}
