//! Who wants to hear of what.

use super::mail::{addresses, is_mail};
use super::{Refused, sign};
use crate::config::NotifyConfig;
use crate::document::{Decision, Event, Notification};
use crate::error::Result;
use crate::publish::{Record, Shelf};
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;
use uuid::Uuid;

/// Characters of an address or a description.
const LONG: usize = 2_000;
/// Values that one condition may list.
const LISTED: usize = 100;
/// How long messages are signed with the former secret too, after a new one was made.
const BOTH: SignedDuration = SignedDuration::from_hours(24);

/// Which documents count; an empty list lets all pass. Conditions are joined by AND, values of one
/// by OR.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Wanted {
    /// Kinds, as `invoice`.
    pub kind: Vec<String>,
    /// Where documents came from: a topic, or `inbox`.
    pub source: Vec<String>,
    /// Verdicts.
    pub verdict: Vec<Decision>,
    /// Languages, ISO 639-1.
    pub language: Vec<String>,
}

impl Wanted {
    fn lets_pass(&self, note: &Notification) -> bool {
        let among = |list: &[String], value: Option<&String>| {
            list.is_empty() || value.is_some_and(|value| list.contains(value))
        };
        among(&self.kind, note.kind.as_ref())
            && among(&self.source, note.source.as_ref())
            && among(&self.language, note.language.as_ref())
            && (self.verdict.is_empty()
                || note.verdict.is_some_and(|verdict| self.verdict.contains(&verdict)))
    }
}

/// A subscription as somebody asks for it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Draft {
    /// Where to send to: `https`, and `http` with `notify.private`; `mailto:` and addresses, joined by
    /// commas, where `notify.smtp` names a mail server.
    #[schemars(length(min = 1, max = 2000))]
    pub url: String,
    /// Of what to tell; everything if empty.
    #[serde(default)]
    pub events: Vec<Event>,
    /// Of which documents.
    #[serde(default)]
    pub filter: Wanted,
    /// What it is for.
    #[serde(default)]
    #[schemars(length(max = 2000))]
    pub description: String,
    /// Whether it is sent to.
    #[serde(default = "yes")]
    pub active: bool,
    /// What to sign with, `whsec_` and base64; made if it is not given. Only for a new subscription.
    /// Mails are not signed.
    #[serde(default)]
    pub secret: Option<String>,
    /// The version that was seen, for a change: nothing is changed where another is there.
    #[serde(default)]
    pub version: Option<u64>,
}

fn yes() -> bool {
    true
}

/// A subscription.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Subscription {
    /// Its key.
    pub id: String,
    /// Counts its changes.
    pub version: u64,
    /// Where to send to.
    pub url: String,
    /// Of what to tell; everything if empty.
    pub events: Vec<Event>,
    /// Of which documents.
    pub filter: Wanted,
    /// What it is for.
    pub description: String,
    /// Whether it is sent to. What happens while it is not is not told later.
    pub active: bool,
    /// Why it was made inactive, if the program did that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A subscription with its secret, which is shown once.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct WithSecret {
    /// The subscription.
    #[serde(flatten)]
    pub subscription: Subscription,
    /// What messages to it are signed with.
    pub secret: String,
}

/// A subscription as the store keeps it. Not printed: it holds the secret.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Kept {
    #[serde(flatten)]
    pub subscription: Subscription,
    pub secret: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    former: Option<Former>,
}

/// A secret that is no longer the one.
#[derive(Clone, Serialize, Deserialize)]
struct Former {
    secret: String,
    until: Timestamp,
}

impl Kept {
    /// A new one.
    pub fn new(draft: Draft, config: &NotifyConfig) -> Result<Self, Refused> {
        check(&draft, config)?;
        let secret = match &draft.secret {
            Some(secret) => secret.clone(),
            None => sign::new_secret().map_err(Refused::Full)?,
        };
        sign::key(&secret).map_err(Refused::Wrong)?;
        let subscription = Subscription {
            id: Uuid::new_v4().simple().to_string(),
            version: 0,
            url: draft.url,
            events: draft.events,
            filter: draft.filter,
            description: draft.description,
            active: draft.active,
            stopped: None,
            created_at: Timestamp::now(),
        };
        Ok(Self { subscription, secret, former: None })
    }

    /// The same with other wishes.
    pub fn changed(self, draft: Draft, config: &NotifyConfig) -> Result<Self, Refused> {
        check(&draft, config)?;
        if draft.secret.is_some() {
            let what =
                "the secret is not changed this way; POST /v1/subscriptions/{id}/secret makes a new one";
            return Err(Refused::Wrong(what.to_owned()));
        }
        if let Some(version) = draft.version
            && version != self.subscription.version
        {
            return Err(Refused::Stale(self.subscription.version));
        }
        let subscription = Subscription {
            url: draft.url,
            events: draft.events,
            filter: draft.filter,
            description: draft.description,
            active: draft.active,
            stopped: None,
            ..self.subscription
        };
        Ok(Self { subscription, ..self })
    }

    /// The same with a new secret; the former one counts for a day.
    pub fn renewed(self) -> Result<Self, Refused> {
        let secret = sign::new_secret().map_err(Refused::Full)?;
        let until = Timestamp::now().checked_add(BOTH).unwrap_or(Timestamp::MAX);
        Ok(Self { secret, former: Some(Former { secret: self.secret, until }), ..self })
    }

    /// The same, not sent to any more.
    pub fn stopped(mut self, why: String) -> Self {
        self.subscription.active = false;
        self.subscription.stopped = Some(why);
        self
    }

    /// Every secret that messages are signed with now.
    pub fn secrets(&self, now: Timestamp) -> impl Iterator<Item = &str> {
        let former = self.former.as_ref().filter(|former| former.until > now);
        std::iter::once(self.secret.as_str()).chain(former.map(|former| former.secret.as_str()))
    }

    /// Whether it wants to hear of this.
    pub fn wants(&self, note: &Notification) -> bool {
        let Subscription { active, events, filter, .. } = &self.subscription;
        *active && (events.is_empty() || events.contains(&note.event)) && filter.lets_pass(note)
    }

    /// As the store keeps it.
    pub fn record(&self) -> Result<Record> {
        let Subscription { id, version, active, created_at, .. } = &self.subscription;
        Ok(Record {
            shelf: Shelf::Subscription,
            key: id.clone(),
            version: *version,
            state: if *active { "active" } else { "inactive" }.to_owned(),
            group: String::new(),
            rank: -created_at.as_microsecond(),
            body: Record::body(self)?,
        })
    }

    /// As the store gave it.
    pub fn of(record: &Record) -> Result<Self> {
        let mut kept: Self = record.read()?;
        kept.subscription.version = record.version;
        Ok(kept)
    }
}

fn check(draft: &Draft, config: &NotifyConfig) -> Result<(), Refused> {
    let wrong = |what: &str| Err(Refused::Wrong(what.to_owned()));
    if draft.url.chars().count() > LONG || draft.description.chars().count() > LONG {
        return wrong("`url` and `description` have at most 2000 characters each");
    }
    check_url(&draft.url, config)?;
    let Wanted { kind, source, verdict, language } = &draft.filter;
    let longest = kind.len().max(source.len()).max(language.len()).max(verdict.len()).max(draft.events.len());
    let words = kind.iter().chain(source).chain(language);
    if longest > LISTED || words.clone().any(|word| word.is_empty() || word.chars().count() > 255) {
        return wrong("a condition lists at most 100 values of 1 to 255 characters");
    }
    Ok(())
}

fn check_url(url: &str, config: &NotifyConfig) -> Result<(), Refused> {
    let wrong = |what: &str| Err(Refused::Wrong(what.to_owned()));
    if is_mail(url) {
        addresses(url).map_err(Refused::Wrong)?;
        return match config.smtp.is_empty() {
            false => Ok(()),
            true => wrong("`url` is a mail address, and no mail server is named (the setting notify.smtp)"),
        };
    }
    let url = Url::parse(url).map_err(|e| Refused::Wrong(format!("`url` is no URL: {e}")))?;
    match (url.scheme(), url.host_str()) {
        ("https", Some(_)) => {}
        ("http", Some(_)) if config.private => {}
        ("http", Some(_)) => return wrong("`url` must be https; http is for notify.private = true"),
        _ => return wrong("`url` must be as https://example.com/path or mailto:ada@example.com"),
    }
    match url.username().is_empty() && url.password().is_none() {
        true => Ok(()),
        false => wrong("`url` holds a user name; the receiver knows messages by their signatures"),
    }
}
