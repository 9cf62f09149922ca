//! A PDF that can be searched: pictures of pages with their words, unseen, where they stand (text render mode 3);
//! or pages of plain text. PDF 32000-1; written as it goes, so that memory does not grow with the pages.

use crate::document::PageText;
use encoding_rs::WINDOWS_1252;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{Result, Write};

/// Points per inch.
const POINTS: f32 = 72.0;
/// A4 in points, and the margin of pages of text.
const A4: [f32; 2] = [595.0, 842.0];
const MARGIN: f32 = 56.0;
/// Type of pages of text: Courier, whose every character is 0.6 of its size wide.
const SIZE: f32 = 9.0;
const LEADING: f32 = 12.0;
const COLUMNS: usize = 88;
const ROWS: usize = 60;
/// Objects that every page names before they are written, and the first free number.
const CATALOG: usize = 1;
const PAGES: usize = 2;
const RESOURCES: usize = 3;
const FREE: usize = 4;
/// Characters of one font of ours: codes 1 to 255.
const CODES: usize = 255;

/// The picture of a page.
pub struct Picture {
    /// A grey JPEG.
    pub jpeg: Vec<u8>,
    /// Pixels across and down.
    pub size: [u32; 2],
    /// Pixels per inch.
    pub dpi: u32,
}

/// A PDF that is being written.
pub struct Pdf<W: Write> {
    to: W,
    written: usize,
    /// Where each object begins, by number.
    offsets: Vec<usize>,
    pages: Vec<usize>,
    unseen: Characters,
    boxed: Characters,
}

/// Characters in the order of their codes: fonts of ours can say any, and paint none of them.
#[derive(Default)]
struct Characters {
    known: HashMap<char, usize>,
    all: Vec<char>,
}

impl Characters {
    /// The font, from 0, and the code in it.
    fn code(&mut self, character: char) -> (usize, usize) {
        let next = self.all.len();
        let index = *self.known.entry(character).or_insert(next);
        if index == next {
            self.all.push(character);
        }
        (index / CODES, index % CODES + 1)
    }
}

impl<W: Write> Pdf<W> {
    /// Begins a file.
    pub fn begin(to: W) -> Result<Self> {
        let (unseen, boxed) = (Characters::default(), Characters::default());
        let mut pdf = Self { to, written: 0, offsets: vec![0; FREE], pages: Vec::new(), unseen, boxed };
        // Four bytes beyond ASCII say that it is no text file.
        pdf.raw(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")?;
        Ok(pdf)
    }

    /// A page as a picture with its words. Pages that were scanned turned are shown upright.
    pub fn picture(&mut self, picture: &Picture, page: &PageText) -> Result<()> {
        let [width, height] = picture.size.map(|pixels| pixels as f32 * POINTS / picture.dpi.max(1) as f32);
        let image = self.next();
        let [across, down] = picture.size;
        self.stream(
            image,
            &format!(
                "/Type/XObject/Subtype/Image/Width {across}/Height {down}/ColorSpace/DeviceGray/BitsPerComponent 8\
                 /Filter/DCTDecode"
            ),
            &picture.jpeg,
        )?;
        let mut content = format!("q {width:.2} 0 0 {height:.2} 0 0 cm /I Do Q\nBT 3 Tr\n");
        for (word, bounds) in page.words.iter().zip(runs(page)) {
            self.word(&mut content, &word.text, bounds, page.rotation, [width, height]);
        }
        content += "ET\n";
        let turn = (360 - u32::from(page.rotation % 360)) % 360;
        let entries = format!("/Rotate {turn}/Resources<</Font {RESOURCES} 0 R/XObject<</I {image} 0 R>>>>");
        self.page([width, height], &entries, &content)
    }

    /// Plain text on as many pages as it takes.
    pub fn text(&mut self, text: &str) -> Result<()> {
        let lines = wrapped(text);
        for lines in lines.chunks(ROWS) {
            let mut content = format!("BT {LEADING} TL {MARGIN} {:.2} Td\n", A4[1] - MARGIN - SIZE);
            for line in lines {
                self.line(&mut content, line);
            }
            content += "ET\n";
            self.page(A4, &format!("/Resources<</Font {RESOURCES} 0 R>>"), &content)?;
        }
        Ok(())
    }

    /// Ends the file.
    pub fn end(mut self) -> Result<()> {
        let mut fonts =
            String::from("/C<</Type/Font/Subtype/Type1/BaseFont/Courier/Encoding/WinAnsiEncoding>>");
        for (prefix, painted) in [("U", false), ("B", true)] {
            let of = if painted { &mut self.boxed } else { &mut self.unseen };
            let all = std::mem::take(&mut of.all);
            for (number, characters) in all.chunks(CODES).enumerate() {
                let font = self.font(characters, painted)?;
                let _ = write!(fonts, "/{prefix}{number} {font} 0 R");
            }
        }
        self.object(RESOURCES, &format!("<<{fonts}>>"))?;
        let kids: Vec<String> = self.pages.iter().map(|page| format!("{page} 0 R")).collect();
        self.object(PAGES, &format!("<</Type/Pages/Count {}/Kids[{}]>>", kids.len(), kids.join(" ")))?;
        self.object(CATALOG, &format!("<</Type/Catalog/Pages {PAGES} 0 R>>"))?;
        let start = self.written;
        let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", self.offsets.len());
        for offset in self.offsets.iter().skip(1) {
            let _ = writeln!(table, "{offset:010} 00000 n ");
        }
        let size = self.offsets.len();
        let _ = write!(table, "trailer\n<</Size {size}/Root {CATALOG} 0 R>>\nstartxref\n{start}\n%%EOF\n");
        self.raw(table.as_bytes())?;
        self.to.flush()
    }

    /// A word over its box, stretched to its width; a space behind it keeps it apart from the next.
    fn word(&mut self, content: &mut String, word: &str, bounds: [f32; 4], rotation: u16, [w, h]: [f32; 2]) {
        let [left, right] = [bounds[0] * w, bounds[2] * w];
        // Pages count upwards.
        let [top, bottom] = [(1.0 - bounds[1]) * h, (1.0 - bounds[3]) * h];
        let (width, height) = (right - left, top - bottom);
        // Where the word begins on its lower edge, its direction, what is up, and its extents.
        let ([x, y], [ax, ay], [ux, uy], along, up) = match rotation {
            90 => ([left, top], [0.0, -1.0], [1.0, 0.0], height, width),
            180 => ([right, top], [-1.0, 0.0], [0.0, -1.0], width, height),
            270 => ([right, bottom], [0.0, 1.0], [-1.0, 0.0], height, width),
            _ => ([left, bottom], [1.0, 0.0], [0.0, 1.0], width, height),
        };
        let characters = word.chars().count();
        if characters == 0 || along <= 0.0 || up <= 0.0 {
            return;
        }
        // Readers take words apart at gaps of a tenth of the height; boxes of one line may touch.
        let gap = (0.15 * up).min(0.3 * along);
        // Each is half an em wide, and reaches a fifth below the line.
        let stretch = (along - gap) / (0.5 * characters as f32);
        let (x, y) = (x + 0.2 * up * ux, y + 0.2 * up * uy);
        let _ = writeln!(
            content,
            "{:.4} {:.4} {:.4} {:.4} {x:.2} {y:.2} Tm",
            stretch * ax,
            stretch * ay,
            up * ux,
            up * uy
        );
        let codes = word.chars().chain([' ']).map(|c| self.unseen.code(c));
        let mut open = None;
        for (font, code) in codes.collect::<Vec<_>>() {
            if open != Some(font) {
                let close = if open.is_some() { "> Tj " } else { "" };
                let _ = write!(content, "{close}/U{font} 1 Tf <");
                open = Some(font);
            }
            let _ = write!(content, "{code:02x}");
        }
        content.push_str("> Tj\n");
    }

    /// A line of text: Courier, and boxes for what Windows-1252 has not.
    fn line(&mut self, content: &mut String, line: &str) {
        let mut open = None;
        for character in line.chars() {
            let mut own = [0; 4];
            let (bytes, _, foreign) = WINDOWS_1252.encode(character.encode_utf8(&mut own));
            let (font, code) = match bytes.first() {
                Some(byte) if !foreign && *byte >= b' ' => ("C".to_owned(), usize::from(*byte)),
                _ => {
                    let (font, code) = self.boxed.code(character);
                    (format!("B{font}"), code)
                }
            };
            if open.as_ref() != Some(&font) {
                let close = if open.is_some() { "> Tj " } else { "" };
                let _ = write!(content, "{close}/{font} {SIZE} Tf <");
                open = Some(font);
            }
            let _ = write!(content, "{code:02x}");
        }
        content.push_str(if open.is_some() { "> Tj T*\n" } else { "T*\n" });
    }

    fn page(&mut self, [width, height]: [f32; 2], entries: &str, content: &str) -> Result<()> {
        let (page, stream) = (self.next(), self.next());
        self.packed(stream, content.as_bytes())?;
        self.object(
            page,
            &format!(
                "<</Type/Page/Parent {PAGES} 0 R/MediaBox[0 0 {width:.2} {height:.2}]{entries}/Contents {stream} 0 R>>"
            ),
        )?;
        self.pages.push(page);
        Ok(())
    }

    /// A font that says its characters and paints nothing, or a box for each.
    fn font(&mut self, characters: &[char], painted: bool) -> Result<usize> {
        let (font, glyph, meaning) = (self.next(), self.next(), self.next());
        let width = if painted { 600 } else { 500 };
        let path = if painted { "40 w 90 0 420 600 re S" } else { "" };
        self.stream(glyph, "", format!("{width} 0 0 -200 {width} 800 d1 {path}").as_bytes())?;
        self.packed(meaning, to_unicode(characters).as_bytes())?;
        let (mut names, mut glyphs, mut widths) = (String::new(), String::new(), String::new());
        for code in 1..=characters.len() {
            let _ = write!(names, "/g{code}");
            let _ = write!(glyphs, "/g{code} {glyph} 0 R");
            let _ = write!(widths, "{width} ");
        }
        let last = characters.len();
        self.object(
            font,
            &format!(
                "<</Type/Font/Subtype/Type3/FontBBox[0 -200 {width} 800]/FontMatrix[.001 0 0 .001 0 0]/Resources<<>>\
                 /FirstChar 1/LastChar {last}/Widths[{widths}]/Encoding<</Type/Encoding/Differences[1{names}]>>\
                 /CharProcs<<{glyphs}>>/ToUnicode {meaning} 0 R>>"
            ),
        )?;
        Ok(font)
    }

    /// A number for an object that is written later.
    fn next(&mut self) -> usize {
        self.offsets.push(0);
        self.offsets.len() - 1
    }

    fn object(&mut self, number: usize, body: &str) -> Result<()> {
        self.begin_object(number)?;
        self.raw(format!("{body}\nendobj\n").as_bytes())
    }

    fn packed(&mut self, number: usize, bytes: &[u8]) -> Result<()> {
        let mut packer = ZlibEncoder::new(Vec::new(), Compression::default());
        packer.write_all(bytes)?;
        self.stream(number, "/Filter/FlateDecode", &packer.finish()?)
    }

    fn stream(&mut self, number: usize, entries: &str, bytes: &[u8]) -> Result<()> {
        self.begin_object(number)?;
        self.raw(format!("<<{entries}/Length {}>>stream\n", bytes.len()).as_bytes())?;
        self.raw(bytes)?;
        self.raw(b"\nendstream\nendobj\n")
    }

    fn begin_object(&mut self, number: usize) -> Result<()> {
        let at = self.written;
        if let Some(offset) = self.offsets.get_mut(number) {
            *offset = at;
        }
        self.raw(format!("{number} 0 obj\n").as_bytes())
    }

    fn raw(&mut self, bytes: &[u8]) -> Result<()> {
        self.written += bytes.len();
        self.to.write_all(bytes)
    }
}

/// What the codes of a font mean, as UTF-16.
fn to_unicode(characters: &[char]) -> String {
    let mut map = String::from(
        "/CIDInit/ProcSet findresource begin 12 dict begin begincmap/CMapName/U def/CMapType 2 def\n\
         1 begincodespacerange<00><ff>endcodespacerange\n",
    );
    // At most 100 in one block.
    for (block, some) in characters.chunks(100).enumerate() {
        let _ = writeln!(map, "{} beginbfchar", some.len());
        for (index, character) in some.iter().enumerate() {
            let _ = write!(map, "<{:02x}><", block * 100 + index + 1);
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(map, "{unit:04x}");
            }
            map.push_str(">\n");
        }
        map.push_str("endbfchar\n");
    }
    map + "endcmap end end\n"
}

/// The boxes of a page's words, those that stand in one line as high as the line: the boxes of `no` and `Type`
/// differ, and their line is one.
fn runs(page: &PageText) -> Vec<[f32; 4]> {
    // Which sides of a box are the height of a line.
    let (low, high) = if page.rotation % 180 == 90 { (0, 2) } else { (1, 3) };
    let mut boxes: Vec<[f32; 4]> = page.words.iter().map(|word| word.bounds).collect();
    let beside = |a: &[f32; 4], b: &[f32; 4]| {
        let shared = side(a, high).min(side(b, high)) - side(a, low).max(side(b, low));
        shared > 0.5 * (side(a, high) - side(a, low)).max(side(b, high) - side(b, low))
    };
    for run in boxes.chunk_by_mut(beside) {
        let least = run.iter().map(|b| side(b, low)).fold(f32::MAX, f32::min);
        let most = run.iter().map(|b| side(b, high)).fold(f32::MIN, f32::max);
        for bounds in run {
            for (index, end) in [(low, least), (high, most)] {
                if let Some(side) = bounds.get_mut(index) {
                    *side = end;
                }
            }
        }
    }
    boxes
}

fn side(bounds: &[f32; 4], index: usize) -> f32 {
    bounds.get(index).copied().unwrap_or_default()
}

/// Lines of at most so many characters, broken between words where that goes.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for line in text.lines() {
        let line = line.replace('\t', "    ");
        let mut rest: Vec<char> = line.chars().filter(|c| !c.is_control()).collect();
        while rest.len() > COLUMNS {
            let blank = rest.iter().take(COLUMNS + 1).rposition(|c| *c == ' ').filter(|at| *at > COLUMNS / 2);
            let behind = rest.split_off(blank.map_or(COLUMNS, |at| at + 1));
            lines.push(rest.into_iter().collect::<String>().trim_end().to_owned());
            rest = behind;
        }
        lines.push(rest.into_iter().collect());
    }
    if lines.is_empty() {
        lines.push(String::new());
    }
    lines
}
