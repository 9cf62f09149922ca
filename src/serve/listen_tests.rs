//! Connections that are slow, hang or never ask.

use super::super::support::{Server, config};
use super::{GRACE, bind, serve};
use crate::document::Priority;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

#[test]
fn shutdown_ends_though_an_answer_never_comes() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listener = runtime.block_on(bind(&config("127.0.0.1:0", &[]))).unwrap();
    let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let started = Instant::now();
    let routes = axum::Router::new().route("/", axum::routing::get(std::future::pending::<String>));
    let wait = Duration::from_millis(500);
    runtime.block_on(async { serve(listener, routes, tokio::time::sleep(wait)).await });
    // It was waited for, and not for ever.
    let took = started.elapsed();
    assert!(GRACE < took && took < Duration::from_secs(20), "{took:?}");
}

#[test]
fn who_takes_no_answer_keeps_no_place() {
    let server = Server::start(&[]);
    let mut stream = TcpStream::connect(server.base.trim_start_matches("http://")).unwrap();
    stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    let asks = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(1_000);
    let began = Instant::now();
    // Once the buffers of both sides are full nothing can be written, until the connection is ended.
    let ended = loop {
        match stream.write_all(asks.as_bytes()) {
            Err(e) if e.kind() != std::io::ErrorKind::WouldBlock => break e.kind(),
            _ => assert!(began.elapsed() < Duration::from_secs(40), "the connection is still open"),
        }
    };
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, TimedOut};
    assert!([BrokenPipe, ConnectionAborted, ConnectionReset, TimedOut].contains(&ended), "{ended}");
}

/// What a connection says before the server closes it, and how long that took.
fn until_closed(server: &Server, said: &str) -> (String, Duration) {
    let mut stream = TcpStream::connect(server.base.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(said.as_bytes()).unwrap();
    let (began, mut heard) = (Instant::now(), Vec::new());
    stream.read_to_end(&mut heard).unwrap();
    (String::from_utf8(heard).unwrap(), began.elapsed())
}

#[test]
fn who_sends_slowly_keeps_no_place() {
    let server = Server::start(&[]);
    let head = |path: &str, length: usize| {
        format!(
            "POST /v1/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n"
        )
    };
    // A head that never ends, and a connection that says nothing.
    for said in ["GET /v1/me HTTP/1.1\r\nHost: loc", ""] {
        let (heard, took) = until_closed(&server, said);
        assert!(!heard.contains("200 OK"), "{heard}");
        assert!(took < Duration::from_secs(10), "{took:?}");
    }
    // Bodies that stop coming: of an upload, and of a decision.
    for path in ["documents?id=a&filename=a.txt", "reviews/a/claim"] {
        let (heard, _) = until_closed(&server, &(head(path, 100) + "{"));
        assert!(heard.starts_with("HTTP/1.1 408"), "{heard}");
        assert!(heard.contains("urn:quire:problem:timeout") && heard.contains("remedy"), "{heard}");
    }
    // One that goes on coming, a byte now and then.
    let mut stream = TcpStream::connect(server.base.trim_start_matches("http://")).unwrap();
    stream.write_all(head("documents?id=b&filename=b.txt", 1_000_000).as_bytes()).unwrap();
    let mut heard = String::new();
    stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    for _ in 0..40 {
        let _ = stream.write_all(b"x");
        if stream.read_to_string(&mut heard).is_ok() || heard.contains("\r\n\r\n") {
            break;
        }
    }
    assert!(heard.starts_with("HTTP/1.1 408") || heard.contains("a second"), "{heard}");
    assert!(server.uploads(Priority::Normal).is_empty());
}
