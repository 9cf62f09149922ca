//! Mails to subscriptions, through a mail server that is not ours: puts off, refuses, goes away, wants
//! TLS and logins.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;
mod server;

use common::kafka::secured::make_certificates;
use common::receiver::ask;
use common::*;
use mail_parser::MimeHeaders;
use quire::config::{Cover, Relay};
use quire::notify::Post;
use serde_json::{Value, json};
use server::Server;
use std::path::Path;
use std::time::Duration;

const PASSWORD: &str = "quire-secret-mail";

/// Settings for a mail server at this URL.
fn settings(smtp: &str, more: &[&str]) -> Vec<String> {
    let own = [format!("notify.smtp={smtp}"), "notify.smtp_from=Quire <quire@example.org>".to_owned()];
    own.into_iter().chain(more.iter().map(|setting| format!("notify.{setting}"))).collect()
}

/// A worker with these settings.
fn start(data: &Path, settings: &[String]) -> Daemon {
    let mut command = quire(data);
    set(&mut command, settings);
    Daemon::spawn_as(command, &[]).ready()
}

/// A subscription to an address; its id.
fn subscribe(api: &str, url: &str) -> String {
    let (status, made) = ask("POST", &format!("{api}/v1/subscriptions"), None, Some(&json!({ "url": url })));
    assert_eq!(status, 201, "{made}");
    made["id"].as_str().unwrap().to_owned()
}

fn deliveries(api: &str, state: &str) -> Vec<Value> {
    let found = ask("GET", &format!("{api}/v1/deliveries?state={state}"), None, None).1;
    found["deliveries"].as_array().unwrap().clone()
}

#[test]
fn mails_arrive_through_a_server_that_puts_off_refuses_and_goes_away() {
    let folder = tempfile::tempdir().unwrap();
    make_certificates(folder.path());
    // A server on this machine may have any certificate.
    let certificate = folder.path().join("broker.both").display().to_string();
    let login = format!("ada:{PASSWORD}");
    let fixed = ["--starttls", &certificate, "--login", &login, "--refuse", "nobody@example.com"];
    let server = Server::start(&[&fixed[..], &["--later", "1"]].concat());
    let smtp = format!("smtp://127.0.0.1:{}", server.port);
    let password = format!("smtp_password={PASSWORD}");
    let flags = settings(&smtp, &["smtp_user=ada", &password, "backoff_ms=50", "timeout_s=5"]);
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let daemon = start(&data, &flags);
    let api = daemon.api().unwrap();
    let log = || daemon.log();

    // Greylisted at first, then taken, by everybody it is for.
    let id = subscribe(&api, "mailto:ada@example.com,bob%2Bx@example.com");
    drop_file(
        &data,
        "Größe für Zoë.txt",
        b"Dear Zoe, the third delivery reached Leipzig on Monday. Yours, Tom.",
    );
    let (mail, taken) = server.mail(1, log);
    assert!(server.said()[0]["later"].is_string(), "{:?}", server.said());
    assert_eq!(taken["to"], json!(["ada@example.com", "bob+x@example.com"]));
    assert_eq!((&taken["tls"], &taken["login"]), (&json!(true), &json!(true)));
    assert_eq!(taken["sender"], "quire@example.org");
    let subject = mail.subject().unwrap();
    assert!(subject.starts_with("quire: Größe für Zoë.txt "), "{subject}");
    assert_eq!(mail.from().unwrap().first().unwrap().name(), Some("Quire"));
    assert_eq!(mail.header_raw("Auto-Submitted").unwrap().trim(), "auto-generated");
    let event = mail.header_raw("X-Quire-Event").unwrap().trim().to_owned();
    let told: Value = serde_json::from_slice(mail.attachment(0).unwrap().contents()).unwrap();
    assert_eq!(mail.attachment(0).unwrap().attachment_name(), Some("notification.json"));
    assert_eq!((&told["type"], &told["data"]["name"]), (&json!(event), &json!("Größe für Zoë.txt")));
    let text = mail.body_text(0).unwrap();
    let document = told["data"]["id"].as_str().unwrap();
    assert!(text.starts_with("Größe für Zoë.txt was understood") && text.contains(document), "{text}");
    println!("{subject}\n{text}");

    // The test message goes the same way.
    let (status, tested) = ask("POST", &format!("{api}/v1/subscriptions/{id}/test"), None, None);
    assert_eq!(status, 202, "{tested}");
    let (mail, _) = server.mail(2, log);
    assert_eq!(mail.subject(), Some("quire: a test message"));
    assert_eq!(mail.message_id(), Some(format!("{}@example.org", tested["id"].as_str().unwrap()).as_str()));

    // A recipient whom nobody knows: given up at once, and nobody else gets it.
    let unknown = subscribe(&api, "mailto:carl@example.com,nobody@example.com");
    ask("POST", &format!("{api}/v1/subscriptions/{unknown}/test"), None, None);
    assert!(wait_for(PATIENCE, || deliveries(&api, "dead").len() == 1), "{}", daemon.log());
    let dead = deliveries(&api, "dead").remove(0);
    let why = dead["error"].as_str().unwrap();
    assert!(why.contains("nobody@example.com: 550 5.1.1 no such mailbox here"), "{why}");
    assert_eq!(dead["attempts"], 1);
    println!("{why}");
    ask("DELETE", &format!("{api}/v1/subscriptions/{unknown}"), None, None);

    // The server goes away, and comes back.
    let port = server.port.to_string();
    drop(server);
    let tested = ask("POST", &format!("{api}/v1/subscriptions/{id}/test"), None, None).1;
    let tried = || deliveries(&api, "waiting").first().is_some_and(|one| one["error"].is_string());
    assert!(wait_for(PATIENCE, tried), "{}", daemon.log());
    let why = deliveries(&api, "waiting")[0]["error"].as_str().unwrap().to_owned();
    assert!(why.contains("cannot be reached") && why.contains("notify.smtp"), "{why}");
    println!("{why}");
    let server = Server::start(&[&fixed[..], &["--port", &port]].concat());
    let (mail, _) = server.mail(1, log);
    assert_eq!(mail.message_id(), Some(format!("{}@example.org", tested["id"].as_str().unwrap()).as_str()));
    assert!(wait_for(PATIENCE, || deliveries(&api, "waiting").is_empty()), "what was sent is gone");
    let shown = ask("GET", &format!("{api}/v1/admin/config"), None, None).1;
    assert_eq!(shown["notify"]["smtp_password"], "<redacted>");
    let (status, log) = daemon.terminate();
    assert!(status.success() && !log.contains(PASSWORD), "{log}");
}

/// What `quire doctor` says about the mail server.
fn doctor(data: &Path, flags: &[String], trusted: Option<&Path>) -> Value {
    let mut command = quire(data);
    set(&mut command, flags).args(["doctor", "--json"]);
    if let Some(file) = trusted {
        command.env("SSL_CERT_FILE", file);
    }
    let checks = json(&output(&mut command));
    let found =
        checks.as_array().unwrap().iter().find(|check| check["what"] == "mail server").unwrap().clone();
    println!("{}", found["found"]);
    found
}

#[test]
fn certificates_and_logins_are_checked_and_what_is_wrong_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    make_certificates(data);
    let certificate = data.join("broker.both").display().to_string();
    let login = format!("ada:{PASSWORD}");
    let server = Server::start(&["--smtps", &certificate, "--login", &login]);
    let smtps = format!("smtps://localhost:{}", server.port);
    let password = format!("smtp_password={PASSWORD}");
    let flags = settings(&smtps, &["smtp_user=ada", &password]);
    let (ours, others) = (data.join("ca.pem"), None);

    let refused = doctor(data, &flags, others);
    let said = refused["found"].as_str().unwrap();
    assert!(
        refused["fine"] == false
            && said.contains("certificate")
            && said.contains("(the setting notify.smtp)")
    );
    let fine = doctor(data, &flags, Some(&ours));
    assert!(fine["fine"] == true && fine["found"].as_str().unwrap().contains("by TLS as ada"), "{fine}");
    let guess = ["smtp_user=ada", "smtp_password=quire-secret-wrong"];
    let wrong = doctor(data, &settings(&smtps, &guess), Some(&ours));
    let said = wrong["found"].as_str().unwrap();
    assert!(wrong["fine"] == false && said.contains("535"), "{said}");
    assert!(said.contains("(the setting notify.smtp_user)") && !said.contains("quire-secret"), "{said}");
    drop(server);
    let away = doctor(data, &flags, Some(&ours));
    assert!(away["found"].as_str().unwrap().contains("cannot be reached"), "{away}");

    // Elsewhere than on this machine, STARTTLS is a must, and with a certificate that is trusted.
    let check = |server: &Server, cover: Cover, login: bool| {
        let login = login.then(|| {
            let set = settings("smtp://localhost", &["smtp_user=ada", &password]);
            let set = set.iter().map(|text| text.split_once('=').unwrap());
            let variable = |key: &str| format!("QUIRE_{}", key.replacen('.', "__", 1).to_uppercase());
            let environment = set.map(|(key, value)| (variable(key), value.to_owned())).collect();
            let sources = quire::config::Sources { environment, ..Default::default() };
            let loaded = quire::config::load(&sources).unwrap();
            loaded.config.notify.relay().unwrap().unwrap().login.unwrap()
        });
        let from = "quire@example.org".parse().unwrap();
        let relay = Relay { host: "localhost".to_owned(), port: server.port, cover, from, login };
        Post::new(relay, Duration::from_secs(5)).unwrap().check()
    };
    let offering = Server::start(&["--starttls", &certificate]);
    for cover in [Cover::Starttls, Cover::Offered] {
        let said = check(&offering, cover, false).unwrap_err();
        assert!(said.contains("certificate") && said.contains("ca-certificates"), "{said}");
        println!("{said}");
    }
    assert!(check(&offering, Cover::Local, false).unwrap().contains("by TLS without a login"));
    let plain = Server::start(&[]);
    let said = check(&plain, Cover::Starttls, false).unwrap_err();
    assert!(said.contains("offers no STARTTLS") && said.contains("notify.smtp"), "{said}");
    assert!(check(&plain, Cover::Offered, false).unwrap().contains("in the clear"));
    let said = check(&plain, Cover::Offered, true).unwrap_err();
    assert!(said.contains("a password is not sent in the clear"), "{said}");
    assert!(check(&plain, Cover::Local, false).unwrap().contains("in the clear"));

    // What takes connections and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let from = "quire@example.org".parse().unwrap();
    let relay = Relay { host: "127.0.0.1".to_owned(), port, cover: Cover::Local, from, login: None };
    let said = Post::new(relay, Duration::from_secs(1)).unwrap().check().unwrap_err();
    assert!(said.contains("no answer in 1 s (notify.timeout_s)"), "{said}");
}

#[test]
fn a_sender_without_a_login_is_told_so_and_wrong_settings_stop_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let login = format!("ada:{PASSWORD}");
    let server = Server::start(&["--login", &login]);
    let smtp = format!("smtp://localhost:{}", server.port);
    let flags = settings(&smtp, &["backoff_ms=50"]);
    let daemon = start(data, &flags);
    let api = daemon.api().unwrap();
    let id = subscribe(&api, "mailto:ada@example.com");
    ask("POST", &format!("{api}/v1/subscriptions/{id}/test"), None, None);
    let tried = || deliveries(&api, "waiting").first().is_some_and(|one| one["error"].is_string());
    assert!(wait_for(PATIENCE, tried), "{}", daemon.log());
    let why = deliveries(&api, "waiting")[0]["error"].as_str().unwrap().to_owned();
    assert!(why.contains("530") && why.contains("(the setting notify.smtp_user)"), "{why}");
    assert!(daemon.terminate().0.success());

    for (flags, named) in [
        (settings("mail.example.com", &[]), "notify.smtp"),
        (settings(&smtp, &["smtp_from="]), "notify.smtp_from"),
        (settings(&smtp, &["smtp_user=ada"]), "notify.smtp_password"),
        (settings("smtps://ada:quire-secret-mail@a.b", &[]), "notify.smtp_user"),
    ] {
        let out = output(set(&mut quire(data), &flags).args(["run", "--once"]));
        let said = stderr(&out);
        assert!(!out.status.success() && said.contains(named) && !said.contains(PASSWORD), "{named}: {said}");
    }
}
