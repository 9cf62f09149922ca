//! Mailboxes: mails one after the other, each begun by a line `From sender date`. Every mail is a
//! document of its own; the mailbox's text is the list of their subjects.

use super::children::Children;
use super::eml_bytes::with_plain_headers;
use crate::error::Result;
use mail_parser::MessageParser;

/// The mails of a mailbox.
pub(super) fn pages(bytes: &[u8], children: &mut Children<'_>) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for mail in mails(bytes) {
        children.check()?;
        let content = unquoted(mail);
        children.passed_over(content.len() as u64)?;
        let number = children.len() + 1;
        let headers = with_plain_headers(&content);
        let subject = MessageParser::default().parse_headers(&headers);
        let subject = subject.and_then(|mail| mail.subject().map(str::to_owned)).unwrap_or_default();
        let subject = subject.split_whitespace().collect::<Vec<_>>().join(" ");
        lines.push(format!("{number}. {subject}").trim_end().to_owned());
        // By number: a mailbox grows at its end, so mails keep theirs.
        children.add(&format!("message-{number}.eml"), Some("message/rfc822"), content)?;
    }
    Ok(vec![lines.join("\n")])
}

/// The mails, each without the line that begins it.
fn mails(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut starts = Vec::new();
    let mut at = 0;
    let mut after_blank = true;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        if after_blank && is_separator(line) {
            starts.push((at, at + line.len()));
        }
        after_blank = line == b"\n" || line == b"\r\n";
        at += line.len();
    }
    let ends: Vec<usize> = starts.iter().skip(1).map(|(line, _)| *line).chain([bytes.len()]).collect();
    starts.into_iter().zip(ends).filter_map(|((_, start), end)| bytes.get(start..end))
}

/// `From ada@example.org Tue May 14 09:30:00 2024`: a word, then a date with a time.
pub(super) fn is_separator(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(b"From ") else { return false };
    let rest = String::from_utf8_lossy(rest.get(..200).unwrap_or(rest)).into_owned();
    let mut words = rest.split_whitespace().skip(1);
    let clock =
        |word: &str| word.len() >= 4 && word.contains(':') && word.starts_with(|c: char| c.is_ascii_digit());
    words.any(clock)
}

/// A line of a mail that begins with `From ` was written with a `>` before it.
fn unquoted(mail: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(mail.len());
    for line in mail.split_inclusive(|byte| *byte == b'\n') {
        let bare = line.iter().position(|byte| *byte != b'>').unwrap_or(0);
        let quoted = bare > 0 && line.get(bare..).is_some_and(|rest| rest.starts_with(b"From "));
        out.extend_from_slice(if quoted { line.get(1..).unwrap_or_default() } else { line });
    }
    out
}
