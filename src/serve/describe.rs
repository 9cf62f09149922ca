//! Routes with what they take and give: what is described is what is served, so the OpenAPI document
//! cannot name a path that is not there, nor leave one out.

use super::Shared;
use super::problem::{self, Kind};
use axum::Router;
use axum::http::Method;
use axum::routing::MethodRouter;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The routes below one prefix.
pub struct Routes {
    prefix: &'static str,
    router: Router<Arc<Shared>>,
    operations: Vec<Operation>,
    schemas: Schemas,
}

/// Makes schemas of types.
struct Schemas {
    /// Of what is written: what is always there is required.
    written: SchemaGenerator,
    /// Of what is read: what is not needed is not required.
    read: SchemaGenerator,
}

/// One method of one path.
struct Operation {
    method: Method,
    path: String,
    value: Value,
}

/// Says what an operation takes and gives.
pub struct About<'r> {
    schemas: &'r mut Schemas,
    summary: &'static str,
    parameters: Vec<Value>,
    body: Option<Value>,
    answers: Map<String, Value>,
}

impl Routes {
    /// None yet.
    pub fn new(prefix: &'static str) -> Self {
        let place = |s: &mut SchemaSettings| {
            s.definitions_path = "/components/schemas".into();
            s.meta_schema = None;
        };
        let written = SchemaSettings::draft2020_12().for_serialize().with(place).into_generator();
        // In place: what is read under the name of what is written would be another thing.
        let inline = |s: &mut SchemaSettings| s.inline_subschemas = true;
        let read = SchemaSettings::draft2020_12().for_deserialize().with(place).with(inline).into_generator();
        Self { prefix, router: Router::new(), operations: Vec::new(), schemas: Schemas { written, read } }
    }

    /// Adds a route.
    pub fn add(
        mut self,
        method: Method,
        path: &'static str,
        route: MethodRouter<Arc<Shared>>,
        summary: &'static str,
        say: impl FnOnce(About<'_>) -> About<'_>,
    ) -> Self {
        let schemas = &mut self.schemas;
        let about = About { schemas, summary, parameters: Vec::new(), body: None, answers: Map::new() };
        let about = if self.prefix.is_empty() { about } else { about.fails(&problem::ALWAYS) };
        let value = say(about.path_parameters(path)).value(&method, path, self.prefix.is_empty());
        self.operations.push(Operation { method, path: format!("{}{path}", self.prefix), value });
        self.router = self.router.route(path, route);
        self
    }

    /// The routes themselves.
    pub fn router(&self) -> Router<Arc<Shared>> {
        self.router.clone()
    }

    /// The OpenAPI document of these and `others`.
    pub fn document(mut self, others: Self) -> Value {
        let mut paths: Map<String, Value> = Map::new();
        for operation in self.operations.into_iter().chain(others.operations) {
            let methods = paths.entry(operation.path).or_insert_with(|| json!({}));
            put(methods, &operation.method.as_str().to_ascii_lowercase(), operation.value);
        }
        let mut schemas = self.schemas.written.take_definitions(true);
        schemas.insert("Problem".to_owned(), problem::schema());
        json!({
            "openapi": "3.1.0",
            "info": {
                "title": "quire",
                "version": env!("CARGO_PKG_VERSION"),
                "description": "Documents in, understood documents out, found again. docs/api.md says more.",
                "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
            },
            "servers": [{ "url": "/" }],
            "paths": paths,
            "components": {
                "schemas": schemas,
                "securitySchemes": { "key": { "type": "http", "scheme": "bearer",
                    "description": "One of serve.api_keys; none is needed where there are none." } },
            },
        })
    }
}

impl About<'_> {
    /// A parameter of the query, as this JSON schema says.
    pub fn query(mut self, name: &str, schema: Value, what: &str) -> Self {
        self.parameters.push(
            json!({ "name": name, "in": "query", "required": false, "schema": schema, "description": what }),
        );
        self
    }

    /// A parameter of the query that must be there.
    pub fn needs(mut self, name: &str, schema: Value, what: &str) -> Self {
        self.parameters.push(
            json!({ "name": name, "in": "query", "required": true, "schema": schema, "description": what }),
        );
        self
    }

    /// A header of the request.
    pub fn header(mut self, name: &str, schema: Value, what: &str) -> Self {
        self.parameters.push(
            json!({ "name": name, "in": "header", "required": false, "schema": schema, "description": what }),
        );
        self
    }

    /// Which of several things is done, where the path says so by `{what}`.
    pub fn what(mut self, names: &[&str]) -> Self {
        for parameter in &mut self.parameters {
            if parameter.get("name").is_some_and(|name| name == "what") {
                put(parameter, "schema", json!({ "type": "string", "enum": names }));
            }
        }
        self
    }

    /// How many rows, and from which on.
    pub fn page(self, furthest: u64) -> Self {
        let offset = json!({ "type": "integer", "minimum": 0, "maximum": furthest, "default": 0 });
        self.limit().query("offset", offset, "rows left out at the start")
    }

    /// How many rows.
    pub fn limit(self) -> Self {
        let limit = json!({ "type": "integer", "minimum": 1, "maximum": 100, "default": 20 });
        self.query("limit", limit, "the most rows")
    }

    /// The conditions on documents.
    pub fn filter(self) -> Self {
        let words = json!({ "type": "array", "items": { "type": "string" } });
        let time = json!({ "type": "string", "anyOf": [{ "format": "date-time" }, { "format": "date" }] });
        let verdicts = self.schemas.read.subschema_for::<crate::document::Decision>();
        self.query("kind", words.clone(), "any of these kinds")
            .query("language", words.clone(), "any of these languages, ISO 639-1")
            .query("entity", words.clone(), "any of these is named; case does not matter")
            .query("since", time.clone(), "understood at or after this")
            .query("until", time, "understood before this")
            .query("verdict", json!({ "type": "array", "items": verdicts }), "any of these verdicts")
            .query("tag", words.clone(), "any of these tags; case does not matter")
            .query("source", words.clone(), "from any of these topics, or `inbox`")
            .query("sentiment", words, "of any of these tones")
    }

    /// A JSON body, which must be there.
    pub fn takes<T: JsonSchema>(self) -> Self {
        let schema = self.schemas.read.subschema_for::<T>();
        self.body(true, json!({ "application/json": { "schema": schema } }))
    }

    /// A JSON body, which may be left out.
    pub fn may_take<T: JsonSchema>(self) -> Self {
        let schema = self.schemas.read.subschema_for::<T>();
        self.body(false, json!({ "application/json": { "schema": schema } }))
    }

    /// A body of these media types.
    pub fn body(mut self, required: bool, content: Value) -> Self {
        self.body = Some(json!({ "required": required, "content": content }));
        self
    }

    /// The schema of what is read.
    pub fn schema_of<T: JsonSchema>(&mut self) -> Schema {
        self.schemas.read.subschema_for::<T>()
    }

    /// A JSON answer.
    pub fn gives<T: JsonSchema>(self, status: u16) -> Self {
        let schema = self.schemas.written.subschema_for::<T>();
        self.answers(status, json!({ "application/json": { "schema": schema } }))
    }

    /// An answer without a body.
    pub fn empty(mut self, status: u16) -> Self {
        self.answers.insert(status.to_string(), json!({ "description": reason(status) }));
        self
    }

    /// An answer of these media types.
    pub fn answers(mut self, status: u16, content: Value) -> Self {
        self.answers.insert(status.to_string(), json!({ "description": reason(status), "content": content }));
        self
    }

    /// Problems that it can answer with, beside those that every path can.
    pub fn fails(mut self, kinds: &[&'static Kind]) -> Self {
        for kind in kinds {
            let (status, text) = (kind.status().to_string(), kind.text());
            match self.answers.get_mut(&status).and_then(|answer| answer.get_mut("description")) {
                Some(Value::String(before)) if !before.contains(&text) => *before += &format!("; {text}"),
                Some(_) => {}
                None => {
                    let schema = json!({ "$ref": "#/components/schemas/Problem" });
                    let content = json!({ "application/problem+json": { "schema": schema } });
                    self.answers.insert(status, json!({ "description": text, "content": content }));
                }
            }
        }
        self
    }

    /// The parameters that are in the path.
    fn path_parameters(mut self, path: &str) -> Self {
        let documents = path.starts_with("/documents") || path.starts_with("/reviews");
        for name in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
            let schema = match name {
                "id" if documents => json!(self.schemas.read.subschema_for::<crate::document::DocumentId>()),
                "id" => json!({ "type": "string", "pattern": "^[A-Za-z0-9_]{1,100}$" }),
                "page" => json!({ "type": "integer", "minimum": 1, "maximum": u32::MAX }),
                "number" => json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX }),
                _ => json!({ "type": "string", "minLength": 1 }),
            };
            self.parameters.push(json!({ "name": name, "in": "path", "required": true, "schema": schema }));
        }
        self
    }

    fn value(self, method: &Method, path: &str, open: bool) -> Value {
        let words = path.split(['/', '{', '}', '-', '.']).filter(|word| !word.is_empty());
        let id = words.fold(method.as_str().to_ascii_lowercase(), |id, word| format!("{id}_{word}"));
        let security = if open { json!([]) } else { json!([{ "key": [] }, {}]) };
        let mut value = json!({
            "operationId": id,
            "summary": self.summary,
            "parameters": self.parameters,
            "responses": self.answers,
            "security": security,
        });
        if let Some(body) = self.body {
            put(&mut value, "requestBody", body);
        }
        value
    }
}

fn put(object: &mut Value, key: &str, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(key.to_owned(), value);
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        201 => "made",
        202 => "taken; it is done after the answer",
        204 => "done",
        _ => "what was asked for",
    }
}
