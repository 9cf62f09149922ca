//! Hands mails to the mail server, a connection for each.

use super::message::{compose, shown};
use crate::config::{Cover, NotifyConfig, Relay};
use crate::notify::delivery::Delivery;
use crate::notify::subscription::Subscription;
use crate::notify::ways::{Failed, Fate};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{SmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use std::error::Error as _;
use std::io::ErrorKind;
use std::time::Duration;

/// Characters of what a server says that are kept.
const SAID: usize = 300;
/// What a server answers to whoever should log in first (RFC 4954).
const WANTS_LOGIN: &str = "530";

/// The way to the mail server.
pub struct Post {
    relay: Relay,
    tls: TlsParameters,
    timeout: Duration,
}

impl Post {
    /// The way to the server of the settings.
    ///
    /// Errors: there is none, or it cannot be used, in words.
    pub fn open(config: &NotifyConfig) -> Result<Self, String> {
        match config.relay() {
            Ok(Some(relay)) => Self::new(relay, Duration::from_secs(config.timeout_s)),
            Ok(None) => Err("no mail server is named (the setting notify.smtp)".to_owned()),
            Err(wrong) => Err(wrong.to_string()),
        }
    }

    /// The way to a server, which may take so long for each of its answers. Certificates are checked
    /// with what this system trusts now.
    ///
    /// Errors: TLS cannot be set up, in words.
    pub fn new(relay: Relay, timeout: Duration) -> Result<Self, String> {
        let tls = TlsParameters::builder(relay.host.clone())
            .dangerous_accept_invalid_certs(relay.cover == Cover::Local)
            .dangerous_accept_invalid_hostnames(relay.cover == Cover::Local)
            .build()
            .map_err(|e| format!("TLS cannot be set up: {e}"))?;
        Ok(Self { relay, tls, timeout })
    }

    /// Connects, logs in and leaves. How that was, in words.
    ///
    /// Errors: what is wrong, with the setting that it is about.
    pub fn check(&self) -> Result<String, String> {
        let mut connection = self.connect().map_err(|failed| failed.why)?;
        let cover = if connection.is_encrypted() { "by TLS" } else { "in the clear" };
        // It answered; how it takes leave does not matter.
        let _ = connection.quit();
        let login =
            self.relay.login.as_ref().map_or("without a login".to_owned(), |(user, _)| format!("as {user}"));
        Ok(format!("{} answers {cover} {login}", self.server()))
    }

    /// Hands a mail over: to all addresses, or to none.
    pub(in crate::notify) fn send(
        &self,
        to: &[lettre::Address],
        subscription: &Subscription,
        delivery: &Delivery,
    ) -> Result<(), Failed> {
        let Relay { from, .. } = &self.relay;
        let mail = compose(from, to, subscription, delivery).map_err(|why| Failed::new(Fate::Dead, why))?;
        let mut connection = self.connect()?;
        connection
            .command(Mail::new(Some(from.email.clone()), Vec::new()))
            .map_err(|error| self.away("does not take mails of that sender", "notify.smtp_from", &error))?;
        for address in to {
            connection
                .command(Rcpt::new(address.clone(), Vec::new()))
                .map_err(|error| self.refused(&format!("does not take mails for {address}"), &error))?;
        }
        let taken = connection.command(Data).and_then(|_| connection.message(&mail));
        taken.map_err(|error| self.refused("does not take the mail", &error))?;
        // It has the mail; how it takes leave does not matter.
        let _ = connection.quit();
        Ok(())
    }

    fn connect(&self) -> Result<SmtpConnection, Failed> {
        let Relay { host, port, cover, login, .. } = &self.relay;
        let name = own_name();
        let tls = (*cover == Cover::Tls).then_some(&self.tls);
        let timeout = Some(self.timeout);
        let reached = SmtpConnection::connect((host.as_str(), *port), timeout, &name, tls, None);
        let mut connection =
            reached.map_err(|error| self.away("cannot be reached", "notify.smtp", &error))?;
        let offered = connection.can_starttls();
        if !offered && *cover == Cover::Starttls {
            return Err(self.unfit("offers no STARTTLS, and mails are not sent in the clear", "notify.smtp"));
        }
        if !offered && *cover == Cover::Offered && login.is_some() {
            return Err(
                self.unfit("offers no STARTTLS, and a password is not sent in the clear", "notify.smtp_user")
            );
        }
        if offered {
            connection
                .starttls(&self.tls, &name)
                .map_err(|error| self.away("cannot be spoken to by TLS", "notify.smtp", &error))?;
        }
        if let Some((user, password)) = login {
            let credentials = Credentials::new(user.clone(), password.expose().to_owned());
            connection.auth(DEFAULT_MECHANISMS, &credentials).map_err(|error| {
                self.away("does not let that user in with notify.smtp_password", "notify.smtp_user", &error)
            })?;
        }
        Ok(connection)
    }

    /// The server has something against this mail: for good, if it says so.
    fn refused(&self, what: &str, error: &Error) -> Failed {
        if self.wants_login(error) {
            return self.away(what, "notify.smtp_user", error);
        }
        let fate = if error.is_permanent() { Fate::Dead } else { Fate::Again };
        Failed::new(fate, format!("the mail server {} {what}: {}", self.server(), self.said(error)))
    }

    /// Nothing can be sent now, which has to do with this setting.
    fn away(&self, what: &str, setting: &str, error: &Error) -> Failed {
        let setting = if self.wants_login(error) { "notify.smtp_user" } else { setting };
        let said = self.said(error);
        let hint = match said.contains("certificate") {
            true => {
                "; its issuer must be among those that this system trusts (ca-certificates), and its name the host's"
            }
            false => "",
        };
        let what = format!("the mail server {} {what}: {said}{hint} (the setting {setting})", self.server());
        Failed::new(Fate::Again, what)
    }

    fn unfit(&self, what: &str, setting: &str) -> Failed {
        Failed::new(Fate::Again, format!("the mail server {} {what} (the setting {setting})", self.server()))
    }

    fn wants_login(&self, error: &Error) -> bool {
        self.relay.login.is_none() && error.status().is_some_and(|code| code.to_string() == WANTS_LOGIN)
    }

    /// What the server answered, or why there is no answer.
    fn said(&self, error: &Error) -> String {
        if let (Some(code), Some(words)) = (error.status(), error.source()) {
            return shown(&format!("{code} {words}"), SAID);
        }
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(error) = cause {
            let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
            // A socket says the one or the other when its time is over.
            if matches!(kind, Some(ErrorKind::WouldBlock | ErrorKind::TimedOut)) {
                return format!("no answer in {} s (notify.timeout_s)", self.timeout.as_secs());
            }
            cause = error.source();
        }
        shown(&error.to_string(), SAID)
    }

    fn server(&self) -> String {
        format!("{}:{}", self.relay.host, self.relay.port)
    }
}

/// What this machine calls itself to the server: its name where that is a whole one, for many servers
/// refuse others; else an address, as RFC 5321 wants it.
fn own_name() -> ClientId {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    let whole =
        name.contains('.') && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'));
    if whole { ClientId::Domain(name.to_owned()) } else { ClientId::default() }
}
