//! Where the readers of marked-up formats put what they find: paragraphs, tables as Markdown, pages. Tolerates unbalanced calls, because documents are unbalanced.

use super::{Limits, check_pages, reject};
use crate::document::{PageText, Table};
use crate::error::{Class, Result};

/// Tables within tables beyond this are read as the text of their cell.
const MAX_NESTING: usize = 64;

/// Text that grows by lines and paragraphs.
#[derive(Default)]
struct Flow {
    done: String,
    paragraph: String,
}

impl Flow {
    fn end_paragraph(&mut self, separator: &str) {
        let mut first = true;
        for line in self.paragraph.lines().map(str::trim).filter(|line| !line.is_empty()) {
            if !self.done.is_empty() {
                self.done.push_str(if first { separator } else { "\n" });
            }
            self.done.push_str(line);
            first = false;
        }
        self.paragraph.clear();
    }
}

enum Level {
    Table(Vec<Vec<String>>),
    Row(Vec<String>),
    Cell(Flow),
}

/// Collects the text of a document, page by page.
pub(super) struct Writer {
    pages: Vec<PageText>,
    page: Flow,
    /// The tables of the open page.
    tables: Vec<Table>,
    levels: Vec<Level>,
    left: u64,
    overflowed: bool,
}

impl Writer {
    /// An empty document that may grow to the limit.
    pub(super) fn new(limits: &Limits) -> Self {
        let left = limits.max_expanded_bytes;
        Self {
            pages: Vec::new(),
            page: Flow::default(),
            tables: Vec::new(),
            levels: Vec::new(),
            left,
            overflowed: false,
        }
    }

    /// Adds to the open paragraph.
    pub(super) fn text(&mut self, text: &str) {
        match self.left.checked_sub(text.len() as u64) {
            Some(left) if !self.overflowed => {
                self.left = left;
                self.flow().paragraph.push_str(text);
            }
            _ => self.overflowed = true,
        }
    }

    /// Adds words between which white space means nothing but a gap.
    pub(super) fn words(&mut self, text: &str) {
        if text.starts_with(char::is_whitespace) {
            self.gap();
        }
        let mut words = text.split_whitespace().peekable();
        while let Some(word) = words.next() {
            self.text(word);
            if words.peek().is_some() {
                self.text(" ");
            }
        }
        if text.ends_with(char::is_whitespace) {
            self.gap();
        }
    }

    fn gap(&mut self) {
        if !self.flow().paragraph.is_empty() && !self.flow().paragraph.ends_with([' ', '\n']) {
            self.text(" ");
        }
    }

    /// Ends the line but not the paragraph.
    pub(super) fn end_line(&mut self) {
        self.text("\n");
    }

    /// Ends the open paragraph; nothing happens if it is empty.
    pub(super) fn end_paragraph(&mut self) {
        match self.innermost_cell() {
            Some(cell) => cell.end_paragraph(" "),
            None => self.page.end_paragraph("\n\n"),
        }
    }

    /// Begins a table, within a cell of another one if need be.
    pub(super) fn begin_table(&mut self) {
        if self.levels.len() < MAX_NESTING {
            self.end_paragraph();
            self.levels.push(Level::Table(Vec::new()));
        }
    }

    /// Ends the open row, if any, and begins the next.
    pub(super) fn begin_row(&mut self) {
        self.end_row();
        if matches!(self.levels.last(), Some(Level::Table(_))) {
            self.levels.push(Level::Row(Vec::new()));
        }
    }

    /// Ends the open cell, if any, and begins the next.
    pub(super) fn begin_cell(&mut self) {
        self.end_cell();
        if matches!(self.levels.last(), Some(Level::Row(_))) {
            self.levels.push(Level::Cell(Flow::default()));
        }
    }

    /// Ends the open cell.
    pub(super) fn end_cell(&mut self) {
        if let Some(Level::Cell(_)) = self.levels.last()
            && let Some(Level::Cell(mut cell)) = self.levels.pop()
        {
            cell.end_paragraph(" ");
            if let Some(Level::Row(cells)) = self.levels.last_mut() {
                cells.push(cell.done.replace('\n', " "));
            }
        }
    }

    /// Ends the open row. Empty cells at its end say nothing; empty ones between do.
    pub(super) fn end_row(&mut self) {
        self.end_cell();
        if let Some(Level::Row(_)) = self.levels.last()
            && let Some(Level::Row(mut cells)) = self.levels.pop()
        {
            while cells.last().is_some_and(String::is_empty) {
                cells.pop();
            }
            if let Some(Level::Table(rows)) = self.levels.last_mut()
                && !cells.is_empty()
            {
                rows.push(cells);
            }
        }
    }

    /// Ends the open table.
    pub(super) fn end_table(&mut self) {
        self.end_row();
        if let Some(Level::Table(_)) = self.levels.last()
            && let Some(Level::Table(rows)) = self.levels.pop()
        {
            match self.innermost_cell() {
                // A table in a cell is part of what that cell says.
                Some(cell) => {
                    let rows: Vec<String> = rows.iter().map(|cells| cells.join(" | ")).collect();
                    cell.paragraph.push_str(&rows.join("\n"));
                }
                None => self.write_table(&rows),
            }
            self.end_paragraph();
        }
    }

    /// Writes a table as Markdown, and notes where its cells are. What has one column is no table to
    /// a reader.
    fn write_table(&mut self, rows: &[Vec<String>]) {
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        if columns < 2 {
            for row in rows {
                self.page.paragraph.push_str(&row.join(" "));
                self.page.paragraph.push('\n');
            }
            return;
        }
        self.end_paragraph();
        let out = &mut self.page.done;
        if !out.is_empty() {
            out.push_str("\n\n");
        }
        let mut table = Table::default();
        for (number, row) in rows.iter().enumerate() {
            if number > 0 {
                out.push('\n');
            }
            // Short rows stay short: filling them up could make a long table of a wide one.
            let mut cells = Vec::with_capacity(row.len());
            for (column, cell) in row.iter().enumerate() {
                out.push_str(if column == 0 { "| " } else { " | " });
                let start = out.len();
                // A bar within a cell would part it.
                out.push_str(&cell.replace('|', "\\|"));
                cells.push(start..out.len());
            }
            out.push_str(" |");
            table.rows.push(cells);
            if number == 0 {
                out.push_str("\n|");
                (0..columns).for_each(|_| out.push_str(" --- |"));
            }
        }
        self.tables.push(table);
    }

    /// Whether a table is open.
    pub(super) fn in_table(&self) -> bool {
        !self.levels.is_empty()
    }

    /// Ends the page; an empty one counts only if `keep_empty`.
    pub(super) fn end_page(&mut self, keep_empty: bool) {
        while self.in_table() {
            self.end_table();
        }
        self.end_paragraph();
        let text = std::mem::take(&mut self.page.done);
        let tables = std::mem::take(&mut self.tables);
        if keep_empty || !text.is_empty() {
            self.pages.push(PageText { text, tables, ..PageText::default() });
        }
    }

    /// The pages: at least one, be it empty.
    pub(super) fn finish(self, limits: &Limits) -> Result<Vec<String>> {
        Ok(self.finish_pages(limits)?.into_iter().map(|page| page.text).collect())
    }

    /// The pages with their tables: at least one, be it empty.
    pub(super) fn finish_pages(mut self, limits: &Limits) -> Result<Vec<PageText>> {
        self.end_page(false);
        if self.overflowed {
            let limit = limits.max_expanded_bytes >> 20;
            return Err(reject(Class::TooLarge, format!("more than {limit} MB of text")));
        }
        if self.pages.is_empty() {
            self.pages.push(PageText::default());
        }
        check_pages(self.pages.len(), limits)?;
        Ok(self.pages)
    }

    fn flow(&mut self) -> &mut Flow {
        let cell = self.levels.iter_mut().rev().find_map(|level| match level {
            Level::Cell(cell) => Some(cell),
            _ => None,
        });
        cell.unwrap_or(&mut self.page)
    }

    fn innermost_cell(&mut self) -> Option<&mut Flow> {
        self.levels.iter_mut().rev().find_map(|level| match level {
            Level::Cell(cell) => Some(cell),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::samples::limits;

    #[test]
    fn paragraphs_tables_and_pages() {
        let mut writer = Writer::new(&limits());
        writer.words("  A  title ");
        writer.end_paragraph();
        writer.begin_table();
        for row in [vec!["a", "b"], vec!["c"]] {
            writer.begin_row();
            for cell in row {
                writer.begin_cell();
                writer.text(cell);
            }
        }
        writer.end_table();
        writer.end_page(false);
        writer.end_page(false);
        writer.text("second");
        let pages = writer.finish_pages(&limits()).unwrap();
        let text = &pages[0].text;
        let cells =
            pages[0].tables[0].rows.iter().map(|row| row.iter().map(|cell| &text[cell.clone()]).collect());
        assert_eq!(cells.collect::<Vec<Vec<&str>>>(), [vec!["a", "b"], vec!["c"]]);
        let texts: Vec<&str> = pages.iter().map(|page| page.text.as_str()).collect();
        assert_eq!(texts, ["A title\n\n| a | b |\n| --- | --- |\n| c |", "second"]);
    }

    #[test]
    fn unbalanced_calls_lose_no_text() {
        let mut writer = Writer::new(&limits());
        writer.end_cell();
        writer.begin_cell();
        writer.begin_table();
        writer.text("loose ");
        writer.begin_row();
        writer.begin_cell();
        writer.begin_table();
        writer.begin_row();
        writer.begin_cell();
        writer.text("deep");
        let text = writer.finish(&limits()).unwrap().join("\n");
        assert!(text.contains("loose") && text.contains("deep"), "{text}");
    }

    #[test]
    fn text_beyond_the_limit_is_refused() {
        let small = Limits { max_expanded_bytes: 10, ..limits() };
        let mut writer = Writer::new(&small);
        writer.text("eleven bytes");
        assert_eq!(writer.finish(&small).unwrap_err().failure().class, Class::TooLarge);
    }
}
