//! The OpenAPI description of the public routes, generated from the types of their answers.

use axum::Json;
use schemars::JsonSchema;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value, json};

use super::BASE;
use super::accounts::CloudAccount;
use super::concurrent::DailyConcurrentUsage;
use super::images::MachineImage;
use super::instances::Instance;
use super::page::Page;
use super::sysconfig::Sysconfig;

/// `GET /openapi.json`, without authentication.
pub(super) async fn get() -> Json<Value> {
    Json(document())
}

/// A public route.
struct Route {
    path: &'static str,
    operation: &'static str,
    description: &'static str,
    parameters: &'static [&'static str],
    answer: fn(&mut SchemaGenerator) -> Value,
    /// Only administrators of the organization may ask.
    admin: bool,
}

const ROUTES: [Route; 8] = [
    Route {
        path: "/accounts/",
        operation: "listCloudAccounts",
        description: "List cloud accounts.",
        parameters: &["limit", "offset"],
        answer: schema::<Page<CloudAccount>>,
        admin: true,
    },
    Route {
        path: "/accounts/{id}/",
        operation: "retrieveCloudAccount",
        description: "One cloud account.",
        parameters: &["id"],
        answer: schema::<CloudAccount>,
        admin: true,
    },
    Route {
        path: "/instances/",
        operation: "listInstances",
        description: "List instances.",
        parameters: &["limit", "offset", "running_since"],
        answer: schema::<Page<Instance>>,
        admin: true,
    },
    Route {
        path: "/instances/{id}/",
        operation: "retrieveInstance",
        description: "One instance.",
        parameters: &["id", "running_since"],
        answer: schema::<Instance>,
        admin: true,
    },
    Route {
        path: "/images/",
        operation: "listMachineImages",
        description: "List images that instances were launched from.",
        parameters: &["limit", "offset", "architecture", "status"],
        answer: schema::<Page<MachineImage>>,
        admin: true,
    },
    Route {
        path: "/images/{id}/",
        operation: "retrieveMachineImage",
        description: "One image.",
        parameters: &["id", "architecture", "status"],
        answer: schema::<MachineImage>,
        admin: true,
    },
    Route {
        path: "/sysconfig/",
        operation: "listSysconfigViewSets",
        description: "The account to trust and the policy it needs.",
        parameters: &[],
        answer: schema::<Sysconfig>,
        admin: false,
    },
    Route {
        path: "/concurrent/",
        operation: "listDailyConcurrentUsages",
        description: "The highest number of RHEL instances that ran at once, each day (UTC).",
        parameters: &["limit", "offset", "start_date", "end_date"],
        answer: schema::<Page<DailyConcurrentUsage>>,
        admin: true,
    },
];

/// Parameters whose values can be refused.
const CHECKED: [&str; 3] = ["status", "running_since", "start_date"];

/// The OpenAPI 3.0 document.
pub fn document() -> Value {
    let mut schemas = SchemaSettings::openapi3().into_generator();
    let paths: Map<String, Value> = ROUTES
        .iter()
        .map(|route| {
            let operation = operation(route, &(route.answer)(&mut schemas));
            (route.path.to_owned(), json!({ "get": operation }))
        })
        .collect();
    json!({
        "openapi": "3.0.2",
        "info": {"title": "Cloudigrade public API v2", "version": env!("CARGO_PKG_VERSION")},
        "servers": [{"url": BASE}],
        "security": [{"identity": []}],
        "paths": paths,
        "components": {
            "schemas": schemas.take_definitions(true),
            "securitySchemes": {"identity": {
                "type": "apiKey", "in": "header", "name": "X-RH-IDENTITY",
                "description": "Base64 of JSON: {\"identity\": {\"org_id\": \"…\", \"user\": {\"is_org_admin\": true}}}",
            }},
        },
    })
}

fn schema<T: JsonSchema>(schemas: &mut SchemaGenerator) -> Value {
    schemas.subschema_for::<T>().to_value()
}

fn parameter(name: &str) -> Value {
    let (place, description, schema) = match name {
        "id" => ("path", "Its number", json!({"type": "string"})),
        "limit" => (
            "query",
            "Entries of a page: 10 if not given, 1000 at most",
            json!({"type": "integer"}),
        ),
        "offset" => ("query", "Entries to skip", json!({"type": "integer"})),
        "running_since" => (
            "query",
            "Only instances that have run without interruption since then",
            json!({"type": "string"}),
        ),
        "status" => (
            "query",
            "Only images in this state",
            json!({"type": "string", "enum": ["pending", "preparing", "inspecting", "inspected", "error", "unavailable"]}),
        ),
        "start_date" => (
            "query",
            "First day; yesterday if not given",
            json!({"type": "string", "format": "date"}),
        ),
        "end_date" => (
            "query",
            "Day after the last; today if not given",
            json!({"type": "string", "format": "date"}),
        ),
        _ => (
            "query",
            "Only images for this architecture",
            json!({"type": "string"}),
        ),
    };
    json!({"name": name, "in": place, "required": place == "path", "description": description, "schema": schema})
}

fn operation(route: &Route, answer: &Value) -> Value {
    let parameters: Vec<Value> = route
        .parameters
        .iter()
        .map(|name| parameter(name))
        .collect();
    let failure = |description: &str| json!({"description": description, "content": {"application/json": {"schema": {"type": "object"}}}});
    let mut responses = Map::new();
    responses.insert(
        "200".into(),
        json!({"description": "", "content": {"application/json": {"schema": answer}}}),
    );
    let checked = route.parameters.iter().any(|name| CHECKED.contains(name));
    let failures = [
        (
            checked,
            "400",
            "A parameter is invalid; the body says which and why",
        ),
        (true, "401", "No valid identity or key"),
        (
            route.admin,
            "403",
            "Not an administrator of the organization",
        ),
        (
            route.parameters.contains(&"id"),
            "404",
            "There is none with this id",
        ),
        (true, "429", "Too many requests at once"),
        (true, "503", "The database does not answer, or not in time"),
    ];
    for (_, status, description) in failures.into_iter().filter(|(applies, ..)| *applies) {
        responses.insert(status.into(), failure(description));
    }
    json!({"operationId": route.operation, "description": route.description, "tags": ["api-v2"], "parameters": parameters, "responses": responses})
}
