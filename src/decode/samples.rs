//! Small documents made on the spot, for tests.

use super::Limits;
use std::io::{Cursor, Write};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

pub(super) fn limits() -> Limits {
    Limits {
        max_pages: 1000,
        max_expanded_bytes: 64 << 20,
        max_pixels: 4_000_000,
        min_layer_chars: 16,
        dpi: 100,
        family: super::FamilyLimits {
            levels: 3,
            documents: 100,
            bytes: 32 << 20,
            attachments: 50,
            expansion: 200,
        },
    }
}

/// An archive of these entries.
pub(super) fn zip(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in entries {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(content.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

pub(super) fn epub() -> Vec<u8> {
    let package = "<package><manifest><item id='a' href='text/a%20b.xhtml' media-type='x'/>\
        <item id='b' href='text/b.xhtml' media-type='x'/></manifest>\
        <spine><itemref idref='b'/><itemref idref='a'/></spine></package>";
    zip(&[
        ("mimetype", "application/epub+zip"),
        ("META-INF/container.xml", "<container><rootfile full-path='OEBPS/book.opf'/></container>"),
        ("OEBPS/book.opf", package),
        ("OEBPS/text/a b.xhtml", "<html><body><p>Two <i>words</i></p></body></html>"),
        (
            "OEBPS/text/b.xhtml",
            "<html><head><title>The end</title></head><body><p>It was first.</p></body></html>",
        ),
    ])
}

pub(super) fn tar(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = tar::Builder::new(Vec::new());
    for (name, content) in entries {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        writer.append_data(&mut header, name, *content).unwrap();
    }
    writer.into_inner().unwrap()
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

pub(super) fn mailbox() -> Vec<u8> {
    let from = |who: &str| format!("From {who} Tue May 14 09:30:00 2024\n");
    let mails = ["Subject: One\n\nfirst\n>From here on\n", "Subject: Two\n\nsecond\n"];
    let parts = mails.map(|mail| format!("{}From: a@b.c\nMessage-ID: <x>\n{mail}\n", from("a@b.c")));
    parts.concat().into_bytes()
}

/// An Outlook mail with a body, an attachment, and a mail within it.
pub(super) fn outlook() -> Vec<u8> {
    let mut file = cfb::CompoundFile::create(Cursor::new(Vec::new())).unwrap();
    let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let attach = "/__attach_version1.0_#00000000";
    let within = "/__attach_version1.0_#00000001";
    let inner = format!("{within}/__substg1.0_3701000D");
    [attach, within, inner.as_str()].iter().for_each(|storage| file.create_storage(storage).unwrap());
    // Sent at 2024-05-14T09:30:00Z.
    let ticks = (1_715_679_000u64 + 11_644_473_600) * 10_000_000;
    let mut properties = vec![0u8; 32];
    properties.extend([0x40, 0, 0x39, 0, 6, 0, 0, 0]);
    properties.extend(ticks.to_le_bytes());
    let streams = [
        ("/__properties_version1.0".to_owned(), properties),
        ("/__substg1.0_0037001F".to_owned(), wide("Grüße")),
        ("/__substg1.0_0C1A001F".to_owned(), wide("Ada L.")),
        ("/__substg1.0_5D01001F".to_owned(), wide("ada@example.org")),
        ("/__substg1.0_0E04001F".to_owned(), wide("Bob")),
        ("/__substg1.0_1000001F".to_owned(), wide("Hello Bob,\r\nsee below.\r\n")),
        (format!("{attach}/__substg1.0_3707001F"), wide("agenda.txt")),
        (format!("{attach}/__substg1.0_37010102"), b"1. Cables".to_vec()),
        (format!("{within}/__substg1.0_3001001F"), wide("Inner")),
        (format!("{inner}/__properties_version1.0"), vec![0u8; 24]),
        (format!("{inner}/__substg1.0_0037001F"), wide("Inner")),
        (format!("{inner}/__substg1.0_1000001F"), wide("deep")),
    ];
    for (path, content) in streams {
        file.create_stream(path).unwrap().write_all(&content).unwrap();
    }
    file.flush().unwrap();
    file.into_inner().into_inner()
}

pub(super) fn docx(body: &str) -> Vec<u8> {
    let xmlns = "http://schemas.openxmlformats.org/wordprocessingml/2006/main";
    let document = format!("<w:document xmlns:w='{xmlns}'><w:body>{body}</w:body></w:document>");
    zip(&[("[Content_Types].xml", "<Types/>"), ("word/document.xml", &document)])
}

pub(super) fn odf(kind: &str, body: &str) -> Vec<u8> {
    let kind = format!("application/vnd.oasis.opendocument.{kind}");
    let content = format!("<office:document><office:body>{body}</office:body></office:document>");
    zip(&[("mimetype", &kind), ("content.xml", &content)])
}

pub(super) fn pptx() -> Vec<u8> {
    let slide = |text: &str| format!("<p:sld><p:sp><a:p><a:r><a:t>{text}</a:t></a:r></a:p></p:sp></p:sld>");
    let relation = |id: &str, kind: &str, target: &str| {
        format!("<Relationship Id='{id}' Type='http://x/{kind}' Target='{target}'/>")
    };
    let of_show =
        relation("r1", "slide", "slides/slide1.xml") + &relation("r2", "slide", "/ppt/slides/slide2.xml");
    let of_slide = relation("r9", "notesSlide", "../notesSlides/notesSlide1.xml");
    zip(&[
        ("ppt/presentation.xml", "<p><p:sldId id='256' r:id='r2'/><p:sldId id='257' r:id='r1'/></p>"),
        ("ppt/_rels/presentation.xml.rels", &format!("<R>{of_show}</R>")),
        ("ppt/slides/slide1.xml", &slide("second &amp; last")),
        ("ppt/slides/_rels/slide1.xml.rels", &format!("<R>{of_slide}</R>")),
        ("ppt/notesSlides/notesSlide1.xml", &slide("a note")),
        ("ppt/slides/slide2.xml", &slide("first")),
    ])
}

pub(super) fn xlsx() -> Vec<u8> {
    let main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    let relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let package = "http://schemas.openxmlformats.org/package/2006/relationships";
    let workbook = format!(
        "<workbook xmlns='{main}' xmlns:r='{relations}'><sheets><sheet name='Stock' sheetId='1' r:id='r1'/>\
         </sheets></workbook>"
    );
    let one = |kind: &str, target: &str| {
        format!(
            "<Relationships xmlns='{package}'><Relationship Id='r1' Type='{relations}/{kind}' \
             Target='{target}'/></Relationships>"
        )
    };
    let root = one("officeDocument", "xl/workbook.xml");
    let rels = one("worksheet", "worksheets/sheet1.xml");
    let sheet = format!(
        "<worksheet xmlns='{main}'><sheetData><row r='1'><c r='A1' t='inlineStr'><is><t>Item</t></is></c>\
         <c r='B1' t='inlineStr'><is><t>Price</t></is></c></row><row r='2'><c r='A2' t='inlineStr'><is>\
         <t>Oak</t></is></c><c r='B2'><v>22.4</v></c></row><row r='1048576'><c r='XFD1048576'><v>7</v></c>\
         </row></sheetData></worksheet>"
    );
    zip(&[
        ("[Content_Types].xml", "<Types/>"),
        ("_rels/.rels", &root),
        ("xl/workbook.xml", &workbook),
        ("xl/_rels/workbook.xml.rels", &rels),
        ("xl/worksheets/sheet1.xml", &sheet),
    ])
}

pub(super) fn mail() -> String {
    [
        "From: \"Ada L.\" <ada@example.org>",
        "To: bob@example.org",
        "Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=",
        "Date: Tue, 14 May 2024 09:30:00 +0000",
        "MIME-Version: 1.0",
        "Content-Type: multipart/mixed; boundary=x",
        "",
        "--x",
        "Content-Type: text/plain; charset=utf-8",
        "",
        "Hello Bob,",
        "see below.",
        "--x",
        "Content-Type: text/plain",
        "Content-Disposition: attachment; filename=agenda.txt",
        "",
        "1. Cables",
        "--x",
        "Content-Type: application/pdf",
        "Content-Disposition: attachment; filename=plan.pdf",
        "Content-Transfer-Encoding: base64",
        "",
        "JVBERi0=",
        "--x--",
        "",
    ]
    .join("\r\n")
}

/// A PDF of one page per content stream, on A5, turned by so many degrees.
pub(super) fn pdf(contents: &[&str], rotate: i32) -> Vec<u8> {
    pdf_with(contents, rotate, "", &[])
}

/// The same with more entries in each page's dictionary and more objects, from 40 on.
pub(super) fn pdf_with(contents: &[&str], rotate: i32, entries: &str, more: &[(usize, &str)]) -> Vec<u8> {
    let kids: Vec<String> = (0..contents.len()).map(|page| format!("{} 0 R", 10 + 2 * page)).collect();
    let mut objects = vec![
        (1, "<</Type/Catalog/Pages 2 0 R>>".to_owned()),
        (2, format!("<</Type/Pages/Count {}/Kids[{}]>>", contents.len(), kids.join(" "))),
        (3, "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>".to_owned()),
        (
            4,
            "<</Type/XObject/Subtype/Image/Width 1/Height 1/BitsPerComponent 8/ColorSpace/DeviceGray\
             /Length 1>>stream\n0\nendstream"
                .to_owned(),
        ),
    ];
    for (page, content) in contents.iter().enumerate() {
        let stream = 11 + 2 * page;
        objects.push((
            stream - 1,
            format!(
                "<</Type/Page/Parent 2 0 R/MediaBox[0 0 420 595]/Rotate {rotate}{entries}/Contents {stream} 0 R\
                 /Resources<</Font<</F 3 0 R>>/XObject<</I 4 0 R>>>>>>"
            ),
        ));
        objects.push((stream, format!("<</Length {}>>stream\n{content}\nendstream", content.len())));
    }
    objects.extend(more.iter().map(|(number, body)| (*number, (*body).to_owned())));
    pdf_of(&objects)
}

/// A PDF of these objects, the first of which is its root.
pub(super) fn pdf_of(objects: &[(usize, String)]) -> Vec<u8> {
    let size = objects.iter().map(|(number, _)| number + 1).max().unwrap_or(1);
    let mut out = String::from("%PDF-1.4\n");
    let mut table = String::new();
    for (number, body) in objects {
        table += &format!("{number} 1\n{:010} 00000 n \n", out.len());
        out += &format!("{number} 0 obj\n{body}\nendobj\n");
    }
    let start = out.len();
    out += &format!(
        "xref\n0 1\n0000000000 65535 f \n{table}trailer<</Size {size}/Root 1 0 R>>\nstartxref\n{start}\n"
    );
    (out + "%%EOF\n").into_bytes()
}

/// A picture with a black left half, transparent below.
pub(super) fn picture(format: image::ImageFormat) -> Vec<u8> {
    let mut picture = image::RgbaImage::from_pixel(40, 20, image::Rgba([255, 255, 255, 255]));
    for (x, y, pixel) in picture.enumerate_pixels_mut() {
        if y >= 10 {
            pixel.0 = [0, 0, 0, 0];
        } else if x < 20 {
            pixel.0 = [0, 0, 0, 255];
        }
    }
    let mut picture = image::DynamicImage::ImageRgba8(picture);
    if format == image::ImageFormat::Jpeg {
        picture = image::DynamicImage::ImageLuma8(super::images::on_white(picture));
    }
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A HEIC that is black at the left above.
pub(super) fn photograph(width: u32, height: u32) -> Vec<u8> {
    let black = |at: u32| at % width < width / 2 && at / width < height / 2;
    let pixels: Vec<u8> = (0..width * height).flat_map(|at| [if black(at) { 0 } else { 255 }; 3]).collect();
    let options = heifer::EncodeOptions { max_threads: 1, ..Default::default() };
    heifer::encode_rgb8(width, height, &pixels, &options).unwrap()
}

/// A TIFF of so many pages of 16 × 2 pixels, 1 bit each, zero being white: the left half is black.
pub(super) fn tiff(pages: usize) -> Vec<u8> {
    let mut out = b"II*\0\x08\0\0\0".to_vec();
    for page in 0..pages {
        let data = out.len() as u32 + 2 + 9 * 12 + 4;
        let fields: [(u16, u16, u32); 9] = [
            (256, 3, 16),
            (257, 3, 2),
            (258, 3, 1),
            (259, 3, 1),
            (262, 3, 0),
            (273, 4, data),
            (277, 3, 1),
            (278, 3, 2),
            (279, 4, 4),
        ];
        out.extend((fields.len() as u16).to_le_bytes());
        for (tag, kind, value) in fields {
            out.extend(tag.to_le_bytes());
            out.extend(kind.to_le_bytes());
            out.extend(1u32.to_le_bytes());
            out.extend(value.to_le_bytes());
        }
        let next = if page + 1 == pages { 0 } else { data + 4 };
        out.extend(next.to_le_bytes());
        out.extend([0xff, 0, 0xff, 0]);
    }
    out
}
