//! Decayed shares over time, as an SVG: pure, in integers.

use std::fmt::Write as _;

use super::line::Outcome;

const WIDTH: i64 = 960;
const HEIGHT: i64 = 400;
const LEFT: i64 = 60;
const TOP: i64 = 20;
/// More points than pixels show nothing more.
const MOST_POINTS: usize = 2000;
const COLOURS: [&str; 8] = ["#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#7f7f7f"];

/// A line for each team.
pub(crate) fn svg(outcome: &Outcome) -> String {
    let (first, last) = match (outcome.course.first(), outcome.course.last()) {
        (Some((first, _)), Some((last, _))) => (*first, *last),
        _ => (0, 0),
    };
    let x = |at: i64| {
        LEFT + i64::try_from(i128::from(at - first) * i128::from(WIDTH) / i128::from((last - first).max(1)))
            .unwrap_or(0)
    };
    let y = |share: u128| {
        TOP + HEIGHT - i64::try_from((share.min(1 << 60) * HEIGHT.unsigned_abs() as u128) >> 60).unwrap_or(0)
    };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" font-family=\"sans-serif\" font-size=\"12\">\n",
        LEFT + WIDTH + 200,
        TOP + HEIGHT + 50
    );
    let _ = writeln!(svg, "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>");
    for tenth in (0..=10).step_by(2) {
        let at = TOP + HEIGHT - HEIGHT * tenth / 10;
        let _ = writeln!(
            svg,
            "<path d=\"M{LEFT} {at}h{WIDTH}\" stroke=\"#ddd\"/><text x=\"{}\" y=\"{}\" text-anchor=\"end\">{} %</text>",
            LEFT - 6,
            at + 4,
            tenth * 10
        );
    }
    let bottom = TOP + HEIGHT + 20;
    let _ = writeln!(
        svg,
        "<text x=\"{LEFT}\" y=\"{bottom}\">{first} s</text><text x=\"{}\" y=\"{bottom}\" text-anchor=\"end\">{last} s</text>",
        LEFT + WIDTH
    );
    let _ = writeln!(svg, "<text x=\"{LEFT}\" y=\"{}\">decayed share of the cluster, by team</text>", bottom + 20);
    let step = outcome.course.len().div_ceil(MOST_POINTS).max(1);
    for (i, team) in outcome.shares.keys().enumerate() {
        let colour = COLOURS[i % COLOURS.len()];
        // Teams that came later have no share before.
        let teams = outcome.shares.len();
        let points = outcome.course.iter().rev().step_by(step).filter(|(_, shares)| shares.len() == teams);
        let points: Vec<String> = points.map(|(at, shares)| format!("{},{}", x(*at), y(shares[i]))).collect();
        let _ = writeln!(svg, "<polyline fill=\"none\" stroke=\"{colour}\" points=\"{}\"/>", points.join(" "));
        let at = TOP + 14 + 16 * i64::try_from(i).unwrap_or(0);
        let _ =
            writeln!(svg, "<text x=\"{}\" y=\"{at}\" fill=\"{colour}\">{}</text>", LEFT + WIDTH + 10, escaped(team));
    }
    svg.push_str("</svg>\n");
    svg
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
