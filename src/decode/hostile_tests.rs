//! Documents that are made to harm: bombs of every kind, and each limit with an error of its own.

use super::samples::*;
use super::*;
use std::io::Write;
use std::time::{Duration, Instant};

fn refusal(bytes: &[u8], name: &str, limits: &Limits) -> crate::error::Failure {
    decode(bytes, name, None, limits).unwrap_err().failure().clone()
}

fn text_of(bytes: &[u8], name: &str) -> String {
    let decoded = decode(bytes, name, None, &limits()).unwrap();
    let text = |page: &Page| if let Page::Text(page) = page { page.text.clone() } else { String::new() };
    decoded.pages.iter().map(text).collect::<Vec<_>>().join("\n")
}

/// Directories: entries that are no documents.
fn zip_of_folders(count: usize) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for number in 0..count {
        writer.add_directory(format!("{number}"), zip::write::SimpleFileOptions::default()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn tar_of_folders(count: usize) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.set_path("folder").unwrap();
    header.set_entry_type(tar::EntryType::Directory);
    header.set_size(0);
    header.set_mode(0o755);
    header.set_cksum();
    [header.as_bytes().repeat(count), vec![0; 1024]].concat()
}

type Change = fn(&mut Limits);

#[test]
fn each_limit_has_an_error_of_its_own() {
    let page = "BT /F 12 Tf 40 500 Td (one page of many) Tj ET";
    let zeros = "0".repeat(24 << 20);
    let two = zip(&[("a.txt", "1"), ("b.txt", "2")]);
    let book = epub();
    let cases: [(&str, Vec<u8>, &str, Change); 13] = [
        ("pages of a PDF", pdf(&[page, page], 0), "decode.max_pages", |l| l.max_pages = 1),
        ("pages of a TIFF", tiff(2), "decode.max_pages", |l| l.max_pages = 1),
        ("chapters", book, "decode.max_pages", |l| l.max_pages = 1),
        ("pixels", picture(image::ImageFormat::Png), "digitize.max_megapixels", |l| l.max_pixels = 799),
        ("pixels of a TIFF", tiff(1), "digitize.max_megapixels", |l| l.max_pixels = 31),
        ("nesting", two.clone(), "decode.max_nesting", |l| l.family.levels = 0),
        ("documents", two.clone(), "decode.max_children;", |l| l.family.documents = 1),
        ("their bytes", two, "decode.max_children_mb", |l| l.family.bytes = 1),
        ("attachments", mail().into_bytes(), "decode.max_attachments", |l| l.family.attachments = 1),
        ("expansion", zip(&[("zeros", &zeros)]), "decode.max_expansion", |_| {}),
        ("unpacked", docx("<w:p/>"), "decode.max_expanded_mb", |l| l.max_expanded_bytes = 50),
        ("entries of a ZIP", zip_of_folders(65_536), "more than 65535 entries", |_| {}),
        ("entries of a TAR", tar_of_folders(65_536), "more than 65535 entries", |_| {}),
    ];
    for (what, bytes, named, change) in cases {
        let mut limits = limits();
        change(&mut limits);
        let failure = refusal(&bytes, "a", &limits);
        assert_eq!(failure.class, Class::TooLarge, "{what}: {failure}");
        // What is named at the end of the reason has no semicolon behind it.
        let reason = format!("{};", failure.reason);
        assert!(reason.contains(named), "{what}: {failure}");
    }
}

#[test]
fn xml_entities_do_not_grow() {
    let mut laughs = String::from("<!DOCTYPE r [<!ENTITY a0 'ha'>");
    for level in 1..12 {
        let ten = format!("&a{};", level - 1).repeat(10);
        laughs += &format!("<!ENTITY a{level} '{ten}'>");
    }
    laughs += "<!ENTITY file SYSTEM 'file:///etc/passwd'>]>";
    let started = Instant::now();
    let text = text_of(format!("<?xml version='1.0'?>{laughs}<r>so: &a11;&file;.</r>").as_bytes(), "a.xml");
    assert_eq!(text, "r: so: .");
    let part = |text: &str| {
        format!("{laughs}<w:document><w:body><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:body></w:document>")
    };
    let office = zip(&[("word/document.xml", &part("so: &a11;&file;."))]);
    assert_eq!(text_of(&office, "a.docx"), "so: .");
    let body = format!("{laughs}<office:document><text:p>so: &a11;&file;.</text:p></office:document>");
    let open = zip(&[("mimetype", "application/vnd.oasis.opendocument.text"), ("content.xml", &body)]);
    assert_eq!(text_of(&open, "a.odt"), "so: .");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

/// A ZIP whose directory names one entry many times: every copy is unpacked anew.
#[test]
fn entries_that_share_their_data_count_each_time() {
    let whole = zip(&[("0000", &"0".repeat(1 << 20))]);
    let at = media_type::find(&whole, b"PK\x01\x02").unwrap();
    let end = media_type::find(&whole, b"PK\x05\x06").unwrap();
    let (mut bytes, entry, mut tail) = (whole[..at].to_vec(), &whole[at..end], whole[end..].to_vec());
    for number in 0..200u16 {
        let mut copy = entry.to_vec();
        copy[46..50].copy_from_slice(format!("{number:04}").as_bytes());
        bytes.extend(copy);
    }
    let size = (bytes.len() - at) as u32;
    tail[8..10].copy_from_slice(&200u16.to_le_bytes());
    tail[10..12].copy_from_slice(&200u16.to_le_bytes());
    tail[12..16].copy_from_slice(&size.to_le_bytes());
    bytes.extend(tail);
    let mut wide = limits();
    wide.family.documents = 1000;
    let failure = refusal(&bytes, "a.zip", &wide);
    assert_eq!(failure.class, Class::TooLarge, "{failure}");
}

#[test]
fn page_trees_that_do_not_end_do() {
    let page = "<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]>>";
    let nodes = |root: &str, more: &[(usize, String)]| {
        let mut objects = vec![(1, "<</Type/Catalog/Pages 2 0 R>>".to_owned()), (2, root.to_owned())];
        objects.extend(more.iter().cloned());
        pdf_of(&objects)
    };
    // A node that is its own kid.
    let own = nodes("<</Type/Pages/Count 1/Kids[2 0 R 3 0 R]>>", &[(3, page.to_owned())]);
    assert_eq!(decode(&own, "a", None, &limits()).unwrap().pages.len(), 1);
    // Each of thirty nodes names the next ten times: 10^30 pages, if it were a tree.
    let ten = |next: usize| format!("<</Type/Pages/Count 99/Kids[{}]>>", format!("{next} 0 R ").repeat(10));
    let mut many: Vec<(usize, String)> = (3..33).map(|number| (number, ten(number + 1))).collect();
    many.push((33, page.to_owned()));
    let started = Instant::now();
    let failure = refusal(&nodes(&ten(3), &many), "a", &limits());
    // The root promises 99 pages, and there is one.
    assert_eq!(failure.class, Class::Truncated, "{failure}");
    // A chain of ten thousand nodes.
    let one = |next: usize| format!("<</Type/Pages/Count 1/Kids[{next} 0 R]>>");
    let mut deep: Vec<(usize, String)> = (3..10_003).map(|number| (number, one(number + 1))).collect();
    deep.push((10_003, page.to_owned()));
    assert_eq!(decode(&nodes(&one(3), &deep), "a", None, &limits()).unwrap().pages.len(), 1);
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

#[test]
fn pictures_that_claim_too_much_are_refused_before_they_are_read() {
    // 60,000 × 60,000 pixels in a header, and next to nothing behind it.
    let mut png = picture(image::ImageFormat::Png);
    png[16..20].copy_from_slice(&60_000u32.to_be_bytes());
    png[20..24].copy_from_slice(&60_000u32.to_be_bytes());
    let mut crc = flate2::Crc::new();
    crc.update(&png[12..29]);
    png[29..33].copy_from_slice(&crc.sum().to_be_bytes());
    let failure = refusal(&png, "a.png", &limits());
    assert_eq!(failure.class, Class::TooLarge, "{failure}");
    assert!(failure.reason.contains("60000 × 60000"), "{failure}");
    let mut bmp = picture(image::ImageFormat::Bmp);
    bmp[18..22].copy_from_slice(&60_000u32.to_le_bytes());
    bmp[22..26].copy_from_slice(&60_000u32.to_le_bytes());
    assert_eq!(refusal(&bmp, "a.bmp", &limits()).class, Class::TooLarge);
    let mut gif = picture(image::ImageFormat::Gif);
    gif[6..10].copy_from_slice(&[0xff; 4]);
    assert_eq!(refusal(&gif, "a.gif", &limits()).class, Class::TooLarge);
    let mut tif = tiff(1);
    tif[18..20].copy_from_slice(&[0xff; 2]);
    tif[30..32].copy_from_slice(&[0xff; 2]);
    // All lines in one strip.
    tif[102..104].copy_from_slice(&[0xff; 2]);
    assert_eq!(refusal(&tif, "a.tif", &limits()).class, Class::TooLarge);
}

/// A fax of one strip of 64 × 4 pixels, as group 3 or 4; `lines` are its bits, one a text character.
fn fax(compression: u16, options: u32, fill: u16, bits: &str) -> Vec<u8> {
    let mut data: Vec<u8> = Vec::new();
    for byte in bits.as_bytes().chunks(8) {
        let bit = |(at, bit): (usize, &u8)| (u8::from(*bit == b'1')) << (7 - at);
        data.push(byte.iter().enumerate().map(bit).sum());
    }
    if fill == 2 {
        data.iter_mut().for_each(|byte| *byte = byte.reverse_bits());
    }
    let mut out = b"II*\0\x08\0\0\0".to_vec();
    let fields: [(u16, u16, u32); 11] = [
        (256, 3, 64),
        (257, 3, 4),
        (258, 3, 1),
        (259, 3, compression.into()),
        (262, 3, 0),
        (266, 3, fill.into()),
        (273, 4, 8 + 2 + 11 * 12 + 4),
        (277, 3, 1),
        (278, 3, 4),
        (279, 4, data.len() as u32),
        (292, 4, options),
    ];
    out.extend((fields.len() as u16).to_le_bytes());
    for (tag, kind, value) in fields {
        out.extend(tag.to_le_bytes());
        out.extend(kind.to_le_bytes());
        out.extend(1u32.to_le_bytes());
        out.extend(value.to_le_bytes());
    }
    out.extend(0u32.to_le_bytes());
    out.write_all(&data).unwrap();
    out
}

#[test]
fn faxes_that_are_damaged_are_refused_or_blank_where_they_end() {
    let eol = "000000000001";
    // 30 white, 34 black.
    let line = "00000011000011010010";
    let whole = [eol, line, eol, line, eol, line, eol, line].concat();
    let read = |bytes: &[u8]| page_image(bytes, MediaType::Tiff, 1, &limits());
    for (fill, aligned) in [(1, 0), (2, 0), (1, 4)] {
        let image = read(&fax(3, aligned, fill, &whole)).unwrap().pixels;
        let row: Vec<u8> = (0..64).map(|x| image.get_pixel(x, 3).0[0]).collect();
        assert!(
            row[..30].iter().all(|level| *level == 255) && row[30..].iter().all(|level| *level == 0),
            "{row:?}"
        );
    }
    // The sender ended after two lines (six line ends): the rest is paper.
    let short = [eol, line, eol, line, &eol.repeat(6)].concat();
    let image = read(&fax(3, 0, 1, &short)).unwrap().pixels;
    assert_eq!((image.get_pixel(40, 1).0, image.get_pixel(40, 3).0), ([0], [255]));
    // Group 4 that ends in the middle of a line.
    let error = read(&fax(4, 0, 1, "0011")).err().expect("half a line?");
    assert!(matches!(error.failure().class, Class::Truncated | Class::Corrupt), "{error}");
    assert!(error.to_string().contains("of the fax cannot be read"), "{error}");
    // Compressions that nobody reads are named.
    let error = read(&fax(34712, 0, 1, "0011")).err().expect("JPEG 2000?");
    assert_eq!(error.failure().class, Class::Unsupported, "{error}");
    assert!(error.to_string().contains("34712"), "{error}");
}
