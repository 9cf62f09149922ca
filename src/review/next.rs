//! Handing out the review that is next for a person, by what that person can do.

use super::desk::{Desk, Refused, Wanted};
use super::record::{Review, State};
use crate::document::DocumentId;
use crate::error::Result;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Reviews read at a time, and how many are looked through at most.
const PAGE: usize = 200;
const LOOKED_THROUGH: usize = 10_000;

/// What a person can decide about. What names nothing stands for everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Skills {
    /// Kinds of documents, as the program finds them.
    pub kinds: Vec<String>,
    /// Languages of documents, ISO 639-1.
    pub languages: Vec<String>,
}

impl Desk {
    /// Takes on the most urgent and longest waiting review that fits `skills` and that nobody has, `by` neither:
    /// of two who ask at once, each gets another. `None` where there is none.
    pub fn next(&self, by: &str, skills: &Skills) -> Result<Option<Review>, Refused> {
        let wanted = Wanted { state: vec![State::Open], kind: skills.kinds.clone(), ..Wanted::default() };
        for offset in (0..LOOKED_THROUGH).step_by(PAGE) {
            let page = self.list(&wanted, PAGE, offset)?;
            let last = page.len() < PAGE;
            let languages = self.languages(&page, skills)?;
            for (review, language) in page.into_iter().zip(languages) {
                let among = |own: &String| {
                    language.as_ref().is_some_and(|language| own.eq_ignore_ascii_case(language))
                };
                let fits = skills.languages.is_empty() || skills.languages.iter().any(among);
                if review.holder(Timestamp::now()).is_some() || !fits {
                    continue;
                }
                match self.take(&review, by) {
                    Ok(review) => return Ok(Some(review)),
                    // Somebody was faster, or it is decided by now.
                    Err(Refused::Held(_) | Refused::Wrong(_) | Refused::Unknown) => {}
                    Err(refused) => return Err(refused),
                }
            }
            if last {
                break;
            }
        }
        Ok(None)
    }

    /// Claims a review that nobody has.
    fn take(&self, review: &Review, by: &str) -> Result<Review, Refused> {
        self.change(&review.id, by, None, |review| {
            let now = Timestamp::now();
            if let Some(holder) = review.holder(now) {
                return Err(Refused::Held(holder.to_owned()));
            }
            self.lease(review, by, now);
            review.note(by, "claimed", "");
            Ok(())
        })
    }

    /// The language of each review's document. Reviews of an earlier version do not say it: of those the store's lines are
    /// asked, at once, where it counts.
    fn languages(&self, reviews: &[Review], skills: &Skills) -> Result<Vec<Option<String>>> {
        let silent: Vec<DocumentId> = reviews
            .iter()
            .filter(|review| review.language.is_none())
            .map(|review| review.id.clone())
            .collect();
        if skills.languages.is_empty() || silent.is_empty() {
            return Ok(reviews.iter().map(|review| review.language.clone()).collect());
        }
        let mut rows = self.store().rows_of(&silent)?.into_iter();
        let language = |review: &Review| {
            review.language.clone().or_else(|| rows.next().flatten().map(|row| row.language))
        };
        Ok(reviews.iter().map(language).collect())
    }
}
