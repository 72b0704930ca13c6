//! What a simulation says, as lines of JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// When, in seconds.
    pub(crate) at: i64,
    pub(crate) job: String,
    pub(crate) team: String,
    pub(crate) decision: Decision,
    pub(crate) reason: String,
    /// Of a reservation: when the job starts at the latest; of a start: when its deadline ends it.
    pub(crate) eta: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Start,
    Reserve,
    Evict,
    Reject,
    End,
}

impl Decision {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Start => "Start",
            Self::Reserve => "Reserve",
            Self::Evict => "Evict",
            Self::Reject => "Reject",
            Self::End => "End",
        }
    }
}

/// All decisions, and how teams stand at the last instant.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) lines: Vec<Line>,
    /// Decayed shares, with 60 binary places.
    pub(crate) shares: BTreeMap<String, u128>,
    /// What was used, not decayed, in thousandths times seconds.
    pub(crate) usage: BTreeMap<String, BTreeMap<String, i128>>,
    /// Shares over time, for a plot.
    pub(crate) course: Vec<(i64, Vec<u128>)>,
}

/// One line a decision, and one of shares and usage.
pub(crate) fn jsonl(outcome: &Outcome) -> String {
    let mut text = String::new();
    for Line { at, job, team, decision, reason, eta } in &outcome.lines {
        let (job, team, reason, decision) = (quoted(job), quoted(team), quoted(reason), decision.name());
        let eta = eta.map_or_else(|| "null".to_owned(), |eta| eta.to_string());
        let line = format!(
            "{{\"at\":{at},\"job\":{job},\"team\":{team},\"decision\":\"{decision}\",\"reason\":{reason},\"eta\":{eta}}}"
        );
        text.push_str(&line);
        text.push('\n');
    }
    let shares = object(outcome.shares.iter().map(|(team, share)| (team, share_text(*share))));
    let usage =
        object(outcome.usage.iter().map(|(team, used)| {
            (team, object(used.iter().map(|(resource, amount)| (resource, amount_text(*amount)))))
        }));
    let _ = writeln!(text, "{{\"shares\":{shares},\"usage\":{usage}}}");
    text
}

fn object<'a>(fields: impl Iterator<Item = (&'a String, String)>) -> String {
    let fields: Vec<String> = fields.map(|(name, value)| format!("{}:{value}", quoted(name))).collect();
    format!("{{{}}}", fields.join(","))
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A share with nine decimal places, the last rounded; zeros at the end are left away.
pub(crate) fn share_text(share: u128) -> String {
    let billionths = (share * 1_000_000_000 + (1 << 59)) >> 60;
    let text = format!("{}.{:09}", billionths / 1_000_000_000, billionths % 1_000_000_000);
    let short = text.trim_end_matches('0');
    if short.ends_with('.') { format!("{short}0") } else { short.to_owned() }
}

/// Resource-seconds, exactly.
pub(crate) fn amount_text(thousandths: i128) -> String {
    if thousandths % 1000 == 0 {
        return (thousandths / 1000).to_string();
    }
    format!("{}.{:03}", thousandths / 1000, thousandths % 1000).trim_end_matches('0').to_owned()
}
