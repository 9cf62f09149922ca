//! Words that a sender puts on a document, to find and to keep it by.

use std::collections::BTreeSet;

/// Tags of a document at most.
const MOST: usize = 50;
/// Characters of a tag at most.
const LONGEST: usize = 100;

/// Tags in lower case, sorted, each once.
///
/// Errors: there are too many, or one is too long; in words.
pub fn tags<'t>(given: impl IntoIterator<Item = &'t str>) -> Result<Vec<String>, String> {
    let clean = given.into_iter().map(|tag| tag.trim().to_lowercase()).filter(|tag| !tag.is_empty());
    let tags: BTreeSet<String> = clean.collect();
    if tags.len() > MOST {
        return Err(format!("{} tags, more than {MOST}", tags.len()));
    }
    match tags.iter().find(|tag| tag.chars().count() > LONGEST) {
        Some(long) => Err(format!("the tag `{}…` has more than {LONGEST} characters", shown(long))),
        None => Ok(tags.into_iter().collect()),
    }
}

fn shown(tag: &str) -> String {
    tag.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_made_alike() {
        assert_eq!(tags(" Case 7,legal,, LEGAL ,Ärzte".split(',')).unwrap(), ["case 7", "legal", "ärzte"]);
        assert!(tags("".split(',')).unwrap().is_empty());
        assert!(tags(["ä".repeat(100).as_str()]).is_ok());
        assert!(tags(["ä".repeat(101).as_str()]).unwrap_err().contains("more than 100"));
        let many: Vec<String> = (0..51).map(|n| n.to_string()).collect();
        assert!(tags(many.iter().map(String::as_str)).unwrap_err().contains("more than 50"));
    }
}
