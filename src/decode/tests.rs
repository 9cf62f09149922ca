//! What the stage promises as a whole: every format, every refusal, no panic.

use super::samples::*;
use super::*;
use image::ImageFormat;
use proptest::prelude::*;

fn texts(bytes: &[u8], name: &str) -> (MediaType, Vec<String>) {
    let decoded = decode(bytes, name, None, &limits()).unwrap();
    let text = |page: Page| match page {
        Page::Text(page) => page.text,
        Page::Image => "<image>".to_owned(),
    };
    (decoded.media_type, decoded.pages.into_iter().map(text).collect())
}

fn refusal(bytes: &[u8], name: &str) -> Class {
    decode(bytes, name, None, &limits()).unwrap_err().failure().class
}

#[test]
fn names_and_types_only_tell_text_apart() {
    let kind = |bytes: &[u8], name: &str, declared| media_type::detect(bytes, name, declared).unwrap();
    assert_eq!(kind(b"a,b", "x.csv", None), MediaType::Csv);
    assert_eq!(kind(b"a,b", "x", Some("text/csv; charset=utf-8")), MediaType::Csv);
    assert_eq!(kind(b"# a", "x.MD", None), MediaType::Markdown);
    assert_eq!(kind(b"<!-- c --><!DOCTYPE html>", "x.txt", None), MediaType::Html);
    assert_eq!(kind(b"From: a memo\nDate: today\n\nx", "memo.txt", None), MediaType::Text);
    assert_eq!(kind(b"From: a@b.c\nSubject: x\n\nx", "a.eml", None), MediaType::Email);
    assert_eq!(kind(mail().as_bytes(), "x.txt", None), MediaType::Email);
    assert_eq!(kind(b"no headers\n\nx", "x", Some("message/rfc822")), MediaType::Text);
    assert_eq!(kind(b"From: a\nReceived: b\nand then words", "x", None), MediaType::Text);
    let binary = [mail().as_bytes(), &[0; 2000]].concat();
    assert_eq!(kind(&binary, "x", None), MediaType::Email);
    assert_eq!(kind(&pdf(&[""], 0), "x.docx", Some("image/png")), MediaType::Pdf);
    assert_eq!(kind(&picture(ImageFormat::Png), "picture.txt", None), MediaType::Png);
}

#[test]
fn what_is_not_read_is_refused_by_its_class() {
    assert_eq!(refusal(b"", "a.txt"), Class::Empty);
    let binary: Vec<u8> = (0..4000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    assert_eq!(refusal(&binary, "a.pdf"), Class::Unsupported);
    let picture = b"\0\0\0\x18ftypavif\0\0\0\0";
    let error = decode(picture, "a.heic", None, &limits()).unwrap_err();
    assert!(error.to_string().contains("AVIF"), "{error}");
    assert_eq!(refusal(b"{\\rtf1 hello", "a.rtf"), Class::Truncated);
    assert_eq!(refusal(b"<?xml version='1.0'?><a><b></a>", "a.xml"), Class::Corrupt);
    let mut office = docx("<w:p/>");
    office.truncate(office.len() - 100);
    assert_eq!(refusal(&office, "a.docx"), Class::Truncated);
    assert_eq!(refusal(&docx("<w:p>"), "a.docx"), Class::Corrupt);
    let manifest = "<manifest:encryption-data/>";
    let kind = "application/vnd.oasis.opendocument.text";
    let locked = zip(&[("mimetype", kind), ("META-INF/manifest.xml", manifest), ("content.xml", "")]);
    assert_eq!(refusal(&locked, "a.odt"), Class::Encrypted);
}

#[test]
fn bombs_are_refused_while_they_unpack() {
    let bomb = docx(&format!("<w:p><w:r><w:t>{}</w:t></w:r></w:p>", "a".repeat(2 << 20)));
    assert!(bomb.len() < 64 << 10, "{}", bomb.len());
    let small = Limits { max_expanded_bytes: 1 << 20, ..limits() };
    let error = decode(&bomb, "a.docx", None, &small).unwrap_err();
    assert_eq!(error.failure().class, Class::TooLarge);
    let error = decode(&xlsx(), "a.xlsx", None, &Limits { max_expanded_bytes: 500, ..limits() }).unwrap_err();
    assert_eq!(error.failure().class, Class::TooLarge);
}

#[test]
fn word_documents() {
    let run = |text: &str| format!("<w:p><w:r><w:t>{text}</w:t></w:r></w:p>");
    let cell = |text: &str| format!("<w:tc>{}</w:tc>", run(text));
    let body = run("Title")
        + "<w:p><w:pPr><w:tabs><w:tab/></w:tabs></w:pPr><w:r><w:t>a</w:t><w:tab/><w:t>b</w:t></w:r>\
           <w:del><w:r><w:delText>gone</w:delText></w:r></w:del></w:p>"
        + &format!("<w:tbl><w:tr>{}{}</w:tr></w:tbl>", cell("left"), cell("right"))
        + "<w:p><w:r><w:br w:type='page'/></w:r></w:p>"
        + &run("next &lt;page&gt; &#228;");
    let (kind, pages) = texts(&docx(&body), "a");
    assert_eq!(kind, MediaType::Docx);
    assert_eq!(pages, ["Title\n\na\tb\n\n| left | right |\n| --- | --- |", "next <page> ä"]);
}

#[test]
fn what_follows_a_text_box_in_its_run_is_read() {
    let boxed = "<w:p><w:r><w:pict><w:txbxContent><w:p><w:r><w:t>box</w:t></w:r></w:p></w:txbxContent></w:pict>\
        <w:t>after</w:t></w:r></w:p>";
    let (_, pages) = texts(&docx(boxed), "a");
    assert!(pages[0].contains("box") && pages[0].contains("after"), "{pages:?}");
}

/// A TIFF of one pixel for each subfile type; the last directory points at `next`.
fn tiff_of(subfiles: &[u32], next: u32) -> Vec<u8> {
    let mut bytes = b"II*\0\x08\0\0\0".to_vec();
    for (number, subfile) in subfiles.iter().enumerate() {
        let tags: [(u16, u32); 9] =
            [(254, *subfile), (256, 1), (257, 1), (258, 8), (259, 1), (262, 1), (273, 0), (278, 1), (279, 1)];
        bytes.extend(u16::try_from(tags.len()).unwrap().to_le_bytes());
        for (tag, value) in tags {
            bytes.extend(tag.to_le_bytes());
            bytes.extend(4u16.to_le_bytes());
            bytes.extend(1u32.to_le_bytes());
            bytes.extend(value.to_le_bytes());
        }
        let here = u32::try_from(bytes.len()).unwrap() + 4;
        let last = number + 1 == subfiles.len();
        bytes.extend(if last { next } else { here }.to_le_bytes());
    }
    bytes
}

#[test]
fn a_tiff_that_stops_behind_a_thumbnail_is_not_whole() {
    assert_eq!(texts(&tiff_of(&[0, 1], 0), "a.tiff").1.len(), 1, "the thumbnail is no page");
    let class = refusal(&tiff_of(&[0, 1], 60_000), "a.tiff");
    assert!(matches!(class, Class::Truncated | Class::Corrupt), "{class:?}");
}

#[test]
fn slides_and_sheets_are_pages() {
    assert_eq!(
        texts(&pptx(), "a"),
        (MediaType::Pptx, vec!["first".into(), "second & last\n\na note".into()])
    );
    let (kind, pages) = texts(&xlsx(), "a");
    assert_eq!(kind, MediaType::Xlsx);
    assert!(pages[0].starts_with("Stock\n\n| Item | Price |"), "{pages:?}");
    let sheet = "<table:table table:name='S'><table:table-row><table:table-cell><text:p>1 May</text:p>\
        </table:table-cell><table:table-cell office:value='4'/><table:table-cell \
        table:number-columns-repeated='16000'/></table:table-row></table:table>";
    assert_eq!(
        texts(&odf("spreadsheet", sheet), "a"),
        (MediaType::Ods, vec!["S\n\n| 1 May | 4 |\n| --- | --- |".into()])
    );
    let body = "<text:h>Head</text:h>\n  <text:p>a<text:s text:c='2'/>b<text:span> c</text:span></text:p>";
    assert_eq!(texts(&odf("text", body), "a"), (MediaType::Odt, vec!["Head\n\na  b c".into()]));
    let slides = "<draw:page><draw:frame><text:p>one</text:p></draw:frame></draw:page><draw:page/>";
    assert_eq!(texts(&odf("presentation", slides), "a"), (MediaType::Odp, vec!["one".into(), String::new()]));
}

#[test]
fn pdf_pages_are_text_or_image() {
    let text = "BT /F 12 Tf 40 500 Td (Hello readers of this page) Tj 0 -14 Td (second line) Tj ET";
    let invisible =
        "BT /F 12 Tf 3 Tr 40 500 Td (An invisible layer of OCR) Tj ET q 420 0 0 595 0 0 cm /I Do Q";
    let scan = "q 420 0 0 595 0 0 cm /I Do Q BT /F 12 Tf 40 500 Td (p. 1) Tj ET";
    let (_, pages) = texts(&pdf(&[text, scan, ""], 0), "a");
    assert_eq!(pages, ["Hello readers of this page\nsecond line", "<image>", ""]);
    let many = Limits { min_layer_chars: 4, ..limits() };
    let layer = decode(&pdf(&[invisible], 0), "a", None, &many).unwrap();
    assert!(matches!(&layer.pages[0], Page::Text(page) if page.text == "An invisible layer of OCR"));
}

#[test]
fn turned_pdf_pages_have_upright_boxes() {
    let text = "BT /F 12 Tf 0 1 -1 0 100 60 Tm (turned so that it is upright) Tj ET";
    let decoded = decode(&pdf(&[text], 90), "a", None, &limits()).unwrap();
    let Page::Text(page) = &decoded.pages[0] else { panic!("an image") };
    assert_eq!(page.text, "turned so that it is upright");
    let [left, top, right, bottom] = page.words[0].bounds;
    assert!(right - left > bottom - top && left < 0.2 && top < 0.3, "{:?}", page.words[0]);
}

#[test]
fn damaged_pdfs_are_refused() {
    let whole = pdf(&["BT ET"], 0);
    assert_eq!(refusal(&whole[..whole.len() / 2], "a.pdf"), Class::Truncated);
    assert_eq!(refusal(b"%PDF-1.7\nnothing at all\n%%EOF", "a.pdf"), Class::Corrupt);
    let lacking = String::from_utf8(whole.clone()).unwrap().replace("/Count 1", "/Count 5");
    assert_eq!(refusal(lacking.as_bytes(), "a.pdf"), Class::Truncated);
    let garbage = [whole, vec![b'\n'; 3000]].concat();
    assert!(decode(&garbage, "a.pdf", None, &limits()).is_ok());
}

#[test]
fn pdf_pages_are_painted_grey_on_white() {
    let bytes = pdf(&["", "0 g 0 0 210 595 re f"], 0);
    let image = page_image(&bytes, MediaType::Pdf, 2, &limits()).unwrap();
    assert_eq!((image.dpi, image.pixels.dimensions()), (100, (583, 826)));
    assert_eq!((image.pixels.get_pixel(10, 10).0, image.pixels.get_pixel(500, 10).0), ([0], [255]));
    let few = Limits { max_pixels: 300_000, ..limits() };
    let image = page_image(&bytes, MediaType::Pdf, 1, &few).unwrap();
    assert!(image.dpi < 100 && image.pixels.len() <= 300_000);
    assert!(page_image(&bytes, MediaType::Pdf, 3, &limits()).is_err());
}

#[test]
fn pictures_are_flattened_on_white() {
    for format in [ImageFormat::Png, ImageFormat::WebP, ImageFormat::Jpeg] {
        let bytes = picture(format);
        let decoded = decode(&bytes, "a", None, &limits()).unwrap();
        assert!(matches!(decoded.pages[..], [Page::Image]));
        let pixels = page_image(&bytes, decoded.media_type, 1, &limits()).unwrap().pixels;
        let at = |x, y| pixels.get_pixel(x, y).0[0];
        assert!(at(2, 2) < 20 && at(36, 2) > 235 && at(2, 18) > 235, "{format:?}");
        assert_eq!(refusal(&bytes[..bytes.len() - 20], "a"), Class::Truncated, "{format:?}");
        let tiny = Limits { max_pixels: 799, ..limits() };
        assert_eq!(decode(&bytes, "a", None, &tiny).unwrap_err().failure().class, Class::TooLarge);
    }
    let mut damaged = picture(ImageFormat::Png);
    damaged[12..40].fill(7);
    assert_eq!(refusal(&damaged, "a.png"), Class::Corrupt);
}

#[test]
fn tiffs_have_pages() {
    let bytes = tiff(3);
    assert_eq!(texts(&bytes, "a").1.len(), 3);
    let pixels = page_image(&bytes, MediaType::Tiff, 3, &limits()).unwrap().pixels;
    assert_eq!(pixels.dimensions(), (16, 2));
    assert_eq!((pixels.get_pixel(7, 1).0, pixels.get_pixel(8, 1).0), ([0], [255]));
    assert!(page_image(&bytes, MediaType::Tiff, 4, &limits()).is_err());
    assert_eq!(refusal(&bytes[..bytes.len() - 2], "a.tif"), Class::Truncated);
    let few = Limits { max_pages: 2, ..limits() };
    assert_eq!(decode(&bytes, "a", None, &few).unwrap_err().failure().class, Class::TooLarge);
}

/// What a document holds, as (path, bytes).
fn held(bytes: &[u8], name: &str) -> (MediaType, String, Vec<(String, Vec<u8>)>) {
    let mut decoded = decode(bytes, name, None, &limits()).unwrap();
    let Page::Text(page) = decoded.pages.remove(0) else { panic!("an image") };
    let children = decoded.children.into_iter().map(|child| (child.path, child.bytes)).collect();
    (decoded.media_type, page.text, children)
}

#[test]
fn archives_hold_documents_and_say_which() {
    let entries = [("a/one.txt", "1"), ("__MACOSX/a/._one.txt", "x"), ("two.md", "# 2"), (".DS_Store", "x")];
    let expected = [("a/one.txt".to_owned(), b"1".to_vec()), ("two.md".to_owned(), b"# 2".to_vec())];
    let (kind, text, children) = held(&zip(&entries), "a.zip");
    assert_eq!((kind, text.as_str(), &children[..]), (MediaType::Zip, "a/one.txt\ntwo.md", &expected[..]));
    let bytes = tar(&entries.map(|(name, content)| (name, content.as_bytes())));
    let (kind, text, children) = held(&bytes, "a");
    assert_eq!((kind, text.as_str(), &children[..]), (MediaType::Tar, "a/one.txt\ntwo.md", &expected[..]));
    let (kind, _, children) = held(&gzip(&bytes), "a.tgz");
    assert_eq!((kind, &children[..]), (MediaType::Gzip, &expected[..]));
    // A TAR of 6,656 bytes that holds 5,000: what is in it counts once.
    let narrow = Limits { max_expanded_bytes: 8_000, ..limits() };
    let packed = gzip(&tar(&[("a.txt", &[b'x'; 5000][..])]));
    assert_eq!(decode(&packed, "a.tgz", None, &narrow).unwrap().children.len(), 1);
    let (_, text, children) = held(&gzip(b"plain"), "notes.txt.gz");
    assert_eq!(
        (text.as_str(), &children[..]),
        ("notes.txt", &[("notes.txt".to_owned(), b"plain".to_vec())][..])
    );
    assert_eq!(refusal(&bytes[..bytes.len() - 1500], "a.tar"), Class::Truncated);
    let packed = gzip(&bytes);
    assert_eq!(refusal(&packed[..packed.len() - 9], "a.tgz"), Class::Truncated);
}

#[test]
fn mailboxes_and_outlook_mails_hold_mails() {
    let (kind, text, children) = held(&mailbox(), "inbox");
    assert_eq!((kind, text.as_str()), (MediaType::Mbox, "1. One\n2. Two"));
    let first = String::from_utf8(children[0].1.clone()).unwrap();
    assert_eq!(first, "From: a@b.c\nMessage-ID: <x>\nSubject: One\n\nfirst\nFrom here on\n\n");
    assert_eq!(children[1].0, "message-2.eml");

    let (kind, text, children) = held(&outlook(), "a.msg");
    let expected = "From: Ada L. <ada@example.org>\nTo: Bob\nSubject: Grüße\nDate: 2024-05-14T09:30:00Z\n\n\
        Hello Bob,\nsee below.\n\nAttachment: agenda.txt\n\nAttachment: Inner.msg";
    assert_eq!((kind, text.as_str()), (MediaType::Msg, expected));
    assert_eq!(children[0], ("agenda.txt".to_owned(), b"1. Cables".to_vec()));
    let (kind, text, _) = held(&children[1].1, "Inner.msg");
    assert_eq!((kind, text.as_str()), (MediaType::Msg, "Subject: Inner\n\ndeep"));
}

#[test]
fn nothing_of_a_mail_is_lost_to_headers_that_never_end() {
    let mail = "From: ada@example.org\nSubject: Fwd\nMIME-Version: 1.0\n\
        Content-Type: multipart/mixed; boundary=\"b\"\n\n\
        --b\nContent-Type: text/plain\n\nSee below.\n\
        --b\nContent-Type: message/rfc822\n\nSubject: cut off\nContent-Transfer-\n\
        --b\nContent-Type: text/plain; name=\"minutes.txt\"\nContent-Disposition: attachment\n\nThe minutes.\n--b--\n";
    let (kind, text, children) = held(mail.as_bytes(), "a.eml");
    assert_eq!(kind, MediaType::Email);
    assert!(text.contains("See below.") && text.contains("minutes.txt"), "{text}");
    // Parts within that do not end, the way a mail that was cut off goes into a report of it.
    let report = "From: a@b.c\nContent-Type: multipart/mixed; boundary=o\n\n--o\n\
        Content-Type: multipart/alternative; boundary=i\n\n--i\nContent-Type: text/plain\n\nHi\n--i\nContent-Type: text/ht\n\
        --o\nContent-Type: application/pdf; name=a.pdf\nContent-Transfer-Encoding: base64\n\
        Content-Disposition: attachment\n\nJVBERi0=\n--o--\n";
    let (_, text, within) = held(report.as_bytes(), "report.eml");
    assert!(text.contains("Hi"), "{text}");
    assert!(within.contains(&("a.pdf".to_owned(), b"%PDF-".to_vec())), "{within:?}");
    let minutes = children.iter().find(|(name, _)| name == "minutes.txt").expect("the attachment");
    assert_eq!(minutes.1, b"The minutes.");
}

#[test]
fn archives_that_blow_up_are_refused_by_limit() {
    let reason = |bytes: &[u8], limits: &Limits| {
        let failure = decode(bytes, "a", None, limits).unwrap_err().failure().clone();
        assert_eq!(failure.class, Class::TooLarge, "{failure}");
        failure.reason
    };
    let zeros = "0".repeat(24 << 20);
    let bomb = zip(&[("zeros", &zeros)]);
    assert!(bomb.len() < 64 << 10, "{}", bomb.len());
    assert!(reason(&bomb, &limits()).contains("decode.max_expansion"));
    assert!(reason(&gzip(zeros.as_bytes()), &limits()).contains("decode.max_expansion"));
    assert!(reason(&gzip(&tar(&[("z", zeros.as_bytes())])), &limits()).contains("decode.max_expansion"));
    let with = |change: fn(&mut FamilyLimits)| {
        let mut limits = limits();
        change(&mut limits.family);
        reason(&zip(&[("a", "1"), ("b", "2")]), &limits)
    };
    assert!(with(|family| family.documents = 1).contains("decode.max_children"));
    assert!(with(|family| family.levels = 0).contains("decode.max_nesting"));
    assert!(with(|family| family.bytes = 1).contains("decode.max_children_mb"));
    let mut few = limits();
    few.family.attachments = 1;
    assert!(reason(mail().as_bytes(), &few).contains("decode.max_attachments"));
}

/// A document of every format.
fn all_formats() -> Vec<Vec<u8>> {
    let text = "BT /F 12 Tf 40 500 Td (Hello readers of this page) Tj ET q 9 0 0 9 0 0 cm /I Do Q";
    let mut samples = vec![
        pdf(&[text, text], 0),
        docx("<w:p><w:r><w:t>a</w:t></w:r></w:p><w:tbl><w:tr><w:tc/></w:tr></w:tbl>"),
        pptx(),
        xlsx(),
        odf("text", "<text:p>a</text:p>"),
        odf("spreadsheet", "<table:table><table:table-row/></table:table>"),
        mail().into_bytes(),
        b"<html><table><tr><td>a<ul><li>b</table>".to_vec(),
        tiff(2),
        zip(&[("a/b.txt", "text"), ("c.csv", "1,2")]),
        tar(&[("a.txt", b"text"), ("b.txt", b"more")]),
        gzip(b"compressed text"),
        mailbox(),
        outlook(),
        epub(),
        br"{\rtf1\ansi{\fonttbl{\f0 A;}}a\par \trowd\cell b\row \u228?\'e4}".to_vec(),
        br#"{"a": [1, {"b": "c\u00e4"}]}"#.to_vec(),
        b"<?xml version='1.0'?><a b='c'><d>e</d>f<g/></a>".to_vec(),
    ];
    let formats =
        [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP, ImageFormat::Bmp, ImageFormat::Gif];
    samples.extend(formats.map(picture));
    samples.push(photograph(60, 40));
    samples
}

/// Decodes and paints; a panic that was caught is reported.
fn panics(bytes: &[u8]) -> Option<String> {
    let small = Limits { max_pixels: 1_000_000, max_expanded_bytes: 1 << 20, ..limits() };
    let decoded = match decode(bytes, "sample", None, &small) {
        Ok(decoded) => decoded,
        Err(error) => return Some(error.to_string()).filter(|text| text.contains("panicked")),
    };
    let error = page_image(bytes, decoded.media_type, 1, &small).err()?.to_string();
    Some(error).filter(|text| text.contains("panicked"))
}

#[test]
fn every_format_is_read() {
    for sample in all_formats() {
        assert_eq!(panics(&sample), None);
        assert!(decode(&sample, "sample", None, &limits()).is_ok(), "{:?}", sample.get(..20));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn random_bytes_never_panic(magic in 0usize..11, tail in prop::collection::vec(any::<u8>(), 0..400)) {
        let magic: &[u8] = [&b""[..], b"{\\rtf1 ", b"\x1f\x8b\x08\0\0\0\0\0\0\xff", b"<?xml ?><a>", b"%PDF-1.4 obj endobj ", b"PK\x03\x04", b"\x89PNG\r\n\x1a\n",
            b"\xff\xd8\xff\xe0", b"II*\0", b"<html>", b"From: a\nDate: b\nReceived: c\n\n"][magic];
        prop_assert_eq!(panics(&[magic, &tail].concat()), None);
    }

    #[test]
    fn mutated_documents_never_panic(
        sample in 0usize..23,
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        cut in prop::option::weighted(0.3, any::<prop::sample::Index>()),
    ) {
        let samples = all_formats();
        let mut bytes = samples[sample % samples.len()].clone();
        for (at, value) in edits {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        prop_assert_eq!(panics(&bytes), None);
    }
}
