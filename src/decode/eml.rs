//! Mail: who, to whom, about what and when, then the body, then what is attached. Attached text is
//! read with the mail; other attachments are named.

use super::{Limits, html, reject};
use crate::error::{Class, Result};
use mail_parser::{Address, Message, MessageParser, MimeHeaders, PartType};

/// Mails within mails beyond this are named, not read.
const MAX_NESTING: usize = 8;

/// The page of a mail.
pub(super) fn pages(bytes: &[u8], limits: &Limits) -> Result<Vec<String>> {
    let message = MessageParser::default().parse(bytes);
    let message = message.ok_or_else(|| reject(Class::Corrupt, "the mail has no headers"))?;
    let mut text = String::new();
    write_message(&message, 0, limits, &mut text)?;
    Ok(vec![text.trim().to_owned()])
}

fn write_message(message: &Message<'_>, depth: usize, limits: &Limits, out: &mut String) -> Result<()> {
    write_headers(message, out);
    for &part in &message.text_body {
        let Some(part) = message.parts.get(part as usize) else { continue };
        match &part.body {
            PartType::Text(text) => paragraph(out, &plain(text)),
            PartType::Html(html) => paragraph(out, &html::to_text(html, limits)?),
            _ => {}
        }
    }
    for part in message.attachments() {
        if let Some(name) = part.attachment_name() {
            paragraph(out, &format!("Attachment: {name}"));
        }
        match &part.body {
            PartType::Text(text) => paragraph(out, &plain(text)),
            PartType::Html(html) => paragraph(out, &html::to_text(html, limits)?),
            PartType::Message(inner) if depth < MAX_NESTING => write_message(inner, depth + 1, limits, out)?,
            _ => {}
        }
    }
    Ok(())
}

fn write_headers(message: &Message<'_>, out: &mut String) {
    let mut lines = Vec::new();
    for (name, value) in [
        ("From", message.from().map(addresses)),
        ("To", message.to().map(addresses)),
        ("Cc", message.cc().map(addresses)),
        ("Subject", message.subject().map(str::to_owned)),
        ("Date", message.date().map(|date| date.to_rfc3339())),
    ] {
        if let Some(value) = value.filter(|value| !value.trim().is_empty()) {
            lines.push(format!("{name}: {}", value.split_whitespace().collect::<Vec<_>>().join(" ")));
        }
    }
    paragraph(out, &lines.join("\n"));
}

fn addresses(address: &Address<'_>) -> String {
    let one = |name: Option<&str>, address: Option<&str>| match (name, address) {
        (Some(name), Some(address)) => format!("{name} <{address}>"),
        (name, address) => name.or(address).unwrap_or_default().to_owned(),
    };
    address.iter().map(|each| one(each.name(), each.address())).collect::<Vec<_>>().join(", ")
}

/// Mails have CRLF and control characters like any other text.
fn plain(text: &str) -> String {
    super::text::decode(text.as_bytes(), Some(encoding_rs::UTF_8))
}

fn paragraph(out: &mut String, text: &str) {
    let text = text.trim();
    if !out.is_empty() && !text.is_empty() {
        out.push_str("\n\n");
    }
    out.push_str(text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::samples::{limits, mail};

    #[test]
    fn headers_body_and_attachments() {
        let text = pages(mail().as_bytes(), &limits()).unwrap().join("\n");
        let expected = "From: Ada L. <ada@example.org>\nTo: bob@example.org\nSubject: Grüße\n\
            Date: 2024-05-14T09:30:00Z\n\nHello Bob,\nsee below.\n\nAttachment: agenda.txt\n\n1. Cables\n\n\
            Attachment: plan.pdf";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_mail_of_html_only_is_read_as_html() {
        let mail = "From: a@b.c\r\nContent-Type: text/html\r\n\r\n<p>Hi <b>you</b></p>";
        assert_eq!(pages(mail.as_bytes(), &limits()).unwrap(), ["From: a@b.c\n\nHi you"]);
    }
}
