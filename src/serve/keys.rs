//! API keys: those of the settings, and those of a file that `quire keys` writes, read again when it
//! changes. Only digests are kept there.

use super::admit::{Caller, LOCAL, Role};
use crate::config::ServeConfig;
use crate::document::sha256_hex;
use crate::durable::write_private;
use crate::receipt::lock;
use crate::review::Skills;
use axum::http::{HeaderMap, header};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// How often the file is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Whether an entry is a key itself, not only the digest of one.
pub fn is_key(entry: &str) -> bool {
    entry.split(':').nth(1) != Some("sha256")
}

/// Says what is wrong with the name of a key, if anything is.
pub fn check_name(name: &str) -> Result<(), String> {
    match name.trim() {
        LOCAL => Err(format!("no key can be named `{LOCAL}`: histories call whoever needs none so")),
        _ => Ok(()),
    }
}

/// Says what is wrong with what a reviewer is said to be able to do, if anything is.
pub fn check_skills(skills: &Skills) -> Result<(), String> {
    let fine =
        |name: &&String| !name.trim().is_empty() && name.len() <= 80 && !name.contains([',', '\t', '\n']);
    match skills.kinds.iter().chain(&skills.languages).find(|name| !fine(name)) {
        Some(name) => Err(format!("`{name}` is no name of a kind or language")),
        None => Ok(()),
    }
}

/// One entry: `KEY`, which may do everything, or `ROLE:sha256:HEX` with the digest of a key, or
/// `ROLE:sha256:HEX:NAME`; behind the name, after tabs, `kinds=A,B` and `languages=A,B` for reviewers.
#[derive(Debug, Clone)]
pub struct Entry {
    /// SHA-256 of the key, in hex.
    pub digest: String,
    /// Who bears it.
    pub caller: Caller,
}

impl Entry {
    /// Reads an entry; says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = text.splitn(4, ':');
        let (role, _, hex) = (parts.next(), parts.next(), parts.next());
        if is_key(text) {
            let digest = sha256_hex(text.as_bytes());
            let name = format!("key-{}", digest.get(..8).unwrap_or_default());
            return Ok(Self {
                digest,
                caller: Caller { name, role: Role::Admin, skills: Skills::default() },
            });
        }
        let known = || Role::ALL.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(", ");
        let role = role.unwrap_or_default();
        let role = role.parse().map_err(|_| format!("`{role}` is none of the roles {}", known()))?;
        let digest = hex.unwrap_or_default().to_ascii_lowercase();
        if digest.len() != 64 || !digest.chars().all(|c| c.is_ascii_hexdigit()) {
            return Err("after `sha256:` come 64 hex digits".to_owned());
        }
        let short = format!("key-{}", digest.get(..8).unwrap_or_default());
        let mut columns = parts.next().map(|rest| rest.split('\t'));
        let name = columns.as_mut().and_then(Iterator::next).map_or(short, str::to_owned);
        check_name(&name)?;
        let mut skills = Skills::default();
        for column in columns.into_iter().flatten() {
            let listed = |names: &str| names.split(',').map(|name| name.trim().to_owned()).collect();
            match column.split_once('=') {
                Some(("kinds", names)) => skills.kinds = listed(names),
                Some(("languages", names)) => skills.languages = listed(names),
                _ => return Err(format!("`{column}` is neither kinds=A,B nor languages=A,B")),
            }
        }
        check_skills(&skills)?;
        Ok(Self { digest, caller: Caller { name, role, skills } })
    }

    /// As it is written.
    pub fn line(&self) -> String {
        let Caller { name, role, skills } = &self.caller;
        let mut line = format!("{role}:sha256:{}:{name}", self.digest);
        for (what, names) in [("kinds", &skills.kinds), ("languages", &skills.languages)] {
            if !names.is_empty() {
                line += &format!("\t{what}={}", names.join(","));
            }
        }
        line
    }
}

/// The entries of a key file; none where there is no file.
///
/// Errors: it cannot be read, or what is wrong with which line.
pub fn read(path: &Path) -> Result<Vec<Entry>, String> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(format!("cannot read {}: {e}", path.display())),
    };
    let lines = text.lines().enumerate().map(|(number, line)| (number + 1, line.trim()));
    lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(number, line)| match line.contains(":sha256:") {
            true => Entry::parse(line).map_err(|e| format!("{}, line {number}: {e}", path.display())),
            false => Err(format!("{}, line {number}: not ROLE:sha256:HEX:NAME", path.display())),
        })
        .collect()
}

/// Writes a key file, whole or not at all, for its owner only.
pub fn write(path: &Path, entries: &[Entry]) -> std::io::Result<()> {
    let mut text =
        "# API keys of quire: ROLE:sha256:DIGEST:NAME. `quire keys` writes this file.\n".to_owned();
    for entry in entries {
        text += &entry.line();
        text.push('\n');
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    write_private(folder, &name, text.as_bytes())
}

/// Every key.
pub struct Keys {
    given: Vec<Entry>,
    file: PathBuf,
    /// Keys were asked for once: they are until the end, whatever becomes of the file.
    asked: AtomicBool,
    read: Mutex<Read>,
}

#[derive(Default)]
struct Read {
    looked: Option<Instant>,
    changed: Option<SystemTime>,
    entries: Vec<Entry>,
}

impl Keys {
    /// Those of the settings and of the file.
    ///
    /// Errors: what is wrong with which.
    pub fn open(config: &ServeConfig) -> Result<Self, String> {
        let given: Vec<Entry> = config
            .api_keys
            .iter()
            .map(|key| match key.expose().trim() {
                "" => Err("serve.api_keys holds an empty key".to_owned()),
                _ => Entry::parse(key.expose())
                    .map_err(|e| format!("an entry of serve.api_keys is wrong: {e}")),
            })
            .collect::<Result<_, _>>()?;
        let file = config.keys_file.clone();
        let entries = if file.as_os_str().is_empty() { Vec::new() } else { read(&file)? };
        let asked = AtomicBool::new(!given.is_empty() || !entries.is_empty());
        let changed = changed(&file);
        Ok(Self { given, file, asked, read: Mutex::new(Read { looked: None, changed, entries }) })
    }

    /// Whether a key is asked for.
    pub fn are_asked_for(&self) -> bool {
        if !self.asked.load(Ordering::Acquire) && !self.current().is_empty() {
            self.asked.store(true, Ordering::Release);
        }
        self.asked.load(Ordering::Acquire)
    }

    /// Who bears the key that came with a request; `None`: none did, or nobody knows it.
    pub fn bearer(&self, headers: &HeaderMap) -> Option<Caller> {
        if !self.are_asked_for() {
            return Some(Caller { name: LOCAL.to_owned(), role: Role::Admin, skills: Skills::default() });
        }
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok())?;
        let (scheme, given) = given.split_once(' ')?;
        let given = sha256_hex(given.trim().as_bytes());
        let mut found = None;
        // All are compared, each to its end, so that the time tells nothing about a key.
        for entry in self.given.iter().chain(&self.current()) {
            let differs = given.bytes().zip(entry.digest.bytes()).fold(0, |all, (a, b)| all | (a ^ b));
            if std::hint::black_box(differs) == 0 {
                found = Some(entry.caller.clone());
            }
        }
        found.filter(|_| scheme.eq_ignore_ascii_case("bearer"))
    }

    /// Those of the file, as it is now. A file that is wrong changes nothing.
    fn current(&self) -> Vec<Entry> {
        let mut read = lock(&self.read);
        if read.looked.is_none_or(|at| at.elapsed() > LOOK) {
            read.looked = Some(Instant::now());
            let changed = changed(&self.file);
            if changed != read.changed {
                read.changed = changed;
                match self::read(&self.file) {
                    Ok(entries) => {
                        if entries.is_empty() && !read.entries.is_empty() {
                            tracing::warn!(
                                "the key file is empty or gone; keys are asked for until a restart"
                            );
                        }
                        read.entries = entries;
                    }
                    Err(error) => tracing::error!("the keys are as before: {error}"),
                }
            }
        }
        read.entries.clone()
    }
}

fn changed(file: &Path) -> Option<SystemTime> {
    std::fs::metadata(file).and_then(|metadata| metadata.modified()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(key: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, format!("Bearer {key}").parse().unwrap());
        headers
    }

    #[test]
    fn keys_have_roles_and_names() {
        let digest = sha256_hex(b"secret");
        let config = super::super::support::config(
            "127.0.0.1:0",
            &["plain", &format!("reviewer:sha256:{digest}:ada")],
        );
        let keys = Keys::open(&config).unwrap();
        let ask = |given: &str| keys.bearer(&headers(given)).map(|caller| (caller.name, caller.role));
        assert_eq!(ask("secret"), Some(("ada".to_owned(), Role::Reviewer)));
        assert_eq!(ask("plain").map(|caller| caller.1), Some(Role::Admin));
        assert_eq!(ask(&digest), None, "the digest is no key");
        let line = format!("reviewer:sha256:{digest}:ada b.\tkinds=invoice,purchase order\tlanguages=de");
        let able = Entry::parse(&line).unwrap();
        assert_eq!((able.caller.name.as_str(), able.line()), ("ada b.", line.clone()));
        let skills = Skills {
            kinds: vec!["invoice".to_owned(), "purchase order".to_owned()],
            languages: vec!["de".to_owned()],
        };
        assert_eq!(able.caller.skills, skills);
        for wrong in [
            "boss:sha256:00",
            "reader:sha256:12",
            format!("{line}\tshoe=42").as_str(),
            format!("{line},").as_str(),
        ] {
            assert!(Entry::parse(wrong).is_err(), "{wrong}");
        }
        let local = Entry::parse(&format!("reader:sha256:{digest}: local "));
        assert!(local.unwrap_err().contains("`local`"), "it is whoever needs no key");
        assert!(is_key("plain") && is_key("a:b") && !is_key(&format!("reader:sha256:{digest}")));
    }

    #[test]
    fn keys_that_came_after_the_start_are_asked_for_when_they_are_gone_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = super::super::support::config("127.0.0.1:0", &[]);
        config.keys_file = folder.path().join("keys");
        let keys = Keys::open(&config).unwrap();
        assert!(keys.bearer(&HeaderMap::new()).is_some(), "none is asked for yet");
        let later = |keys: &Keys| lock(&keys.read).looked = None;
        let entry = Entry::parse(&format!("reader:sha256:{}:bob", sha256_hex(b"one"))).unwrap();
        write(&config.keys_file, &[entry]).unwrap();
        later(&keys);
        assert!(keys.bearer(&HeaderMap::new()).is_none());
        std::fs::remove_file(&config.keys_file).unwrap();
        later(&keys);
        assert!(keys.bearer(&HeaderMap::new()).is_none() && keys.bearer(&headers("one")).is_none());
        assert!(Keys::open(&config).unwrap().bearer(&HeaderMap::new()).is_some(), "a restart begins anew");
    }

    #[test]
    fn the_file_is_for_its_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys");
        std::fs::write(&file, "").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        write(&file, &[]).unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn the_file_is_read_again_when_it_changes_and_never_opens_the_door() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = super::super::support::config("127.0.0.1:0", &[]);
        config.keys_file = folder.path().join("keys");
        let entry =
            |key: &str| Entry::parse(&format!("reader:sha256:{}:bob", sha256_hex(key.as_bytes()))).unwrap();
        write(&config.keys_file, &[entry("one")]).unwrap();
        let keys = Keys::open(&config).unwrap();
        assert!(keys.bearer(&headers("one")).is_some());
        let later = |keys: &Keys| lock(&keys.read).looked = None;
        for (content, one, two) in [(vec![entry("two")], false, true), (vec![], false, false)] {
            std::thread::sleep(Duration::from_millis(20));
            write(&config.keys_file, &content).unwrap();
            later(&keys);
            assert_eq!(keys.bearer(&headers("one")).is_some(), one);
            assert_eq!(keys.bearer(&headers("two")).is_some(), two);
        }
        std::fs::remove_file(&config.keys_file).unwrap();
        later(&keys);
        assert!(keys.bearer(&HeaderMap::new()).is_none(), "keys that were there once are asked for");
        std::fs::write(&config.keys_file, "nonsense").unwrap();
        assert!(Keys::open(&config).is_err());
    }
}
