//! What mails say is read back by another program's parser.

use super::message::{compose, shown};
use super::{addresses, is_mail};
use crate::document::{Action, Document, Event, Notification, Reviewed};
use crate::notify::Subscription;
use crate::notify::delivery::Delivery;
use crate::serve::support::document;
use jiff::Timestamp;
use mail_parser::{Message, MessageParser, MimeHeaders};
use proptest::prelude::*;
use serde_json::json;

fn subscription() -> Subscription {
    let said = json!({ "id": "5ub", "version": 1, "url": "mailto:ada@example.com", "events": [], "filter": {},
                       "description": "bills", "active": true, "created_at": "2026-07-01T00:00:00Z" });
    serde_json::from_value(said).unwrap()
}

fn delivery(note: &Notification) -> Delivery {
    Delivery::new("5ub", note, "1").unwrap()
}

fn bytes(delivery: &Delivery, url: &str) -> Vec<u8> {
    let from = "Quire of Zoë <quire@example.org>".parse().unwrap();
    compose(&from, &addresses(url).unwrap(), &subscription(), delivery).unwrap()
}

/// The mail about something, as a receiver's program reads it.
fn mail(note: &Notification) -> Message<'static> {
    let bytes = bytes(&delivery(note), "mailto:ada@example.com");
    assert!(bytes.is_ascii());
    MessageParser::default().parse(&bytes).unwrap().into_owned()
}

fn text(note: &Notification) -> String {
    mail(note).body_text(0).unwrap().replace("\r\n", "\n")
}

fn named(name: &str) -> Notification {
    Notification::of(&Document { name: name.to_owned(), ..document("letter-1") })
}

#[test]
fn addresses_are_those_of_rfc_6068() {
    let read = |url: &str| -> Vec<String> {
        assert!(is_mail(url));
        addresses(url).unwrap().iter().map(ToString::to_string).collect()
    };
    assert_eq!(read("mailto:ada@example.com"), ["ada@example.com"]);
    assert_eq!(read("MailTo:ada@example.com,bob+x@[10.0.0.1]"), ["ada@example.com", "bob+x@[10.0.0.1]"]);
    // The examples of the standard.
    assert_eq!(read("mailto:gorby%25kremvax@example.com"), ["gorby%kremvax@example.com"]);
    assert_eq!(read("mailto:unlikely%3Faddress@example.com"), ["unlikely?address@example.com"]);
    assert_eq!(read("mailto:Mike%26family@example.org"), ["Mike&family@example.org"]);
    for wrong in [
        "mailto:",
        "mailto:ada",
        "mailto:ada@",
        "mailto:@example.com",
        "mailto:ada@example.com,",
        "mailto:ada@example.com, bob@example.com",
        "mailto:Ada <ada@example.com>",
        "mailto:ada@example.com?bcc=eve@example.com",
        "mailto:ada@example.com#x",
        "mailto:ada@example.com%0D%0ARCPT%20TO:eve@example.com",
        "mailto:ada%0A@example.com",
        "mailto:%22not%40me%22@example.org",
        "mailto:zoë@example.com",
        "mailto:ada@müller.de",
        "mailto:%FF@example.com",
        "mailto:ada@example.com%2Ceve@example.com",
        "mailto://ada@example.com",
    ] {
        assert!(addresses(wrong).is_err(), "{wrong}");
    }
    let many = |count: usize| format!("mailto:{}", vec!["a@b.c"; count].join(","));
    assert!(addresses(&many(100)).is_ok());
    assert!(addresses(&many(101)).unwrap_err().contains("100 are the most"));
    assert!(!is_mail("https://example.com/") && !is_mail("mail") && !is_mail(""));
}

#[test]
fn a_mail_has_the_headers_that_programs_look_for() {
    let note = named("Größe.pdf");
    let delivery = delivery(&note);
    let bytes = bytes(&delivery, "mailto:ada@example.com,bob@example.com");
    let mail = MessageParser::default().parse(&bytes).unwrap();
    assert_eq!(mail.subject(), Some("quire: Größe.pdf was understood"));
    let from = mail.from().unwrap().first().unwrap();
    assert_eq!((from.name(), from.address()), (Some("Quire of Zoë"), Some("quire@example.org")));
    let to: Vec<_> = mail.to().unwrap().iter().filter_map(|to| to.address()).collect();
    assert_eq!(to, ["ada@example.com", "bob@example.com"]);
    assert_eq!(mail.message_id(), Some(format!("{}@example.org", delivery.id).as_str()));
    assert_eq!(mail.date().unwrap().to_timestamp(), delivery.created_at.as_second());
    let header = |name: &'static str| mail.header_raw(name).unwrap().trim().to_owned();
    assert_eq!(header("Auto-Submitted"), "auto-generated");
    assert_eq!(header("X-Quire-Event"), "document.finished");
    assert_eq!(mail.attachment_count(), 1);
    let attached = mail.attachment(0).unwrap();
    assert_eq!(attached.attachment_name(), Some("notification.json"));
    let kind = attached.content_type().unwrap();
    assert_eq!((kind.ctype(), kind.subtype()), ("application", Some("json")));
    assert_eq!(String::from_utf8_lossy(attached.contents()), delivery.body, "byte by byte");
}

#[test]
fn mails_say_what_happened_in_plain_sentences() {
    assert_eq!(
        text(&named("letter.pdf")).replace(&when(&named("letter.pdf")), "NOW"),
        "letter.pdf was understood, and nothing about it is doubtful.\n\n\
         Its kind is letter. Its language is en. It came from inbox. The verdict is accept.\n\n\
         It happened at NOW. The document's id is letter-1.\n\
         See it with `quire status letter-1`, or by the API with GET /v1/documents/letter-1.\n\n\
         The same for programs is attached. A subscription (bills) names your address; who runs quire can\n\
         end it: DELETE /v1/subscriptions/5ub\n"
    );
    let reasons: Vec<String> = (0..23).map(|at| format!("reason {at}\nof many")).collect();
    let doubtful = Notification { event: Event::NeedsReview, reasons, ..named("letter.pdf") };
    let said = text(&doubtful);
    assert!(said.starts_with("letter.pdf was understood, and a person should look at it."), "{said}");
    assert!(said.contains("\nWhy:\n- reason 0 of many\n- reason 1 of many\n"), "{said}");
    assert!(said.contains("- reason 19 of many\n- and 3 more\n"), "{said}");
    assert!(
        said.contains("quire review show letter-1") && said.contains("GET /v1/reviews/letter-1"),
        "{said}"
    );
    assert_eq!(mail(&doubtful).subject(), Some("quire: letter.pdf needs a look"));
    let failed = Notification::plain(doubtful.id.clone(), "letter.pdf".to_owned(), Event::Failed);
    let said = text(&failed);
    assert!(said.contains("could not be understood") && said.contains("quire dead show letter-1"), "{said}");
    assert!(!said.contains("Its kind"), "{said}");
    let decided = |action| {
        let corrected = vec!["kind".to_owned(), "total".to_owned()];
        let reviewed = Some(Reviewed { action, by: "bob".to_owned(), at: Timestamp::now(), corrected });
        let said = text(&Notification { event: Event::Reviewed, reviewed, ..named("letter.pdf") });
        said.lines().next().unwrap().to_owned()
    };
    assert_eq!(decided(Action::Approve), "bob approved letter.pdf.");
    assert_eq!(decided(Action::Correct), "bob corrected letter.pdf: kind, total.");
    assert_eq!(decided(Action::Reject), "bob rejected letter.pdf.");
    assert_eq!(decided(Action::Reprocess), "bob wants letter.pdf to be read and understood anew.");
    assert_eq!(decided(Action::Reopen), "bob took the decision about letter.pdf back.");
    let bytes = bytes(&Delivery::test("5ub"), "mailto:ada@example.com");
    let test = MessageParser::default().parse(&bytes).unwrap();
    assert_eq!(test.subject(), Some("quire: a test message"));
    assert!(test.body_text(0).unwrap().contains("only shows that mails arrive"));
}

fn when(note: &Notification) -> String {
    note.at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

#[test]
fn names_of_documents_stay_names() {
    let cases = [
        ("a\r\nBcc: eve@example.com\r\n\r\nHello", "a Bcc: eve@example.com Hello"),
        ("a\nSubject: b", "a Subject: b"),
        ("=?utf-8?b?QmNj?= x", "= ?utf-8?b?QmNj?= x"),
        ("invoice\u{202e}fdp.exe", "invoice fdp.exe"),
        ("\u{0}\u{7}bell", "bell"),
        (" \r\n ", "letter-1"),
    ];
    for (name, expected) in cases {
        let mail = mail(&named(name));
        assert_eq!(mail.subject(), Some(format!("quire: {expected} was understood").as_str()), "{name:?}");
    }
    let long = mail(&named(&"ä".repeat(300)));
    assert_eq!(long.subject(), Some(format!("quire: {}… was understood", "ä".repeat(100)).as_str()));
    assert_eq!(shown("a\u{2028}b\tc  d", 4), "a b …");
}

proptest! {
    /// Whatever a document is called and whatever is said of it, a mail has its headers and no others,
    /// two parts, and no lines that servers refuse.
    #[test]
    fn no_name_changes_the_structure(name in any::<String>(), reason in any::<String>(), kind in "\\PC{0,300}") {
        let note = Notification { reasons: vec![reason], kind: Some(kind), ..named(&name) };
        let delivery = delivery(&note);
        let bytes = bytes(&delivery, "mailto:ada@example.com");
        prop_assert!(bytes.is_ascii());
        let text = String::from_utf8(bytes.clone()).unwrap();
        prop_assert!(text.split("\r\n").all(|line| line.len() <= 998 && !line.contains(['\r', '\n'])));
        let mail = MessageParser::default().parse(&bytes).unwrap();
        let headers: Vec<_> = mail.headers().iter().map(|header| header.name().to_lowercase()).collect();
        prop_assert_eq!(
            headers,
            ["from", "to", "subject", "date", "message-id", "auto-submitted", "x-quire-event", "mime-version", "content-type"]
        );
        prop_assert_eq!((mail.text_body_count(), mail.attachment_count()), (1, 1));
        let attached = mail.attachment(0).unwrap();
        prop_assert_eq!(String::from_utf8_lossy(attached.contents()), delivery.body.as_str());
    }
}
