//! Where keys and values of written tokens lie: pages, taken as they are needed and kept for the next texts.
//!
//! A place is one token's, in all layers. Texts are lists of places, so that beams share their past; a
//! place that no text holds any more is the next one's.

use crate::error::{Class, Error, Result, Stage};
use crate::infer::gpu::device::{Address, Device, Memory};
use std::sync::Arc;

/// Places in a page: as in `kernels/step.cu`.
pub const SLOTS: usize = 256;

/// The pages of an engine.
#[derive(Default)]
pub struct Pages {
    pages: Vec<Memory>,
    /// By place: whether a text holds it.
    held: Vec<bool>,
}

impl Pages {
    /// `count` places that none of `texts` holds; the rest was given up. A new page takes `bytes`.
    ///
    /// Errors: `Retry` where the device has no room for another page.
    pub fn places<'t>(
        &mut self,
        texts: impl Iterator<Item = &'t Vec<u32>>,
        count: usize,
        device: &Arc<dyn Device>,
        bytes: usize,
    ) -> Result<Vec<u32>> {
        self.held.fill(false);
        for place in texts.flatten() {
            if let Some(held) = usize::try_from(*place).ok().and_then(|place| self.held.get_mut(place)) {
                *held = true;
            }
        }
        while self.held.iter().filter(|held| !**held).count() < count {
            self.pages.push(Memory::new(device, bytes)?);
            self.held.resize(self.pages.len() * SLOTS, false);
        }
        let free = (0u32..).zip(&self.held).filter(|(_, held)| !**held).map(|(place, _)| place);
        let places: Vec<u32> = free.take(count).collect();
        if places.last().is_some_and(|last| *last > i32::MAX as u32) {
            // The kernels count in 32 bits.
            return Err(Error::retry(Stage::Infer, Class::Model, "more texts at once than there are places"));
        }
        Ok(places)
    }

    /// Where each page begins.
    pub fn addresses(&self) -> impl ExactSizeIterator<Item = Address> {
        self.pages.iter().map(Memory::address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::gpu::emulated::Emulated;
    use std::sync::atomic::Ordering;

    #[test]
    fn places_that_no_text_holds_are_used_again_and_pages_taken_as_needed() {
        let gpu: Arc<Emulated> = Arc::default();
        let device: Arc<dyn Device> = Arc::clone(&gpu) as Arc<dyn Device>;
        let mut pages = Pages::default();
        let mut texts: Vec<Vec<u32>> = vec![Vec::new(), Vec::new()];
        for length in 1..=SLOTS {
            let places = pages.places(texts.iter(), 2, &device, 4096).unwrap();
            texts.iter_mut().zip(&places).for_each(|(text, place)| text.push(*place));
            assert_eq!(pages.addresses().len(), (2 * length).div_ceil(SLOTS));
        }
        let mut all: Vec<u32> = texts.concat();
        all.sort_unstable();
        assert_eq!(all, (0..2 * SLOTS as u32).collect::<Vec<_>>());
        // The second takes over the first's past: its own is free again, and no page is needed.
        texts[1] = texts[0].clone();
        let places = pages.places(texts.iter(), 2, &device, 4096).unwrap();
        assert!(places.iter().all(|place| !texts[0].contains(place)));
        assert_eq!((pages.addresses().len(), gpu.used_now()), (2, 8192));
        // Without room the error says so, and what is there stays.
        gpu.room.store(8192, Ordering::Relaxed);
        assert!(matches!(pages.places(texts.iter(), 2 * SLOTS, &device, 4096), Err(Error::Retry(_))));
        drop(pages);
        assert_eq!(gpu.used_now(), 0);
    }
}
