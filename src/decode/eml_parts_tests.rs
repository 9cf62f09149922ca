//! Mails of every structure, whole and broken.

use super::*;

/// What a mail is made of: `text` and `html` with their content, `mail` and names of kinds with theirs in brackets
/// where they are attached; the same with both ends of lines.
fn structure(mail: &str) -> Vec<String> {
    let [unix, internet] = ["\n", "\r\n"].map(|end| {
        let mail = mail.replace('\n', end);
        let parts = parts_of(mail.as_bytes()).unwrap();
        let say = |(place, part): (usize, &Part<'_>)| {
            let content = match (&part.mail, part.message.parts.first().map(|part| &part.body)) {
                (Some(mail), _) => format!("mail {}", String::from_utf8_lossy(mail)),
                (_, Some(PartType::Text(text))) => format!("text {text}"),
                (_, Some(PartType::Html(html))) => format!("html {html}"),
                (_, other) => format!("{} bytes", other.map_or(0, PartType::len)),
            };
            let lists = [(&parts.text, "t"), (&parts.html, "h"), (&parts.attached, "a")];
            let lists: String =
                lists.iter().filter(|(list, _)| list.contains(&place)).map(|(_, name)| *name).collect();
            format!("{lists} {content}").replace("\r\n", "\n")
        };
        parts.all.iter().enumerate().map(say).collect::<Vec<_>>()
    });
    assert_eq!(unix, internet, "{mail}");
    unix
}

const OUTER: &str = "From: a@b.c\nContent-Type: multipart/mixed;\n boundary=\"o\"\n\n";

#[test]
fn a_delimiter_ends_headers() {
    let last = "--o\nContent-Type: text/plain\n\nLast.\n--o--";
    let cut = "--o\nContent-Type: message/rfc822\n\nSubject: cut\nX-Cut";
    assert_eq!(structure(&format!("{OUTER}{cut}\n{last}")), ["a mail Subject: cut\nX-Cut", "th text Last."]);
    assert_eq!(structure(&format!("{OUTER}--o\nContent-Type: text/html\n{last}"))[1..], ["th text Last."]);
    // A mail without any, and parts without any.
    let none = "--o\nContent-Type: message/rfc822\n\n";
    assert_eq!(structure(&format!("{OUTER}{none}{last}")), ["a mail ", "th text Last."]);
    assert_eq!(structure(&format!("{OUTER}--o\n--o\n{last}")), ["th text Last."]);
    // The headers that declare it.
    let own = "--o\nContent-Type: multipart/mixed; boundary=i\n--i\n\nx\n--i--\n";
    assert_eq!(structure(&format!("{OUTER}{own}{last}")), ["th text x", "th text Last."]);
    let alone = "Content-Type: multipart/mixed; boundary=b\n--b\nContent-Type: text/plain\n\nHi\n--b--";
    assert_eq!(structure(alone), ["th text Hi"]);
    let digest = OUTER.replace("mixed", "digest");
    let two = "--o\n\nSubject: cut\nX-\n--o\n\nSubject: two\n\nbody\n--o--";
    assert_eq!(
        structure(&format!("{digest}{two}")),
        ["a mail Subject: cut\nX-", "a mail Subject: two\n\nbody"]
    );
}

#[test]
fn text_without_an_empty_line_before_it_is_text() {
    let last = "--o\n\nLast.\n--o--";
    assert_eq!(
        structure(&format!("{OUTER}--o\nword\nNote: all\n\nmore\n{last}")),
        ["th text word\nNote: all\n\nmore", "th text Last."]
    );
    let html = "--o\nContent-Type: text/html\n<p>\n";
    assert_eq!(structure(&format!("{OUTER}{html}{last}")), ["th html <p>", "th text Last."]);
    assert_eq!(structure("From: a@b.c\nSubject: x\nno more"), ["th text no more"]);
    // Something among headers.
    let among =
        "From a@b.c Sat Jan  3 01:05:34 1996\nSubject: x\n broken\noff\nContent-Type: text/html\n\n<p>";
    assert_eq!(structure(among), ["th html <p>"]);
    // Behind what should be the end.
    let early = "--o\n\nx\n--o--\n--o\n\ny\n--o--";
    assert_eq!(structure(&format!("{OUTER}{early}")), ["th text x", "th text y"]);
    let digest = OUTER.replace("mixed", "digest");
    assert_eq!(structure(&format!("{digest}--o\nSubject: x\n\nit\n--o--")), ["a mail Subject: x\n\nit"]);
}

#[test]
fn empty_parts_blank_lines_and_delimiters_at_ends_lose_nothing() {
    let last = "--o\n\nLast.\n--o--";
    assert_eq!(
        structure(&format!("{OUTER}--o\nContent-Type: text/plain\n\n{last}")),
        ["th text ", "th text Last."]
    );
    // A line of blanks goes on with a header.
    let folded = OUTER.replace(";\n bound", ";\n \n bound");
    assert_eq!(structure(&format!("{folded}{last}")), ["th text Last."]);
    let blank = structure("Content-Type: multipart/mixed; boundary=\" \"\n\n-- \n\nword\n-- --");
    assert!(blank.iter().any(|part| part.contains("word")), "{blank:?}");
    // One boundary for a mail and a mail within it.
    let within = format!("--o\nContent-Type: message/rfc822\n\n{OUTER}--o\n\nin\n--o--\n{last}");
    assert_eq!(structure(&format!("{OUTER}{within}"))[1..], ["th text in", "th text Last."]);
    // No line break before a delimiter.
    let long = OUTER.replace("\"o\"", "=_outer_1");
    let run = "--=_outer_1\nContent-Type: text/html\n\n<p>--=_outer_1\nContent-Type: text/csv\nContent-Transfer-Encoding: base64\n\nYSxi--=_outer_1--";
    assert_eq!(structure(&format!("{long}{run}")), ["th html <p>", "a text a,b"]);
    let choice = OUTER.replace("mixed", "alternative");
    let blank = "--o\n\n \n--o\nContent-Type: text/html\n\n<p>\n--o--";
    assert_eq!(structure(&format!("{choice}{blank}")), ["t text  ", "th html <p>"]);
}

#[test]
fn too_many_parts_are_refused() {
    let many = format!("{OUTER}{}", "--o\n\nx\n".repeat(MOST + 2));
    let error = parts_of(many.as_bytes()).err().unwrap();
    assert_eq!(error.failure().class, Class::TooLarge);
}

#[test]
fn an_outer_delimiter_ends_what_is_within() {
    let inner = "--o\nContent-Type: multipart/alternative; boundary=i\n\n--i\n\nHi\n";
    let last = "--o\n\nLast\n--o--";
    assert_eq!(structure(&format!("{OUTER}{inner}{last}")), ["th text Hi", "th text Last"]);
    let cut = format!("{OUTER}{inner}--i\nContent-Type: text/ht\n{last}");
    assert_eq!(structure(&cut), ["th text Hi", " text ", "th text Last"]);
    let deep = "--i\nContent-Type: multipart/related; boundary=j\n\n--j\n\nx\n";
    assert_eq!(
        structure(&format!("{OUTER}{inner}{deep}{last}")),
        ["th text Hi", "th text x", "th text Last"]
    );
    assert_eq!(structure(&format!("{OUTER}{inner}{deep}"))[..2], ["th text Hi", "th text x\n"]);
}

#[test]
fn mails_are_parts_whatever_is_in_them() {
    // A mail that is nothing but a mail, and one whose parts have no end; what follows is not theirs.
    let forwarded =
        "--o\nContent-Type: message/rfc822\n\nContent-Type: message/rfc822\n\nSubject: in\n\nit\n";
    let open = "--o\nContent-Type: message/rfc822\n\nContent-Type: multipart/mixed; boundary=i\n\n--i\n\nx\n";
    let packed = "--o\nContent-Type: message/rfc822\nContent-Transfer-Encoding: BASE64\n\nU3ViamVjdDogeA==\n";
    let parts = structure(&format!("{OUTER}{forwarded}{open}{packed}--o\n\nLast\n--o--"));
    let first = "a mail Content-Type: message/rfc822\n\nSubject: in\n\nit";
    let second = "a mail Content-Type: multipart/mixed; boundary=i\n\n--i\n\nx";
    assert_eq!(parts, [first, second, "a mail Subject: x", "th text Last"]);
}

#[test]
fn of_alternatives_each_is_kept() {
    let both =
        "--o\n\nplain\n--o\nContent-Type: text/html\n\n<p>\n--o\nContent-Type: text/calendar\n\nc\n--o--";
    let choice = OUTER.replace("mixed", "alternative");
    assert_eq!(structure(&format!("{choice}{both}")), ["t text plain", "h html <p>", "a text c"]);
    assert_eq!(structure(&format!("{choice}--o\nContent-Type: text/html\n\n<p>\n--o--")), ["th html <p>"]);
    // A choice among more than one part: text without markup, or markup with a picture.
    let related = "--o\n\nplain\n--o\nContent-Type: multipart/related; boundary=r\n\n--r\nContent-Type: text/html\n\n\
        <p>\n--r\nContent-Type: image/png\nContent-Disposition: inline\n\nPNG\n--r--\n--o--";
    assert_eq!(structure(&format!("{choice}{related}")), ["t text plain", "h html <p>", "a 3 bytes"]);
    let attached = "--o\n\nbody\n--o\nContent-Type: text/plain; name=a.log\n\nlog\n--o\nContent-Type: text/html\n\
        Content-Disposition: attachment\n\n<p>\n--o--";
    assert_eq!(structure(&format!("{OUTER}{attached}")), ["th text body", "a text log", "a html <p>"]);
}

#[test]
fn what_looks_like_a_delimiter_is_text() {
    let body = "--i\n--ox\n--o --\nx";
    let parts = structure(&format!("{OUTER}--o\n\n{body}\n--o--\nbehind\n--o"));
    assert_eq!(parts[0], format!("th text {body}"));
    let quoted = "Content-Type: multipart/mixed; xboundary=a; name=\"; boundary=c\"; boundary=\"i\"\n\n--i\n\n--a\n--c\n--i--";
    assert_eq!(structure(quoted), ["th text --a\n--c"]);
    let undeclared = "Content-Type: text/plain; boundary=x\n\n--x\n--x--";
    assert_eq!(structure(undeclared), ["th text --x\n--x--"]);
    // Parts that are declared and do not come, or have no name.
    assert_eq!(structure(&format!("{OUTER}nothing but text")), ["th text nothing but text"]);
    assert_eq!(parts_of(b"Content-Type: multipart/mixed; boundary=\n\n--\n--").unwrap().all.len(), 1);
    assert_eq!(structure(""), [""; 0]);
}

#[test]
fn parts_within_parts_have_an_end() {
    let level = |n: usize| format!("Content-Type: multipart/mixed; boundary=b{n}.\n\n--b{n}.\n");
    let deep: String = (0..DEEPEST + 2).map(level).collect();
    let parts = structure(&format!("{deep}\nx"));
    assert!(parts.len() == 1 && parts[0].starts_with("a mail Content-Type: multipart"), "{parts:?}");
}

#[test]
fn base64_that_runs_into_something_else_is_unpacked() {
    let part = "--o\nContent-Type: text/csv; name=a.csv\nContent-Transfer-Encoding: base64\n\n";
    let parts = structure(&format!("{OUTER}{part}YSxi\nYyxk\nContent-Type: text/plain\n\nmore\n--o--"));
    assert_eq!(parts, ["a text a,bc,d", "th text Content-Type: text/plain\n\nmore"]);
    let parts = structure(&format!("{OUTER}{part}YSxiLGMs\nYSxi\n\n--lost\nmore\n--o--"));
    assert_eq!(parts, ["a text a,b,c,a,b", "th text --lost\nmore"]);
    // What is broken otherwise stays whole: words that base64 could be made of, and a letter that it has not.
    for body in [
        "YSxi\nThanks\nX-Bob: x",
        "YSxi\nY!xk\nX-Y: z",
        "Hello\nthis is plain\nTo: x",
        "YSxiLGMs\nYSxi\nBest\nTo: x",
    ] {
        let parts = structure(&format!("{OUTER}{part}{body}\n--o--"));
        assert_eq!(parts, [format!("a text {body}")]);
    }
    let parts = structure(&format!("{OUTER}{part}not packed: at all\n--o--"));
    assert_eq!(parts, ["a text not packed: at all"]);
}
