//! Electronic books: the chapters in their reading order, each a page.

use super::archive::Archive;
use super::xml::{self, attributes};
use super::{Limits, check_pages, html, reject};
use crate::error::{Class, Result};
use std::collections::HashMap;

/// The chapters of a book.
pub(super) fn pages(bytes: &[u8], limits: &Limits) -> Result<Vec<String>> {
    let mut archive = Archive::open(bytes, limits.max_expanded_bytes)?;
    let container = archive.xml("META-INF/container.xml")?;
    let roots = attributes(&container, "META-INF/container.xml", "rootfile", ["full-path", "", ""])?;
    let package = roots.into_iter().next().map(|[path, ..]| path);
    let package = package.ok_or_else(|| reject(Class::Corrupt, "the book names no package"))?;
    let description = archive.xml(&package)?;
    let items = attributes(&description, &package, "item", ["id", "href", "media-type"])?;
    let items: HashMap<String, String> = items.into_iter().map(|[id, href, _]| (id, href)).collect();
    let spine = attributes(&description, &package, "itemref", ["idref", "", ""])?;
    check_pages(spine.len(), limits)?;
    let locked = locked(&mut archive)?;
    let folder = package.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut pages = Vec::new();
    for [id, ..] in spine {
        let Some(href) = items.get(&id) else { continue };
        let path = resolved(folder, href);
        if locked.contains(&path) {
            return Err(reject(Class::Encrypted, format!("the book is locked: {path}")));
        }
        let Some(chapter) = archive.try_read(&path)? else {
            return Err(reject(Class::Corrupt, format!("the book has no `{path}`")));
        };
        let text = html::text_of(&chapter, limits)?;
        if !text.trim().is_empty() {
            pages.push(text);
        }
    }
    if pages.is_empty() {
        pages.push(String::new());
    }
    Ok(pages)
}

/// The entries that are encrypted; fonts often are in books that anybody may read.
fn locked(archive: &mut Archive<'_>) -> Result<Vec<String>> {
    let Some(list) = archive.try_xml("META-INF/encryption.xml")? else { return Ok(Vec::new()) };
    let references = xml::attributes(&list, "META-INF/encryption.xml", "CipherReference", ["URI", "", ""])?;
    Ok(references.into_iter().map(|[uri, ..]| resolved("", &uri)).collect())
}

/// The entry that a reference in a folder stands for: `%20` is a blank, `..` the folder above.
fn resolved(folder: &str, href: &str) -> String {
    let href = href.split('#').next().unwrap_or(href);
    let decoded = percent_decoded(href);
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in decoded.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = after.get(..2).filter(|_| first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        let (byte, next) = match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => (byte, after.get(2..).unwrap_or_default()),
            None => (first, after),
        };
        bytes.push(byte);
        rest = next;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::samples::{epub, limits, zip};

    #[test]
    fn chapters_come_in_reading_order() {
        assert_eq!(pages(&epub(), &limits()).unwrap(), ["The end\n\nIt was first.", "Two words"]);
    }

    #[test]
    fn a_locked_book_asks_for_its_key_and_a_torn_one_is_torn() {
        let container = "<container><rootfile full-path='a.opf'/></container>";
        let package = "<package><item id='c' href='c.xhtml'/><itemref idref='c'/></package>";
        let lock = "<encryption><CipherReference URI='c.xhtml'/></encryption>";
        let book = |entries: &[(&str, &str)]| {
            let base = [("META-INF/container.xml", container), ("a.opf", package)];
            pages(&zip(&[&base[..], entries].concat()), &limits()).unwrap_err().failure().class
        };
        assert_eq!(book(&[("META-INF/encryption.xml", lock), ("c.xhtml", "x")]), Class::Encrypted);
        assert_eq!(book(&[]), Class::Corrupt);
    }
}
