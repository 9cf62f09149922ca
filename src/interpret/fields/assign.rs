//! Which number of a line stands in which column: what the head says, unless quantity times price says
//! otherwise; and where a number was not read, the place of what is there.

use super::amounts::{self, FoundNumber};
use super::columns::Column;
use super::layout::Cell;
use rust_decimal::Decimal;

/// A number with the cell that it stands in.
pub type Placed<'c> = (&'c Cell, FoundNumber);

/// Columns of a table.
pub struct Columns {
    /// What stands in them by their head, from left to right.
    pub head: Vec<Column>,
    /// Right edges of prices and quantities, of a line that multiplies.
    edges: Option<[f32; 2]>,
}

/// The order of the numbers of a line, and whether something speaks for it.
pub struct Order {
    /// What each number is, from the right.
    pub columns: Vec<Column>,
    /// Why the second number may be another.
    pub doubt: Option<&'static str>,
}

/// Orders from the right that are tried where the one of the head does not multiply. `Other` is passed over:
/// a tax's rate without its sign.
const ORDERS: &[&[Column]] = &[
    &[Column::Amount, Column::Price, Column::Quantity],
    &[Column::Amount, Column::Other, Column::Price, Column::Quantity],
];

impl Columns {
    /// Columns by their head, and by the first row of the table that multiplies.
    pub fn learn<'c>(head: Vec<Column>, mut rows: impl Iterator<Item = &'c [Cell]>, boxed: bool) -> Self {
        let mut columns = Self { head, edges: None };
        let edges = |row: &[Cell]| {
            let (placed, _) = numbers(row);
            let values: Vec<&Placed<'_>> = placed.iter().filter(|(_, n)| !n.percent).collect();
            let order = columns.order(&placed).columns;
            let at = |column| order.iter().position(|c| *c == column).and_then(|at| values.get(at));
            let (price, quantity) = (at(Column::Price)?.0, at(Column::Quantity)?.0);
            let apart = (price.bounds[2] - quantity.bounds[2]).abs() > price.height();
            (multiplies(&order, &values) && apart).then_some([price.bounds[2], quantity.bounds[2]])
        };
        let found = if boxed { rows.find_map(edges) } else { None };
        columns.edges = found;
        columns
    }

    /// What the numbers of a row are.
    pub fn order(&self, placed: &[Placed<'_>]) -> Order {
        let values: Vec<&Placed<'_>> = placed.iter().filter(|(_, n)| !n.percent).collect();
        let known = |c: &&Column| !matches!(c, Column::Other | Column::Rate);
        let right = || self.head.iter().rev();
        let mut columns: Vec<Column> =
            right().take_while(|c| **c != Column::Other).filter(known).copied().collect();
        if columns.is_empty() {
            columns = right().filter(known).copied().collect();
        }
        // A rate without its sign, where there are numbers for every column.
        let rated: Vec<Column> = right().take_while(|c| **c != Column::Other).copied().collect();
        if values.len() >= rated.len() && rated.len() > columns.len() {
            columns = rated;
        }
        if values.len() > 2 && !multiplies(&columns, &values) {
            let other = ORDERS.iter().find(|order| multiplies(order, &values));
            // The head of the prices was not read: a price stands there all the same.
            let lost = ORDERS.first().filter(|_| columns == [Column::Amount, Column::Quantity]);
            columns = other.or(lost).map_or(columns, |order| order.to_vec());
        }
        let mut doubt = None;
        if let ([amount, other], Some(Column::Amount)) = (values.as_slice(), columns.first())
            && let Some(second) = columns.get(1).copied()
        {
            let (column, why) = self.second(second, &amount.1, other, columns.contains(&Column::Quantity));
            columns = vec![Column::Amount, column];
            doubt = why;
        }
        Order { columns, doubt }
    }

    /// What a number beside an amount is, where the head calls it `second` and one of three was not read.
    fn second(
        &self,
        second: Column,
        amount: &FoundNumber,
        (cell, number): &Placed<'_>,
        counted: bool,
    ) -> (Column, Option<&'static str>) {
        if let Some([price, quantity]) = self.edges {
            let off = |edge: f32| (cell.bounds[2] - edge).abs();
            return (if off(price) <= off(quantity) { Column::Price } else { Column::Quantity }, None);
        }
        let money = number.is_money() && amount.is_money();
        match second {
            Column::Quantity if money && number.value == amount.value => {
                (Column::Price, Some("no quantity was read beside it"))
            }
            Column::Quantity if money => (Column::Quantity, Some("it is written like a price")),
            Column::Price if counted && !number.is_money() && number.value != amount.value => {
                (Column::Quantity, Some("no price was read beside it"))
            }
            other => (other, None),
        }
    }
}

/// Whether the numbers of a row, from the right, are an amount, a price and a quantity.
pub fn is_multiplied(row: &[Cell]) -> bool {
    is_product(&numbers(row).0)
}

fn is_product(placed: &[Placed<'_>]) -> bool {
    let values: Vec<&Placed<'_>> = placed.iter().filter(|(_, n)| !n.percent).collect();
    ORDERS.first().is_some_and(|order| multiplies(order, &values))
}

/// Whether quantity times price is the amount, in an order from the right.
fn multiplies(order: &[Column], values: &[&Placed<'_>]) -> bool {
    let of =
        |column| order.iter().position(|c| *c == column).and_then(|at| values.get(at)).map(|v| v.1.value);
    let (Some(amount), Some(price), Some(quantity)) =
        (of(Column::Amount), of(Column::Price), of(Column::Quantity))
    else {
        return false;
    };
    !amount.is_zero() && fits(quantity, price, amount)
}

/// Whether quantity times price is the amount, but for what is rounded off.
pub fn fits(quantity: Decimal, price: Decimal, amount: Decimal) -> bool {
    let off = quantity.checked_mul(price).and_then(|product| product.checked_sub(amount));
    off.is_some_and(|off| off.abs() <= Decimal::new(2, 2))
}

/// Numbers at a row's end, with their cells, from the right; and where the words before them end.
///
/// "2 120,00" is one number or two: what multiplies tells, else how far apart its words are.
pub fn numbers(row: &[Cell]) -> (Vec<Placed<'_>>, Option<(&Cell, usize)>) {
    let by_gaps = numbers_by(row, Cell::numbers);
    let blanks = |row: &[Cell]| row.iter().any(|cell| cell.text.contains(' ') && is_bare(cell));
    if row.len() < 3 || !blanks(row) || is_product(&by_gaps.0) {
        return by_gaps;
    }
    let others: [fn(&Cell, bool) -> Vec<FoundNumber>; 2] =
        [|cell, alone| amounts::find(&cell.text, alone), |cell, _| amounts::find(&cell.text, false)];
    let mut others = others.into_iter().map(|read| numbers_by(row, read));
    others.find(|(placed, _)| is_product(placed)).unwrap_or(by_gaps)
}

/// Whether there are no words in a cell.
fn is_bare(cell: &Cell) -> bool {
    !cell.text.contains(char::is_alphabetic)
}

fn numbers_by(
    row: &[Cell],
    read: impl Fn(&Cell, bool) -> Vec<FoundNumber>,
) -> (Vec<Placed<'_>>, Option<(&Cell, usize)>) {
    let mut numbers: Vec<Placed<'_>> = Vec::new();
    for cell in row.iter().rev() {
        let alone = is_bare(cell) && row.len() > 2;
        let mut end = cell.text.len();
        for found in read(cell, alone).into_iter().rev() {
            let between = cell.text.get(found.bytes.end..end).unwrap_or_default();
            if between.chars().any(|c| c.is_alphanumeric()) && !units(between) {
                break;
            }
            end = found.bytes.start;
            numbers.push((cell, found));
        }
        if cell.text.get(..end).is_some_and(|rest| rest.contains(char::is_alphabetic)) {
            return (numbers, Some((cell, end)));
        }
    }
    (numbers, None)
}

/// Words between numbers: what is counted in.
fn units(text: &str) -> bool {
    let text = text.trim().trim_matches(['@', '.', '%', '(', ')']).trim();
    [
        "x", "h", "hrs", "hours", "pcs", "pc", "stk", "stück", "kg", "std", "l", "m", "tage", "days", "sr",
        "zrl", "s", "a", "b", "",
    ]
    .contains(&text.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::super::letters::tests::page;
    use super::super::of_pages;
    use super::super::tests::{SPEC, expect, found};
    use crate::document::{Field, Validity};

    /// As OCR reads a scan whose head lost the prices: lines at their columns' right edges.
    fn scan(head: &[(f32, &str)], rows: &[&[(f32, &str)]]) -> Vec<Field> {
        let mut placed =
            vec![(0.1, 0.05, "Harbour & Pine Joinery Ltd"), (0.1, 0.1, "Invoice number HP-2024-0317")];
        let right = |x: f32, text: &str| if x < 0.5 { x } else { x - 0.008 * text.len() as f32 };
        for (row, cells) in (0u8..).zip(std::iter::once(&head).chain(rows)) {
            let y = 0.3 + 0.03 * f32::from(row);
            placed.extend(cells.iter().map(|(x, text)| (right(*x, text), y, *text)));
        }
        placed.push((0.1, 0.6, "Subtotal 4,307.00"));
        of_pages(&SPEC, "invoice", &[page(&placed)]).fields
    }

    fn said(fields: &[Field], name: &str) -> Option<String> {
        fields.iter().find(|f| f.name == name).map(|f| f.value.plain())
    }

    const OAK: &[(f32, &str)] = &[(0.1, "Oak shelving unit"), (0.7, "6"), (0.8, "420.00"), (0.9, "2,520.00")];
    const DELIVERY: &[(f32, &str)] = &[(0.1, "Delivery and installation"), (0.8, "380.00"), (0.9, "380.00")];
    const DESK: &[(f32, &str)] = &[(0.1, "Reading desk"), (0.7, "4"), (0.9, "1,262.00")];

    #[test]
    fn a_price_is_no_quantity_where_the_quantity_was_not_read() {
        let heads: [&[(f32, &str)]; 2] = [
            &[(0.1, "Description"), (0.7, "Qty"), (0.9, "Amount")],
            &[(0.1, "Description"), (0.7, "Qty"), (0.8, "Unit price"), (0.9, "Amount")],
        ];
        for head in heads {
            let fields = scan(head, &[OAK, DELIVERY, DESK]);
            assert_eq!(said(&fields, "lines[0].quantity").as_deref(), Some("6"));
            assert_eq!(said(&fields, "lines[0].unit_price").as_deref(), Some("420.00"));
            assert_eq!(said(&fields, "lines[1].quantity"), None, "{fields:#?}");
            assert_eq!(said(&fields, "lines[1].unit_price").as_deref(), Some("380.00"));
            assert_eq!(said(&fields, "lines[1].amount").as_deref(), Some("380.00"));
            assert_eq!(said(&fields, "lines[2].quantity").as_deref(), Some("4"));
            assert_eq!(said(&fields, "lines[2].unit_price"), None);
        }
    }

    #[test]
    fn a_number_that_no_place_tells_is_doubtful() {
        let text = "Norvale Timber Ltd\nInvoice # 17\nDescription   Qty   Amount\nDelivery   380.00   380.00\nTravel   45.50   91.00\nSubtotal 471.00";
        let found = found("invoice", text);
        for name in ["lines[0].unit_price", "lines[1].quantity"] {
            let field = found
                .fields
                .iter()
                .find(|f| f.name == name)
                .unwrap_or_else(|| panic!("{name}: {:#?}", found.fields));
            assert_eq!(field.validity, Validity::Doubtful);
            assert!(!field.reasons.is_empty());
        }
        assert!(!found.fields.iter().any(|f| f.name == "lines[0].quantity"));
    }

    #[test]
    fn the_order_that_multiplies_is_taken() {
        // The head of the prices was not read; a tax's rate has lost its sign.
        expect(
            "invoice",
            "Norvale Timber Ltd\nInvoice # 17\nItem   Qty   Total\nOak panel   4   12.50   50.00\nCable drum   3   20.00   19   60.00\nSubtotal 110.00",
            &[
                "lines[0].quantity = 4",
                "lines[0].unit_price = 12.50",
                "lines[1].quantity = 3",
                "lines[1].unit_price = 20.00",
            ],
        );
    }
}
