//! Commands that go on until Ctrl-C.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

/// Ports that were free a moment ago.
pub fn free_ports() -> [SocketAddr; 2] {
    let sockets = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    sockets.map(|socket| socket.local_addr().unwrap())
}

/// A command that goes on until Ctrl-C; also when its test fails.
pub struct Running {
    child: Child,
    /// What it says, line by line.
    said: Receiver<String>,
}

impl Running {
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let (line_said, said) = mpsc::channel();
        // It is read all the time, because a command stands still once its pipe is full.
        thread::spawn(move || {
            let mut line = String::new();
            while stderr.read_line(&mut line).is_ok_and(|length| length > 0)
                && line_said.send(std::mem::take(&mut line)).is_ok()
            {}
        });
        Self { child, said }
    }

    /// Reads what it says until `words` are in it.
    pub fn read_until(&mut self, words: &str) -> String {
        let mut said = String::new();
        while !said.contains(words) {
            said += &self.said.recv().unwrap_or_else(|_| panic!("It has ended:\n{said}"));
        }
        said
    }

    /// Presses Enter; the command must have been given a pipe to read from.
    pub fn enter(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }

    /// Presses Ctrl-C; gives what it says after that, and whether it ends well.
    pub fn interrupt(&mut self) -> (String, bool) {
        assert!(
            Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap().success()
        );
        self.end()
    }

    /// Waits until it has ended by itself; gives what it says until then, and whether it ends well.
    pub fn end(&mut self) -> (String, bool) {
        let said = self.said.iter().collect();
        (said, self.child.wait().unwrap().success())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.child.try_wait().unwrap().is_none() {
            self.interrupt();
        }
    }
}
