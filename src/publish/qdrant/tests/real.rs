//! The promises again, over a real server: where `QDRANT_URL` (and `QDRANT_API_KEY`) says there is one.

use super::*;
use crate::publish::contract::contract_suite;

/// Runs a promise with collections of its own, which are removed afterwards.
fn with(promise: fn(&dyn Store)) {
    let Some((url, key)) = fake::real_server() else {
        eprintln!("skipped: QDRANT_URL names no server");
        return;
    };
    let mut config = with_key(config(&url), &key);
    let own = uuid::Uuid::new_v4().simple().to_string();
    config.documents = format!("quire-test-{own}-documents");
    config.passages = format!("quire-test-{own}-passages");
    let store = QdrantStore::open(&config, MODEL, DIMENSION).unwrap();
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| promise(&store)));
    for name in [&store.target.documents, &store.target.passages] {
        let remove = store
            .connection
            .call(name.clone(), |client, name| async move { client.delete_collection(name).await });
        store.connection.block_on(remove).unwrap();
    }
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

contract_suite!(with);
