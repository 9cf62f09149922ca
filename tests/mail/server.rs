//! A real mail server (tests/mail/server.py) that keeps what it takes.

use super::common::*;
use base64::Engine;
use mail_parser::{Message, MessageParser};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

/// The server; killed when dropped, and at the end of this process.
pub struct Server {
    pub port: u16,
    child: Child,
    said: Arc<Mutex<Vec<Value>>>,
}

impl Server {
    /// Starts one with these flags.
    pub fn start(flags: &[&str]) -> Self {
        let python = root().join("data/mail/bin/python");
        assert!(python.exists(), "there is no {}: run `make mail` first", python.display());
        let mut command = Command::new(python);
        command.arg(root().join("tests/mail/server.py")).args(flags);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.next().expect("the mail server ended").unwrap().parse().unwrap();
        let said: Arc<Mutex<Vec<Value>>> = Arc::default();
        let kept = Arc::clone(&said);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                kept.lock().unwrap().push(serde_json::from_str(&line).unwrap());
            }
        });
        Self { port, child, said }
    }

    /// Everything that it said.
    pub fn said(&self) -> Vec<Value> {
        self.said.lock().unwrap().clone()
    }

    /// Waits until it took so many mails; the last one, and what it said about it.
    pub fn mail(&self, count: usize, log: impl Fn() -> String) -> (Message<'static>, Value) {
        let taken =
            || -> Vec<Value> { self.said().into_iter().filter(|said| said["content"].is_string()).collect() };
        assert!(wait_for(PATIENCE, || taken().len() >= count), "{:?} {}", self.said(), log());
        let all = taken();
        assert_eq!(all.len(), count, "{all:?}");
        let last = all.last().unwrap().clone();
        let content =
            base64::engine::general_purpose::STANDARD.decode(last["content"].as_str().unwrap()).unwrap();
        (MessageParser::default().parse(&content).unwrap().into_owned(), last)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
