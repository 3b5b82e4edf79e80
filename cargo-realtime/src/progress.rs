//! What a person sees while something takes time: a spinner in a terminal, plain lines anywhere else. Everything
//! goes to stderr, so stdout stays free for what a command prints.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// How often a step tells its state where there is no terminal to redraw.
const LINE_INTERVAL: Duration = Duration::from_secs(20);

/// Shows the steps of one command.
#[derive(Clone)]
pub struct Progress {
    /// `None` where stderr is no terminal.
    bars: Option<MultiProgress>,
}

impl Progress {
    /// Spinners if stderr is a terminal, lines otherwise.
    pub fn new() -> Self {
        Self { bars: std::io::stderr().is_terminal().then(MultiProgress::new) }
    }

    /// Begins a step. `title` says what happens, why, and how long it is expected to take when that is long.
    pub fn step(&self, title: impl Into<String>) -> Step {
        let title = title.into();
        let bar = match &self.bars {
            Some(bars) => Some(spinner(bars, &title)),
            None => {
                eprintln!("  {title} …");
                None
            }
        };
        let now = Instant::now();
        Step { bars: self.bars.clone(), bar, title, started: now, last_line: Mutex::new(now) }
    }

    /// A line that stays.
    pub fn line(&self, text: impl AsRef<str>) {
        print_line(self.bars.as_ref(), text.as_ref());
    }
}

/// One step under way. Dropped without [`Step::done`], it disappears: the error that follows speaks for it.
pub struct Step {
    bars: Option<MultiProgress>,
    bar: Option<ProgressBar>,
    title: String,
    started: Instant,
    last_line: Mutex<Instant>,
}

impl Step {
    /// How far the step is.
    pub fn detail(&self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{}: {text}", self.title));
            return;
        }
        let Ok(mut last_line) = self.last_line.lock() else { return };
        if last_line.elapsed() >= LINE_INTERVAL {
            *last_line = Instant::now();
            eprintln!("    {text} ({} s)", self.started.elapsed().as_secs());
        }
    }

    /// Ends the step; `outcome` is what is true now.
    pub fn done(self, outcome: impl AsRef<str>) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let seconds = self.started.elapsed().as_secs_f32();
        print_line(self.bars.as_ref(), &format!("✓ {} ({seconds:.1} s)", outcome.as_ref()));
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn spinner(bars: &MultiProgress, title: &str) -> ProgressBar {
    let bar = bars.add(ProgressBar::new_spinner());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}") {
        bar.set_style(style);
    }
    bar.set_message(title.to_owned());
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

fn print_line(bars: Option<&MultiProgress>, text: &str) {
    match bars {
        // Fails only when the terminal is gone, and then nobody reads the line.
        Some(bars) => drop(bars.println(text)),
        None => eprintln!("{text}"),
    }
}
