//! Outlook mails: a compound file whose streams are named after properties (MS-OXMSG). Attachments
//! are documents of their own; a mail within a mail is written as a compound file again.

use super::children::Children;
use super::code_pages::code_page;
use super::{Limits, html, reject, rtf, rtf_packed, text};
use crate::error::{Class, Error, Result};
use cfb::CompoundFile;
use encoding_rs::{Encoding, UTF_16LE, WINDOWS_1252};
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};

type File<'b> = CompoundFile<Cursor<&'b [u8]>>;

/// Properties, by their numbers.
const SUBJECT: u16 = 0x0037;
const SENT: u16 = 0x0039;
const SENDER_NAME: u16 = 0x0c1a;
const SENDER_ADDRESS: u16 = 0x0c1f;
const SENDER_SMTP: u16 = 0x5d01;
const TO: u16 = 0x0e04;
const CC: u16 = 0x0e03;
const BODY: u16 = 0x1000;
const BODY_RTF: u16 = 0x1009;
const BODY_HTML: u16 = 0x1013;
const CODE_PAGE: u16 = 0x3ffd;
const ATTACHMENT_DATA: u16 = 0x3701;
const ATTACHMENT_SHORT_NAME: u16 = 0x3704;
const ATTACHMENT_NAME: u16 = 0x3707;
const ATTACHMENT_TYPE: u16 = 0x370e;
const DISPLAY_NAME: u16 = 0x3001;

/// Whether a compound file is a mail.
pub(super) fn is_mail(bytes: &[u8]) -> bool {
    CompoundFile::open(Cursor::new(bytes)).is_ok_and(|file| file.exists("/__properties_version1.0"))
}

/// The page of an Outlook mail.
pub(super) fn pages(bytes: &[u8], limits: &Limits, children: &mut Children<'_>) -> Result<Vec<String>> {
    let mut file = CompoundFile::open(Cursor::new(bytes)).map_err(|error| broken(&error))?;
    let root = Path::new("/");
    let mut out = headers(&mut file, root)?;
    let body = body(&mut file, root, limits)?;
    push(&mut out, &body);
    let storages: Vec<PathBuf> = file
        .read_storage(root)
        .map_err(|error| broken(&error))?
        .filter(|entry| entry.is_storage() && entry.name().starts_with("__attach_version1.0_"))
        .map(|entry| entry.path().to_owned())
        .collect();
    for storage in storages {
        children.check()?;
        let name = attachment(&mut file, &storage, children)?;
        push(&mut out, &format!("Attachment: {name}"));
    }
    Ok(vec![out])
}

fn headers(file: &mut File<'_>, root: &Path) -> Result<String> {
    let name = string(file, root, SENDER_NAME)?;
    let address = match string(file, root, SENDER_SMTP)? {
        Some(address) => Some(address),
        // Within an organisation the other address is a directory's, which says nothing to people.
        None => string(file, root, SENDER_ADDRESS)?.filter(|address| address.contains('@')),
    };
    let from = match (name, address) {
        (Some(name), Some(address)) if name != address => Some(format!("{name} <{address}>")),
        (name, address) => name.or(address),
    };
    let mut lines = Vec::new();
    for (what, value) in [
        ("From", from),
        ("To", string(file, root, TO)?),
        ("Cc", string(file, root, CC)?),
        ("Subject", string(file, root, SUBJECT)?),
        ("Date", sent(file, root)?),
    ] {
        let value = value.unwrap_or_default();
        let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
        if !value.is_empty() {
            lines.push(format!("{what}: {value}"));
        }
    }
    Ok(lines.join("\n"))
}

/// The plain body, else the one in HTML, else the one in RTF.
fn body(file: &mut File<'_>, root: &Path, limits: &Limits) -> Result<String> {
    if let Some(body) = string(file, root, BODY)?.filter(|body| !body.trim().is_empty()) {
        return Ok(text::decode(body.as_bytes(), Some(encoding_rs::UTF_8)).trim().to_owned());
    }
    if let Some(html) = stream(file, root, BODY_HTML, "0102")? {
        return html::text_of(&html, limits);
    }
    match stream(file, root, BODY_RTF, "0102")? {
        Some(packed) => {
            let pages = rtf::pages(&rtf_packed::unpacked(&packed, limits)?, limits)?;
            Ok(pages.into_iter().map(|page| page.text).collect::<Vec<_>>().join("\n\n"))
        }
        None => Ok(String::new()),
    }
}

/// Hands out one attachment; its name.
fn attachment(file: &mut File<'_>, storage: &Path, children: &mut Children<'_>) -> Result<String> {
    let mut name = None;
    for property in [ATTACHMENT_NAME, ATTACHMENT_SHORT_NAME, DISPLAY_NAME] {
        if name.is_none() {
            name = string(file, storage, property)?.filter(|name| !name.trim().is_empty());
        }
    }
    let inner = storage.join(format!("__substg1.0_{ATTACHMENT_DATA:04X}000D"));
    if file.is_storage(&inner) {
        let name = format!("{}.msg", name.as_deref().unwrap_or("message").trim_end_matches(".msg"));
        let copy = copied(file, &inner, children)?;
        children.attach(&name, Some("application/vnd.ms-outlook"), copy)?;
        return Ok(name);
    }
    let name = name.unwrap_or_else(|| "attachment".to_owned());
    let declared = string(file, storage, ATTACHMENT_TYPE)?;
    // An attachment by reference has no data here.
    if let Some(data) = stream(file, storage, ATTACHMENT_DATA, "0102")? {
        children.attach(&name, declared.as_deref(), data)?;
    }
    Ok(name)
}

/// A storage as a compound file of its own. Streams are no larger together than the file.
fn copied(file: &mut File<'_>, storage: &Path, children: &Children<'_>) -> Result<Vec<u8>> {
    let mut copy = CompoundFile::create(Cursor::new(Vec::new())).map_err(|error| broken(&error))?;
    let entries: Vec<(PathBuf, bool)> = file
        .walk_storage(storage)
        .map_err(|error| broken(&error))?
        .map(|entry| (entry.path().to_owned(), entry.is_storage()))
        .collect();
    let (mut left, error) = children.allowed();
    for (path, is_storage) in entries {
        let Ok(relative) = path.strip_prefix(storage) else { continue };
        if relative.as_os_str().is_empty() {
            continue;
        }
        let target = Path::new("/").join(relative);
        if is_storage {
            copy.create_storage(&target).map_err(|error| broken(&error))?;
            continue;
        }
        let content = read(file, &path)?;
        left = left.checked_sub(content.len() as u64).ok_or_else(|| error.clone())?;
        let mut stream = copy.create_stream(&target).map_err(|error| broken(&error))?;
        stream.write_all(&content).map_err(|error| broken(&error))?;
    }
    copy.flush().map_err(|error| broken(&error))?;
    Ok(copy.into_inner().into_inner())
}

/// A string property, in UTF-16 or in the mail's code page.
fn string(file: &mut File<'_>, storage: &Path, property: u16) -> Result<Option<String>> {
    if let Some(wide) = stream(file, storage, property, "001F")? {
        return Ok(Some(UTF_16LE.decode_without_bom_handling(&wide).0.trim_end_matches('\0').to_owned()));
    }
    let Some(narrow) = stream(file, storage, property, "001E")? else { return Ok(None) };
    let encoding = encoding_of(file).unwrap_or(WINDOWS_1252);
    Ok(Some(encoding.decode_without_bom_handling(&narrow).0.trim_end_matches('\0').to_owned()))
}

fn encoding_of(file: &mut File<'_>) -> Option<&'static Encoding> {
    let value = fixed(file, Path::new("/"), CODE_PAGE).ok()??;
    code_page(i32::try_from(value & 0xffff_ffff).ok()?)
}

/// When it was sent: 100 nanoseconds since 1601.
fn sent(file: &mut File<'_>, storage: &Path) -> Result<Option<String>> {
    const TO_UNIX_EPOCH_S: i64 = 11_644_473_600;
    let Some(ticks) = fixed(file, storage, SENT)? else { return Ok(None) };
    let seconds = i64::try_from(ticks / 10_000_000).unwrap_or(0).saturating_sub(TO_UNIX_EPOCH_S);
    Ok(jiff::Timestamp::from_second(seconds).ok().map(|time| time.to_string()))
}

/// A property of fixed length: entries of 16 bytes behind a header of 32 (24 within another mail).
fn fixed(file: &mut File<'_>, storage: &Path, property: u16) -> Result<Option<u64>> {
    let path = storage.join("__properties_version1.0");
    if !file.is_stream(&path) {
        return Ok(None);
    }
    let content = read(file, &path)?;
    for header in [32, 24] {
        let entries = content.get(header..).unwrap_or_default().chunks_exact(16);
        for entry in entries {
            let number = entry.get(2..4).and_then(|bytes| bytes.try_into().ok()).map(u16::from_le_bytes);
            let value = entry.get(8..16).and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes);
            if number == Some(property) {
                return Ok(value);
            }
        }
    }
    Ok(None)
}

fn stream(file: &mut File<'_>, storage: &Path, property: u16, kind: &str) -> Result<Option<Vec<u8>>> {
    let path = storage.join(format!("__substg1.0_{property:04X}{kind}"));
    if file.is_stream(&path) { read(file, &path).map(Some) } else { Ok(None) }
}

/// A stream's content; it cannot be longer than the file, however long it claims to be.
fn read(file: &mut File<'_>, path: &Path) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    let mut stream = file.open_stream(path).map_err(|error| broken(&error))?;
    stream.read_to_end(&mut content).map_err(|error| broken(&error))?;
    Ok(content)
}

fn push(out: &mut String, paragraph: &str) {
    if !out.is_empty() && !paragraph.is_empty() {
        out.push_str("\n\n");
    }
    out.push_str(paragraph);
}

fn broken(error: &std::io::Error) -> Error {
    reject(Class::Corrupt, format!("the Outlook mail: {error}"))
}
