//! The embedding of a query, which may still be under way while the store does what needs none.

use crate::error::Result;
use crate::receipt::lock;
use std::borrow::Cow;
use std::sync::Mutex;

/// Gives an embedding that was asked for. Blocks.
pub type Coming = Box<dyn FnOnce() -> Result<Vec<f32>> + Send>;

/// A query's L2-normalised embedding; empty for keywords only.
pub enum Meaning<'q> {
    /// It is there.
    Known(&'q [f32]),
    /// A model makes it.
    Coming(Mutex<Option<Coming>>),
}

impl<'q> Meaning<'q> {
    /// That of a model that was asked for it.
    pub fn coming(coming: Coming) -> Self {
        Self::Coming(Mutex::new(Some(coming)))
    }

    /// The embedding, once it is there; to be asked for once.
    ///
    /// Errors: what the model failed with.
    pub fn wait(&self) -> Result<Cow<'q, [f32]>> {
        match self {
            Self::Known(vector) => Ok(Cow::Borrowed(vector)),
            Self::Coming(coming) => {
                let coming = lock(coming).take();
                coming.map_or_else(|| Ok(Vec::new()), |wait| wait()).map(Cow::Owned)
            }
        }
    }
}
