//! What stands above and below the pages of OpenDocument texts and sheets: the headers and footers of their page
//! styles, in `styles.xml`.

use super::docx::Skipped;
use super::xml::{self, Visit};
use crate::error::Result;
use quick_xml::events::BytesStart;

/// Beside the number of a page stand `Page` or `of`: of so many words nothing is worth reading.
const BESIDE_NUMBERS: usize = 2;

/// Paragraphs, each once.
#[derive(Default)]
pub(super) struct Margins {
    pub(super) above: Vec<String>,
    pub(super) below: Vec<String>,
}

/// The headers and footers in `styles`; `content` names the page styles of sheets, where others are only templates.
///
/// Errors: `Reject` where the XML is broken.
pub(super) fn margins(styles: &str, content: &str, sheets: bool) -> Result<Margins> {
    let names = content.split("style:master-page-name=\"").skip(1);
    let used = names.filter_map(|after| Some(after.split_once('"')?.0)).collect();
    let mut walk = Walk {
        used: sheets.then_some(used),
        margins: Margins::default(),
        place: None,
        wanted: false,
        paragraphs: 0,
        paragraph: String::new(),
        fields: 0,
        numbered: false,
        skipped: Skipped::new(&["annotation", "tracked-changes"]),
    };
    xml::walk(styles, "styles.xml", &mut walk)?;
    Ok(walk.margins)
}

#[derive(Clone, Copy)]
enum Place {
    Above,
    Below,
}

struct Walk<'c> {
    /// Names of the page styles that are in use; all of them if none.
    used: Option<Vec<&'c str>>,
    margins: Margins,
    place: Option<Place>,
    /// Within a page style that is in use.
    wanted: bool,
    paragraphs: usize,
    paragraph: String,
    /// Open fields that count pages or name sheets: what they show is different on each page.
    fields: usize,
    numbered: bool,
    skipped: Skipped,
}

impl Walk<'_> {
    fn begin(&mut self, place: Place, element: &BytesStart<'_>) {
        let shown = xml::attribute(element, "style:display").as_deref() != Some("false");
        self.place = (self.wanted && shown).then_some(place);
    }

    fn end_paragraph(&mut self) {
        let text = std::mem::take(&mut self.paragraph);
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).count();
        let only_number = std::mem::take(&mut self.numbered) && words <= BESIDE_NUMBERS;
        let margin = match self.place {
            Some(Place::Above) => &mut self.margins.above,
            Some(Place::Below) => &mut self.margins.below,
            None => return,
        };
        if !text.is_empty() && !only_number && !margin.contains(&text) {
            margin.push(text);
        }
    }
}

fn counts_pages(name: &str) -> bool {
    matches!(name, "page-number" | "page-count" | "page-continuation" | "sheet-name")
}

impl Visit for Walk<'_> {
    fn start(&mut self, name: &str, element: &BytesStart<'_>) {
        if self.skipped.start(name) {
            return;
        }
        match name {
            "master-page" => {
                let name = xml::attribute(element, "style:name").unwrap_or_default();
                self.wanted = self.used.as_ref().is_none_or(|used| used.contains(&name.as_str()));
            }
            "header" | "header-left" | "header-first" => self.begin(Place::Above, element),
            "footer" | "footer-left" | "footer-first" => self.begin(Place::Below, element),
            "p" | "h" => self.paragraphs += 1,
            "s" | "tab" | "line-break" => self.paragraph.push(' '),
            name if counts_pages(name) => {
                self.fields += 1;
                self.numbered = true;
            }
            _ => {}
        }
    }

    fn end(&mut self, name: &str) {
        if self.skipped.end(name) {
            return;
        }
        match name {
            "header" | "header-left" | "header-first" | "footer" | "footer-left" | "footer-first" => {
                self.place = None;
            }
            "p" | "h" => {
                self.paragraphs = self.paragraphs.saturating_sub(1);
                self.end_paragraph();
            }
            name if counts_pages(name) => self.fields = self.fields.saturating_sub(1),
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        if self.place.is_some() && self.paragraphs > 0 && self.fields == 0 && !self.skipped.now() {
            self.paragraph.push_str(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STYLES: &str = "<office:document-styles><office:master-styles><style:master-page style:name='Standard'>\
        <style:header><text:p>Linden<text:s/>Falls, page <text:page-number>1</text:page-number></text:p></style:header>\
        <style:header-left style:display='false'><text:p>not shown</text:p></style:header-left>\
        <style:footer><text:p>Founded 1907</text:p><text:p>Page <text:page-number>1</text:page-number> of \
        <text:page-count>9</text:page-count></text:p></style:footer></style:master-page>\
        <style:master-page style:name='Report'><style:header><style:region-left><text:p><text:sheet-name>???</text:sheet-name>\
        </text:p></style:region-left><style:region-right><text:p>00/00/0000</text:p></style:region-right></style:header>\
        <style:footer><text:p>Founded 1907</text:p></style:footer></style:master-page></office:master-styles>\
        </office:document-styles>";

    #[test]
    fn headers_and_footers_are_read_once_without_numbers_of_pages() {
        let text = margins(STYLES, "", false).unwrap();
        assert_eq!(
            (&text.above[..], &text.below[..]),
            (
                &["Linden Falls, page".to_owned(), "00/00/0000".to_owned()][..],
                &["Founded 1907".to_owned()][..],
            )
        );
        let sheets = margins(STYLES, "<style:style style:master-page-name=\"Standard\"/>", true).unwrap();
        assert_eq!(sheets.above, ["Linden Falls, page"]);
        assert!(margins(STYLES, "", true).unwrap().below.is_empty());
        assert!(margins("<a><b>", "", true).is_err());
    }
}
