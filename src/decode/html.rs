//! Web pages: title, then the text in its order; links as plain text, tables as Markdown.
//!
//! Walks over tokens, not a tree: linear in time and flat in memory however deeply tags nest.

use super::writer::Writer;
use super::{Limits, text};
use crate::document::PageText;
use crate::error::Result;
use encoding_rs::Encoding;
use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{
    BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};
use std::cell::RefCell;

/// The page of an HTML file.
pub(super) fn pages(bytes: &[u8], limits: &Limits) -> Result<Vec<PageText>> {
    walked(&text::decode(bytes, charset(bytes)), limits)?.finish_pages(limits)
}

/// The text of a page of HTML within another document.
pub(super) fn text_of(bytes: &[u8], limits: &Limits) -> Result<String> {
    to_text(&text::decode(bytes, charset(bytes)), limits)
}

/// The text of HTML that is already decoded.
pub(super) fn to_text(html: &str, limits: &Limits) -> Result<String> {
    Ok(walked(html, limits)?.finish(limits)?.join("\n\n"))
}

fn walked(html: &str, limits: &Limits) -> Result<Writer> {
    let walk = Walk { state: RefCell::new(State::new(is_xml(html), limits)) };
    let tokenizer = Tokenizer::new(walk, TokenizerOpts::default());
    let input = BufferQueue::default();
    input.push_back(StrTendril::from_slice(html));
    // Scripts are not run, so the tokenizer never waits for one; it returns when all is read.
    let _ = tokenizer.feed(&input);
    tokenizer.end();
    Ok(tokenizer.sink.state.into_inner().writer)
}

/// Whether it is XHTML, as chapters of books are: `<title/>` is whole there, and hides nothing.
fn is_xml(html: &str) -> bool {
    let start = html.trim_start_matches('\u{feff}').trim_start();
    let head = start.get(..start.floor_char_boundary(1024)).unwrap_or(start);
    head.starts_with("<?xml") || head.contains("http://www.w3.org/1999/xhtml")
}

/// The encoding that the head names: `<meta charset=…>` or the older `http-equiv`.
fn charset(bytes: &[u8]) -> Option<&'static Encoding> {
    let head = bytes.get(..4096).unwrap_or(bytes);
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let (_, after) = head.split_once("charset=")?;
    let label = after.trim_start_matches(['"', '\'', ' ']);
    let end = label.find(['"', '\'', ' ', '>', ';', '/'])?;
    text::labelled(label.get(..end)?.as_bytes())
}

struct Walk {
    state: RefCell<State>,
}

struct State {
    writer: Writer,
    /// Elements may end where they begin.
    xml: bool,
    /// The element being left out with all that is in it, and how often it is nested in itself.
    skipped: Option<(String, usize)>,
    preformatted: usize,
    title: bool,
}

/// Left out: programs, drawings, and what leads to other pages.
const SKIPPED: &[&str] = &["script", "style", "noscript", "template", "svg", "nav", "object", "iframe"];

/// Elements that begin and end a paragraph.
const BLOCKS: &[&str] = &[
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "center",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hgroup",
    "hr",
    "legend",
    "main",
    "menu",
    "ol",
    "p",
    "section",
    "summary",
    "ul",
];

impl State {
    fn new(xml: bool, limits: &Limits) -> Self {
        Self { writer: Writer::new(limits), xml, skipped: None, preformatted: 0, title: false }
    }

    /// Takes note of a tag; true if what it belongs to is left out.
    fn skips(&mut self, name: &str, kind: TagKind) -> bool {
        if let Some((skipped, depth)) = &mut self.skipped {
            // A browser closes a forgotten `nav` when its parent ends: it cannot hide the content.
            let forgotten = skipped == "nav" && matches!(name, "main" | "article" | "body");
            match kind {
                _ if forgotten => self.skipped = None,
                TagKind::StartTag if name == skipped => *depth += 1,
                TagKind::EndTag if name == skipped && *depth > 1 => *depth -= 1,
                TagKind::EndTag if name == skipped => {
                    self.skipped = None;
                    return true;
                }
                _ => {}
            }
        } else if kind == TagKind::StartTag && SKIPPED.contains(&name) {
            self.skipped = Some((name.to_owned(), 1));
        }
        self.skipped.is_some()
    }

    fn start(&mut self, tag: &Tag) {
        match tag.name.as_ref() {
            "br" => self.writer.end_line(),
            "title" => self.title = true,
            "table" => self.writer.begin_table(),
            "tr" => self.writer.begin_row(),
            "td" | "th" => self.writer.begin_cell(),
            "li" => {
                self.writer.end_line();
                self.writer.text("- ");
            }
            "pre" => {
                self.writer.end_paragraph();
                self.preformatted += 1;
            }
            "img" => {
                let alt = tag.attrs.iter().find(|attribute| &*attribute.name.local == "alt");
                self.writer.words(alt.map_or("", |alt| &alt.value));
            }
            name if BLOCKS.contains(&name) => self.writer.end_paragraph(),
            _ => {}
        }
    }

    fn end(&mut self, name: &str) {
        match name {
            "title" => {
                self.title = false;
                self.writer.end_paragraph();
            }
            "table" => self.writer.end_table(),
            "tr" => self.writer.end_row(),
            "td" | "th" => self.writer.end_cell(),
            "pre" => {
                self.writer.end_paragraph();
                self.preformatted = self.preformatted.saturating_sub(1);
            }
            name if BLOCKS.contains(&name) => self.writer.end_paragraph(),
            _ => {}
        }
    }

    fn tag(&mut self, tag: &Tag) -> TokenSinkResult<()> {
        let name = tag.name.as_ref();
        // An element that ends where it begins has nothing to leave out.
        let whole = tag.self_closing && (self.xml || name == "svg");
        if self.skips(name, tag.kind) && whole {
            self.skips(name, TagKind::EndTag);
        } else if self.skipped.is_none() {
            match tag.kind {
                TagKind::StartTag => self.start(tag),
                TagKind::EndTag => self.end(name),
            }
            if whole {
                self.end(name);
            }
        }
        match (tag.kind, name) {
            _ if whole => TokenSinkResult::Continue,
            (TagKind::StartTag, "script") => TokenSinkResult::RawData(RawKind::ScriptData),
            (TagKind::StartTag, "style" | "iframe") => TokenSinkResult::RawData(RawKind::Rawtext),
            (TagKind::StartTag, "title" | "textarea") if self.skipped.is_none() => {
                TokenSinkResult::RawData(RawKind::Rcdata)
            }
            _ => TokenSinkResult::Continue,
        }
    }

    fn characters(&mut self, text: &str) {
        if self.skipped.is_some() {
        } else if self.preformatted > 0 {
            self.writer.text(text);
        } else {
            self.writer.words(text);
        }
    }
}

impl TokenSink for Walk {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        match token {
            Token::TagToken(tag) => return self.state.borrow_mut().tag(&tag),
            Token::CharacterTokens(text) => self.state.borrow_mut().characters(&text),
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::samples::limits;

    fn text_of(html: &str) -> String {
        to_text(html, &limits()).unwrap()
    }

    #[test]
    fn title_first_links_plain_scripts_out() {
        let html = "<html><head><title>News &amp; more</title><style>p { x }</style></head><body>\
            <nav><ul><li>Home<li>Login</ul></nav><h1>Old <em>Mill</em></h1><script>if (a<b) {}</script>\
            <p>See <a href='http://x.example/'>the\n  plan</a>.<br>Soon.</p><ul><li>one<li>two</ul>\
            <table><tr><th>Item<th>Price<tr><td>Oak<td>3 &euro;</table><svg/><p>End</p>";
        let expected = "News & more\n\nOld Mill\n\nSee the plan.\nSoon.\n\n- one\n- two\n\n\
            | Item | Price |\n| --- | --- |\n| Oak | 3 € |\n\nEnd";
        assert_eq!(text_of(html), expected);
    }

    #[test]
    fn elements_of_xhtml_that_end_where_they_begin_hide_nothing() {
        for empty in
            ["script src='a.js'", "title", "style", "iframe", "nav", "noscript", "object", "textarea", "pre"]
        {
            let body = format!(
                "<head><{empty}/></head><body><p>one\n  two</p><svg><{empty}/></svg><p>end</p></body>"
            );
            let chapter = format!("<html xmlns='http://www.w3.org/1999/xhtml'>{body}</html>");
            assert_eq!(text_of(&chapter), "one two\n\nend", "{empty}");
        }
    }

    #[test]
    fn forgotten_end_tags_hide_nothing() {
        assert_eq!(text_of("<nav>menu<main>content"), "content");
        assert_eq!(text_of("<pre>a\n  b</pre>c"), "a\nb\n\nc");
    }

    #[test]
    fn deep_nesting_is_flat_work() {
        let deep = "<div><table><tr><td>".repeat(50_000) + "core";
        assert!(text_of(&deep).ends_with("core"));
    }

    #[test]
    fn the_named_charset_is_used() {
        let html = b"<html><head><meta charset=\"iso-8859-2\"></head><body>\xb3\xf3d\xbc</body></html>";
        assert_eq!(pages(html, &limits()).unwrap()[0].text, "łódź");
    }
}
