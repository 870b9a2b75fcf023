//! The description of the public routes, made from the types that they answer with.

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

/// Nobody needs to be known to read it.
pub(super) async fn show() -> Json<Value> {
    Json(document())
}

/// One parameter of a route.
struct Parameter {
    name: &'static str,
    place: &'static str,
    description: &'static str,
    schema: Value,
}

/// The OpenAPI 3.0 document.
pub fn document() -> Value {
    let mut schemas = SchemaSettings::openapi3().into_generator();
    let mut paths = Map::new();
    let page = || {
        vec![
            query(
                "limit",
                "Entries of a page: 10 if not said, 1000 at most",
                json!({"type": "integer"}),
            ),
            query("offset", "Entries to pass over", json!({"type": "integer"})),
        ]
    };
    let id = || Parameter {
        name: "id",
        place: "path",
        description: "Number of it",
        schema: json!({"type": "string"}),
    };
    let running_since = || {
        query(
            "running_since",
            "Only what has run without interruption since then",
            json!({"type": "string"}),
        )
    };
    let of_images = || {
        vec![
            query(
                "architecture",
                "Only images for this architecture",
                json!({"type": "string"}),
            ),
            query(
                "status",
                "Only images that have come this far",
                json!({"type": "string", "enum": ["pending", "preparing", "inspecting", "inspected", "error", "unavailable"]}),
            ),
        ]
    };
    let date = |name, description| {
        query(
            name,
            description,
            json!({"type": "string", "format": "date"}),
        )
    };

    let mut add = |path: &str,
                   operation: &str,
                   about: &str,
                   parameters: Vec<Parameter>,
                   answer: Value,
                   known: bool| {
        paths.insert(
            path.into(),
            json!({"get": route(operation, about, &parameters, &answer, known)}),
        );
    };
    add(
        "/accounts/",
        "listCloudAccounts",
        "List cloud accounts.",
        page(),
        answer::<Page<CloudAccount>>(&mut schemas),
        true,
    );
    add(
        "/accounts/{id}/",
        "retrieveCloudAccount",
        "One cloud account.",
        vec![id()],
        answer::<CloudAccount>(&mut schemas),
        true,
    );
    add(
        "/instances/",
        "listInstances",
        "List instances.",
        [page(), vec![running_since()]].concat_all(),
        answer::<Page<Instance>>(&mut schemas),
        true,
    );
    add(
        "/instances/{id}/",
        "retrieveInstance",
        "One instance.",
        vec![id(), running_since()],
        answer::<Instance>(&mut schemas),
        true,
    );
    add(
        "/images/",
        "listMachineImages",
        "List images that instances were launched from.",
        [page(), of_images()].concat_all(),
        answer::<Page<MachineImage>>(&mut schemas),
        true,
    );
    add(
        "/images/{id}/",
        "retrieveMachineImage",
        "One image.",
        [vec![id()], of_images()].concat_all(),
        answer::<MachineImage>(&mut schemas),
        true,
    );
    add(
        "/sysconfig/",
        "listSysconfigViewSets",
        "What a customer needs to set up an account.",
        Vec::new(),
        answer::<Sysconfig>(&mut schemas),
        false,
    );
    let days = vec![
        date("start_date", "First day; yesterday if not said"),
        date("end_date", "Day after the last; today if not said"),
    ];
    add(
        "/concurrent/",
        "listDailyConcurrentUsages",
        "The highest number of RHEL instances that ran at once, each day (UTC).",
        [page(), days].concat_all(),
        answer::<Page<DailyConcurrentUsage>>(&mut schemas),
        true,
    );
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

fn query(name: &'static str, description: &'static str, schema: Value) -> Parameter {
    Parameter {
        name,
        place: "query",
        description,
        schema,
    }
}

fn answer<T: JsonSchema>(schemas: &mut SchemaGenerator) -> Value {
    schemas.subschema_for::<T>().to_value()
}

fn route(
    operation: &str,
    about: &str,
    parameters: &[Parameter],
    answer: &Value,
    known: bool,
) -> Value {
    let parameters: Vec<Value> = parameters
        .iter()
        .map(|p| json!({"name": p.name, "in": p.place, "required": p.place == "path", "description": p.description, "schema": p.schema}))
        .collect();
    let has_id = parameters.iter().any(|parameter| parameter["in"] == "path");
    let filtered = parameters.iter().any(|parameter| {
        ["status", "running_since", "start_date"]
            .iter()
            .any(|name| parameter["name"] == *name)
    });
    let failure = |about: &str| json!({"description": about, "content": {"application/json": {"schema": {"type": "object"}}}});
    let mut responses = Map::new();
    responses.insert(
        "200".into(),
        json!({"description": "", "content": {"application/json": {"schema": answer}}}),
    );
    responses.insert("401".into(), failure("Who asks is not known"));
    responses.insert("429".into(), failure("Too many requests at once"));
    responses.insert(
        "503".into(),
        failure("The database does not answer, or not in time"),
    );
    if known {
        responses.insert(
            "403".into(),
            failure("Who asks is no administrator of the organization"),
        );
    }
    if has_id {
        responses.insert("404".into(), failure("There is none with this id"));
    }
    if filtered {
        responses.insert(
            "400".into(),
            failure("A parameter makes no sense; the body says which and why"),
        );
    }
    json!({"operationId": operation, "description": about, "tags": ["api-v2"], "parameters": parameters, "responses": responses})
}

/// Lists put together.
trait ConcatAll<T> {
    fn concat_all(self) -> Vec<T>;
}

impl<T, const N: usize> ConcatAll<T> for [Vec<T>; N] {
    fn concat_all(self) -> Vec<T> {
        self.into_iter().flatten().collect()
    }
}
