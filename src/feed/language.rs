//! The main language of a document.

use crate::document::{PageText, Scored};
use whatlang::Lang;

/// As much text as makes the guess certain; more only costs time.
const ENOUGH: usize = 4_000;
/// A declared language is only doubted when the text says something else with this confidence.
const DOUBT: f32 = 0.95;

/// ISO 639-1 code (ISO 639-3 where there is none) with confidence; `und` for no text.
pub fn detect(pages: &[PageText], declared: Option<&str>) -> Scored {
    let mut sample = String::new();
    for page in pages {
        let room = ENOUGH.saturating_sub(sample.len());
        sample.extend(page.text.chars().take(room));
        sample.push(' ');
        if sample.len() >= ENOUGH {
            break;
        }
    }
    let found = whatlang::detect(&sample)
        .map(|info| Scored { label: code(info.lang()), confidence: info.confidence() as f32 });
    match (found, declared) {
        (Some(found), Some(declared)) if found.label != declared && found.confidence < DOUBT => {
            Scored { label: declared.to_owned(), confidence: 1.0 - found.confidence }
        }
        (Some(found), _) => found,
        (None, Some(declared)) => Scored { label: declared.to_owned(), confidence: 0.5 },
        (None, None) => Scored { label: "und".to_owned(), confidence: 0.0 },
    }
}

fn code(lang: Lang) -> String {
    let two = match lang {
        Lang::Eng => "en",
        Lang::Deu => "de",
        Lang::Fra => "fr",
        Lang::Spa => "es",
        Lang::Ita => "it",
        Lang::Por => "pt",
        Lang::Nld => "nl",
        Lang::Pol => "pl",
        Lang::Rus => "ru",
        Lang::Ukr => "uk",
        Lang::Ces => "cs",
        Lang::Dan => "da",
        Lang::Swe => "sv",
        Lang::Nob => "nb",
        Lang::Fin => "fi",
        Lang::Hun => "hu",
        Lang::Ron => "ro",
        Lang::Tur => "tr",
        Lang::Ell => "el",
        Lang::Bul => "bg",
        Lang::Ara => "ar",
        Lang::Heb => "he",
        Lang::Hin => "hi",
        Lang::Jpn => "ja",
        Lang::Kor => "ko",
        Lang::Cmn => "zh",
        Lang::Vie => "vi",
        Lang::Cat => "ca",
        Lang::Hrv => "hr",
        Lang::Srp => "sr",
        Lang::Slk => "sk",
        Lang::Slv => "sl",
        Lang::Lit => "lt",
        Lang::Lav => "lv",
        Lang::Est => "et",
        Lang::Lat => "la",
        Lang::Epo => "eo",
        Lang::Afr => "af",
        Lang::Ind => "id",
        Lang::Tha => "th",
        Lang::Ben => "bn",
        Lang::Pes => "fa",
        Lang::Urd => "ur",
        other => return other.code().to_owned(),
    };
    two.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, declared: Option<&str>) -> Scored {
        detect(&[PageText::plain(text)], declared)
    }

    #[test]
    fn languages_are_told_apart() {
        assert_eq!(of("The invoice is payable within thirty days of receipt.", None).label, "en");
        let german = "Die Rechnung ist innerhalb von dreißig Tagen nach Erhalt zu bezahlen.";
        assert_eq!(of(german, None).label, "de");
        assert_eq!(of("", None).label, "und");
    }

    #[test]
    fn a_declared_language_wins_unless_the_text_is_sure() {
        assert_eq!(of("Total 17.50", Some("de")).label, "de");
    }
}
