//! What is seen while something takes time: a spinner in a terminal, plain lines anywhere else, messages for an
//! MCP client. What people see goes to stderr, so stdout stays free for what a command prints.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

/// Shows the steps of one command.
#[derive(Clone)]
pub struct Progress {
    audience: Audience,
}

#[derive(Clone)]
enum Audience {
    /// Somebody at a terminal.
    Terminal(MultiProgress),
    /// Whoever reads stderr later.
    Log,
    /// A program that asked to be told.
    Messages(UnboundedSender<String>),
}

impl Progress {
    /// Spinners if stderr is a terminal, lines otherwise.
    pub fn new() -> Self {
        let audience = match std::io::stderr().is_terminal() {
            true => Audience::Terminal(MultiProgress::new()),
            false => Audience::Log,
        };
        Self { audience }
    }

    /// Messages to a program.
    pub fn messages(receiver: UnboundedSender<String>) -> Self {
        Self { audience: Audience::Messages(receiver) }
    }

    /// For nobody.
    pub fn none() -> Self {
        Self::messages(unbounded_channel().0)
    }

    /// Begins a step. `title` says what happens, why, and how long it is expected to take when that is long.
    pub fn step(&self, title: impl Into<String>) -> Step {
        let title = title.into();
        let bar = match &self.audience {
            Audience::Terminal(bars) => Some(spinner(bars, &title)),
            Audience::Log => {
                eprintln!("  {title} …");
                None
            }
            Audience::Messages(_) => {
                self.line(format!("{title} …"));
                None
            }
        };
        let now = Instant::now();
        Step { progress: self.clone(), bar, title, started: now, last_line: Mutex::new(now) }
    }

    /// A line that stays.
    pub fn line(&self, text: impl AsRef<str>) {
        let text = text.as_ref();
        match &self.audience {
            // Fails only when the terminal is gone, and then nobody reads the line.
            Audience::Terminal(bars) => drop(bars.println(text)),
            Audience::Log => eprintln!("{text}"),
            // Fails only when the call that they are about has ended.
            Audience::Messages(receiver) => drop(receiver.send(text.to_owned())),
        }
    }

    /// How often a step tells how far it is, where there is no terminal to redraw.
    fn interval(&self) -> Duration {
        match &self.audience {
            Audience::Terminal(_) | Audience::Log => Duration::from_secs(20),
            Audience::Messages(_) => Duration::from_secs(1),
        }
    }
}

/// One step under way. Dropped without [`Step::done`], it disappears: the error that follows speaks for it.
pub struct Step {
    progress: Progress,
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
        if last_line.elapsed() >= self.progress.interval() {
            *last_line = Instant::now();
            self.progress.line(format!("    {text} ({} s)", self.started.elapsed().as_secs()));
        }
    }

    /// Ends the step; `outcome` is what is true now.
    pub fn done(self, outcome: impl AsRef<str>) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let seconds = self.started.elapsed().as_secs_f32();
        self.progress.line(format!("✓ {} ({seconds:.1} s)", outcome.as_ref()));
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
