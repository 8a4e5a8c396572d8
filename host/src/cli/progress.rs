//! Progress bars, on a terminal only.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::text::{clean, octets};
use crate::flow::event::Event;
use crate::model::name::AccountName;

/// How often a spinner turns.
const TURN: Duration = Duration::from_millis(120);

/// Something is being done, and nobody knows for how long.
pub(super) struct Spinner(Option<ProgressBar>);

/// A bar for every account that receives.
pub(super) struct Bars {
    all: Option<MultiProgress>,
    bars: HashMap<AccountName, ProgressBar>,
}

impl Spinner {
    /// Show `words` beside a spinner, unless nobody would see it.
    pub(super) fn start(json: bool, words: &str) -> Self {
        Self(is_seen(json).then(|| {
            let bar = ProgressBar::new_spinner().with_message(clean(words));
            bar.enable_steady_tick(TURN);
            bar
        }))
    }

    /// Show other words.
    pub(super) fn say(&self, words: &str) {
        if let Some(bar) = &self.0 {
            bar.set_message(clean(words));
        }
    }

    /// Print something while the spinner is off the screen.
    pub(super) fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.0 {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

impl Bars {
    /// No bar yet; none ever where nobody would see it.
    pub(super) fn start(json: bool) -> Self {
        Self { all: is_seen(json).then(MultiProgress::new), bars: HashMap::new() }
    }

    /// Show how far an account has come.
    pub(super) fn show(&mut self, event: &Event) {
        let Event::Progress { account, folder, done, total, octets: received } = event else { return };
        let Some(all) = &self.all else { return };
        let bar = self.bars.entry(account.clone()).or_insert_with(|| {
            let bar = all.add(ProgressBar::no_length().with_prefix(account.to_string()));
            bar.enable_steady_tick(TURN);
            bar
        });
        if let Some(total) = total {
            bar.set_style(style("{prefix:12!} {wide_bar} {pos}/{len} {msg}"));
            bar.set_length(*total);
        } else {
            bar.set_style(style("{prefix:12!} {spinner} {pos} {msg}"));
        }
        bar.set_position(*done);
        bar.set_message(format!("{} {}", octets(*received), clean(folder.as_deref().unwrap_or_default())));
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        for bar in self.bars.values() {
            bar.finish_and_clear();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn is_seen(json: bool) -> bool {
    !json && std::io::stderr().is_terminal()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_sound() {
        for template in ["{prefix:12!} {wide_bar} {pos}/{len} {msg}", "{prefix:12!} {spinner} {pos} {msg}"] {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
    }
}
