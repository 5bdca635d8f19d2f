//! Decides the next step in the life of the webhook's certificate. Pure: who stores and publishes it is elsewhere.
//!
//! The API server must trust the certificate that is presented at every moment, and a change of what it trusts takes time
//! to arrive. So a new authority comes in three steps: both authorities are published, then the leaf is switched, then the
//! old authority is dropped. Each step is stored before the next is considered, so that a restart goes on where it was.

use jiff::{SignedDuration, Timestamp};

/// How long an authority is valid.
pub const CA_LIFETIME: SignedDuration = SignedDuration::from_hours(365 * 24);

/// How long a leaf is valid, unless its authority ends earlier.
pub const LEAF_LIFETIME: SignedDuration = SignedDuration::from_hours(90 * 24);

/// By how much validity begins before the making: the API servers' clocks need not agree to the second.
pub const BACKDATE: SignedDuration = SignedDuration::from_hours(1);

/// How long a new authority must have been published before a leaf of it is presented: the API servers hold the webhook
/// configurations in memory, and what is stored reaches them a little later.
pub const SETTLE: SignedDuration = SignedDuration::from_mins(2);

/// How long the old authority stays published after the switch: every replica must have loaded the new leaf by then.
pub const OVERLAP: SignedDuration = SignedDuration::from_hours(1);

/// When a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// From when on.
    pub not_before: Timestamp,
    /// Until when.
    pub not_after: Timestamp,
}

impl Validity {
    /// That of a certificate made now.
    pub fn starting(now: Timestamp, lifetime: SignedDuration) -> Self {
        let at = |distance| now.saturating_add(distance).unwrap_or(now);
        Self {
            not_before: at(-BACKDATE),
            not_after: at(lifetime),
        }
    }

    /// Whether it is valid at a time.
    pub fn covers(&self, now: Timestamp) -> bool {
        self.not_before <= now && now < self.not_after
    }

    /// When it is to be renewed: after two thirds of its life.
    pub fn renewal(&self) -> Timestamp {
        let two_thirds = self.not_after.duration_since(self.not_before) / 3 * 2;
        self.after(two_thirds)
    }

    /// When it was made, plus a while.
    fn made_plus(&self, span: SignedDuration) -> Timestamp {
        self.after(BACKDATE.saturating_add(span))
    }

    fn after(&self, distance: SignedDuration) -> Timestamp {
        self.not_before.saturating_add(distance).unwrap_or(self.not_after)
    }
}

/// What is stored, as far as the next step depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// The authority that signs.
    pub ca: Validity,
    /// The certificate that is presented.
    pub leaf: Leaf,
    /// The authority that is to sign next; published already.
    pub next: Option<Validity>,
    /// The authority that signed before; published still.
    pub previous: Option<Validity>,
}

/// The certificate that is presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// When it is valid.
    pub validity: Validity,
    /// Whether it is signed by the present authority, has its key at hand, and names every host that is wanted.
    pub fits: bool,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Make an authority and a leaf, whatever was there.
    StartOver,
    /// Make the next authority and publish it beside the present one.
    PublishCa,
    /// Let the next authority sign a leaf and present that; the present authority becomes the previous one.
    SwitchLeaf,
    /// Let the present authority sign a leaf and present that.
    ReissueLeaf,
    /// Publish the previous authority no longer.
    DropCa,
    /// Nothing until this time, or until the bundle is in place.
    Wait(Timestamp),
}

/// The next step for what is stored (nothing if it is absent or unreadable). `bundle_in_place`: every webhook
/// configuration was seen to carry exactly the authorities of this state.
pub fn next(state: Option<&State>, now: Timestamp, bundle_in_place: bool) -> Step {
    let Some(State {
        ca,
        leaf,
        next,
        previous,
    }) = state
    else {
        return Step::StartOver;
    };
    let next = next.filter(|next| next.covers(now));
    let settled = next.filter(|_| bundle_in_place).map(|next| next.made_plus(SETTLE));
    let dropped = previous.map(|_| leaf.validity.made_plus(OVERLAP));
    if !ca.covers(now) {
        // Nothing that is trusted can be presented any longer, so there is nothing to be careful about.
        return if next.is_some() {
            Step::SwitchLeaf
        } else {
            Step::StartOver
        };
    }
    if settled.is_some_and(|settled| settled <= now) {
        return Step::SwitchLeaf;
    }
    if !leaf.fits || !leaf.validity.covers(now) {
        return Step::ReissueLeaf;
    }
    if dropped.is_some_and(|dropped| dropped <= now) {
        return Step::DropCa;
    }
    if next.is_none() && ca.renewal() <= now {
        return Step::PublishCa;
    }
    if leaf.validity.renewal() <= now {
        return Step::ReissueLeaf;
    }
    let renewal = if next.is_none() { ca.renewal() } else { ca.not_after };
    let times = [Some(leaf.validity.renewal()), Some(renewal), settled, dropped];
    Step::Wait(times.into_iter().flatten().min().unwrap_or(renewal))
}

#[cfg(test)]
mod tests;
