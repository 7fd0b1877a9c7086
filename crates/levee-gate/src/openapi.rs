//! The OpenAPI 3.1 document, made from the table of routes and the types' own schemas.

use levee_api::problem::Problem;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::routes::{Handler, Idempotency, Input, ROUTES, Route, Signature, UserHeader};
use crate::serve::CSV;

const ABOUT: &str = "Money is an integer `*_minor` in the campaign's ISO 4217 currency. Instants \
    are RFC 3339 in UTC with milliseconds; durations in requests are ISO 8601. Every reply to a \
    write carries `seq`, its place in the journal. A request with an `Idempotency-Key` may be \
    repeated: the same key with the same body is answered the same again, with \
    `Idempotent-Replayed: true`; with another body it is refused. Keys are remembered for 72 \
    hours. Errors are RFC 9457 problem documents with a stable `code`.";

/// Whose answers carry the `ETag` of a document, beside those that need `If-Match`.
const TAGGED: [Handler; 4] =
    [Handler::GetCampaign, Handler::CreateCampaign, Handler::PutOutlet, Handler::GetOutlet];

/// The whole document.
pub(crate) fn document() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    let mut generator = settings.into_generator();
    generator.subschema_for::<Problem>();

    let mut paths = Map::new();
    for route in ROUTES {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.as_str().to_ascii_lowercase()] = operation(route, &mut generator);
    }
    let schemas = generator.take_definitions(true);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Levee",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "key": {
                    "type": "http", "scheme": "bearer",
                    "description": "A key made by `levee key create`; its role decides what it allows.",
                },
                "signature": {
                    "type": "apiKey", "in": "header", "name": "webhook-signature",
                    "description": "After Standard Webhooks, with `webhook-id` and `webhook-timestamp`: \
                        HMAC-SHA256 of `id.timestamp.body` with the secret that both sides have.",
                },
            },
        },
    })
}

fn operation(route: &Route, generator: &mut SchemaGenerator) -> Value {
    let roles: Vec<&str> = route.roles.iter().map(|role| role.name()).collect();
    let mut operation = json!({
        "operationId": operation_id(route.handler),
        "summary": route.summary,
        "tags": [tag(route)],
        "responses": responses(route, generator),
    });
    if roles.is_empty() {
        let signed = route.signature == Signature::Needed;
        operation["security"] = if signed { json!([{"signature": []}]) } else { json!([]) };
    } else {
        let either = route.signature == Signature::InsteadOfKey;
        let both = json!([{"key": []}, {"signature": []}]);
        operation["security"] = if either { both } else { json!([{"key": []}]) };
        let level = route.level_note().map_or(String::new(), |note| format!(" {note}"));
        operation["description"] = json!(format!("Roles: {}.{level}", roles.join(", ")));
    }
    let parameters = parameters(route);
    if !parameters.is_empty() {
        operation["parameters"] = Value::Array(parameters);
    }
    let content_type = match route.input {
        Input::Nothing => return operation,
        Input::Json { .. } | Input::OptionalJson { .. } | Input::Signed { .. } => {
            "application/json"
        }
        Input::Ndjson | Input::NdjsonOrCsv => "application/x-ndjson",
    };
    if let Some(request) = route.request {
        operation["requestBody"] = json!({
            "required": !matches!(route.input, Input::OptionalJson { .. }),
            "content": {content_type: {"schema": request(generator)}},
        });
        if route.input == Input::NdjsonOrCsv {
            let about = "A header row that names fields, `pos.url` for a field within one, and a \
                row for each document; `;` between the parts of a list, JSON in `menu`.";
            operation["requestBody"]["content"][CSV] =
                json!({"schema": {"type": "string", "description": about}});
        }
    }
    operation
}

fn parameters(route: &Route) -> Vec<Value> {
    let mut parameters = Vec::new();
    let header = |name: &str, required: bool, about: &str, len_max: u32| {
        json!({
            "name": name, "in": "header", "required": required, "description": about,
            "schema": {"type": "string", "minLength": 1, "maxLength": len_max},
        })
    };
    if let Some(name) = route.path.split(['{', '}']).nth(1) {
        let is_chosen =
            ["/v1/campaigns/", "/v1/outlets/"].iter().any(|of| route.path.starts_with(of));
        let schema = if is_chosen {
            json!({"type": "string", "pattern": "^[a-z0-9-]{1,64}$"})
        } else {
            json!({"type": "string", "minLength": 1})
        };
        parameters.push(json!({
            "name": name, "in": "path", "required": true, "schema": schema,
        }));
    }
    for param in route.query {
        let schema = match param.range {
            Some((least, most)) => json!({"type": "integer", "minimum": least, "maximum": most}),
            None => json!({"type": "string", "minLength": 1}),
        };
        parameters.push(json!({
            "name": param.name, "in": "query", "required": false, "description": param.about,
            "schema": schema,
        }));
    }
    let about = match route.idempotency {
        Idempotency::Unused => None,
        Idempotency::Needed => Some((true, "Makes a repeat of this request harmless.")),
        Idempotency::ByTerms => Some((false, "Needed where a user may have several vouchers.")),
    };
    if let Some((required, about)) = about {
        parameters.push(header("Idempotency-Key", required, about, 255));
    }
    if route.if_match {
        parameters.push(header("If-Match", true, "The ETag of the document to replace.", 64));
    }
    match route.user_header {
        UserHeader::Unused => {}
        UserHeader::Needed => {
            parameters.push(header("Levee-User", true, "The app's id of the user.", 128));
        }
        UserHeader::NeededOfApps => {
            let about = "The app's id of the user; needed with an app's key.";
            parameters.push(header("Levee-User", false, about, 128));
        }
    }
    if route.signature == Signature::InsteadOfKey {
        let about = "With a signature: whose it is.";
        parameters.push(header("Levee-Outlet", false, about, 64));
    }
    parameters
}

fn responses(route: &Route, generator: &mut SchemaGenerator) -> Value {
    let mut responses = Map::new();
    let mut good = json!({"description": "Good."});
    let content_type = route.reply_type.split(';').next().unwrap_or(route.reply_type);
    let schema = route.reply.map_or(json!({}), |reply| json!(reply(generator)));
    good["content"] = json!({content_type: {"schema": schema}});
    if route.if_match || TAGGED.contains(&route.handler) {
        good["headers"] = json!({
            "ETag": {"description": "The document's version.", "schema": {"type": "string"}},
        });
    }
    let repeat = match route.handler {
        Handler::Claim => Some("The same again, for a user who has it already."),
        Handler::PutOutlet => {
            Some("It was there before: its document was replaced, or is the same.")
        }
        _ => None,
    };
    if let Some(about) = repeat {
        let mut repeat = good.clone();
        repeat["description"] = json!(about);
        responses.insert("200".to_owned(), repeat);
    }
    if route.handler == Handler::Ready {
        let mut not = good.clone();
        not["description"] = json!("Not ready.");
        responses.insert("503".to_owned(), not);
    }
    responses.insert(route.status.to_string(), good);

    let codes = route.all_codes();
    let mut statuses: Vec<u16> = codes.iter().map(|code| code.status()).collect();
    statuses.dedup();
    for status in statuses {
        let of_status = || codes.iter().filter(|code| code.status() == status);
        let names: Vec<&str> = of_status().map(|code| code.as_str()).collect();
        let about: Vec<String> =
            of_status().map(|code| format!("`{}`: {}", code.as_str(), code.title())).collect();
        let problem = json!({
            "description": about.join(" "),
            "content": {"application/problem+json": {"schema": {
                "allOf": [
                    {"$ref": "#/components/schemas/Problem"},
                    {"properties": {"code": {"enum": names}}},
                ],
            }}},
        });
        responses.insert(status.to_string(), problem);
    }
    Value::Object(responses)
}

/// `ListCampaigns` as `list_campaigns`.
fn operation_id(handler: Handler) -> String {
    let name = format!("{handler:?}");
    let mut id = String::new();
    for (place, letter) in name.char_indices() {
        if letter.is_uppercase() && place > 0 {
            id.push('_');
        }
        id.push(letter.to_ascii_lowercase());
    }
    id
}

pub(crate) fn tag(route: &Route) -> &'static str {
    match route.path.split('/').nth(2) {
        Some("campaigns") if route.path.contains("/claims") => "Claims",
        Some("campaigns") => "Campaigns",
        Some("vouchers" | "locks" | "wallet") => "Vouchers",
        Some("redemptions") => "Redemptions",
        Some("outlets") if route.path.contains("/tickets") => "Tickets",
        Some("outlets") => "Outlets",
        Some("orders") => "Orders",
        Some("payments") => "Payments",
        Some("tickets") => "Tickets",
        Some("intake") => "Intake",
        _ => "Watching",
    }
}
