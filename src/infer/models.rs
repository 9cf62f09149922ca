//! Model manifests.
