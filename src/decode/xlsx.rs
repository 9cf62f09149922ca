//! Workbooks: sheet = page, its name first, rows as those of a Markdown table. Cells are streamed, because
//! a sheet of two cells at opposite corners would fill the memory as a grid.

use super::archive::Archive;
use super::writer::Writer;
use super::{Limits, reject};
use crate::document::PageText;
use crate::error::{Class, Result};
use calamine::{DataRef, ExcelDateTime, Reader, SheetType, Xlsx, XlsxError};
use std::io::Cursor;

/// Empty cells before a cell are written out so that columns stay apart; not more than these.
const MAX_GAP: u32 = 32;

/// The sheets of a workbook.
pub(super) fn pages(bytes: &[u8], limits: &Limits) -> Result<Vec<PageText>> {
    // calamine unpacks without counting.
    Archive::open(bytes, limits.max_expanded_bytes)?.measure()?;
    let mut workbook: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(|error| corrupt("workbook", &error))?;
    let sheets = workbook.sheets_metadata().to_vec();
    let mut writer = Writer::new(limits);
    for sheet in sheets.iter().filter(|sheet| sheet.typ == SheetType::WorkSheet) {
        writer.text(&sheet.name);
        writer.end_paragraph();
        rows(&mut workbook, &sheet.name, &mut writer).map_err(|error| corrupt(&sheet.name, &error))?;
        writer.end_page(true);
    }
    writer.finish_pages(limits)
}

fn corrupt(part: &str, error: &XlsxError) -> crate::error::Error {
    match error {
        XlsxError::Password => reject(Class::Encrypted, "the workbook asks for a password"),
        error => reject(Class::Corrupt, format!("{part}: {error}")),
    }
}

fn rows(workbook: &mut Xlsx<Cursor<&[u8]>>, sheet: &str, writer: &mut Writer) -> Result<(), XlsxError> {
    let mut cells = workbook.worksheet_cells_reader(sheet)?;
    writer.begin_table();
    let mut at: Option<(u32, u32)> = None;
    while let Some(cell) = cells.next_cell()? {
        let text = display(cell.get_value());
        if text.is_empty() {
            continue;
        }
        let (row, column) = cell.get_position();
        let next = match at {
            Some((last_row, last_column)) if last_row == row => last_column.saturating_add(1),
            _ => {
                writer.begin_row();
                0
            }
        };
        for _ in 0..column.saturating_sub(next).min(MAX_GAP) {
            writer.begin_cell();
        }
        writer.begin_cell();
        writer.text(&text);
        at = Some((row, column));
    }
    writer.end_table();
    Ok(())
}

fn display(value: &DataRef<'_>) -> String {
    match value {
        DataRef::Empty => String::new(),
        DataRef::String(text) => text.trim().to_owned(),
        DataRef::SharedString(text) => text.trim().to_owned(),
        DataRef::Int(number) => number.to_string(),
        DataRef::Float(number) => number_text(*number),
        DataRef::Bool(value) => value.to_string(),
        DataRef::DateTime(time) => time_text(time),
        DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => text.clone(),
        DataRef::Error(error) => error.to_string(),
    }
}

/// As a spreadsheet shows it: 15 digits at most, so that 0.1 + 0.2 is 0.3.
fn number_text(number: f64) -> String {
    let rounded: f64 = format!("{number:.14e}").parse().unwrap_or(number);
    if rounded != 0.0 && !(1e-6..1e15).contains(&rounded.abs()) {
        return format!("{rounded:e}");
    }
    rounded.to_string()
}

fn time_text(time: &ExcelDateTime) -> String {
    let value = time.as_f64();
    if time.is_duration() {
        let seconds = (value * 86_400.0).round() as i64;
        let (minutes, second) = (seconds / 60, seconds % 60);
        return format!("{}:{:02}:{second:02}", minutes / 60, minutes % 60);
    }
    let (year, month, day, hour, minute, second, _) = time.to_ymd_hms_milli();
    let date = format!("{year:04}-{month:02}-{day:02}");
    let clock = format!("{hour:02}:{minute:02}:{second:02}");
    match (value < 1.0, value.fract() == 0.0) {
        (true, _) => clock,
        (_, true) => date,
        _ => format!("{date} {clock}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use calamine::ExcelDateTimeType;

    #[test]
    fn numbers_and_dates_read_as_in_a_spreadsheet() {
        for (number, text) in [(12.0, "12"), (0.1 + 0.2, "0.3"), (-4.5, "-4.5"), (1e20, "1e20"), (0.0, "0")] {
            assert_eq!(number_text(number), text);
        }
        let time = |value, kind| time_text(&ExcelDateTime::new(value, kind, false));
        assert_eq!(time(45_943.0, ExcelDateTimeType::DateTime), "2025-10-13");
        assert_eq!(time(45_943.5, ExcelDateTimeType::DateTime), "2025-10-13 12:00:00");
        assert_eq!(time(0.25, ExcelDateTimeType::DateTime), "06:00:00");
        assert_eq!(time(1.5, ExcelDateTimeType::TimeDelta), "36:00:00");
    }
}
