//! Documents that say the same, nearly the same or fill in the same form, from the folder to the
//! verdict, with the local store.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::*;
use serde_json::Value;

/// An invoice of Norvale; `terms` makes it long enough to be of one supplier's form.
fn invoice(number: &str, date: &str, goods: &str, net: &str, tax: &str, total: &str) -> String {
    format!(
        "Norvale Timber Ltd\n\n14 Quayside Lane, Bristol BS1 6DE\nINVOICE\n\nInvoice number {number}\nInvoice date {date}\n\n\
         Bill to:\nNorthgate Library Trust\n2 Castle Street\n\nDescription   Qty   Unit price   Amount\n{goods}\n\
         Subtotal {net}\nVAT 20% {tax}\nTotal due GBP {total}\n\n\
         Please pay within thirty days by bank transfer, quoting the invoice number. Goods remain our property until \
         they have been paid for in full. Complaints about quality reach us within fourteen days of delivery; after \
         that they cannot be accepted. Interest at four percent above base rate is charged on late payments. \
         Timber is a natural product and differs in colour and grain from piece to piece, which is no fault. \
         Deliveries are to the kerb; carrying goods into a building costs extra and must be agreed beforehand. \
         Thank you for your business.\n"
    )
}

fn relation<'r>(result: &'r Value, to: &str) -> &'r Value {
    let all = result["duplicates"].as_array().unwrap();
    all.iter().find(|one| one["id"] == to).unwrap_or(&Value::Null)
}

#[test]
fn what_is_alike_is_named_with_its_score_and_what_differs() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let shelf = "Oak shelving unit   6   420.00   2,520.00";
    let first = invoice("NT-0317", "12 March 2024", shelf, "2,520.00", "504.00", "3,024.00");
    drop_file(data, "first.txt", first.as_bytes());
    run_once(data, &[]);
    let original = id_of(first.as_bytes());

    let copy = first.replace("within thirty days", "within  thirty days");
    let version = invoice("NT-0317", "12 March 2024", shelf, "2,520.00", "504.00", "3,042.00");
    let desk = "Pine desk   2   300.00   600.00\nBrass lamp   4   25.00   100.00";
    let form = invoice("NT-0999", "2 May 2024", desk, "700.00", "140.00", "840.00");
    let other = "The night train left Vienna at ten. Snow lay on the fields, and nobody in the compartment spoke \
                 until the border, where a man with a lantern asked each of them for a passport and a reason.";
    for (name, text) in [("copy.txt", &copy), ("version.txt", &version), ("form.txt", &form)] {
        drop_file(data, name, text.as_bytes());
        run_once(data, &[]);
    }
    drop_file(data, "other.txt", other.as_bytes());
    run_once(data, &[]);

    let of = |text: &str| result(data, &id_of(text.as_bytes()));
    let reasons = |result: &Value| result["verdict"]["reasons"].to_string();

    let copied = of(&copy);
    let found = relation(&copied, &original);
    assert_eq!(found["relation"], "same_content", "{}", copied["duplicates"]);
    assert!(found["score"].as_f64().unwrap() > 0.95, "{found}");
    assert_eq!(copied["verdict"]["decision"], "review");
    assert!(reasons(&copied).contains(&format!("it says the same as {original}")), "{}", reasons(&copied));

    let changed = of(&version);
    let found = relation(&changed, &original);
    assert_eq!(found["relation"], "new_version", "{}", changed["duplicates"]);
    let differs = found["differs"].to_string();
    assert!(differs.contains("total: 3024.00 GBP → 3042.00 GBP"), "{differs}");
    assert!(reasons(&changed).contains("another version"), "{}", reasons(&changed));

    let filled = of(&form);
    let found = relation(&filled, &original);
    assert_eq!(found["relation"], "same_form", "{}", filled["duplicates"]);
    let differs = found["differs"].to_string();
    assert!(differs.contains("number: NT-0317 → NT-0999"), "{differs}");
    let score = found["score"].as_f64().unwrap();
    assert!(score > 0.4 && score < 0.95, "{found}");
    // Another invoice of the same supplier is no reason to stop.
    assert!(!reasons(&filled).contains(&original), "{}", reasons(&filled));

    assert_eq!(of(other)["duplicates"].as_array().map_or(0, Vec::len), 0);

    // The same, seen from all together, and what is like one and less like another.
    let ask = |arguments: &[&str]| json(&output(quire(data).args(arguments).arg("--json")));
    let groups = ask(&["report", "--duplicates"]);
    assert_eq!((&groups["total"], &groups["complete"]), (&Value::from(1), &Value::from(true)), "{groups}");
    let members = groups["groups"][0]["members"].as_array().unwrap();
    assert_eq!(members.len(), 4, "all but the story: {groups}");
    assert!(
        members[0]["relation"].is_null()
            && members[1..].iter().all(|one| one["relation"]["kind"].is_string())
    );
    assert!(members.iter().all(|one| one["similarity"].as_f64().unwrap() > 0.8), "{groups}");
    let (story, form) = (id_of(other.as_bytes()), id_of(form.as_bytes()));
    let hits = ask(&["search", "a train at night", "--like", &form, "--unlike", &original]);
    assert_eq!(hits.as_array().unwrap().len(), 3, "the examples are left out: {hits}");
    let hits = ask(&["search", "a train at night", "--unlike", &original]);
    assert_eq!(hits[0]["id"], story.as_str(), "{hits}");
    // A file is named by its content, wherever it lies; one that is not known is no example.
    std::fs::write(data.join("moved.txt"), &first).unwrap();
    std::fs::write(data.join("new.txt"), "Never sent.").unwrap();
    let named = ask(&["search", "--like", "moved.txt"]);
    assert_eq!(named, ask(&["search", "--like", &original]), "{named}");
    assert_eq!(ask(&["status", "moved.txt"])["id"], original.as_str());
    let refused = |argument: &str, why: &str| {
        let out = output(quire(data).args(["search", "--like", argument]));
        assert!(
            !out.status.success() && stderr(&out).contains(argument) && stderr(&out).contains(why),
            "{}",
            stderr(&out)
        );
    };
    refused("new.txt", "not understood yet");
    refused("no/such.txt", "no such file");
    for passage in of(other)["passages"].as_array().unwrap() {
        let tone = &passage["sentiment"];
        assert!(["negative", "neutral", "positive"].contains(&tone["label"].as_str().unwrap()), "{passage}");
        assert!(tone["confidence"].as_f64().unwrap() > 0.3, "{passage}");
    }
}
