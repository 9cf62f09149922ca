//! Connections, the tables, and how older files are brought up to date.

use super::failure;
use crate::error::Result;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Each entry takes the file one version further; `PRAGMA user_version` counts them. Entries that
/// were released are never changed.
const MIGRATIONS: &[&str] = &[VERSION_1, VERSION_2, VERSION_3, VERSION_4, VERSION_5, VERSION_6, VERSION_7];

/// - `documents` is narrow, so that lists and filters read few pages; what is long is in `bodies`.
/// - `bodies.payload` is the `Document` as JSON without its text, which has a column of its own:
///   a passage is a slice of it, and stored nowhere else.
/// - `keywords` keeps no text (contentless): FTS5 marks deleted rows by itself since SQLite 3.43,
///   where an external-content table would need the old text once more for every delete.
/// - Rowids of `documents` survive replacement and stay dense: bitmaps are indexed by them.
/// - Times are microseconds since 1970-01-01 UTC; vectors are little-endian f32.
const VERSION_1: &str = "
    CREATE TABLE documents (
        row INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL,
        media_type TEXT NOT NULL,
        kind TEXT NOT NULL,
        kind_confidence REAL NOT NULL,
        language TEXT NOT NULL,
        pages INTEGER NOT NULL,
        ocr_confidence REAL,
        verdict TEXT NOT NULL,
        summary TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        models TEXT NOT NULL,
        ingested_at INTEGER NOT NULL
    );
    CREATE INDEX documents_newest ON documents (ingested_at DESC, id);
    CREATE INDEX documents_filter ON documents (kind, language, verdict, ingested_at);
    CREATE TABLE bodies (
        document INTEGER PRIMARY KEY REFERENCES documents ON DELETE CASCADE,
        vector BLOB,
        text TEXT NOT NULL,
        payload TEXT NOT NULL
    );
    CREATE TABLE entities (
        folded TEXT NOT NULL,
        document INTEGER NOT NULL REFERENCES documents ON DELETE CASCADE,
        PRIMARY KEY (folded, document)
    ) WITHOUT ROWID;
    CREATE INDEX entities_document ON entities (document);
    CREATE TABLE passages (
        row INTEGER PRIMARY KEY,
        document INTEGER NOT NULL REFERENCES documents ON DELETE CASCADE,
        number INTEGER NOT NULL,
        page INTEGER NOT NULL,
        start INTEGER NOT NULL,
        \"end\" INTEGER NOT NULL,
        vector BLOB
    );
    CREATE INDEX passages_document ON passages (document);
    CREATE VIRTUAL TABLE keywords USING fts5 (
        text, content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 2'
    );
    CREATE TABLE dead (
        id TEXT PRIMARY KEY,
        failed_at INTEGER NOT NULL,
        letter TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX dead_newest ON dead (failed_at DESC, id);
";

/// When a document's sender wrote it, so that a late try never replaces what came after it.
const VERSION_2: &str = "ALTER TABLE documents ADD COLUMN version INTEGER NOT NULL DEFAULT 0;";

/// What is kept beside documents (see `publish::records`); documents that were doubtful before are
/// queued for review. And the tone, to count by it.
const VERSION_3: &str = "
    CREATE TABLE records (
        shelf TEXT NOT NULL,
        key TEXT NOT NULL,
        version INTEGER NOT NULL,
        state TEXT NOT NULL,
        \"group\" TEXT NOT NULL,
        rank INTEGER NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (shelf, key)
    ) WITHOUT ROWID;
    CREATE INDEX records_order ON records (shelf, state, rank DESC, key);
    ALTER TABLE documents ADD COLUMN sentiment TEXT NOT NULL DEFAULT '';
    UPDATE documents SET sentiment = coalesce((
        SELECT json_extract(b.payload, '$.sentiment.label') FROM bodies b WHERE b.document = row), '');
    INSERT INTO records (shelf, key, version, state, \"group\", rank, body)
    SELECT 'review', d.id, 1, 'open', d.kind, -4503599627370496 - d.ingested_at, json_object(
        'id', d.id, 'name', d.name, 'sha256', d.sha256, 'kind', d.kind, 'state', 'open',
        'priority', 'normal', 'opened_at', strftime('%Y-%m-%dT%H:%M:%SZ', d.ingested_at / 1000000, 'unixepoch'),
        'reasons', coalesce(json_extract(b.payload, '$.verdict.reasons'), json('[]')))
    FROM documents d JOIN bodies b ON b.document = d.row WHERE d.verdict = 'review';
";

/// What senders put on their documents.
const VERSION_4: &str = "
    CREATE TABLE tags (
        tag TEXT NOT NULL,
        document INTEGER NOT NULL REFERENCES documents ON DELETE CASCADE,
        PRIMARY KEY (tag, document)
    ) WITHOUT ROWID;
    CREATE INDEX tags_document ON tags (document);
";

/// What a document was found to be much like, apart from the results, so that groups are found
/// without reading them. The other may be gone.
const VERSION_5: &str = "
    CREATE TABLE related (
        document INTEGER NOT NULL REFERENCES documents ON DELETE CASCADE,
        other TEXT NOT NULL,
        relation TEXT NOT NULL,
        score REAL NOT NULL,
        PRIMARY KEY (document, other)
    ) WITHOUT ROWID;
    INSERT OR IGNORE INTO related (document, other, relation, score)
    SELECT b.document, json_extract(one.value, '$.id'), json_extract(one.value, '$.relation'),
        json_extract(one.value, '$.score')
    FROM bodies b, json_each(b.payload, '$.duplicates') one;
";

/// How long a connection waits for another before it reports busy. Writers hold the lock for the
/// length of one document's transaction.
const BUSY: Duration = Duration::from_secs(10);

/// Of which document a record tells, to find what goes with it. A body that is damaged tells of none.
const VERSION_6: &str = "
    ALTER TABLE records ADD COLUMN document TEXT
        GENERATED ALWAYS AS (CASE WHEN json_valid(body) THEN json_extract(body, '$.document') END) VIRTUAL;
    CREATE INDEX records_document ON records (shelf, document);
";

/// Where documents came from. There are few sources, so that an index would mislead more than it finds.
const VERSION_7: &str = "
    ALTER TABLE documents ADD COLUMN source TEXT NOT NULL DEFAULT '';
    UPDATE documents SET source = coalesce((
        SELECT CASE WHEN json_valid(b.payload) THEN json_extract(b.payload, '$.origin.topic') END
        FROM bodies b WHERE b.document = row), 'inbox');
";

/// Idle reader connections kept: a search by words and meaning takes two.
const IDLE_READERS: usize = 8;

/// Page cache of a reader in KiB. A search touches some 300 pages; SQLite's usual 2 MiB would read
/// most of them anew for every search.
const READER_CACHE: i64 = 16 * 1024;

/// Prepared statements kept per connection: more than there are different ones in this module.
const STATEMENTS: usize = 64;

/// Takes the lock that makes this process the only writer of `dir`, which is created if missing.
pub(super) fn lock(dir: &Path) -> Result<File> {
    crate::durable::make_private(dir).map_err(|e| failure::io("cannot create", dir, &e))?;
    let path = dir.join("store.lock");
    let file = File::create(&path).map_err(|e| failure::io("cannot create", &path, &e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(failure::in_use(&path)),
        Err(TryLockError::Error(error)) => Err(failure::io("cannot lock", &path, &error)),
    }
}

/// Whether somebody has that lock.
pub(super) fn is_locked(dir: &Path) -> bool {
    let held = |file: File| matches!(file.try_lock(), Err(TryLockError::WouldBlock));
    File::open(dir.join("store.lock")).is_ok_and(held)
}

/// Opens the connection that writes, with every table in its newest form.
pub(super) fn open_writer(path: &Path) -> Result<Connection> {
    let mut connection = Connection::open(path)?;
    prepare(&connection)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // FULL: a commit is on the disk, not merely in order, when it returns.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // A log that grew under a long read shrinks back to 64 MiB.
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    migrate(&mut connection, MIGRATIONS)?;
    Ok(connection)
}

/// Fails unless there is a store of this version at `path`.
pub(super) fn check_readable(path: &Path) -> Result<()> {
    if !path.exists() {
        return Err(failure::missing(path));
    }
    let (found, known) = (version(&open_reader(path)?)?, count(MIGRATIONS));
    match found {
        0 => Err(failure::missing(path)),
        _ if found < known => Err(failure::too_old(found, known)),
        _ if found > known => Err(failure::too_new(found, known)),
        _ => Ok(()),
    }
}

pub(super) fn open_reader(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    prepare(&connection)?;
    // Negative: KiB, not pages.
    connection.pragma_update(None, "cache_size", -READER_CACHE)?;
    Ok(connection)
}

fn prepare(connection: &Connection) -> Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(())
}

fn version(connection: &Connection) -> Result<i64> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

fn count(migrations: &[&str]) -> i64 {
    i64::try_from(migrations.len()).unwrap_or(i64::MAX)
}

fn migrate(connection: &mut Connection, migrations: &[&str]) -> Result<()> {
    let known = count(migrations);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = version(&transaction)?;
    if found > known {
        return Err(failure::too_new(found, known));
    }
    for step in migrations.iter().skip(usize::try_from(found).unwrap_or(0)) {
        transaction.execute_batch(step)?;
    }
    if found < known {
        transaction.pragma_update(None, "user_version", known)?;
    }
    Ok(transaction.commit()?)
}

/// Connections for reading. As many are open as there are reads at once, which the server's
/// threads bound; so no read waits for another.
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, idle: Mutex::default() }
    }

    /// Runs `read` with an idle connection, or a new one.
    pub(super) fn with<T>(&self, read: impl FnOnce(&mut Connection) -> Result<T>) -> Result<T> {
        let idle = self.idle().pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => open_reader(&self.path)?,
        };
        let outcome = read(&mut connection);
        let mut idle = self.idle();
        if idle.len() < IDLE_READERS {
            idle.push(connection);
        }
        outcome
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
