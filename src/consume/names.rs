//! File names in `working/`: all that must survive a crash is in the name, because a rename is
//! the one durable step that a file system gives for nothing.
//!
//! `BEGUN.TRIES.PRIORITY~NAME`: how often the document was begun since it last failed cleanly,
//! how often it failed cleanly, `h`, `n` or `l`, and the path it had in the inbox with `/` as `%2F`.

use crate::document::Priority;

/// The name of a file in `working/`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WorkingName {
    /// Starts since the last clean failure: more than a few mean that it kills the program.
    pub begun: u32,
    /// Clean failures.
    pub tries: u32,
    /// How urgent it is.
    pub priority: Priority,
    /// Path below the inbox, `/` as `%2F`.
    pub name: String,
}

impl WorkingName {
    /// The name as written.
    pub fn encode(&self) -> String {
        let priority = match self.priority {
            Priority::High => 'h',
            Priority::Normal => 'n',
            Priority::Low => 'l',
        };
        format!("{}.{}.{priority}~{}", self.begun, self.tries, self.name)
    }

    /// Reads a name back; `None` for files that are not quire's.
    pub fn decode(text: &str) -> Option<Self> {
        let (state, name) = text.split_once('~')?;
        let mut parts = state.split('.');
        let begun = parts.next()?.parse().ok()?;
        let tries = parts.next()?.parse().ok()?;
        let priority = match parts.next()? {
            "h" => Priority::High,
            "n" => Priority::Normal,
            "l" => Priority::Low,
            _ => return None,
        };
        let fine = parts.next().is_none() && !name.is_empty();
        fine.then(|| Self { begun, tries, priority, name: name.to_owned() })
    }

    /// The path that the file had below the inbox, for people.
    pub fn shown(&self) -> String {
        unescape(&self.name)
    }
}

/// A relative path as one file name.
pub fn escape(path: &str) -> String {
    path.replace('%', "%25").replace('/', "%2F")
}

/// The path back.
pub fn unescape(name: &str) -> String {
    name.replace("%2F", "/").replace("%25", "%")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn names_round_trip(begun in 0u32..99, tries in 0u32..99, p in 0usize..3, path in "[^\0]{1,80}") {
            let name = escape(&path);
            prop_assert!(!name.contains('/'));
            prop_assert_eq!(unescape(&name), path);
            let working = WorkingName { begun, tries, priority: Priority::ALL[p], name };
            prop_assert_eq!(WorkingName::decode(&working.encode()), Some(working));
        }

        #[test]
        fn foreign_names_are_left_alone(text in "\\PC{0,40}") {
            if let Some(name) = WorkingName::decode(&text) {
                prop_assert_eq!(WorkingName::decode(&name.encode()), Some(name));
            }
        }
    }
}
