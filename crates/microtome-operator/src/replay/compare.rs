//! The first thing that was decided otherwise: pure.

use std::collections::BTreeMap;

use microtome_queue::{Action, Decisions, Refusal, Reservation};
use serde::Serialize;

/// A job of which one thing was recorded, and another is derived.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) uid: String,
    pub(super) recorded: String,
    pub(super) derived: String,
}

/// Compares in the order in which a pass decides: who is refused, who is promoted, what is done, what stands promised.
pub(super) fn compare(
    recorded: (&BTreeMap<String, Refusal>, &Decisions),
    derived: (&BTreeMap<String, Refusal>, &Decisions),
) -> Option<Difference> {
    let refusals = |all: &BTreeMap<String, Refusal>| all.clone().into_iter().collect::<Vec<_>>();
    let (one, other) = (recorded.1, derived.1);
    first(&refusals(recorded.0), &refusals(derived.0), "no refusal", |(uid, _)| uid)
        .or_else(|| first(&one.promoted, &other.promoted, "no promotion", |uid| uid))
        .or_else(|| first(&one.actions, &other.actions, "nothing more", uid))
        .or_else(|| first(&one.reservations, &other.reservations, "no reservation", |Reservation { job, .. }| job))
}

/// The first of two lists in which they differ.
fn first<'a, T: PartialEq + Serialize>(
    recorded: &'a [T],
    derived: &'a [T],
    nothing: &str,
    uid: impl Fn(&'a T) -> &'a String,
) -> Option<Difference> {
    let at = (0..recorded.len().max(derived.len())).find(|&i| recorded.get(i) != derived.get(i))?;
    let told = |one: Option<&T>| match one {
        Some(one) => serde_json::to_string(one).unwrap_or_else(|error| error.to_string()),
        None => nothing.to_owned(),
    };
    let (one, other) = (recorded.get(at), derived.get(at));
    let uid = one.or(other).map(&uid).cloned().unwrap_or_default();
    Some(Difference { uid, recorded: told(one), derived: told(other) })
}

fn uid(action: &Action) -> &String {
    match action {
        Action::Reject { job, .. } | Action::Evict { job, .. } | Action::Reserve { job, .. } => job,
        Action::Start(start) => &start.job,
    }
}
