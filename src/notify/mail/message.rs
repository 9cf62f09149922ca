//! What a mail says: plain sentences for people, and what webhooks get for programs.

use crate::document::{Action, Event, Notification};
use crate::notify::delivery::{Delivery, TEST};
use crate::notify::subscription::Subscription;
use lettre::Address;
use lettre::address::Envelope;
use lettre::message::header::{ContentType, HeaderName, HeaderValue, To};
use lettre::message::{Attachment, Mailbox, Mailboxes, Message, MultiPart, SinglePart};
use serde::Deserialize;
use serde_json::Value;
use std::time::SystemTime;

/// Characters of a document's name that are shown.
const NAME: usize = 100;
/// Characters of a reason that are shown.
const REASON: usize = 500;
/// Reasons that are shown; all are in the attachment.
const REASONS: usize = 20;

/// What webhooks get.
#[derive(Deserialize)]
struct Told {
    r#type: String,
    data: Value,
}

/// The mail for a delivery. Its `Message-ID` is made of the delivery's, so that a mail that comes twice
/// is known. All of it is ASCII.
///
/// Errors: in words; there is no mail that says this.
pub fn compose(
    from: &Mailbox,
    to: &[Address],
    subscription: &Subscription,
    delivery: &Delivery,
) -> Result<Vec<u8>, String> {
    let told: Told =
        serde_json::from_str(&delivery.body).map_err(|e| format!("the message cannot be read: {e}"))?;
    let (subject, said) = match serde_json::from_value::<Notification>(told.data) {
        Ok(note) => (subject(&note), text(&note)),
        Err(_) if told.r#type == TEST => {
            ("a test message".to_owned(), "This mail only shows that mails arrive.\n".to_owned())
        }
        Err(e) => return Err(format!("the message cannot be read: {e}")),
    };
    let text = said + &ending(subscription);
    let envelope = Envelope::new(Some(from.email.clone()), to.to_vec()).map_err(|e| e.to_string())?;
    let to: Mailboxes = to.iter().cloned().map(Mailbox::from).collect();
    let json = ContentType::parse("application/json").map_err(|e| e.to_string())?;
    let header = |name: &'static str, value: String| {
        HeaderValue::new(HeaderName::new_from_ascii_str(name), shown(&value, NAME))
    };
    let message =
        Message::builder()
            .from(from.clone())
            .header(To::from(to))
            .envelope(envelope)
            .subject(format!("quire: {subject}"))
            .date(SystemTime::from(delivery.created_at))
            .message_id(Some(format!("<{}@{}>", delivery.id, from.email.domain())))
            .raw_header(header("Auto-Submitted", "auto-generated".to_owned()))
            .raw_header(header("X-Quire-Event", told.r#type))
            .multipart(MultiPart::mixed().singlepart(SinglePart::plain(text)).singlepart(
                Attachment::new("notification.json".to_owned()).body(delivery.body.clone(), json),
            ))
            .map_err(|e| format!("the mail cannot be written: {e}"))?;
    Ok(message.formatted())
}

fn subject(note: &Notification) -> String {
    let what = match note.event {
        Event::Finished => "was understood",
        Event::NeedsReview => "needs a look",
        Event::Failed => "could not be understood",
        Event::Reviewed => "was reviewed",
    };
    format!("{} {what}", name(note))
}

fn text(note: &Notification) -> String {
    let (name, id) = (name(note), &note.id);
    let mut text = match note.event {
        Event::Finished => format!("{name} was understood, and nothing about it is doubtful."),
        Event::NeedsReview => format!("{name} was understood, and a person should look at it."),
        Event::Failed => format!("{name} could not be understood. It was given up."),
        Event::Reviewed => decided(note, &name),
    };
    text.push('\n');
    let about: Vec<String> = [
        note.kind.as_ref().map(|kind| format!("Its kind is {}.", shown(kind, NAME))),
        note.language.as_ref().map(|language| format!("Its language is {}.", shown(language, NAME))),
        note.source.as_ref().map(|source| format!("It came from {}.", shown(source, NAME))),
        note.verdict.map(|verdict| format!("The verdict is {verdict}.")),
    ]
    .into_iter()
    .flatten()
    .collect();
    if !about.is_empty() {
        text = format!("{text}\n{}\n", about.join(" "));
    }
    if !note.reasons.is_empty() {
        text.push_str("\nWhy:\n");
        for reason in note.reasons.iter().take(REASONS) {
            text = format!("{text}- {}\n", shown(reason, REASON));
        }
        if let Some(more @ 1..) = note.reasons.len().checked_sub(REASONS) {
            text = format!("{text}- and {more} more\n");
        }
    }
    let (command, route) = match note.event {
        Event::Finished | Event::Reviewed => ("status", format!("documents/{id}")),
        Event::NeedsReview => ("review show", format!("reviews/{id}")),
        Event::Failed => ("dead show", "dead-letters".to_owned()),
    };
    format!(
        "{text}\nIt happened at {}. The document's id is {id}.\nSee it with `quire {command} {id}`, or by the API with \
         GET /v1/{route}.\n",
        note.at.strftime("%Y-%m-%d %H:%M:%S UTC")
    )
}

/// A person's decision.
fn decided(note: &Notification, name: &str) -> String {
    let Some(reviewed) = &note.reviewed else { return format!("{name} was reviewed.") };
    let by = shown(&reviewed.by, NAME);
    let corrected: Vec<String> = reviewed.corrected.iter().map(|what| shown(what, NAME)).collect();
    match reviewed.action {
        Action::Approve => format!("{by} approved {name}."),
        Action::Correct => format!("{by} corrected {name}: {}.", corrected.join(", ")),
        Action::Reject => format!("{by} rejected {name}."),
        Action::Reprocess => format!("{by} wants {name} to be read and understood anew."),
        Action::Reopen => format!("{by} took the decision about {name} back."),
    }
}

/// Why somebody gets the mail, and how that ends.
fn ending(subscription: &Subscription) -> String {
    let about = match shown(&subscription.description, NAME) {
        none if none.is_empty() => String::new(),
        description => format!(" ({description})"),
    };
    format!(
        "\nThe same for programs is attached. A subscription{about} names your address; who runs quire can\n\
         end it: DELETE /v1/subscriptions/{}\n",
        subscription.id
    )
}

/// What a document is called.
fn name(note: &Notification) -> String {
    match shown(&note.name, NAME) {
        none if none.is_empty() => note.id.to_string(),
        name => name,
    }
}

/// Text of others on one line: no line breaks, nothing that turns the direction of reading around, nothing
/// that a mail program takes for an encoded word (RFC 2047).
pub(super) fn shown(text: &str, most: usize) -> String {
    let turns =
        |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let odd = |c: char| c.is_control() || turns(c);
    let plain: String = text.chars().map(|c| if odd(c) { ' ' } else { c }).collect();
    let words = plain.split_whitespace().collect::<Vec<_>>().join(" ").replace("=?", "= ?");
    match words.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", words.get(..at).unwrap_or_default()),
        None => words,
    }
}
