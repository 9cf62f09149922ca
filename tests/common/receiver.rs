//! A receiver of messages to subscriptions, and a client of the API.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

/// Messages that came: their ids and bodies.
pub type Messages = Arc<Mutex<Vec<(String, Value)>>>;

/// Asks; gives the status, and the answer as JSON or as text.
pub fn ask(method: &str, url: &str, key: Option<&str>, body: Option<&Value>) -> (u16, Value) {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let mut request = ureq::http::Request::builder().method(method).uri(url);
    if let Some(key) = key {
        request = request.header("authorization", format!("Bearer {key}"));
    }
    let mut answer = match body {
        Some(body) => {
            agent.run(request.header("content-type", "application/json").body(body.to_string()).unwrap())
        }
        None => agent.run(request.body(()).unwrap()),
    }
    .unwrap();
    let text = answer.body_mut().read_to_string().unwrap();
    (answer.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// Answers 503 to the first messages and 200 to all others. Its address, and what came.
pub fn receiver(refused: usize) -> (String, Messages) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let came = Messages::default();
    let kept = Arc::clone(&came);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            let (mut id, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap() == 0 || line == "\r\n" {
                    break;
                }
                match line.trim().split_once(": ") {
                    Some(("webhook-id", value)) => value.clone_into(&mut id),
                    Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                        length = value.parse().unwrap();
                    }
                    _ => {}
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let mut came = kept.lock().unwrap();
            came.push((id, serde_json::from_slice(&body).unwrap()));
            let status = if came.len() <= refused { "503 Later" } else { "200 OK" };
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            reader.into_inner().write_all(answer.as_bytes()).unwrap();
        }
    });
    (url, came)
}
