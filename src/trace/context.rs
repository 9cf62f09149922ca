//! The header `traceparent` (W3C Trace Context, level 1).

use opentelemetry::trace::SpanId;
use std::fmt;

/// A span, as others name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    /// Its trace; never 0.
    pub trace: u128,
    /// The span; never 0.
    pub span: u64,
    /// Whether whoever began the trace records it.
    pub sampled: bool,
}

impl Context {
    /// Reads a header. `None` where it is none: the trace is begun anew then, as the standard says.
    pub fn parse(header: &str) -> Option<Self> {
        let mut parts = header.trim().split('-');
        let version = hex(parts.next()?, 2)?;
        let trace = hex(parts.next()?, 32)?;
        let span = u64::try_from(hex(parts.next()?, 16)?).ok()?;
        let flags = hex(parts.next()?, 2)?;
        // Later versions may say more; the first one says exactly this.
        let known = version != 0xff && (version != 0 || parts.next().is_none());
        (known && trace != 0 && span != 0).then_some(Self { trace, span, sampled: flags & 1 == 1 })
    }

    /// The span, as the library has it.
    pub(super) fn span_id(&self) -> SpanId {
        SpanId::from(self.span)
    }
}

fn hex(text: &str, digits: usize) -> Option<u128> {
    let fine = text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    fine.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, u8::from(self.sampled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn headers_are_read_as_the_standard_says() {
        let read = Context::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").unwrap();
        assert_eq!((read.span, read.sampled), (0xb7ad_6b71_6920_3331, true));
        let later = "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00-more";
        assert!(!Context::parse(later).unwrap().sampled);
        for wrong in [
            "",
            "00-python",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333é-1",
        ] {
            assert_eq!(Context::parse(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(trace in 1..u128::MAX, span in 1..u64::MAX, sampled: bool) {
            let context = Context { trace, span, sampled };
            prop_assert_eq!(Context::parse(&context.to_string()), Some(context));
        }

        #[test]
        fn no_header_breaks_it(header in "\\PC{0,80}") {
            let _ = Context::parse(&header);
        }
    }
}
