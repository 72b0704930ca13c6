//! A simulation as tables for people: pure.

use super::line::{Outcome, amount_text, share_text};

/// Decisions, then how teams stand.
pub(crate) fn table(outcome: &Outcome) -> String {
    let mut rows = vec![["AT", "JOB", "TEAM", "DECISION", "ETA", "REASON"].map(str::to_owned).to_vec()];
    for line in &outcome.lines {
        let eta = line.eta.map_or_else(|| "–".to_owned(), |eta| eta.to_string());
        let (at, decision) = (line.at.to_string(), line.decision.name().to_owned());
        rows.push(vec![at, line.job.clone(), line.team.clone(), decision, eta, line.reason.clone()]);
    }
    let mut stand = vec![["TEAM", "SHARE", "USAGE (resource-seconds)"].map(str::to_owned).to_vec()];
    for (team, used) in &outcome.usage {
        let share = share_text(outcome.shares.get(team).copied().unwrap_or(0));
        let used: Vec<String> =
            used.iter().map(|(resource, amount)| format!("{resource} {}", amount_text(*amount))).collect();
        stand.push(vec![team.clone(), share, used.join(", ")]);
    }
    format!("{}\n{}", aligned(&rows), aligned(&stand))
}

/// Columns as wide as their widest cell, three spaces apart; nothing after the last.
fn aligned(rows: &[Vec<String>]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows.first().map_or(0, Vec::len)).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}")).collect();
        text.push_str(cells.join("   ").trim_end());
        text.push('\n');
    }
    text
}
