//! The mail server of `notify.smtp`, and as whom it is used.

use super::{ConfigError, NotifyConfig, Secret};
use lettre::message::Mailbox;
use lettre::transport::smtp::{SUBMISSION_PORT, SUBMISSIONS_PORT};
use std::net::IpAddr;
use url::{Host, Url};

/// What the server's address must look like.
const WANTED: &str = "must be as smtps://mail.example.com or smtp://mail.example.com:587";

/// How the way to the mail server is covered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cover {
    /// TLS from the first byte.
    Tls,
    /// STARTTLS, or nothing is sent.
    Starttls,
    /// STARTTLS if the server offers it; without, mails go in the clear, but no password does.
    Offered,
    /// On this machine nobody is in between: STARTTLS if the server offers it, whatever its
    /// certificate; in the clear if not.
    Local,
}

/// A mail server.
#[derive(Debug, Clone)]
pub struct Relay {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the way to it is covered.
    pub cover: Cover,
    /// Who mails are from; also where the server reports what could not be delivered.
    pub from: Mailbox,
    /// User name and password, where it wants them.
    pub login: Option<(String, Secret)>,
}

impl NotifyConfig {
    /// The mail server; `None` where mails are not sent.
    ///
    /// Errors: a setting that is wrong or missing, by its name; secrets are not repeated.
    pub fn relay(&self) -> Result<Option<Relay>, ConfigError> {
        let wrong = |key: &str, message: &str| ConfigError::Value {
            origin: "configuration".to_owned(),
            key: key.to_owned(),
            message: message.to_owned(),
        };
        if self.smtp.is_empty() {
            return Ok(None);
        }
        let (cover, host, port) =
            server(&self.smtp, self.private).map_err(|what| wrong("notify.smtp", what))?;
        let from = sender(&self.smtp_from).map_err(|what| wrong("notify.smtp_from", what))?;
        let login = match (self.smtp_user.as_str(), self.smtp_password.expose()) {
            ("", "") => None,
            ("", _) => return Err(wrong("notify.smtp_user", "is missing: there is a notify.smtp_password")),
            (_, "") => return Err(wrong("notify.smtp_password", "is missing: there is a notify.smtp_user")),
            (user, _) => Some((user.to_owned(), self.smtp_password.clone())),
        };
        Ok(Some(Relay { host, port, cover, from, login }))
    }
}

fn server(text: &str, private: bool) -> Result<(Cover, String, u16), &'static str> {
    let url = Url::parse(text).map_err(|_| WANTED)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds a login, which belongs into notify.smtp_user and notify.smtp_password");
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err(WANTED);
    }
    let (host, address) = match url.host().ok_or(WANTED)? {
        Host::Domain(name) => (name.to_owned(), name.parse::<IpAddr>().ok()),
        Host::Ipv4(ip) => (ip.to_string(), Some(IpAddr::V4(ip))),
        Host::Ipv6(ip) => (ip.to_string(), Some(IpAddr::V6(ip))),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if address.is_none() && !host.chars().all(plain) {
        return Err("names a host with other characters than a-z, 0-9, - and .; write it as xn--…");
    }
    let here = host.eq_ignore_ascii_case("localhost")
        || address.is_some_and(|address| address.to_canonical().is_loopback());
    let (cover, port) = match url.scheme() {
        "smtps" => (Cover::Tls, SUBMISSIONS_PORT),
        "smtp" if here => (Cover::Local, SUBMISSION_PORT),
        "smtp" if private => (Cover::Offered, SUBMISSION_PORT),
        "smtp" => (Cover::Starttls, SUBMISSION_PORT),
        _ => return Err(WANTED),
    };
    match url.port() {
        Some(0) => Err("has the port 0"),
        port_named => Ok((cover, host, port_named.unwrap_or(port))),
    }
}

fn sender(text: &str) -> Result<Mailbox, &'static str> {
    let wanted = "must be as quire@example.com or Quire <quire@example.com>";
    if text.chars().any(char::is_control) {
        return Err(wanted);
    }
    let mailbox: Mailbox = text.parse().map_err(|_| wanted)?;
    // What is written into mails must be read back.
    if mailbox.to_string().parse().as_ref() != Ok(&mailbox) {
        return Err("has a name that cannot be written into a mail; choose a plainer one");
    }
    match mailbox.email.to_string().is_ascii() {
        true => Ok(mailbox),
        false => Err("has an address with other letters than a-z; write its domain as xn--…"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Sources, load};

    fn relay(smtp: &str, more: &[(&str, &str)]) -> Result<Relay, String> {
        let settings = [("smtp", smtp), ("smtp_from", "Quire <quire@example.com>")];
        let environment = settings
            .iter()
            .chain(more)
            .map(|(key, value)| (format!("QUIRE_NOTIFY__{}", key.to_uppercase()), (*value).to_owned()));
        let loaded = load(&Sources { environment: environment.collect(), ..Sources::default() });
        let relay = loaded.map_err(|e| e.to_string())?.config.notify.relay();
        relay.map_err(|e| e.to_string())?.ok_or_else(|| "none".to_owned())
    }

    #[test]
    fn the_server_is_reached_as_its_address_says() {
        let cases = [
            ("smtps://mail.example.com", "mail.example.com", 465, Cover::Tls),
            ("smtps://localhost:1465/", "localhost", 1465, Cover::Tls),
            ("smtp://mail.example.com", "mail.example.com", 587, Cover::Starttls),
            ("smtp://10.0.0.7:25", "10.0.0.7", 25, Cover::Starttls),
            ("smtp://LOCALHOST:25", "LOCALHOST", 25, Cover::Local),
            ("smtp://127.0.0.2", "127.0.0.2", 587, Cover::Local),
            ("smtp://[::1]:25", "::1", 25, Cover::Local),
            ("smtp://[::ffff:127.0.0.1]:25", "::ffff:127.0.0.1", 25, Cover::Local),
            ("smtp://localhost.example.com", "localhost.example.com", 587, Cover::Starttls),
        ];
        for (smtp, host, port, cover) in cases {
            let relay = relay(smtp, &[]).unwrap();
            assert_eq!((relay.host.as_str(), relay.port, relay.cover), (host, port, cover), "{smtp}");
            assert!(relay.login.is_none());
        }
        let private = relay("smtp://mail.lan", &[("private", "true")]).unwrap();
        assert_eq!(private.cover, Cover::Offered);
        let (user, password) =
            relay("smtps://a.b", &[("smtp_user", "ada"), ("smtp_password", "pw")]).unwrap().login.unwrap();
        assert_eq!((user.as_str(), password.expose()), ("ada", "pw"));
        assert_eq!(relay("", &[("smtp_from", "")]).unwrap_err(), "none", "off by default");
    }

    #[test]
    fn what_is_wrong_is_named_and_no_password_repeated() {
        type Case = (&'static str, &'static [(&'static str, &'static str)], &'static str);
        let cases: [Case; 14] = [
            ("mail.example.com", &[], "notify.smtp`"),
            ("https://mail.example.com", &[], "notify.smtp`"),
            ("smtp://", &[], "notify.smtp`"),
            ("smtp://a.b:0", &[], "port 0"),
            ("smtp://a.b:x", &[], "notify.smtp`"),
            ("smtp://a.b/path", &[], "notify.smtp`"),
            ("smtp://a.b?tls=none", &[], "notify.smtp`"),
            ("smtp://müller.de", &[], "xn--"),
            ("smtps://ada:hunter2@a.b", &[], "notify.smtp_user"),
            ("smtps://a.b", &[("smtp_from", "")], "notify.smtp_from`"),
            ("smtps://a.b", &[("smtp_from", "nobody")], "notify.smtp_from`"),
            ("smtps://a.b", &[("smtp_from", "a@b.c\r\nBcc: d@e.f")], "notify.smtp_from`"),
            ("smtps://a.b", &[("smtp_user", "ada")], "notify.smtp_password`"),
            ("smtps://a.b", &[("smtp_password", "hunter2")], "notify.smtp_user`"),
        ];
        for (smtp, more, named) in cases {
            let error = relay(smtp, more).unwrap_err();
            assert!(error.contains(named) && !error.contains("hunter2"), "{smtp} {more:?}: {error}");
        }
    }
}
