//! A log line as one JSON object: when, how bad, from where, what, and the fields of the event and of
//! all spans around it (a document's `document` and `trace`) side by side.

use serde_json::{Map, Value};
use std::fmt;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// The format.
pub struct Line;

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields(Map::new());
        for span in context.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(own) = span.extensions().get::<FormattedFields<N>>()
                && let Ok(Value::Object(own)) = serde_json::from_str(own)
            {
                fields.0.extend(own);
            }
        }
        event.record(&mut fields);
        let metadata = event.metadata();
        let line = [
            ("timestamp", jiff::Timestamp::now().to_string()),
            ("level", metadata.level().to_string()),
            ("target", metadata.target().to_owned()),
        ];
        fields.0.extend(line.map(|(name, value)| (name.to_owned(), Value::String(value))));
        writeln!(writer, "{}", Value::Object(fields.0))
    }
}

struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Secrets;
    use std::io::Write;
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::fmt::format::JsonFields;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// The lines that `run` logs, with `secret` kept out of them.
    fn lines(secret: &str, run: impl FnOnce()) -> Vec<String> {
        let kept = Kept::default();
        let (secrets, to) = (Secrets::default(), kept.clone());
        secrets.learn([secret]);
        let subscriber = tracing_subscriber::fmt()
            .fmt_fields(JsonFields::new())
            .event_format(Line)
            .with_max_level(tracing::Level::TRACE)
            .with_writer(move || secrets.before(to.clone()))
            .finish();
        tracing::subscriber::with_default(subscriber, run);
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn lines_within_a_span_say_which_document_they_are_about() {
        let written = lines("none-here", || {
            let _about = tracing::error_span!("document", document = "a\"1", trace = "0af7").entered();
            tracing::warn!(pages = 3, share = 0.5, "torn");
        });
        let line: Value = serde_json::from_str(&written[0]).unwrap();
        let expected = [("document", "a\"1"), ("trace", "0af7"), ("message", "torn"), ("level", "WARN")];
        expected.iter().for_each(|(name, value)| assert_eq!(line[*name], *value, "{line}"));
        assert_eq!((&line["pages"], &line["share"]), (&3.into(), &0.5.into()));
    }

    #[test]
    fn secrets_are_kept_out_of_every_line_however_they_are_written() {
        let secret = "p\"ss\\wörd 1";
        let written = lines(secret, || {
            tracing::trace!(header = ?secret, bytes = ?secret.as_bytes().escape_ascii().to_string(), "{secret}");
            tracing::error!("refused: user:{secret}@host");
        });
        for line in written {
            assert!(serde_json::from_str::<Value>(&line).is_ok(), "{line}");
            assert!(
                line.contains("<redacted>") && !line.contains("ss\\\\") && !line.contains("rd 1"),
                "{line}"
            );
        }
    }
}
