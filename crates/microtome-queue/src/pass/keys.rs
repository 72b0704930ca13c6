//! Who has had the least: one number for each team, compared among siblings.

use crate::amounts::Matrix;
use crate::ledger::SHARE_PLACES;
use crate::snapshot::Snapshot;
use crate::tree::TOP;
use crate::wide::Wide;

/// Binary places that are rounded away: two teams whose histories differ by a factor only then tie, whatever the last bits say.
const ROUNDED: u32 = 14;

/// Keys of all teams, as they will be at the end of the look-ahead.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    /// How much G grows until then.
    growth: u128,
    columns: usize,
    /// By team and column: usage of a team and all below.
    usage: Vec<Wide>,
    capacity: Vec<Wide>,
    keys: Vec<u128>,
}

impl Keys {
    pub(crate) fn new(snapshot: &Snapshot, own: &Matrix) -> Self {
        let (ledger, columns, tree) = (&snapshot.ledger, snapshot.columns.len(), &snapshot.tree);
        let growth = ledger.growth(ledger.lookahead_seconds());
        let ahead = |rate: i128| Wide::product(rate.unsigned_abs(), growth);
        let mut usage = vec![Wide::ZERO; tree.names.len() * columns];
        // Both are in the order of names.
        let mut stored = ledger.teams().iter().peekable();
        for (team, name) in tree.names.iter().enumerate() {
            let row = &mut usage[team * columns..(team + 1) * columns];
            while stored.next_if(|(known, _)| *known < name).is_some() {}
            for (resource, sum) in
                stored.next_if(|(known, _)| *known == name).map(|(_, sums)| sums).into_iter().flatten()
            {
                if let Some(column) = snapshot.columns.find(resource) {
                    row[column] = sum.grown;
                }
            }
            for (sum, &rate) in row.iter_mut().zip(own.row(team)).filter(|(_, rate)| **rate != 0) {
                *sum = sum.plus(ahead(rate));
            }
        }
        for &team in tree.order.iter().rev().filter(|&&team| tree.parents[team] != TOP) {
            for column in 0..columns {
                let parent = &mut usage[tree.parents[team] * columns + column].clone();
                *parent = parent.plus(usage[team * columns + column]);
                usage[tree.parents[team] * columns + column] = *parent;
            }
        }
        let offered = snapshot.slots.capacity();
        let grown = |column| ledger.capacity().get(snapshot.columns.name(column)).map_or(Wide::ZERO, |sum| sum.grown);
        let capacity = (0..columns).map(|column| grown(column).plus(ahead(offered[column]))).collect();
        let mut keys = Self { growth, columns, usage, capacity, keys: vec![0; tree.names.len()] };
        for team in 0..tree.names.len() {
            keys.refresh(snapshot, team);
        }
        keys
    }

    /// The key of a team. Only those of siblings can be compared.
    pub(crate) fn key(&self, team: usize) -> u128 {
        self.keys[team]
    }

    /// A team and all above it hold so much more, or less, from now on.
    pub(crate) fn shift(&mut self, snapshot: &Snapshot, team: usize, charge: &[i128], is_more: bool) {
        for team in snapshot.tree.path(team) {
            for (column, amount) in charge.iter().enumerate().filter(|(_, amount)| **amount != 0) {
                let change = Wide::product(amount.unsigned_abs(), self.growth);
                let sum = &mut self.usage[team * self.columns + column];
                *sum = if is_more { sum.plus(change) } else { sum.minus(change) };
            }
            self.refresh(snapshot, team);
        }
    }

    fn refresh(&mut self, snapshot: &Snapshot, team: usize) {
        let usage = &self.usage[team * self.columns..(team + 1) * self.columns];
        let ratios = usage.iter().zip(&self.capacity).map(|(used, all)| used.ratio(*all, SHARE_PLACES));
        let share = ratios.max().unwrap_or(0);
        // Weight 0 is compared by its share alone; the rank sees to it that it comes last.
        let (greatest, weight) = match snapshot.tree.teams[team].weight {
            0 => (1, 1),
            weight => (u128::from(snapshot.tree.greatest[team]), u128::from(weight)),
        };
        // At most 2^62 · 2^64, and so little more that a multiplication saturates only where nobody can tell.
        self.keys[team] = ((share.saturating_mul(greatest) / weight).saturating_add(1 << (ROUNDED - 1))) >> ROUNDED;
    }
}
