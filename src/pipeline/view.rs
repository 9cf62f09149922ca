//! Pages for people: their pictures, and where their words are.
//!
//! Both are made when somebody looks, from the original, in sealed children of their own: most
//! documents are never looked at, and words with boxes would be several times as long as the text.
//! What was made last is kept, within [`KEPT`].

use super::readers::Readers;
use super::shared::Shared;
use crate::decode::Limits;
use crate::document::{Document, MediaType, Options, Page, PageText};
use crate::error::{Class, Error, Result, Stage};
use crate::receipt::lock;
use crate::sandbox::{Reply, Request, Worker};
use crate::serve::{Look, Original};
use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Pages of which picture and words are kept: some 300 kB each.
const KEPT: usize = 64;

/// Pixels across a picture: sharp on a large screen, and small to send.
const WIDTH: u32 = 1240;

/// Looks into originals. One picture and one page's words at a time.
pub struct Viewer {
    shared: Arc<Shared>,
    pictures: Mutex<Worker>,
    readers: Mutex<Readers>,
    kept: Mutex<VecDeque<(String, u32, Kept)>>,
}

#[derive(Clone)]
enum Kept {
    Picture(Arc<Vec<u8>>),
    Words(Arc<PageText>),
}

impl Viewer {
    /// A viewer; its children start when first needed.
    pub(super) fn new(shared: &Arc<Shared>, program: &Path) -> Self {
        Self {
            shared: Arc::clone(shared),
            pictures: Mutex::new(shared.sandbox(Stage::Decode, program)),
            readers: Mutex::new(Readers::new(shared, program)),
            kept: Mutex::default(),
        }
    }

    fn find<T>(&self, sha256: &str, page: u32, what: impl Fn(&Kept) -> Option<T>) -> Option<T> {
        let kept = lock(&self.kept);
        kept.iter()
            .filter(|(of, number, _)| of == sha256 && *number == page)
            .find_map(|(_, _, one)| what(one))
    }

    fn keep(&self, sha256: &str, page: u32, what: Kept) {
        let mut kept = lock(&self.kept);
        kept.push_front((sha256.to_owned(), page, what));
        kept.truncate(KEPT * 2);
    }
}

impl Look for Viewer {
    fn picture(&self, document: &Document, bytes: Original<'_>, page: u32) -> Result<Arc<Vec<u8>>> {
        let find = |kept: &Kept| if let Kept::Picture(found) = kept { Some(Arc::clone(found)) } else { None };
        if let Some(found) = self.find(&document.sha256, page, find) {
            return Ok(found);
        }
        let (media_type, limits) = (document.media_type, self.shared.limits(None));
        let request = Request::Paint { media_type, page, limits, width: WIDTH };
        let bytes = bytes()?;
        let reply = lock(&self.pictures).call(&request, &document.sha256, &bytes)?;
        let Reply::Painted { jpeg, .. } = reply else { return Err(another_question()) };
        let jpeg = Arc::new(jpeg);
        self.keep(&document.sha256, page, Kept::Picture(Arc::clone(&jpeg)));
        Ok(jpeg)
    }

    fn words(&self, document: &Document, bytes: Original<'_>, page: u32) -> Result<Arc<PageText>> {
        let find = |kept: &Kept| if let Kept::Words(found) = kept { Some(Arc::clone(found)) } else { None };
        let way = way(document);
        if let Some(found) = self.find(&way, page, find) {
            return Ok(found);
        }
        let (media_type, limits) = (document.media_type, self.shared.limits(None));
        let image = match media_type {
            MediaType::Pdf => {
                let (name, declared) = (document.name.clone(), None);
                let request = Request::Decode { name, declared, limits: limits.clone() };
                let reply = lock(&self.pictures).call(&request, &document.sha256, &bytes()?)?;
                let Reply::Decoded(decoded) = reply else { return Err(another_question()) };
                let index = (page as usize).saturating_sub(1);
                match decoded.pages.into_iter().nth(index) {
                    Some(Page::Text(text)) => Some(text),
                    Some(Page::Image) => None,
                    None => {
                        return Err(Error::reject(
                            Stage::Decode,
                            Class::Unsupported,
                            "there is no such page",
                        ));
                    }
                }
            }
            MediaType::Png
            | MediaType::Jpeg
            | MediaType::Tiff
            | MediaType::Heic
            | MediaType::Webp
            | MediaType::Bmp
            | MediaType::Gif => None,
            // Text that flows: it has no places on a page.
            _ => Some(PageText::default()),
        };
        let text = match image {
            Some(text) => text,
            None => {
                let options = &document.options;
                let limits = Limits { dpi: options.dpi.unwrap_or(limits.dpi), ..limits };
                let request = Request::Digitize { media_type, page, limits };
                let (shared, sha256) = (&self.shared, &document.sha256);
                let bytes = bytes()?;
                let reply = lock(&self.readers).call(shared, options, &request, sha256, &bytes)?;
                let Reply::Page(text) = reply else { return Err(another_question()) };
                text
            }
        };
        let text = Arc::new(text);
        self.keep(&way, page, Kept::Words(Arc::clone(&text)));
        Ok(text)
    }
}

/// What the words of a page depend on: the content, and how it was read.
fn way(document: &Document) -> String {
    let Options { languages, engine, dpi, .. } = &document.options;
    format!("{} {languages:?} {engine:?} {dpi:?}", document.sha256)
}

fn another_question() -> Error {
    Error::reject(Stage::Decode, Class::Internal, "the sandboxed process answered another question")
}
