//! Mail: who, to whom, about what and when, then the body, then the names of what is attached. Every
//! attachment is a document of its own.

use super::children::Children;
use super::eml_parts::{Part, Parts, parts_of};
use super::{Limits, eml_bytes, html, reject};
use crate::error::{Class, Result};
use mail_parser::{Address, Message, MessageParser, MimeHeaders, PartType};

/// The page of a mail.
pub(super) fn pages(bytes: &[u8], limits: &Limits, children: &mut Children<'_>) -> Result<Vec<String>> {
    let bytes = eml_bytes::with_plain_headers(bytes);
    let headers = MessageParser::default().parse_headers(bytes.as_ref());
    let headers = headers.ok_or_else(|| reject(Class::Corrupt, "the mail has no headers"))?;
    let parts = parts_of(&bytes)?;
    let mut text = String::new();
    write_headers(&headers, &mut text);
    let head = text.len();
    write_parts(&parts, &parts.text, limits, &mut text)?;
    // Some programs leave the plain alternative empty.
    if text.get(head..).is_none_or(|text| text.trim().is_empty()) {
        write_parts(&parts, &parts.html, limits, &mut text)?;
    }
    let attached = parts.attached.iter().filter_map(|place| parts.all.get(*place));
    for (number, part) in (1..).zip(attached) {
        attach(part, number, children, &mut text)?;
    }
    Ok(vec![text.trim().to_owned()])
}

fn write_parts(parts: &Parts<'_>, which: &[usize], limits: &Limits, out: &mut String) -> Result<()> {
    for Part { message, .. } in which.iter().filter_map(|place| parts.all.get(*place)) {
        let Some(part) = message.parts.first() else { continue };
        match &part.body {
            PartType::Text(text) => paragraph(out, &plain(&eml_bytes::text_of(message, part, text))),
            PartType::Html(html) => {
                paragraph(out, &html::to_text(&eml_bytes::text_of(message, part, html), limits)?);
            }
            _ => {}
        }
    }
    Ok(())
}

/// Makes a document of a part.
fn attach(
    Part { message, mail }: &Part<'_>,
    number: usize,
    children: &mut Children<'_>,
    out: &mut String,
) -> Result<()> {
    let part = message.parts.first();
    let kind = part.and_then(|part| part.content_type());
    let subtype = kind.and_then(|kind| kind.subtype());
    let name = part.and_then(|part| part.attachment_name()).map(str::to_owned);
    let name = name.unwrap_or_else(|| unnamed(subtype, mail.is_some(), number));
    let declared = match (mail, kind) {
        (Some(_), _) => Some("message/rfc822".to_owned()),
        (None, Some(kind)) => {
            Some([Some(kind.ctype()), subtype].into_iter().flatten().collect::<Vec<_>>().join("/"))
        }
        (None, None) => None,
    };
    let content = match (mail, part.map(|part| (part, &part.body))) {
        (Some(mail), _) => mail.to_vec(),
        // Its charset stays behind, so it goes on in UTF-8.
        (None, Some((part, PartType::Text(text) | PartType::Html(text)))) => {
            eml_bytes::text_of(message, part, text).into_owned().into_bytes()
        }
        (None, part) => part.map(|(part, _)| part.contents().to_vec()).unwrap_or_default(),
    };
    children.check()?;
    children.attach(&name, declared.as_deref(), content)?;
    paragraph(out, &format!("Attachment: {name}"));
    Ok(())
}

/// A name for an attachment that has none.
fn unnamed(subtype: Option<&str>, mail: bool, number: usize) -> String {
    if mail {
        return format!("message-{number}.eml");
    }
    let ending = match subtype.unwrap_or_default() {
        "plain" => "txt",
        "jpeg" => "jpg",
        ending if ending.len() <= 5 && ending.bytes().all(|b| b.is_ascii_alphanumeric()) => ending,
        _ => "bin",
    };
    format!("attachment-{number}.{ending}")
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

    fn read(mail: &str) -> (String, Vec<(String, Vec<u8>)>) {
        let limits = limits();
        let mut children = Children::new(mail.len(), &limits);
        let text = pages(mail.as_bytes(), &limits, &mut children).unwrap().join("\n");
        (text, children.finish().into_iter().map(|child| (child.path, child.bytes)).collect())
    }

    #[test]
    fn headers_body_and_attachments() {
        let (text, children) = read(&mail());
        let expected = "From: Ada L. <ada@example.org>\nTo: bob@example.org\nSubject: Grüße\n\
            Date: 2024-05-14T09:30:00Z\n\nHello Bob,\nsee below.\n\nAttachment: agenda.txt\n\n\
            Attachment: plan.pdf";
        assert_eq!(text, expected);
        let agenda = ("agenda.txt".to_owned(), b"1. Cables".to_vec());
        assert_eq!(children, [agenda, ("plan.pdf".to_owned(), b"%PDF-".to_vec())]);
    }

    #[test]
    fn a_mail_within_a_mail_is_a_document_of_its_own() {
        let outer = "From: a@b.c\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nlook\r\n\
            --x\r\nContent-Type: message/rfc822\r\n\r\nFrom: d@e.f\r\nSubject: inner\r\n\r\ntext\r\n--x--\r\n";
        let (text, children) = read(outer);
        assert_eq!(text, "From: a@b.c\n\nlook\n\nAttachment: message-1.eml");
        let (path, bytes) = &children[0];
        assert_eq!(path, "message-1.eml");
        assert!(String::from_utf8_lossy(bytes).starts_with("From: d@e.f\r\nSubject: inner\r\n\r\ntext"));
    }

    #[test]
    fn an_empty_plain_alternative_leaves_the_html() {
        let mail = "From: a@b.c\r\nContent-Type: multipart/alternative; boundary=x\r\n\r\n--x\r\n\
            Content-Type: text/plain\r\n\r\n \r\n--x\r\nContent-Type: text/html\r\n\r\n<p>Your <b>ticket</b></p>\r\n--x--\r\n";
        assert_eq!(read(mail).0, "From: a@b.c\n\nYour ticket");
    }

    #[test]
    fn what_says_nothing_of_its_charset_or_something_wrong_is_read() {
        let read_bytes = |mail: &[u8]| {
            let limits = limits();
            pages(mail, &limits, &mut Children::new(mail.len(), &limits)).unwrap().join("\n")
        };
        let russian = "Собрание садоводов состоится во вторник в семь часов вечера.";
        let (koi, ..) = encoding_rs::KOI8_R.encode(russian);
        let with = |head: &str, body: &[u8]| [head.as_bytes(), b"\r\n\r\n", body].concat();
        for kind in ["koi8-r", "us-ascii", "x-unknown", "utf-8"] {
            let head = format!("From: a@b.c\r\nContent-Type: text/plain; charset={kind}");
            assert_eq!(read_bytes(&with(&head, &koi)), format!("From: a@b.c\n\n{russian}"), "{kind}");
        }
        let head = "From: a@b.c\r\nContent-Type: text/plain; charset=iso-8859-1";
        assert!(read_bytes(&with(head, russian.as_bytes())).ends_with(russian));
        // Eight bits in a header, and switches in one.
        let subject =
            [&b"From: a@b.c\r\nSubject: "[..], &koi, b"\r\nContent-Type: text/plain; charset=koi8-r"]
                .concat();
        assert!(read_bytes(&[&subject[..], b"\r\n\r\nx"].concat()).contains(&format!("Subject: {russian}")));
        let (jis, ..) = encoding_rs::ISO_2022_JP.encode("園芸会");
        let subject = [&b"From: a@b.c\r\nSubject: "[..], &jis, b"\r\n\r\n", &jis].concat();
        assert_eq!(read_bytes(&subject), "From: a@b.c\nSubject: 園芸会\n\n園芸会");
        let korean: Vec<u8> = encoding_rs::EUC_KR.encode("정원").0.iter().map(|byte| byte & 0x7f).collect();
        let body = [&b"\x1b$)C\r\n\x0e"[..], &korean, b"\x0f\r\n"].concat();
        let head = "From: a@b.c\r\nContent-Type: text/plain; charset=iso-2022-kr";
        assert_eq!(read_bytes(&with(head, &body)), "From: a@b.c\n\n정원");
    }

    #[test]
    fn a_mail_of_html_only_is_read_as_html() {
        let mail = "From: a@b.c\r\nContent-Type: text/html\r\n\r\n<p>Hi <b>you</b></p>";
        assert_eq!(read(mail).0, "From: a@b.c\n\nHi you");
    }
}
