//! `GET /`: the page for people, some files that are in the binary. It holds no data: it asks the
//! API, with a key where keys are set.

use super::problem::{NOT_FOUND, Problem};
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::header;
use axum::response::{IntoResponse, Response};

/// Only the page's own files, and pictures that it fetched itself.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' blob: data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

/// A file of the page: its name, its media type, what is in it.
macro_rules! files {
    ($($name:literal: $media_type:expr),+ $(,)?) => {
        &[$(($name, $media_type, include_str!(concat!("page/", $name)))),+]
    };
}

/// `page.js` loads the other scripts.
const FILES: &[(&str, &str, &str)] = files! {
    "page.css": CSS,
    "page.js": JS,
    "again.js": JS,
    "passages.js": JS,
    "base.js": JS,
    "charts.js": JS,
    "document.js": JS,
    "documents.js": JS,
    "duplicates.js": JS,
    "findings.js": JS,
    "flow.js": JS,
    "reports.js": JS,
    "review.js": JS,
    "search.js": JS,
    "sheets.js": JS,
};

/// `GET /`
pub async fn index() -> Response {
    let media_type = (header::CONTENT_TYPE, "text/html; charset=utf-8");
    ([media_type, (header::CONTENT_SECURITY_POLICY, POLICY)], include_str!("page/page.html")).into_response()
}

/// `GET /page/{file}`
pub async fn file(path: Result<Path<String>, PathRejection>) -> Result<Response, Problem> {
    let Path(wanted) = path.map_err(|e| Problem::bad(e.body_text()))?;
    let found = FILES.iter().find(|(name, ..)| *name == wanted);
    let (_, media_type, text) =
        found.ok_or_else(|| Problem::new(&NOT_FOUND, format!("the page has no file `{wanted}`")))?;
    Ok(([(header::CONTENT_TYPE, *media_type)], *text).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_page_is_served_and_imports_only_such_files() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/serve/page");
        for entry in std::fs::read_dir(folder).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let served = FILES.iter().any(|(known, ..)| *known == name);
            assert!(served || name == "page.html", "{name} is not served");
        }
        for (name, _, text) in FILES {
            for rest in text.split("from \"./").skip(1) {
                let imported = rest.split('"').next().unwrap();
                assert!(FILES.iter().any(|(known, ..)| *known == imported), "{name} imports {imported}");
            }
        }
    }

    #[test]
    fn lists_searches_and_what_is_saved_of_them_keep_every_filter() {
        for wanted in ["documents.js", "search.js"] {
            let (.., text) = FILES.iter().find(|(name, ..)| *name == wanted).unwrap();
            let list = |name: &str| {
                let line = text.lines().find(|line| line.starts_with(&format!("const {name} = [")));
                line.unwrap_or_default().to_owned()
            };
            let kept = list("filters") + &list("dimensions");
            for filter in super::super::params::FILTER {
                assert!(kept.contains(&format!("\"{filter}\"")), "{wanted} drops {filter}");
            }
        }
    }
}
