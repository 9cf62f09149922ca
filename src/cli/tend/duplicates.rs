//! `quire report --duplicates`: groups of near-duplicates.

use crate::cli::{App, print};
use crate::document::Relation;
use crate::publish::groups::{self, Groups, Wanted};
use crate::publish::{Filter, Store};
use anyhow::Result;
use jiff::{SignedDuration, Timestamp};
use std::process::ExitCode;

/// Groups that are shown at most, the largest first.
const MOST: usize = 100;

/// Prints the groups into which documents of the last `days` came.
pub fn report(app: &App, store: &dyn Store, days: u32) -> Result<ExitCode> {
    let since = Timestamp::now() - SignedDuration::from_hours(24 * i64::from(days));
    let filter = Filter { since: Some(since), ..Filter::default() };
    let wanted = Wanted { filter, relations: Relation::ALL.to_vec(), limit: MOST, offset: 0 };
    let found = groups::find(store, &wanted)?;
    if app.json {
        print::json(&found)?;
    } else if found.groups.is_empty() {
        println!("no near-duplicates came in the last {days} days");
    } else {
        show(&found);
    }
    Ok(ExitCode::SUCCESS)
}

fn show(found: &Groups) {
    let mut rows = Vec::new();
    for (number, group) in (1..).zip(&found.groups) {
        for member in &group.members {
            let relation = member.relation.as_ref();
            rows.push(vec![
                format!("{number} of {}", group.size),
                member.document.name.clone(),
                relation
                    .map_or_else(|| "the newest".to_owned(), |kin| kin.kind.to_string().replace('_', " ")),
                relation.map_or_else(String::new, |kin| format!("{:.0} %", kin.score * 100.0)),
                member.similarity.map_or_else(String::new, |cosine| format!("{cosine:.3}")),
                member.document.id.to_string(),
            ]);
        }
    }
    print::table(&["group", "document", "relation", "shared text", "cosine", "id"], rows);
    println!("{} groups of {} documents", found.total, found.documents);
    if !found.complete {
        println!("there are more documents than are looked at once: --days narrows it down");
    }
}
