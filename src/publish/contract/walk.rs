//! Going through all documents in pieces.

use super::samples::{document, time};
use crate::publish::{Filter, Store};

pub fn a_walk_meets_everything_once(store: &dyn Store) {
    // Many of one moment, as a fast worker makes them; and two apart.
    for n in 0..9 {
        let mut document = document(&format!("d{n}"), &["red fox"]);
        document.ingested_at = time(i64::from(n == 8));
        document.kind.label = if n % 2 == 0 { "invoice" } else { "letter" }.to_owned();
        store.put(&document).unwrap();
    }
    let walk = |filter: &Filter, limit| {
        let (mut met, mut after) = (Vec::new(), None);
        loop {
            let rows = store.walk(filter, after.as_ref(), limit).unwrap();
            assert!(rows.len() <= limit);
            let Some(last) = rows.last() else { return met };
            after = Some(last.place());
            met.extend(rows.into_iter().map(|row| row.id.to_string()));
        }
    };
    for limit in [1, 2, 3, 100] {
        assert_eq!(walk(&Filter::default(), limit), ["d7", "d6", "d5", "d4", "d3", "d2", "d1", "d0", "d8"]);
    }
    let invoices = Filter { kind: vec!["invoice".to_owned()], ..Filter::default() };
    assert_eq!(walk(&invoices, 2), ["d6", "d4", "d2", "d0", "d8"]);
    let late = Filter { since: Some(time(1)), ..Filter::default() };
    assert_eq!(walk(&late, 2), ["d8"]);
}
