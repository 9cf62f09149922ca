//! For tests: a desk over any store, and pages that are not there.

use super::{Look, Original};
use crate::config::{ReviewConfig, Sources, load};
use crate::document::{Document, Options, PageText, ReviewEvent, Word};
use crate::error::Result;
use crate::publish::{Publisher, Store};
use crate::review::{Desk, Parts, Rerun, World};
use std::path::Path;
use std::sync::Arc;

struct Nothing;

impl Rerun for Nothing {
    fn fields(&self, _: &mut Document) {}
    fn values(&self, _: &mut Document, _: &[String]) {}
    fn stands(&self, _: &crate::document::Field) -> bool {
        true
    }
    fn text(&self, document: &Document) -> Result<Document> {
        Ok(document.clone())
    }
}

impl World for Nothing {
    fn tell(&self, _: &ReviewEvent) -> Result<()> {
        Ok(())
    }
    fn again(&self, _: &Document, _: &Options) -> Result<()> {
        Ok(())
    }
}

impl Look for Nothing {
    fn picture(&self, _: &Document, bytes: Original<'_>, _: u32) -> Result<Arc<Vec<u8>>> {
        bytes()
    }

    fn words(&self, _: &Document, bytes: Original<'_>, _: u32) -> Result<Arc<PageText>> {
        bytes()?;
        let word = |text: &str| Word { text: text.to_owned(), bounds: [0.0, 0.0, 0.5, 0.5], confidence: 0.5 };
        Ok(Arc::new(PageText { words: vec![word("hel"), word("gone"), word("lo")], ..PageText::default() }))
    }
}

pub fn desk(store: Arc<dyn Store>, folder: &Path) -> Arc<Desk> {
    let mut config = load(&Sources::default()).unwrap().config;
    config.data.dir = folder.to_owned();
    let publisher = Arc::new(Publisher::new(&config, Arc::clone(&store)).unwrap());
    let config = ReviewConfig { lease_s: 60, sample: 0.0 };
    let desk = Desk::new(Parts { store, publisher, config, rerun: Box::new(Nothing) });
    desk.open(Arc::new(Nothing));
    Arc::new(desk)
}

pub fn viewer() -> Arc<dyn Look> {
    Arc::new(Nothing)
}
