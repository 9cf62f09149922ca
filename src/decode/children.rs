//! The documents within a document: collected within limits, so that neither many, nor large, nor
//! deeply nested ones come out, and none under the path of another.

use super::{Child, Limits, reject};
use crate::error::{Class, Error, Result};
use std::collections::BTreeMap;
use std::io::Read;

/// Up to this many bytes nothing is said about how far something expanded: a page of blanks may.
const FREE_EXPANSION: u64 = 4 << 20;
/// Longer paths are cut at their beginning.
const MAX_PATH: usize = 400;

/// Collects what is within one document.
pub(super) struct Children<'l> {
    limits: &'l Limits,
    /// Bytes of the document itself.
    size: u64,
    /// Bytes unpacked so far, those that were passed over included.
    unpacked: u64,
    found: Vec<Child>,
    /// Paths that are taken, each with the last number that it was given.
    paths: BTreeMap<String, u32>,
}

impl<'l> Children<'l> {
    /// Nothing yet, of a document of `size` bytes.
    pub(super) fn new(size: usize, limits: &'l Limits) -> Self {
        Self { limits, size: size as u64, unpacked: 0, found: Vec::new(), paths: BTreeMap::new() }
    }

    /// Reads a compressed entry to its end; every byte counts.
    pub(super) fn unpack(&mut self, what: &str, from: &mut dyn Read) -> Result<Vec<u8>> {
        let (limit, error) = self.allowed();
        let mut content = Vec::new();
        let read = from.take(limit.saturating_add(1)).read_to_end(&mut content);
        self.unpacked = self.unpacked.saturating_add(content.len() as u64);
        if content.len() as u64 > limit {
            return Err(error);
        }
        read.map_err(|e| unreadable(what, &e))?;
        Ok(content)
    }

    /// How many bytes may still be unpacked, and what to say beyond them.
    pub(super) fn allowed(&self) -> (u64, Error) {
        let (limits, family) = (self.limits, &self.limits.family);
        let ratio = self.size.saturating_mul(family.expansion).max(FREE_EXPANSION);
        let megabytes = |bytes: u64| bytes >> 20;
        let bounds = [
            (
                ratio,
                format!(
                    "it expands to more than {} times its size; see decode.max_expansion",
                    family.expansion
                ),
            ),
            (
                limits.max_expanded_bytes,
                format!(
                    "more than {} MB unpacked; see decode.max_expanded_mb",
                    megabytes(limits.max_expanded_bytes)
                ),
            ),
            (
                family.bytes,
                format!(
                    "more than {} MB of documents within it; see decode.max_children_mb",
                    megabytes(family.bytes)
                ),
            ),
        ];
        let least = bounds.into_iter().min_by_key(|(bound, _)| *bound);
        let (bound, reason) = least.unwrap_or_default();
        (bound.saturating_sub(self.unpacked), reject(Class::TooLarge, reason))
    }

    /// What was unpacked is an archive of `bytes` bytes: from here on its entries count in its place.
    pub(super) fn holds_others(&mut self, bytes: u64) {
        self.unpacked = self.unpacked.saturating_sub(bytes);
    }

    /// Counts bytes that were read without being kept.
    pub(super) fn passed_over(&mut self, bytes: u64) -> Result<()> {
        let (limit, error) = self.allowed();
        self.unpacked = self.unpacked.saturating_add(bytes);
        if bytes > limit { Err(error) } else { Ok(()) }
    }

    /// A document that was unpacked, or that counted otherwise.
    pub(super) fn add(&mut self, path: &str, declared: Option<&str>, bytes: Vec<u8>) -> Result<()> {
        self.check()?;
        let path = self.unique(&plain_path(path));
        let size = bytes.len() as u64;
        self.found.push(Child { path, declared: declared.map(str::to_owned), size, bytes });
        Ok(())
    }

    /// An attachment, which nothing counted yet.
    pub(super) fn attach(&mut self, path: &str, declared: Option<&str>, bytes: Vec<u8>) -> Result<()> {
        let most = self.limits.family.attachments;
        if self.found.len() as u64 >= most {
            let reason = format!("more than {most} attachments; see decode.max_attachments");
            return Err(reject(Class::TooLarge, reason));
        }
        self.passed_over(bytes.len() as u64)?;
        self.add(path, declared, bytes)
    }

    /// Whether one more may come out, asked before it is unpacked.
    pub(super) fn check(&self) -> Result<()> {
        let family = &self.limits.family;
        if family.levels == 0 {
            let reason = "documents within documents, nested deeper than decode.max_nesting";
            return Err(reject(Class::TooLarge, reason));
        }
        if self.found.len() as u64 >= family.documents {
            let reason =
                format!("more than {} documents within it; see decode.max_children", family.documents);
            return Err(reject(Class::TooLarge, reason));
        }
        Ok(())
    }

    /// The paths, one a line: what a person sees of an archive.
    pub(super) fn listing(&self) -> String {
        self.found.iter().map(|child| child.path.as_str()).collect::<Vec<_>>().join("\n")
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.found.len()
    }

    /// What was found.
    pub(super) fn finish(self) -> Vec<Child> {
        self.found
    }

    /// `plan.pdf`, then `plan (2).pdf`: the order decides, which is the same each time.
    fn unique(&mut self, path: &str) -> String {
        let slash = path.rfind('/').map_or(0, |at| at + 1);
        let dot = path.rfind('.').filter(|at| *at > slash).unwrap_or(path.len());
        let (stem, ending) = path.split_at(dot);
        let mut number = self.paths.get(path).copied().unwrap_or(1);
        let mut candidate = path.to_owned();
        while self.paths.contains_key(&candidate) {
            number += 1;
            candidate = format!("{stem} ({number}){ending}");
        }
        // Ten thousand of one name go on where the last one stopped.
        self.paths.insert(path.to_owned(), number);
        self.paths.entry(candidate.clone()).or_insert(1);
        candidate
    }
}

/// A path for people, with `/` between its parts: it is never used to open anything.
fn plain_path(path: &str) -> String {
    let parts = path.split(['/', '\\']).map(|part| part.trim().replace(char::is_control, "_"));
    let parts: Vec<String> = parts.filter(|part| !matches!(part.as_str(), "" | "." | "..")).collect();
    let path = parts.join("/");
    let mut start = path.len().saturating_sub(MAX_PATH);
    while !path.is_char_boundary(start) {
        start += 1;
    }
    let path = path.get(start..).unwrap_or_default().trim_start_matches('/');
    if path.is_empty() { "document".to_owned() } else { path.to_owned() }
}

/// What file managers leave in archives and nobody means to send.
pub(super) fn is_litter(path: &str) -> bool {
    let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
    path.starts_with("__MACOSX/") || matches!(name, ".DS_Store" | "Thumbs.db" | "desktop.ini")
}

/// Why an entry could not be read.
pub(super) fn unreadable(what: &str, error: &std::io::Error) -> Error {
    // The TAR reader says it in words only.
    let said = error.to_string();
    let cut = error.kind() == std::io::ErrorKind::UnexpectedEof
        || said.contains("unexpected EOF")
        || said.contains("entire block");
    let class = if cut { Class::Truncated } else { Class::Corrupt };
    reject(class, format!("{what}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::samples::limits;

    #[test]
    fn paths_are_plain_and_no_two_the_same() {
        let limits = limits();
        let mut children = Children::new(1, &limits);
        for path in ["../../etc/passwd", "a\\b.txt", "a/b.txt", "/", "x\n.tar.gz", "x_.tar.gz"] {
            children.attach(path, None, Vec::new()).unwrap();
        }
        let listing = children.listing();
        assert_eq!(listing, "etc/passwd\na/b.txt\na/b (2).txt\ndocument\nx_.tar.gz\nx_.tar (2).gz");
        assert_eq!(children.finish()[1].name(), "b.txt");
    }

    #[test]
    fn many_of_one_name_are_told_apart_soon() {
        let mut limits = limits();
        (limits.family.documents, limits.family.attachments) = (100_000, 100_000);
        let mut children = Children::new(1, &limits);
        children.attach("a (3).txt", None, Vec::new()).unwrap();
        let started = std::time::Instant::now();
        (0..50_000).for_each(|_| children.attach("a.txt", None, Vec::new()).unwrap());
        // Trying every number for each of them is 1,250,000,000 tries.
        assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
        let paths: std::collections::BTreeSet<String> =
            children.finish().into_iter().map(|c| c.path).collect();
        assert!(paths.len() == 50_001 && paths.contains("a (2).txt") && paths.contains("a (50001).txt"));
    }

    #[test]
    fn every_limit_has_words_of_its_own() {
        let with = |change: &dyn Fn(&mut Limits), add: &dyn Fn(&mut Children<'_>) -> Result<()>| {
            let mut limits = limits();
            change(&mut limits);
            let error = add(&mut Children::new(100, &limits)).unwrap_err();
            assert_eq!(error.failure().class, Class::TooLarge);
            error.failure().reason.clone()
        };
        let one = |children: &mut Children<'_>| children.attach("a", None, vec![0; 200]);
        assert!(with(&|l| l.family.levels = 0, &one).contains("decode.max_nesting"));
        assert!(with(&|l| l.family.documents = 0, &one).contains("decode.max_children"));
        assert!(with(&|l| l.family.bytes = 100, &one).contains("decode.max_children_mb"));
        assert!(with(&|l| l.family.attachments = 0, &one).contains("decode.max_attachments"));
        let zeros =
            |children: &mut Children<'_>| children.unpack("zeros", &mut std::io::repeat(0)).map(|_| ());
        assert!(with(&|_| {}, &zeros).contains("decode.max_expansion"));
        assert!(with(&|l| l.max_expanded_bytes = 10, &zeros).contains("decode.max_expanded_mb"));
    }
}
