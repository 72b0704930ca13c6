//! How far a run has come, on stderr: a bar at a terminal, a plain line now and then elsewhere.

use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::format::thousands;
use crate::head::{Ledger, Snapshot};

/// Between plain lines: a log of a day's run stays readable.
const PLAIN_EVERY: Duration = Duration::from_secs(10);

/// Characters between the brackets.
const WIDTH: u64 = 31;

/// Shown from the first batch on.
#[derive(Debug)]
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    began: Instant,
    said: Option<Instant>,
}

/// What the line is made of.
#[derive(Clone, Copy, Debug)]
struct Line {
    /// Patches of the stream that were read, by whichever process.
    done: u64,
    total: u64,
    /// By this process.
    read: u64,
    elapsed: Duration,
    waiting: Ledger,
}

impl Progress {
    /// Nothing is shown yet.
    pub(super) fn new() -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{msg}").expect("a constant");
            ProgressBar::no_length().with_style(style)
        });
        Self { bar, began: Instant::now(), said: None }
    }

    /// After a batch.
    pub(super) fn show(&mut self, stats: &Snapshot) {
        match &self.bar {
            Some(bar) => bar.set_message(self.line(stats).text()),
            None if self.said.is_none_or(|said| said.elapsed() >= PLAIN_EVERY) => {
                // The first line would say nothing; the last one is said at the end.
                if self.said.is_some() {
                    eprintln!("{}", self.line(stats).text());
                }
                self.said = Some(Instant::now());
            }
            None => {}
        }
    }

    /// At the end, or where the run is stopped.
    pub(super) fn finish(self, stats: &Snapshot) {
        let text = self.line(stats).text();
        match &self.bar {
            Some(bar) if stats.batches > 0 => bar.finish_with_message(text),
            Some(bar) => bar.finish_and_clear(),
            None if stats.batches > 0 => eprintln!("{text}"),
            None => {}
        }
    }

    fn line(&self, stats: &Snapshot) -> Line {
        Line {
            done: stats.passed + stats.patches,
            total: stats.patches_total,
            read: stats.patches,
            elapsed: self.began.elapsed(),
            waiting: stats.waiting,
        }
    }
}

impl Line {
    fn text(&self) -> String {
        let seconds = self.elapsed.as_secs_f64().max(0.001);
        let full = (WIDTH - 1) * self.done.min(self.total) / self.total.max(1);
        let bar = format!("{}>", "=".repeat(full as usize));
        let waiting = self.waiting.total().as_secs_f64() / seconds * 100.0;
        let mut text = format!(
            "[{bar:width$}] {}/{}  {} patches/s  waiting {:.1} %",
            thousands(self.done),
            thousands(self.total),
            thousands((self.read as f64 / seconds) as u64),
            waiting.min(100.0),
            width = WIDTH as usize,
        );
        let names = ["storage", "decode", "queue", "network", "copy"];
        let shares = names.into_iter().zip(self.waiting.shares());
        let told: Vec<String> =
            shares.filter(|(_, share)| *share >= 0.5).map(|(n, s)| format!("{n} {s:.0} %")).collect();
        if !told.is_empty() {
            text.push_str("  ");
            text.push_str(&told.join(" "));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_how_far_how_fast_and_what_is_waited_for() {
        let ms = Duration::from_millis;
        let waiting = Ledger { storage: ms(31), decode: ms(66), network: ms(3), ..Ledger::default() };
        let line = Line { done: 44, total: 88, read: 1843, elapsed: ms(1000), waiting };
        let wanted = "[===============>               ] 44/88  1 843 patches/s  waiting 10.0 %  \
                      storage 31 % decode 66 % network 3 %";
        assert_eq!(line.text(), wanted);
        let end = Line { done: 88, waiting: Ledger::default(), ..line };
        assert_eq!(end.text(), "[==============================>] 88/88  1 843 patches/s  waiting 0.0 %");
    }
}
