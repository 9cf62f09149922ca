//! Who sent an invoice: names are weighed by what speaks for each.
//!
//! A place near the head says little, for the customer's name stands there too. What a company says of
//! itself says more: its name in its own mail address, beside its bank account or tax number, as the
//! one to be paid, or twice on the page.

use super::layout::{Cell, Sheet};
use super::names::{has_form, holds_address, is_name, is_title, name_end, named, same};
use super::parties::{BUYER_LABELS, addressee, labelled, salutes};
use super::reader::Reader;
use super::spec::Kind;
use crate::document::{Entity, Field, FieldValue, Validity};

pub const SUPPLIER_LABELS: &[&str] = &[
    "from",
    "seller",
    "supplier",
    "vendor",
    "issued by",
    "payee",
    "von",
    "verkäufer",
    "lieferant",
    "rechnungssteller",
    "vendeur",
    "émetteur",
    "proveedor",
    "emisor",
    "fornitore",
];

/// What stands before the name of who is to be paid.
const PAYEES: &[&str] = &[
    "payable to ",
    "account name ",
    "account name: ",
    "account holder ",
    "account holder: ",
    "beneficiary ",
    "beneficiary: ",
    "kontoinhaber ",
    "kontoinhaber: ",
    "zahlungsempfänger ",
    "zahlungsempfänger: ",
    "titulaire ",
    "titulaire : ",
    "titular: ",
    "beneficiario: ",
    "intestato a ",
];

/// Words beside which a company names itself, not its customer.
const OWN: &[&str] =
    &["iban", "bic", "vat", "ust-id", "ust id", "steuernummer", "tva", "p.iva", "gst", "siret", "hrb", "abn"];

/// A name that may be the supplier's.
struct Candidate<'s> {
    cell: &'s Cell,
    name: &'s str,
    score: f32,
    /// Whether more than its place speaks for it.
    shown: bool,
}

/// `supplier`: after its label, or the name that most speaks for.
pub fn supplier(reader: &Reader<'_>, entities: &[Entity], _: &Kind, fields: &mut Vec<Field>) {
    let Some(sheet) = reader.sheets.first() else { return };
    if let Some((cell, start)) = labelled(sheet, SUPPLIER_LABELS) {
        let part = start..cell.text.len();
        let value = FieldValue::Text(cell.text.get(part.clone()).unwrap_or_default().to_owned());
        fields.push(reader.field("supplier", value, sheet, cell, &part, 0.85));
        return;
    }
    let mut all = candidates(reader, sheet, entities);
    all.sort_by(|a, b| b.score.total_cmp(&a.score));
    let Some(best) = all.first() else { return };
    let start = best.cell.text.find(best.name).unwrap_or(0);
    let part = start..start + best.name.len();
    let value = FieldValue::Text(best.name.to_owned());
    let mut field = reader.field("supplier", value, sheet, best.cell, &part, best.score.clamp(0.3, 0.95));
    let rival = all.iter().skip(1).find(|c| !same(c.name, best.name) && best.score - c.score < 0.1);
    let doubt = match rival {
        Some(rival) if rival.shown => Some(format!("{} could be the supplier too", rival.name)),
        _ if !best.shown => Some("only its place says that this is the supplier".to_owned()),
        _ => None,
    };
    if let Some(doubt) = doubt {
        field.confidence *= 0.8;
        (field.validity, field.reasons) = (Validity::Doubtful, vec![doubt]);
    }
    goes_on(reader, sheet, best.cell, &mut field);
    fields.push(field);
}

/// Adds the next line to a name that ends with "&" or "and": it was broken there.
fn goes_on(reader: &Reader<'_>, sheet: &Sheet, cell: &Cell, field: &mut Field) {
    let broken = ["&", " and", " AND", " und", " +"].iter().any(|end| field.raw.ends_with(end));
    let row = sheet.rows.iter().position(|cells| cells.iter().any(|c| std::ptr::eq(c, cell)));
    let next =
        row.and_then(|row| sheet.rows.get(row + 1)).and_then(|cells| cells.iter().find(|c| c.above(cell)));
    let Some(next) = next.filter(|next| broken && is_name(&next.text)) else { return };
    let more = reader.whole("", sheet, next, 1.0);
    field.raw = format!("{} {}", field.raw, next.text);
    field.value = FieldValue::Text(field.raw.clone());
    field.end = more.end.max(field.end);
    field.bounds = joined(field.bounds, more.bounds);
}

fn joined(a: Option<[f32; 4]>, b: Option<[f32; 4]>) -> Option<[f32; 4]> {
    a.zip(b).map(|(a, b)| [a[0].min(b[0]), a[1].min(b[1]), a[2].max(b[2]), a[3].max(b[3])])
}

/// Every name of a page that is not the buyer's, with what speaks for it.
fn candidates<'s>(reader: &Reader<'_>, sheet: &'s Sheet, entities: &[Entity]) -> Vec<Candidate<'s>> {
    let buyer = labelled(sheet, BUYER_LABELS);
    let buys = |cell: &Cell, name: &str| {
        buyer.is_some_and(|(to, start)| {
            std::ptr::eq(to, cell) || same(name, to.text.get(start..).unwrap_or_default())
        })
    };
    let (domains, paid) = (domains(reader), paid(reader));
    let usual = usual_height(sheet);
    let greeted = greeted(sheet);
    let titled = sheet.rows.iter().position(|cells| cells.first().is_some_and(|c| is_title(&c.text)));
    let mut all: Vec<Candidate<'s>> = Vec::new();
    for (row, cells) in sheet.rows.iter().enumerate() {
        for cell in cells {
            let payee = payee(&cell.text);
            let name = payee.unwrap_or_else(|| cell.text.get(..name_end(&cell.text)).unwrap_or_default());
            // A number in front is that of a house.
            if !is_name(name)
                || name.starts_with(|c: char| c.is_ascii_digit())
                || buys(cell, name)
                || greeted.is_some_and(|to| std::ptr::eq(to, cell))
            {
                continue;
            }
            let from_the_head = row.min(12) as f32;
            let near = sheet.rows.get(row.saturating_sub(1)..(row + 5).min(sheet.rows.len()));
            let own = |cell: &&Cell| {
                let text = cell.text.to_lowercase();
                OWN.iter().any(|word| mentions(&text, word))
            };
            let close =
                |c: &&Cell| c.above(cell) || (c.bounds[1] < cell.bounds[3] && cell.bounds[1] < c.bounds[3]);
            let beside = near.unwrap_or_default().iter().flatten().filter(close).any(|c| own(&c));
            let mut shown = 0.0;
            shown += if has_form(name) { 0.25 } else { 0.0 };
            shown += if named(entities, name, "ORG") { 0.15 } else { 0.0 };
            shown += if sheet.boxed && cell.height() > usual * 1.25 { 0.2 } else { 0.0 };
            shown += if domains.iter().any(|domain| speaks_of(domain, name)) { 0.3 } else { 0.0 };
            let to_be_paid =
                payee.is_some() || paid.iter().any(|text| text.starts_with(&name.to_lowercase()));
            shown += if to_be_paid { 0.4 } else { 0.0 };
            // A name with its own address in one line: the sender, above a window or at the foot.
            let lined = cell.text.get(name.len()..).is_some_and(holds_address);
            shown += if lined && payee.is_none() { 0.2 } else { 0.0 };
            let again = all.iter_mut().find(|c| same(c.name, name));
            if let Some(earlier) = again {
                // What a company says of itself; what only stands there twice may be goods or a stamp.
                let said = payee.is_some() || lined;
                earlier.score += if said { 0.4 } else { 0.05 };
                earlier.shown |= said;
                continue;
            }
            let street = if name.contains(|c: char| c.is_ascii_digit()) { 0.2 } else { 0.0 };
            // Below the title come facts and the customer.
            let below = if titled.is_some_and(|at| row > at) { 0.1 } else { 0.0 };
            let score = 0.5 - 0.04 * from_the_head - below + shown - street + if beside { 0.05 } else { 0.0 };
            // Far down a name is a line of goods, unless something speaks for it.
            if row < 12 || shown >= 0.3 {
                all.push(Candidate { cell, name, score, shown: shown > 0.0 });
            }
        }
    }
    // Of what is left, the head of the second address is the customer's.
    let first = all.iter().max_by(|a, b| a.score.total_cmp(&b.score)).map(|c| c.name).unwrap_or_default();
    if let Some(to) = addressee(sheet, first) {
        let fits = |c: &Candidate<'_>| std::ptr::eq(c.cell, to) && !same(c.name, first);
        all.iter_mut().filter(|c| fits(c)).for_each(|c| c.score -= 0.3);
    }
    all
}

/// The name below or after "Herrn", "Firma" and the like.
fn greeted(sheet: &Sheet) -> Option<&Cell> {
    for (row, cells) in sheet.rows.iter().enumerate().take(20) {
        for cell in cells.iter().filter(|c| salutes(row, &c.text)) {
            if cell.text.contains(' ') && is_name(&cell.text) {
                return Some(cell);
            }
            let below = sheet.rows.get(row + 1).into_iter().flatten().find(|c| c.above(cell));
            if below.is_some() {
                return below;
            }
        }
    }
    None
}

/// What follows "payable to" and the like, in lower case, across the ends of lines.
fn paid(reader: &Reader<'_>) -> Vec<String> {
    let Some((_, page)) = reader.read_pages().next() else { return Vec::new() };
    let text = page.text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    let after = |word: &&str| {
        let at = text.find(*word)? + word.len();
        Some(text.get(at..)?.chars().take(60).collect::<String>())
    };
    PAYEES.iter().filter_map(after).collect()
}

/// Who is to be paid, where a line says it.
fn payee(text: &str) -> Option<&str> {
    let lower = text.to_lowercase();
    // Letters of another length in lower case would shift what follows.
    let find = |word: &&str| lower.find(*word).map(|at| at + word.len());
    let after = PAYEES.iter().filter(|_| lower.len() == text.len()).find_map(find)?;
    let rest = text.get(after..)?;
    let end = rest.find([',', ';', '(']).or_else(|| rest.find(". ")).unwrap_or(rest.len());
    let name = rest.get(..end)?.trim_end_matches('.').trim();
    (name.chars().count() < 60).then_some(name)
}

fn mentions(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let letter = |c: Option<char>| c.is_some_and(char::is_alphabetic);
        !letter(text.get(..at).and_then(|t| t.chars().next_back()))
            && !letter(text.get(at + word.len()..).and_then(|t| t.chars().next()))
    })
}

/// The hosts of mail and web addresses, letters and digits only.
pub fn domains(reader: &Reader<'_>) -> Vec<String> {
    let Some((_, page)) = reader.read_pages().next() else { return Vec::new() };
    let host = |word: &str| {
        let word = word.trim_matches(|c: char| !c.is_alphanumeric());
        let host = match word.rsplit_once('@') {
            Some((_, host)) => Some(host),
            None => word.rsplit_once("//").map(|(_, host)| host).or_else(|| word.strip_prefix("www.")),
        };
        host.map(|h| h.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect::<String>())
    };
    page.text.split_whitespace().filter_map(host).take(20).collect()
}

/// Whether a host is named after a company: its first word of length, or all of it, is in there.
pub fn speaks_of(domain: &str, name: &str) -> bool {
    let flat =
        name.to_lowercase().replace('ä', "ae").replace('ö', "oe").replace('ü', "ue").replace('ß', "ss");
    let mut words = flat.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().count() >= 5);
    words.next().is_some_and(|word| domain.contains(word))
}

/// `supplier.address`: the rows below the name, up to the first that is no address.
pub fn address(reader: &Reader<'_>, _: &[Entity], _: &Kind, fields: &mut Vec<Field>) {
    let (Some(sheet), Some(supplier)) = (reader.sheets.first(), fields.iter().find(|f| f.name == "supplier"))
    else {
        return;
    };
    let name = supplier.raw.clone();
    let Some(row) = sheet.rows.iter().position(|cells| {
        cells.iter().any(|c| c.text.starts_with(&name) || (name.starts_with(&c.text) && c.text.len() > 4))
    }) else {
        return;
    };
    let mut parts: Vec<&Cell> = Vec::new();
    for cells in sheet.rows.iter().skip(row + 1).take(8) {
        let Some(cell) = cells.first() else { continue };
        let text = cell.text.to_lowercase();
        let number = text.starts_with('(')
            || text.chars().filter(char::is_ascii_digit).count() * 2 > text.chars().count();
        let other = [
            "tel", "fax", "gst", "vat", "tax", "phone", "email", "www", "ph ", "ph:", "inv", "receipt",
            "date", "reg", "br no", "co no", "co.", "company", "roc", "cash", "bill", "doc",
        ];
        if other.iter().any(|word| text.starts_with(word)) {
            if parts.is_empty() && !text.starts_with("tel") { continue } else { break }
        }
        if parts.is_empty() && (number || !text.contains(|c: char| c.is_ascii_digit()) || has_form(&text)) {
            continue;
        }
        let digits = text.split(|c: char| !(c.is_ascii_digit() || c == '-')).any(|run| run.len() >= 8);
        let place = text.contains(',') || text.contains(|c: char| c.is_ascii_digit());
        let open = parts.last().is_some_and(|last| last.text.ends_with([',', '-']));
        // A telephone number, a label, or a line of words where the address was complete.
        if cells.len() > 2
            || digits
            || (text.contains(':') && !text.starts_with("no"))
            || (!parts.is_empty() && !place && !open && parts.len() > 1)
        {
            break;
        }
        parts.push(cell);
    }
    let (Some(first), Some(last)) = (parts.first(), parts.last()) else { return };
    let whole = parts.iter().map(|c| c.text.as_str()).collect::<Vec<_>>().join(" ");
    let (start, end) = (reader.whole("", sheet, first, 0.7), reader.whole("", sheet, last, 0.7));
    let bounds = joined(start.bounds, end.bounds);
    let value = FieldValue::Text(whole.clone());
    fields.push(Field {
        name: "supplier.address".to_owned(),
        value,
        raw: whole,
        end: end.end.max(start.start),
        bounds,
        ..start
    });
}

/// The height of most lines of a page.
pub fn usual_height(sheet: &Sheet) -> f32 {
    let mut heights: Vec<f32> = sheet.rows.iter().flatten().map(Cell::height).collect();
    heights.sort_by(f32::total_cmp);
    heights.get(heights.len() / 2).copied().unwrap_or(1.0)
}
