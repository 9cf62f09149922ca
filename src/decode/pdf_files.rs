//! Files that are attached to a PDF: those of the whole document and those pinned to a page.

use super::children::Children;
use super::reject;
use crate::error::{Class, Result};
use hayro::hayro_syntax::Pdf;
use hayro::hayro_syntax::object::{Array, Dict, Object, Stream, String as PdfString};
use std::collections::HashSet;

/// Nodes of the tree of names at most: more are no tree that a program wrote.
const MAX_NODES: usize = 10_000;

/// Hands out every attached file once.
pub(super) fn attachments(pdf: &Pdf, children: &mut Children<'_>) -> Result<()> {
    let mut specifications = Vec::new();
    if let Some(root) = pdf.xref().get::<Dict<'_>>(pdf.xref().root_id())
        && let Some(tree) = root.get::<Dict<'_>>(b"Names").and_then(|n| n.get::<Dict<'_>>(b"EmbeddedFiles"))
    {
        named(tree, &mut specifications)?;
    }
    for page in pdf.pages().iter() {
        let Some(annotations) = page.raw().get::<Array<'_>>(b"Annots") else { continue };
        specifications.extend(dicts(&annotations).filter_map(|each| each.get::<Dict<'_>>(b"FS")));
    }
    let mut seen = HashSet::new();
    for specification in specifications {
        let Some(files) = specification.get::<Dict<'_>>(b"EF") else { continue };
        let Some(stream) = files.get::<Stream<'_>>(b"UF").or_else(|| files.get::<Stream<'_>>(b"F")) else {
            continue;
        };
        if !seen.insert(stream.obj_id()) {
            continue;
        }
        let name = text(&specification, b"UF").or_else(|| text(&specification, b"F"));
        let name = name.filter(|name| !name.is_empty()).unwrap_or_else(|| "attachment".to_owned());
        children.check()?;
        let content = stream.decoded().map_err(|_| {
            reject(Class::Corrupt, format!("the attachment {name} of the PDF cannot be unpacked"))
        })?;
        children.attach(&name, None, content.into_owned())?;
    }
    Ok(())
}

/// The file specifications in a tree of names.
fn named<'a>(root: Dict<'a>, found: &mut Vec<Dict<'a>>) -> Result<()> {
    let mut open = vec![root];
    let mut visited = 0;
    while let Some(node) = open.pop() {
        visited += 1;
        if visited > MAX_NODES {
            let reason = format!("the tree of attachments of the PDF has more than {MAX_NODES} nodes");
            return Err(reject(Class::TooLarge, reason));
        }
        if let Some(names) = node.get::<Array<'a>>(b"Names") {
            // Names and values in turn.
            found.extend(dicts(&names));
        }
        if let Some(kids) = node.get::<Array<'a>>(b"Kids") {
            open.extend(dicts(&kids));
        }
    }
    Ok(())
}

/// The dictionaries among the elements.
pub(super) fn dicts<'a>(array: &Array<'a>) -> impl Iterator<Item = Dict<'a>> {
    array
        .iter::<Object<'a>>()
        .filter_map(|each| if let Object::Dict(dict) = each { Some(dict) } else { None })
}

/// A text string: UTF-16 or UTF-8 with a mark, else one byte a character.
pub(super) fn text(dict: &Dict<'_>, key: &[u8]) -> Option<String> {
    let string = dict.get::<PdfString<'_>>(key)?;
    Some(decoded(string.as_ref()))
}

pub(super) fn decoded(bytes: &[u8]) -> String {
    let (encoding, mark) = encoding_rs::Encoding::for_bom(bytes).unwrap_or((encoding_rs::WINDOWS_1252, 0));
    encoding.decode_without_bom_handling(bytes.get(mark..).unwrap_or_default()).0.into_owned()
}
