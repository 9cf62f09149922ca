//! A server on loopback that answers as it is told.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Answers every connection with what `answer` writes for the request's path.
pub(super) struct FakeServer {
    pub(super) address: String,
    pub(super) requests: Arc<Mutex<Vec<String>>>,
    /// Bytes of bodies that were really taken by the client, as far as the sockets tell.
    pub(super) written: Arc<AtomicUsize>,
}

impl FakeServer {
    pub(super) fn start(answer: impl Fn(&str, &mut Answer) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (requests, written) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
        let (kept, counted, answer) = (Arc::clone(&requests), Arc::clone(&written), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (kept, counted, answer) = (Arc::clone(&kept), Arc::clone(&counted), Arc::clone(&answer));
                std::thread::spawn(move || {
                    let lines = BufReader::new(stream.try_clone().unwrap()).lines();
                    let head: Vec<_> = lines.map_while(Result::ok).take_while(|l| !l.is_empty()).collect();
                    let Some(first) = head.first() else { return };
                    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
                    kept.lock().unwrap().push(head.join("\n"));
                    answer(&path, &mut Answer { stream, written: counted });
                });
            }
        });
        Self { address, requests, written }
    }

    pub(super) fn uri(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

pub(super) struct Answer {
    stream: TcpStream,
    written: Arc<AtomicUsize>,
}

impl Answer {
    pub(super) fn head(&mut self, status: &str, headers: &str) {
        let _ = write!(self.stream, "HTTP/1.1 {status}\r\nConnection: close\r\n{headers}\r\n");
    }

    pub(super) fn whole(&mut self, status: &str, body: &[u8]) {
        self.head(status, &format!("Content-Length: {}\r\n", body.len()));
        self.part(body);
    }

    /// Whether the client still listens.
    pub(super) fn part(&mut self, body: &[u8]) -> bool {
        let fine = self.stream.write_all(body).is_ok();
        self.written.fetch_add(if fine { body.len() } else { 0 }, Ordering::SeqCst);
        fine
    }
}
