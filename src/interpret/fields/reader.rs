//! Fields that labels or expressions lead to: what stands after a label, right of it or below it.

use super::choose::{Candidate, choose, whole};
use super::labels::{Label, labels};
use super::layout::{Cell, Sheet};
use super::spec::{FieldSpec, Form, Kind};
use super::{amounts, dates, identifiers, recognise};
use crate::document::{Field, FieldValue, PageText, Validity};
use crate::interpret::characters::Characters;
use std::ops::Range;

/// A document to read fields from.
pub struct Reader<'d> {
    /// Its pages.
    pub pages: &'d [PageText],
    /// The same as rows of cells.
    pub sheets: Vec<Sheet>,
    /// Its text, for offsets.
    pub text: &'d Characters,
    /// Which of them are read, from 0: a file may hold several documents.
    pub within: Range<usize>,
    /// Whether 03/04/2024 is in March; `None` where nothing says so.
    pub month_first: Option<bool>,
}

/// Letters between a label and an amount that make a sentence of them.
const SENTENCE: usize = 24;

/// A value within a text.
struct Read {
    value: FieldValue,
    part: Range<usize>,
    /// How sure the reading is, and why it is not.
    sure: f32,
    doubt: Option<String>,
}

impl Reader<'_> {
    /// Every field of `kind` that labels, expressions or its form lead to.
    pub fn labelled(&self, kind: &Kind) -> Vec<Field> {
        self.labelled_on(kind, &self.sheets)
    }

    /// The same with the labels of these sheets.
    pub fn labelled_on(&self, kind: &Kind, sheets: &[Sheet]) -> Vec<Field> {
        let mut found: Vec<(usize, Candidate)> = Vec::new();
        for sheet in sheets {
            for (row, cells) in sheet.rows.iter().enumerate() {
                for (column, cell) in cells.iter().enumerate() {
                    for label in labels(kind, cell) {
                        let Some(spec) = label.field else { continue };
                        let index = kind.field.iter().position(|f| f.name == spec.name).unwrap_or(0);
                        // A row of several amounts sums up something else: taxes, or a statement's columns.
                        let several = spec.last && money(cells.get(column..).unwrap_or_default()) > 1;
                        if let Some(field) = self.beside(sheet, row, column, spec, &label) {
                            let rank = label.rank
                                + if several { 1000 } else { 0 }
                                + if whole(&field.value) { 500 } else { 0 };
                            found.push((index, Candidate { rank, field }));
                        }
                    }
                }
            }
        }
        let mut fields = Vec::new();
        for (index, spec) in kind.field.iter().enumerate() {
            let (mine, rest) = found.into_iter().partition::<Vec<_>, _>(|(i, _)| *i == index);
            found = rest;
            let mut mine: Vec<Candidate> = mine.into_iter().map(|(_, candidate)| candidate).collect();
            if mine.is_empty() {
                mine = self.by_pattern(spec);
            }
            if mine.is_empty() && spec.anywhere {
                mine = self.anywhere(spec);
            }
            fields.extend(choose(spec, mine));
        }
        fields
    }

    /// The pages that are read, with their places.
    pub fn read_pages(&self) -> impl Iterator<Item = (usize, &PageText)> {
        self.pages.iter().enumerate().filter(|(index, _)| self.within.contains(index))
    }

    /// A field with a value that stands in a part of a cell.
    pub fn field(
        &self,
        name: &str,
        value: FieldValue,
        sheet: &Sheet,
        cell: &Cell,
        part: &Range<usize>,
        sure: f32,
    ) -> Field {
        let (bytes, bounds, read) = cell.place(part);
        let place = self.text.range(sheet.page, &bytes);
        Field {
            name: name.to_owned(),
            value,
            raw: cell.text.get(part.clone()).unwrap_or_default().to_owned(),
            page: u32::try_from(sheet.page + 1).unwrap_or(u32::MAX),
            start: place.start,
            end: place.end,
            bounds: sheet.boxed.then_some(bounds),
            confidence: sure * read.clamp(0.0, 1.0),
            validity: Validity::Valid,
            reasons: Vec::new(),
        }
    }

    /// A text field from a whole cell.
    pub fn whole(&self, name: &str, sheet: &Sheet, cell: &Cell, sure: f32) -> Field {
        let part = 0..cell.text.len();
        self.field(name, FieldValue::Text(cell.text.clone()), sheet, cell, &part, sure)
    }

    fn beside(
        &self,
        sheet: &Sheet,
        row: usize,
        column: usize,
        spec: &FieldSpec,
        label: &Label<'_>,
    ) -> Option<Field> {
        let cells = sheet.rows.get(row)?;
        let own = cells.get(column)?;
        let found = |cell: &Cell, from: usize, sure: f32| {
            let read = self.read(spec.form, cell.text.get(from..)?, from, spec.last)?;
            let mut field = self.field(&spec.name, read.value, sheet, cell, &read.part, sure * read.sure);
            if let Some(doubt) = read.doubt {
                (field.validity, field.reasons) = (Validity::Doubtful, vec![doubt]);
            }
            Some(field)
        };
        let rest = own.text.get(label.at.end..).unwrap_or_default();
        let lead = rest.len()
            - rest.trim_start_matches(|c: char| !c.is_alphanumeric() && !"-−€$£¥₹(+".contains(c)).len();
        let sure = if label.at.start == 0 { 0.96 } else { 0.85 };
        if let Some(field) = found(own, label.at.end + lead, sure) {
            return Some(field);
        }
        // A text after a label with neither mark nor gap is another text.
        let bare = rest.chars().filter(|c| c.is_alphanumeric()).count() <= 4 || spec.form == Form::Amount;
        if !bare {
            return None;
        }
        let mut right: Vec<&Cell> = cells.iter().skip(column + 1).take(4).collect();
        if spec.last {
            right.reverse();
        }
        if let Some(field) = right.into_iter().find_map(|cell| found(cell, 0, 0.94)) {
            return Some(field);
        }
        // Below: in lines of as many cells, the one of the same number.
        let next = sheet
            .rows
            .get(row + 1)
            .filter(|next| !sheet.boxed && cells.len() > 2 && next.len() == cells.len());
        if let Some(field) = next.and_then(|next| next.get(column)).and_then(|cell| found(cell, 0, 0.8)) {
            return Some(field);
        }
        // Within the next two rows, in the same column, close by.
        let below = sheet.rows.iter().skip(row + 1).take(2).flatten();
        let near = |cell: &&Cell| {
            let gap = cell.bounds[1] - own.bounds[3];
            cell.above(own)
                && gap < own.height() * 2.0
                && (cell.bounds[0] - own.bounds[0]).abs() < 1.0 + own.bounds[2] - own.bounds[0]
        };
        if spec.form == Form::Amount && !sheet.boxed {
            return None;
        }
        below.filter(near).find_map(|cell| found(cell, 0, 0.82))
    }

    fn by_pattern(&self, spec: &FieldSpec) -> Vec<Candidate> {
        let mut found = Vec::new();
        for (rank, pattern) in spec.patterns.iter().enumerate() {
            for (index, page) in self.read_pages() {
                for groups in pattern.captures_iter(&page.text).take(16) {
                    let Some(group) = groups.get(1) else { continue };
                    if let Some(read) = self.read(spec.form, group.as_str(), 0, false) {
                        let bytes = group.start() + read.part.start..group.start() + read.part.end;
                        found.push(Candidate { rank, field: self.at(spec, index, bytes, read, 0.8) });
                    }
                }
            }
        }
        found
    }

    fn anywhere(&self, spec: &FieldSpec) -> Vec<Candidate> {
        let mut found = Vec::new();
        for (index, page) in self.read_pages().take(4) {
            let upto = page.text.char_indices().nth(20_000).map_or(page.text.len(), |(at, _)| at);
            if let Some(read) = self.read(spec.form, page.text.get(..upto).unwrap_or_default(), 0, false) {
                let sure = if spec.form == Form::Date { 0.7 } else { 0.95 };
                found.push(Candidate {
                    rank: index,
                    field: self.at(spec, index, read.part.clone(), read, sure),
                });
            }
        }
        found
    }

    /// A field at bytes of a page's text. Its box is that of the words that stand there.
    fn at(&self, spec: &FieldSpec, index: usize, bytes: Range<usize>, read: Read, sure: f32) -> Field {
        let place = self.text.range(index, &bytes);
        let raw = self.pages.get(index).and_then(|page| page.text.get(bytes.clone())).unwrap_or_default();
        let sheet = self.sheets.iter().find(|sheet| sheet.page == index);
        let within = sheet.and_then(|sheet| sheet.within(&bytes));
        let reasons: Vec<String> = read.doubt.into_iter().collect();
        Field {
            name: spec.name.clone(),
            value: read.value,
            raw: raw.to_owned(),
            page: u32::try_from(index + 1).unwrap_or(u32::MAX),
            start: place.start,
            end: place.end,
            bounds: within.map(|(bounds, _)| bounds),
            confidence: sure * read.sure * within.map_or(1.0, |(_, confidence)| confidence),
            validity: if reasons.is_empty() { Validity::Valid } else { Validity::Doubtful },
            reasons,
        }
    }

    /// Reads a value of a form from the start or anywhere of a text that begins at `from`.
    fn read(&self, form: Form, text: &str, from: usize, last: bool) -> Option<Read> {
        let shift = |part: Range<usize>| from + part.start..from + part.end;
        let sure = |value, part| Read { value, part: shift(part), sure: 1.0, doubt: None };
        let checked = |id: identifiers::FoundId, what: &str| Read {
            value: FieldValue::Identifier(id.value),
            part: shift(id.bytes),
            sure: if id.right == Some(false) { 0.5 } else { 1.0 },
            doubt: (id.right == Some(false)).then(|| format!("the check digits of this {what} are wrong")),
        };
        match form {
            Form::Text => text_value(text).map(|(value, part)| sure(FieldValue::Text(value), part)),
            Form::Date => {
                let found = dates::find(text, self.month_first.unwrap_or(false)).into_iter().next()?;
                let unclear = found.swapped.filter(|_| self.month_first.is_none());
                let doubt = unclear.map(|other| format!("day and month could be swapped: {other}"));
                let certain = if doubt.is_some() { 0.7 } else { 1.0 };
                Some(Read {
                    value: FieldValue::Date(found.date),
                    part: shift(found.bytes),
                    sure: certain,
                    doubt,
                })
            }
            Form::Amount => {
                let alone = text.chars().all(|c| !c.is_alphabetic());
                let mut numbers = amounts::find(text, alone);
                numbers.retain(|n| !n.percent);
                let money = if last {
                    numbers.iter().rfind(|n| n.is_money())
                } else {
                    numbers.iter().find(|n| n.is_money())
                };
                // "14 Tagen" is no amount: a bare number counts where no word stands beside it.
                let bare = numbers.iter().rfind(|n| {
                    !text.get(..n.bytes.start).is_some_and(|t| t.contains(char::is_alphabetic))
                        && !text.get(n.bytes.end..).is_some_and(|t| t.contains(char::is_alphabetic))
                });
                let found = money.or(bare).cloned()?;
                let between = text.get(..found.bytes.start).unwrap_or_default();
                // Whole sentences stand between a label and what it is not the label of.
                let weak =
                    !found.is_money() || between.chars().filter(|c| c.is_alphabetic()).count() > SENTENCE;
                let unclear =
                    found.ambiguous.then(|| "its separator may mean thousands or decimals".to_owned());
                let other = numbers.iter().find(|n| alone && n.is_money() && n.value != found.value);
                let doubt = unclear.or_else(|| other.map(|n| format!("{} stands right beside it", n.value)));
                let value =
                    FieldValue::Amount { amount: found.value, currency: found.currency.map(str::to_owned) };
                Some(Read { value, part: shift(found.bytes), sure: if weak { 0.6 } else { 1.0 }, doubt })
            }
            Form::Number => {
                let found = amounts::find(text, false).into_iter().next()?;
                Some(sure(FieldValue::Number(found.value), found.bytes))
            }
            Form::Identifier => {
                let code = identifiers::code(text)?;
                let start = code.bytes.start;
                let near = text.get(..start)?.chars().filter(|c| c.is_alphanumeric()).count() <= 6;
                let day = dates::find(text, false)
                    .first()
                    .is_some_and(|d| d.bytes.start <= start && start < d.bytes.end);
                (near && !day).then(|| sure(FieldValue::Identifier(code.value), code.bytes))
            }
            Form::Iban => identifiers::ibans(text).into_iter().next().map(|id| checked(id, "IBAN")),
            Form::Bic => identifiers::bics(text).into_iter().next().map(|id| checked(id, "BIC")),
            Form::VatId => identifiers::vat_ids(text).into_iter().next().map(|id| checked(id, "VAT number")),
            Form::Luhn => {
                let mut id = identifiers::code(text)?;
                id.right = Some(identifiers::luhn(&id.value));
                Some(checked(id, "number"))
            }
            Form::Phone => recognise::phone(text).map(|part| {
                let value = text.get(part.clone()).unwrap_or_default().to_owned();
                sure(FieldValue::Text(value), part)
            }),
            Form::Email => email(text).map(|part| {
                let value = text.get(part.clone()).unwrap_or_default().to_owned();
                sure(FieldValue::Identifier(value), part)
            }),
        }
    }
}

/// A text's value: trimmed, one line, neither empty nor endless.
fn text_value(text: &str) -> Option<(String, Range<usize>)> {
    let start =
        text.len() - text.trim_start_matches(|c: char| !c.is_alphanumeric() && !"\"“„(+".contains(c)).len();
    let body = text.get(start..)?.trim_end_matches(|c: char| c.is_whitespace() || ",;:".contains(c));
    let value = body.split_whitespace().collect::<Vec<_>>().join(" ");
    let letters = value.chars().filter(|c| c.is_alphanumeric()).count();
    (letters >= 2 && value.chars().count() <= 200).then(|| (value, start..start + body.len()))
}

/// The first mail address.
fn email(text: &str) -> Option<Range<usize>> {
    let fine = |c: char| c.is_ascii_alphanumeric() || "._%+-".contains(c);
    for (at, _) in text.match_indices('@') {
        let (before, after) = (text.get(..at)?, text.get(at + 1..)?);
        let start = before
            .rfind(|c: char| !fine(c))
            .map_or(0, |i| i + before.get(i..).and_then(|t| t.chars().next()).map_or(1, char::len_utf8));
        let host =
            after.find(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '-')).unwrap_or(after.len());
        let host = after.get(..host)?.trim_end_matches(['.', '-']);
        if start < at && host.contains('.') {
            return Some(start..at + 1 + host.len());
        }
    }
    None
}

/// How many amounts of money are in cells.
fn money(cells: &[Cell]) -> usize {
    cells
        .iter()
        .flat_map(|cell| amounts::find(&cell.text, false))
        .filter(amounts::FoundNumber::is_money)
        .count()
}
