//! Which of several files of one id is used, and which one an approval would be for.

use super::{Found, Place, State};
use crate::connector::approval::{Approval, widening};
use crate::connector::inspection::{Inspection, shown};
use crate::fault::{Fault, Kind};
use crate::model::name::ConnectorId;

/// The state of every file, in their order. For each id the first approved file of the home is active, else the first shipped one that
/// is in the hash list or approved: what is shipped gives way to nothing but the operator's word.
pub(super) fn states(found: &[Found], approvals: &[Approval]) -> Vec<State> {
    let active: Vec<usize> = (0..found.len()).filter(|&index| is_active(index, found, approvals)).collect();
    let state = |(index, file): (usize, &Found)| match &file.inspection {
        Err(fault) => State::Broken { fault: fault.clone() },
        Ok(_) if active.contains(&index) => State::Active,
        Ok(inspection) => {
            let instead = active.iter().filter_map(|&index| found.get(index)).find(|other| other.id == file.id);
            inactive(file, inspection, instead, approvals)
        }
    };
    found.iter().enumerate().map(state).collect()
}

/// The one file that the operator can mean by approving `id`; none where nothing waits for approval.
pub(super) fn to_approve<'a>(id: &ConnectorId, found: &'a [Found], states: &[State]) -> Result<Option<&'a Found>, Fault> {
    let has_active = states.contains(&State::Active);
    let active_hash = found.iter().zip(states).find(|(_, state)| **state == State::Active).and_then(|(file, _)| file.sha256);
    let waiting = |place: Place| {
        let of_place = found.iter().zip(states).filter(move |(file, state)| file.place == place && matches!(state, State::Inactive { .. }));
        of_place.map(|(file, _)| file).filter(|file| file.sha256 != active_hash).collect::<Vec<_>>()
    };
    let mut candidates = waiting(Place::Home);
    if candidates.is_empty() && !has_active {
        candidates = waiting(Place::Shipped);
    }
    let one_content = candidates.iter().all(|file| file.sha256 == candidates.first().and_then(|first| first.sha256));
    if one_content {
        return Ok(candidates.first().copied());
    }
    let paths: Vec<String> = candidates.iter().map(|file| shown(&file.path)).collect();
    Err(Fault::new(Kind::Conflict, format!("approve connector {id}"))
        .because_words(format!("several files could be meant: {}", paths.join(", ")))
        .with_remedy("remove all but one of them, or `postrider connector install FILE` the one that is meant"))
}

fn is_active(index: usize, found: &[Found], approvals: &[Approval]) -> bool {
    let Some(file) = found.get(index) else { return false };
    let rank = rank(file, approvals);
    let better = |(other_index, other): (usize, &Found)| {
        let other_rank = self::rank(other, approvals);
        other.id == file.id && other_rank.is_some() && (other_rank < rank || other_rank == rank && other_index < index)
    };
    rank.is_some() && !found.iter().enumerate().any(better)
}

/// The lower, the sooner; none: it may not be used.
fn rank(file: &Found, approvals: &[Approval]) -> Option<u8> {
    if file.inspection.is_err() || file.id.is_none() {
        return None;
    }
    match file.place {
        Place::Home => file.is_approved(approvals).then_some(0),
        Place::Shipped => (file.is_listed || file.is_approved(approvals)).then_some(1),
    }
}

fn inactive(file: &Found, inspection: &Inspection, instead: Option<&Found>, approvals: &[Approval]) -> State {
    let before = approvals.iter().find(|approval| Some(&approval.id) == file.id.as_ref());
    let why = match (instead, before) {
        (Some(active), _) if active.sha256 == file.sha256 => format!("it is the same as {}, which is used", shown(&active.path)),
        (Some(active), _) if file.place == Place::Shipped => format!("{} is used in its place", shown(&active.path)),
        (Some(active), _) => format!("it is not approved, and {} is used until it is", shown(&active.path)),
        (None, Some(before)) => format!("version {} was approved, and this file is not the same", before.version),
        (None, None) if file.place == Place::Shipped => "it is not in the hash list beside it, and not approved".to_owned(),
        (None, None) => "it is not approved".to_owned(),
    };
    let beyond = before.map(|before| widening(before, &inspection.manifest));
    State::Inactive { why, asks: inspection.asks.clone(), beyond }
}
