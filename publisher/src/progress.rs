//! Progress of long work, on stderr, where a person is watching.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Makes progress bars; they are invisible where stderr is no terminal.
#[derive(Debug, Clone, Copy, Default)]
pub struct Progress {
    quiet: bool,
}

impl Progress {
    /// Bars that are never drawn.
    pub fn quiet() -> Self {
        Self { quiet: true }
    }

    /// A bar for `total` bytes.
    pub fn bytes(self, step: &str, total: u64) -> ProgressBar {
        self.bar(
            step,
            total,
            "{bytes}/{total_bytes} {binary_bytes_per_sec} {eta}",
        )
    }

    /// A bar for `total` rows.
    pub fn rows(self, step: &str, total: u64) -> ProgressBar {
        self.bar(step, total, "{human_pos}/{human_len} rows {per_sec} {eta}")
    }

    /// A step whose length is not known.
    pub fn step(self, step: &str) -> ProgressBar {
        let bar = self.bar(step, 0, "{elapsed}");
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    }

    fn bar(self, step: &str, total: u64, figures: &str) -> ProgressBar {
        let target = if self.quiet {
            ProgressDrawTarget::hidden()
        } else {
            // indicatif draws nothing where stderr is no terminal.
            ProgressDrawTarget::stderr_with_hz(10)
        };
        let bar = ProgressBar::with_draw_target(Some(total), target);
        let template = match total {
            0 => format!("{{spinner}} {{msg}} {figures}"),
            _ => format!("{{spinner}} {{msg}} [{{bar:30}}] {figures}"),
        };
        let style = ProgressStyle::with_template(&template);
        bar.set_style(style.expect("the templates stand above"));
        bar.set_message(step.to_owned());
        bar
    }
}
