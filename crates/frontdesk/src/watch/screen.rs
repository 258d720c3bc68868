//! The live view on a terminal: every number with its bound, what is over it in red.

use std::io;
use std::time::Duration;

use frontdesk_core::alert::Thresholds;
use ratatui::DefaultTerminal;
use ratatui::Frame;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyModifiers};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style, Stylize as _};
use ratatui::text::Line;
use ratatui::widgets::{Block, Cell, Paragraph, Row as TableRow, Table};

use super::Look;

/// A terminal that is given back as it was when this goes, also by a panic.
pub(crate) struct Screen {
    terminal: DefaultTerminal,
    bounds: Thresholds,
}

impl Screen {
    pub(crate) fn open(bounds: Thresholds) -> io::Result<Self> {
        Ok(Self { terminal: ratatui::try_init()?, bounds })
    }

    /// Shows a look; `left` is how long it goes on.
    pub(crate) fn show(&mut self, look: &Look, left: Option<Duration>) -> io::Result<()> {
        let bounds = &self.bounds;
        self.terminal.draw(|frame| draw(frame, look, bounds, left)).map(drop)
    }

    /// Whether somebody wants it to end. In raw mode an interrupt is a key like any other.
    pub(crate) fn is_left(&self) -> io::Result<bool> {
        while event::poll(Duration::ZERO)? {
            if let Event::Key(key) = event::read()? {
                let interrupt = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
                if interrupt || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = ratatui::try_restore();
    }
}

fn draw(frame: &mut Frame<'_>, look: &Look, bounds: &Thresholds, left: Option<Duration>) {
    let [head, body, foot] =
        Layout::vertical([Constraint::Length(2), Constraint::Min(3), Constraint::Length(1)]).areas(frame.area());
    let minutes = look.at.duration_since(look.since).as_mins();
    let left = left.map_or(String::new(), |left| format!(", {} min to go", left.as_secs().div_ceil(60)));
    frame.render_widget(Paragraph::new(format!("frontdesk watch: the last {minutes} min{left}")).bold(), head);
    let rows = look.rows(bounds).into_iter().map(|row| {
        let style = if row.is_over { Style::new().fg(Color::Red).add_modifier(Modifier::BOLD) } else { Style::new() };
        TableRow::new([Cell::from(row.key), Cell::from(row.value), Cell::from(row.bound)]).style(style)
    });
    let widths = [Constraint::Length(12), Constraint::Min(12), Constraint::Length(16)];
    let header = TableRow::new(["", "now", "bound"]).style(Style::new().add_modifier(Modifier::DIM));
    frame.render_widget(Table::new(rows, widths).header(header).block(Block::bordered()), body);
    frame.render_widget(Line::from("q ends and judges").dim(), foot);
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;

    #[test]
    fn every_number_is_on_the_screen_with_its_bound() {
        let mut terminal = Terminal::new(TestBackend::new(60, 18)).expect("a terminal");
        let look = Look { gateways: 1, firing: vec!["breaker_open api.cal.com".to_owned()], ..Look::default() };
        terminal.draw(|frame| draw(frame, &look, &Thresholds::default(), Some(Duration::from_secs(61)))).expect("drawn");
        let text = terminal.backend().to_string();
        for part in ["2 min to go", "failed", "5 in 5 min", "p95", "1000 ms", "breaker_open:api.cal.com", "q ends"] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }
}
