//! The calls about collections and aliases.

use super::Shared;
use super::state::{Collection, State, missing, wrong};
use ::qdrant_client::qdrant::alias_operations::Action;
use ::qdrant_client::qdrant::collections_server::Collections;
use ::qdrant_client::qdrant::*;
use std::collections::BTreeMap;
use tonic::{Request, Response, Status};

type Answer<T> = Result<Response<T>, Status>;

fn create(state: &mut State, call: CreateCollection) -> Result<CollectionOperationResponse, Status> {
    let name = call.collection_name;
    if state.collections.contains_key(&name) {
        return Err(wrong(format_args!("Collection `{name}` already exists!")));
    }
    if state.aliases.contains_key(&name) {
        return Err(wrong(format_args!(
            "Can't create collection with name {name}. Alias with the same name already exists"
        )));
    }
    let dense = match call.vectors_config.and_then(|config| config.config) {
        Some(vectors_config::Config::ParamsMap(map)) => map.map,
        Some(vectors_config::Config::Params(_)) => return Err(Status::unimplemented("unnamed vectors")),
        None => std::collections::HashMap::new(),
    };
    if dense.values().any(|params| params.size == 0) {
        return Err(Status::invalid_argument(
            "Validation error: size: value 0 invalid, must be from 1 to 65536",
        ));
    }
    let sparse = call.sparse_vectors_config.map(|config| config.map).unwrap_or_default();
    let collection = Collection {
        dense: dense.into_iter().collect(),
        sparse: sparse.into_iter().map(|(name, p)| (name, p.modifier() == Modifier::Idf)).collect(),
        metadata: call.metadata,
        indexes: BTreeMap::new(),
        points: BTreeMap::new(),
    };
    state.collections.insert(name, collection);
    Ok(CollectionOperationResponse { result: true, time: 0.0 })
}

/// All of them or none.
fn change_aliases(state: &mut State, call: ChangeAliases) -> Result<CollectionOperationResponse, Status> {
    let mut aliases = state.aliases.clone();
    for action in call.actions.into_iter().filter_map(|operation| operation.action) {
        match action {
            Action::CreateAlias(create) => {
                if !state.collections.contains_key(&create.collection_name) {
                    return Err(missing(&create.collection_name));
                }
                if state.collections.contains_key(&create.alias_name) {
                    return Err(wrong(format_args!("Collection `{}` already exists!", create.alias_name)));
                }
                aliases.insert(create.alias_name, create.collection_name);
            }
            Action::DeleteAlias(delete) => {
                aliases.remove(&delete.alias_name);
            }
            Action::RenameAlias(rename) => {
                let behind = aliases.remove(&rename.old_alias_name);
                let behind = behind.ok_or_else(|| {
                    Status::not_found(format!("Not found: Alias {} does not exists!", rename.old_alias_name))
                })?;
                aliases.insert(rename.new_alias_name, behind);
            }
        }
    }
    state.aliases = aliases;
    Ok(CollectionOperationResponse { result: true, time: 0.0 })
}

fn info(state: &State, name: &str) -> Result<GetCollectionInfoResponse, Status> {
    let collection = state.collection(name)?;
    let dense = collection.dense.clone().into_iter();
    let sparse = collection.sparse.iter().map(|(name, idf)| {
        let mut params = SparseVectorParams::default();
        if *idf {
            params.set_modifier(Modifier::Idf);
        }
        (name.clone(), params)
    });
    let vectors = vectors_config::Config::ParamsMap(VectorParamsMap { map: dense.collect() });
    let params = CollectionParams {
        shard_number: 1,
        vectors_config: Some(VectorsConfig { config: Some(vectors) }),
        sparse_vectors_config: Some(SparseVectorConfig { map: sparse.collect() }),
        ..CollectionParams::default()
    };
    let metadata = collection.metadata.clone();
    let config = CollectionConfig { params: Some(params), metadata, ..CollectionConfig::default() };
    let schema = collection.indexes.keys().map(|key| (key.clone(), PayloadSchemaInfo::default())).collect();
    let result = CollectionInfo {
        status: CollectionStatus::Green.into(),
        config: Some(config),
        payload_schema: schema,
        points_count: Some(collection.points.len() as u64),
        ..CollectionInfo::default()
    };
    Ok(GetCollectionInfoResponse { result: Some(result), time: 0.0 })
}

fn describe(aliases: impl Iterator<Item = (String, String)>) -> ListAliasesResponse {
    let describe = |(alias_name, collection_name)| AliasDescription { alias_name, collection_name };
    ListAliasesResponse { aliases: aliases.map(describe).collect(), time: 0.0 }
}

#[tonic::async_trait]
impl Collections for Shared {
    async fn get(&self, request: Request<GetCollectionInfoRequest>) -> Answer<GetCollectionInfoResponse> {
        self.answer("GetCollection", request, |state, call| info(state, &call.collection_name)).await
    }

    async fn list(&self, request: Request<ListCollectionsRequest>) -> Answer<ListCollectionsResponse> {
        self.answer("ListCollections", request, |state, _| {
            let names = state.collections.keys().cloned();
            let collections = names.map(|name| CollectionDescription { name }).collect();
            Ok(ListCollectionsResponse { collections, time: 0.0 })
        })
        .await
    }

    async fn create(&self, request: Request<CreateCollection>) -> Answer<CollectionOperationResponse> {
        self.answer("CreateCollection", request, create).await
    }

    async fn delete(&self, request: Request<DeleteCollection>) -> Answer<CollectionOperationResponse> {
        self.answer("DeleteCollection", request, |state, call| {
            let result = state.collections.remove(&call.collection_name).is_some();
            state.aliases.retain(|_, behind| *behind != call.collection_name);
            Ok(CollectionOperationResponse { result, time: 0.0 })
        })
        .await
    }

    async fn update_aliases(&self, request: Request<ChangeAliases>) -> Answer<CollectionOperationResponse> {
        self.answer("UpdateAliases", request, change_aliases).await
    }

    async fn list_aliases(&self, request: Request<ListAliasesRequest>) -> Answer<ListAliasesResponse> {
        self.answer("ListAliases", request, |state, _| Ok(describe(state.aliases.clone().into_iter()))).await
    }

    async fn list_collection_aliases(
        &self,
        request: Request<ListCollectionAliasesRequest>,
    ) -> Answer<ListAliasesResponse> {
        self.answer("ListCollectionAliases", request, |state, call| {
            let of = call.collection_name;
            Ok(describe(state.aliases.clone().into_iter().filter(|(_, behind)| *behind == of)))
        })
        .await
    }

    async fn collection_exists(
        &self,
        request: Request<CollectionExistsRequest>,
    ) -> Answer<CollectionExistsResponse> {
        self.answer("CollectionExists", request, |state, call| {
            let exists = state.collection(&call.collection_name).is_ok();
            Ok(CollectionExistsResponse { result: Some(CollectionExists { exists }), time: 0.0 })
        })
        .await
    }

    async fn update(&self, _: Request<UpdateCollection>) -> Answer<CollectionOperationResponse> {
        Err(Status::unimplemented("update"))
    }

    async fn collection_cluster_info(
        &self,
        _: Request<CollectionClusterInfoRequest>,
    ) -> Answer<CollectionClusterInfoResponse> {
        Err(Status::unimplemented("collection_cluster_info"))
    }

    async fn update_collection_cluster_setup(
        &self,
        _: Request<UpdateCollectionClusterSetupRequest>,
    ) -> Answer<UpdateCollectionClusterSetupResponse> {
        Err(Status::unimplemented("update_collection_cluster_setup"))
    }

    async fn create_shard_key(&self, _: Request<CreateShardKeyRequest>) -> Answer<CreateShardKeyResponse> {
        Err(Status::unimplemented("create_shard_key"))
    }

    async fn delete_shard_key(&self, _: Request<DeleteShardKeyRequest>) -> Answer<DeleteShardKeyResponse> {
        Err(Status::unimplemented("delete_shard_key"))
    }

    async fn list_shard_keys(&self, _: Request<ListShardKeysRequest>) -> Answer<ListShardKeysResponse> {
        Err(Status::unimplemented("list_shard_keys"))
    }
}
