//! What a document is: by its bytes first; its name and declared type only tell text formats
//! apart, since nothing in the bytes does.

use super::archive::{Archive, broken_archive};
use super::{json, mbox, msg, reject, rtf, seven_bit, text};
use crate::document::MediaType;
use crate::error::{Class, Result};

/// How many bytes are looked at to tell text from anything else.
const SAMPLE: usize = 64 * 1024;

/// Signatures at offset 0 that decide at once.
const MAGIC: &[(&[u8], MediaType)] = &[
    (b"\x89PNG\r\n\x1a\n", MediaType::Png),
    (b"\xff\xd8\xff", MediaType::Jpeg),
    (b"II*\0", MediaType::Tiff),
    (b"MM\0*", MediaType::Tiff),
    (b"II+\0", MediaType::Tiff),
    (b"MM\0+", MediaType::Tiff),
    (b"GIF87a", MediaType::Gif),
    (b"GIF89a", MediaType::Gif),
    (b"\x1f\x8b", MediaType::Gzip),
    (rtf::MAGIC, MediaType::Rtf),
];

/// Signatures of what is known but not read: the message can then say what it was.
const KNOWN_BUT_UNREAD: &[(&[u8], &str)] = &[
    (b"%!PS", "PostScript"),
    (b"BZh", "bzip2"),
    (b"7z\xbc\xaf\x27\x1c", "7-Zip"),
    (b"Rar!", "RAR"),
    (b"\x28\xb5\x2f\xfd", "Zstandard"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x7fELF", "an ELF program"),
    (b"MZ\x90\0", "a Windows program"),
    (b"ID3", "MP3 audio"),
    (b"OggS", "Ogg audio"),
    (b"SQLite format 3\0", "a SQLite database"),
];

/// What the bytes are.
pub fn detect(bytes: &[u8], name: &str, declared: Option<&str>) -> Result<MediaType> {
    if bytes.is_empty() {
        return Err(reject(Class::Empty, "the document holds no bytes"));
    }
    if let Some((_, media_type)) = MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Ok(*media_type);
    }
    if is_pdf(bytes) {
        return Ok(MediaType::Pdf);
    }
    if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        return Ok(MediaType::Webp);
    }
    if is_bmp(bytes) {
        return Ok(MediaType::Bmp);
    }
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") {
        return office_archive(bytes);
    }
    if bytes.starts_with(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") {
        return if msg::is_mail(bytes) { Ok(MediaType::Msg) } else { Err(compound_file(bytes)) };
    }
    if is_tar(bytes) {
        return Ok(MediaType::Tar);
    }
    if let Some(brand) = heif_brand(bytes) {
        return match brand {
            b"avif" | b"avis" => Err(reject(Class::Unsupported, "AVIF pictures are not read")),
            _ => Ok(MediaType::Heic),
        };
    }
    if let Some((_, what)) = KNOWN_BUT_UNREAD.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Err(reject(Class::Unsupported, format!("{what} is not read")));
    }
    // A mail may carry binary parts after headers that are text.
    let body = find(bytes, b"\n\r\n").or_else(|| find(bytes, b"\n\n"));
    let headers = bytes.get(..body.unwrap_or(0)).unwrap_or_default();
    let is_mail = is_text(headers) && is_mail(&head(headers), hint(name, declared));
    if !is_mail && !is_text(bytes) {
        let reason = format!("{} bytes that are neither text nor a format that is read", bytes.len());
        return Err(reject(Class::Unsupported, reason));
    }
    Ok(text_kind(bytes, name, declared))
}

/// Viewers accept some bytes before the header; text that merely mentions it has no objects.
fn is_pdf(bytes: &[u8]) -> bool {
    let head = bytes.get(..1024).unwrap_or(bytes);
    match find(head, b"%PDF-") {
        Some(0) => true,
        Some(_) => find(bytes, b" obj").is_some() && find(bytes, b"endobj").is_some(),
        None => false,
    }
}

fn is_bmp(bytes: &[u8]) -> bool {
    let header = bytes.get(14..18).and_then(|size| size.try_into().ok()).map(u32::from_le_bytes);
    bytes.starts_with(b"BM") && matches!(header, Some(12 | 40 | 52 | 56 | 64 | 108 | 124))
}

/// Where `needle` first is.
pub(super) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn office_archive(bytes: &[u8]) -> Result<MediaType> {
    // Only small entries are read here; the limits proper apply when the document is.
    let mut archive = Archive::open(bytes, 1 << 20)
        .map_err(|error| if broken_archive(&error) { super::archive::why_broken(bytes) } else { error })?;
    if let Some(kind) = archive.try_read("mimetype")? {
        return open_document(&String::from_utf8_lossy(&kind));
    }
    for (member, media_type) in
        [("xl/workbook.xml", MediaType::Xlsx), ("ppt/presentation.xml", MediaType::Pptx)]
    {
        if archive.has(member) {
            return Ok(media_type);
        }
    }
    // Word for the web numbers its main part.
    if super::docx::main_part(&archive).is_some() {
        return Ok(MediaType::Docx);
    }
    if archive.has("xl/workbook.bin") {
        return Err(reject(Class::Unsupported, "a binary workbook (.xlsb) is not read"));
    }
    Ok(MediaType::Zip)
}

fn open_document(kind: &str) -> Result<MediaType> {
    let kind = kind.trim();
    let kind = kind.strip_suffix("-template").unwrap_or(kind);
    match kind.parse() {
        Ok(media_type @ (MediaType::Odt | MediaType::Ods | MediaType::Odp | MediaType::Epub)) => {
            Ok(media_type)
        }
        _ => {
            let kind: String = kind.chars().filter(|c| !c.is_control()).take(80).collect();
            Err(reject(Class::Unsupported, format!("an archive of type `{kind}`")))
        }
    }
}

/// Microsoft's container holds the old binary formats, and encrypted new ones.
fn compound_file(bytes: &[u8]) -> crate::error::Error {
    let encrypted: Vec<u8> = "EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes).collect();
    if find(bytes, &encrypted).is_some() {
        return reject(Class::Encrypted, "the office document asks for a password");
    }
    reject(Class::Unsupported, "a binary office document from before 2007 (.doc, .xls, .ppt) or a .msg mail")
}

/// Text has hardly any control characters; compressed or executable bytes have one in eight.
fn is_text(bytes: &[u8]) -> bool {
    let sample = bytes.get(..SAMPLE).unwrap_or(bytes);
    if text::utf16(sample).is_some() || sample.starts_with(b"\xef\xbb\xbf") || seven_bit::is_shifted(sample) {
        return true;
    }
    let odd = |byte: &&u8| matches!(**byte, 0..=6 | 0x0e..=0x1a | 0x1c..=0x1f | 0x7f);
    let control = sample.iter().filter(odd).count();
    control * 50 <= sample.len()
}

fn head(bytes: &[u8]) -> String {
    text::decode(bytes.get(..SAMPLE).unwrap_or(bytes), None)
}

fn text_kind(bytes: &[u8], name: &str, declared: Option<&str>) -> MediaType {
    let head = head(bytes);
    let hint = hint(name, declared);
    if hint != Some(MediaType::Markdown) && is_html(&head, hint) {
        return MediaType::Html;
    }
    if is_mailbox(bytes, hint) {
        return MediaType::Mbox;
    }
    if is_mail(&head, hint) {
        return MediaType::Email;
    }
    if let Some(data) = data_kind(bytes, &head, hint) {
        return data;
    }
    match hint {
        Some(kind @ (MediaType::Markdown | MediaType::Csv)) => kind,
        _ => MediaType::Text,
    }
}

/// A mailbox begins as a mail in one does; a file of one mail that was cut out of a mailbox is a mail,
/// unless its name says otherwise.
fn is_mailbox(bytes: &[u8], hint: Option<MediaType>) -> bool {
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
    if !lines.next().is_some_and(mbox::is_separator) {
        return false;
    }
    let mut after_blank = false;
    let another = |line: &[u8]| {
        let separates = after_blank && mbox::is_separator(line);
        after_blank = line == b"\n" || line == b"\r\n";
        separates
    };
    hint == Some(MediaType::Mbox) || lines.any(another)
}

/// Data as text: JSON only if it is valid, so that whatever else begins with a bracket stays text.
fn data_kind(bytes: &[u8], head: &str, hint: Option<MediaType>) -> Option<MediaType> {
    if matches!(hint, Some(MediaType::Markdown | MediaType::Csv)) {
        return None;
    }
    let start = head.trim_start();
    if start.starts_with(['{', '[']) {
        let whole = text::decode(bytes, Some(encoding_rs::UTF_8));
        if json::is_json(&whole) {
            return Some(MediaType::Json);
        }
        return json::is_lines(&whole).then_some(MediaType::JsonLines);
    }
    let declared = start.starts_with("<?xml");
    (declared || hint == Some(MediaType::Xml) && start.starts_with('<')).then_some(MediaType::Xml)
}

/// The mark of POSIX and GNU archives, else the checksum of the older kind.
pub(super) fn is_tar(bytes: &[u8]) -> bool {
    if bytes.get(257..262) == Some(b"ustar") {
        return true;
    }
    let Some(header) = bytes.get(..512) else { return false };
    let field = header.get(148..156).unwrap_or_default();
    let digits: String =
        field.iter().take_while(|b| b.is_ascii_digit() || **b == b' ').map(|b| *b as char).collect();
    let sum = |(at, byte): (usize, &u8)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) };
    let found: u32 = header.iter().enumerate().map(sum).sum();
    header.first() != Some(&0)
        && u32::from_str_radix(digits.trim(), 8).is_ok_and(|promised| promised == found)
}

/// The brand in the box that ISO media files begin with, if it is one for pictures.
fn heif_brand(bytes: &[u8]) -> Option<&[u8; 4]> {
    const BRANDS: [&[u8; 4]; 12] = [
        b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"mif2", b"msf1", b"avci", b"avif",
        b"avis",
    ];
    let brand = bytes.get(8..12)?.first_chunk()?;
    (bytes.get(4..8) == Some(b"ftyp") && BRANDS.contains(&brand)).then_some(brand)
}

/// The text format that the name's ending speaks for, else the declared type.
fn hint(name: &str, declared: Option<&str>) -> Option<MediaType> {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    let by_name = match ending.as_deref() {
        Some("md" | "markdown" | "mdown") => Some(MediaType::Markdown),
        Some("csv" | "tsv" | "tab") => Some(MediaType::Csv),
        Some("html" | "htm" | "xhtml") => Some(MediaType::Html),
        Some("eml" | "mail") => Some(MediaType::Email),
        Some("mbox") => Some(MediaType::Mbox),
        Some("xml" | "svg") => Some(MediaType::Xml),
        Some("txt" | "text" | "log") => Some(MediaType::Text),
        _ => None,
    };
    by_name.or_else(|| {
        let essence = declared?.split(';').next()?.trim().to_ascii_lowercase();
        match essence.as_str() {
            "text/x-markdown" => Some(MediaType::Markdown),
            "text/tab-separated-values" => Some(MediaType::Csv),
            "application/xhtml+xml" => Some(MediaType::Html),
            "text/xml" => Some(MediaType::Xml),
            essence => essence.parse().ok(),
        }
    })
}

fn is_html(head: &str, hint: Option<MediaType>) -> bool {
    let mut rest = head.trim_start();
    // Comments and XML declarations may stand before the first tag.
    while let Some(after) = rest.strip_prefix("<!--").or_else(|| rest.strip_prefix("<?")) {
        let Some((_, after)) = after.split_once('>') else { return false };
        rest = after.trim_start();
    }
    let start: String = rest.chars().take(15).collect::<String>().to_ascii_lowercase();
    let opens = ["<!doctype html", "<html", "<head", "<body", "<title"];
    if opens.iter().any(|tag| start.starts_with(tag)) {
        return true;
    }
    let tags = ["<p", "<div", "<table", "<h1", "<span", "<body", "<meta"];
    hint == Some(MediaType::Html) && tags.iter().any(|tag| head.to_ascii_lowercase().contains(tag))
}

/// RFC 5322: header lines up to a blank one, or up to a delimiter that they declare. A memo also begins with
/// From and Date, so a text needs a header that only mail programs write, unless its name or its type says
/// that it is a mail.
fn is_mail(head: &str, hint: Option<MediaType>) -> bool {
    let mut known = 0;
    let mut technical = 0;
    for (number, line) in head.lines().take(200).enumerate() {
        if line.is_empty() {
            break;
        }
        let folded = line.starts_with([' ', '\t']) && number > 0;
        if folded || (number == 0 && line.starts_with("From ")) {
            continue;
        }
        let field = line.split_once(':').map_or("", |(field, _)| field);
        if field.is_empty() || !field.bytes().all(|byte| byte.is_ascii_graphic()) {
            // Of a broken mail the first delimiter may be what ends its headers.
            if delimits(head, number, line) {
                break;
            }
            return false;
        }
        match field.to_ascii_lowercase().as_str() {
            "from" | "to" | "cc" | "subject" | "date" | "reply-to" | "sender" => known += 1,
            "message-id" | "received" | "mime-version" | "return-path" | "delivered-to" | "content-type"
            | "dkim-signature" => technical += 1,
            _ => {}
        }
    }
    if hint == Some(MediaType::Email) { known.max(2 * technical) >= 2 } else { known >= 1 && technical >= 1 }
}

/// Whether a line is `--` and a boundary that the lines before it declare.
fn delimits(head: &str, number: usize, line: &str) -> bool {
    let Some(boundary) = line.strip_prefix("--").map(str::trim_end).filter(|it| !it.is_empty()) else {
        return false;
    };
    head.lines().take(number).any(|before| {
        before.split_once("boundary=").is_some_and(|(_, rest)| {
            let value = rest.trim_start_matches('"');
            value
                .strip_prefix(boundary)
                .is_some_and(|end| end.trim_end().is_empty() || end.starts_with(['"', ';']))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mails_without_an_empty_line_are_mails_and_what_looks_a_little_like_them_is_text() {
        let kind = |bytes: &[u8], name: &str, declared: Option<&str>| detect(bytes, name, declared).unwrap();
        // Headers that no empty line ends.
        let cut = b"From: a@b.c\nContent-Type: multipart/mixed; boundary=b\n--b\n\nx\n--b--";
        assert_eq!(kind(cut, "x", None), MediaType::Email);
        assert_eq!(kind(b"MIME-Version: 1.0\n\nx", "x", Some("message/rfc822")), MediaType::Email);
        // What looks a little like it, and would lose its lines as headers.
        let fax = b"From: Anna\nReceived: 3 May\n----------\nItem: cable\nPrice: 20\n\nThanks";
        assert_eq!(kind(fax, "x", None), MediaType::Text);
        let quoting = b"From: a@b.c\nSubject: x\nHi Bob,\nthanks.\nFrom: Bob\nSubject: y\n\nold";
        assert_eq!(kind(quoting, "x.eml", None), MediaType::Text);
        assert_eq!(kind(b"Date: 5 May\nAgenda: budget\n\nwe met", "notes.mail", None), MediaType::Text);
    }
}
