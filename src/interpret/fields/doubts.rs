//! What makes every field of a document doubtful, whatever its kind: text that is no words, or that
//! runs in another order than it is read in.

use super::spec::Kind;
use super::{movements, table};
use crate::document::{Check, Field, Outcome, PageText, Validity};

/// Share of letters that run from right to left above which fields are not to be relied on.
const RIGHT_TO_LEFT: f64 = 0.3;
/// Share of words that look like some below which a text is noise.
const WORDS: f64 = 0.5;
/// Fewer words than this say nothing about a text.
const FEW: usize = 12;

/// What speaks against the whole text, as failed checks; the fields become doubtful.
pub fn doubt(pages: &[PageText], fields: &mut [Field]) -> Vec<Check> {
    let found = [("readable", noise(pages)), ("reading-order", order(pages))];
    let mut checks = Vec::new();
    for (name, detail) in found {
        if let Some(detail) = detail {
            checks.push(fail(name, detail, fields));
        }
    }
    checks
}

/// A check of the whole document that fails: every field is doubtful by it.
pub fn fail(name: &str, detail: String, fields: &mut [Field]) -> Check {
    for field in fields.iter_mut() {
        if field.validity == Validity::Valid {
            field.validity = Validity::Doubtful;
        }
        field.confidence *= 0.7;
        field.reasons.push(format!("{name}: {detail}"));
    }
    let about = fields.iter().map(|field| field.name.clone()).collect();
    Check { name: name.to_owned(), outcome: Outcome::Fail, fields: about, detail }
}

/// Rows that were not read, as a failed check: what was read of the others is as good as it is.
pub fn partial(kind: &Kind, pages: usize, read: usize, fields: &[Field]) -> Option<Check> {
    let rows = |extractor: &str, name: &str, most: usize| {
        let last = format!("{name}[{}].amount", most.saturating_sub(1));
        let wanted = kind.extractors.iter().any(|wanted| wanted == extractor);
        wanted.then(|| (name.to_owned(), fields.iter().any(|field| field.name == last), most))
    };
    let (name, full, most) = rows("transactions", "transactions", movements::MOST)
        .or_else(|| rows("lines", "lines", table::MAX_LINES))?;
    let detail = match (pages > read, full) {
        (true, _) => format!("only the first {read} of {pages} pages were read for {name}"),
        (false, true) => format!("only the first {most} {name} were read"),
        (false, false) => return None,
    };
    Some(Check { name: "all-rows".to_owned(), outcome: Outcome::Fail, fields: Vec::new(), detail })
}

fn noise(pages: &[PageText]) -> Option<String> {
    let (mut words, mut fine) = (0usize, 0usize);
    for word in pages.iter().flat_map(|page| page.text.split_whitespace()) {
        words += 1;
        fine += usize::from(plain(word));
    }
    let share = fine as f64 / words.max(1) as f64;
    (words >= FEW && share < WORDS)
        .then(|| format!("only {:.0} % of it looks like words and numbers", share * 100.0))
}

/// Whether most words of a line look like some, and one of them at least is long enough to tell.
pub fn is_worded(line: &str) -> bool {
    let (words, fine): (Vec<&str>, Vec<&str>) = line.split_whitespace().partition(|word| !plain(word));
    let long = |word: &&str| word.chars().filter(|c| c.is_alphabetic()).count() > 2;
    fine.len() > words.len() && fine.iter().any(long)
}

/// Whether a word is letters with a vowel, or a number, between marks.
fn plain(word: &str) -> bool {
    let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
    let ordinary = word.trim_start_matches('(').trim_end_matches(['.', ',', ':', ')']).len() == bare.len();
    let letters = bare.chars().filter(|c| c.is_alphabetic()).count();
    let digits = bare.chars().filter(char::is_ascii_digit).count();
    let marks = bare.chars().count() - letters - digits;
    if bare.is_empty() || marks > 4 {
        return false;
    }
    // Vowels of the Latin letters; other scripts are not judged.
    let vowel = |c: char| "aeiouyäöüáéíóúàèìòùâêîôûåæøœ".contains(c) || c > '\u{24f}';
    let spoken = bare.chars().flat_map(char::to_lowercase).any(vowel);
    match (letters, digits) {
        (0, _) => true,
        // "Ltd", "GmbH", "Nr".
        (_, 0) => {
            marks <= 2
                && (spoken
                    || (letters <= 2 && ordinary)
                    || (letters <= 4 && bare.starts_with(char::is_uppercase)))
        }
        // Codes, dates and amounts with their currency.
        _ => letters <= 3 || digits >= letters || spoken,
    }
}

fn order(pages: &[PageText]) -> Option<String> {
    let (mut letters, mut back, mut turned) = (0usize, 0usize, false);
    for c in pages.iter().flat_map(|page| page.text.chars()) {
        letters += usize::from(c.is_alphabetic());
        back += usize::from(runs_back(c));
        // Overrides: what is shown is not in the order in which it is stored.
        turned |= matches!(c, '\u{202d}' | '\u{202e}');
    }
    let share = back as f64 / letters.max(1) as f64;
    if turned {
        return Some("marks in the text change the order in which it is shown".to_owned());
    }
    (share > RIGHT_TO_LEFT).then(|| {
        format!(
            "{:.0} % of its letters run from right to left, which fields are not read from",
            share * 100.0
        )
    })
}

/// Letters of Hebrew, Arabic, Syriac, Thaana, N'Ko and their presentation forms.
fn runs_back(c: char) -> bool {
    c.is_alphabetic()
        && matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}' | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Vec<String> {
        doubt(&[PageText::plain(text)], &mut []).into_iter().map(|check| check.name).collect()
    }

    #[test]
    fn noise_and_other_directions_are_told_from_text() {
        let noise =
            "x#4q zzrtk |}{ bvcd 0O.l1 ~~ qwrtp lkjhg ;;; ##9 vbnmk xx!! zrtpq @@ mnbvc $%& pqrst kl;k";
        assert_eq!(said(noise), ["readable"]);
        assert_eq!(said("חשבונית מס סה\"כ לתשלום תאריך Invoice"), ["reading-order"]);
        assert_eq!(said("فاتورة رقم ١٢ المجموع"), ["reading-order"]);
        assert_eq!(said("Total \u{202e}00.001\u{202c} EUR"), ["reading-order"]);
        for fine in [
            "Invoice HP-2024-0317 of 12 March 2024: 6 shelves at 420.00 GBP each make 2,520.00 GBP, VAT 20% 504.00 GBP.",
            "Gärtnerei Blütenhof GmbH, USt-IdNr. DE 287 604 115, Rechnung Nr. 2024-1188 vom 3. Mai 2024 über 833,00 €",
            "Счёт на оплату № 12 от 3 мая 2024 года, итого к оплате 100 рублей, без налога на добавленную стоимость",
            "請求書番号 一二三 合計金額 令和六年 株式会社 東京都 千代田区 丸の内 御中 振込先 銀行 支店",
            "TAX INVOICE RM 9.00 QTY 2 GST 6% SR CASH 10.00 CHG 1.00 TEL 03-5510 NO 12 JLN 3/4 KL",
        ] {
            assert_eq!(said(fine), Vec::<String>::new(), "{fine}");
        }
    }
}
