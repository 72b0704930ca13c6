//! The terminal, where there is one: drawn anew in place, or given over to a program elsewhere.

use std::io::{self, IsTerminal as _, Write as _};

use rustix::termios::{self, OptionalActions, Termios};

/// A screen that is drawn anew in place.
#[derive(Debug, Default)]
pub(crate) struct Screen {
    rows: usize,
}

impl Screen {
    /// Draws over what was drawn before.
    pub(crate) fn draw(&mut self, text: &str) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        write!(stdout, "{}{text}", over(self.rows))?;
        self.rows = rows(text, columns());
        stdout.flush()
    }
}

/// What takes the cursor up and clears from there on.
fn over(rows: usize) -> String {
    if rows == 0 { String::new() } else { format!("\x1b[{rows}A\r\x1b[J") }
}

/// The rows that a text takes on a terminal.
fn rows(text: &str, columns: usize) -> usize {
    text.lines().map(|line| line.chars().count().max(1).div_ceil(columns.max(1))).sum()
}

/// Whether somebody looks at stdout.
pub(crate) fn is_watched() -> bool {
    io::stdout().is_terminal()
}

/// Whether somebody types at stdin and looks at stdout.
pub(crate) fn is_interactive() -> bool {
    io::stdin().is_terminal() && is_watched()
}

/// Columns and rows.
pub(crate) fn size() -> Option<(u16, u16)> {
    let size = termios::tcgetwinsize(rustix::stdio::stdout()).ok()?;
    Some((size.ws_col, size.ws_row))
}

fn columns() -> usize {
    size().map(|(columns, _)| columns).filter(|&columns| columns > 0).unwrap_or(80).into()
}

/// Every key goes to the program elsewhere, Ctrl-C too; until this is dropped.
pub(crate) struct Raw(Termios);

impl Raw {
    /// Gives the keyboard away.
    pub(crate) fn enter() -> io::Result<Self> {
        let before = termios::tcgetattr(rustix::stdio::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        termios::tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &raw)?;
        Ok(Self(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // The terminal may be gone, and then there is nothing to give back.
        let _ = termios::tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_screen_is_drawn_over_as_many_rows_as_it_took() {
        assert_eq!((rows("a\n\nbc\n", 80), rows("abcdef\nab\n", 3), rows("", 80)), (3, 3, 0));
        assert_eq!((over(0), over(3)), (String::new(), "\x1b[3A\r\x1b[J".to_owned()));
    }
}
