//! `/docs`: the same table for reading, as one page that needs nothing from elsewhere.

use std::fmt::Write;

use levee_api::problem::Code;
use serde_json::Value;

use crate::openapi::tag;
use crate::routes::{Idempotency, ROUTES, Route, Signature};

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;\
    padding:0 1rem;color:#1b2733;background:#fff}code,.p{font-family:ui-monospace,monospace}\
    h2{margin-top:3rem;border-bottom:1px solid #ccd}h3{margin:2rem 0 .3rem}\
    table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;\
    padding:.25rem .75rem .25rem 0;border-bottom:1px solid #e4e8ee}.m{font-weight:700;\
    color:#0b5cad}.q{color:#5a6b7b}a{color:#0b5cad}\
    @media(prefers-color-scheme:dark){body{color:#dde5ee;background:#12181f}\
    td,th,h2{border-color:#2a3644}.m,a{color:#7ab8ff}.q{color:#9aabbc}}";

/// The page, from the OpenAPI document and the table that it was made from.
pub(crate) fn page(openapi: &Value) -> String {
    let mut html = String::with_capacity(128 * 1024);
    let about = openapi["info"]["description"].as_str().unwrap_or("");
    // Writing to a string cannot fail.
    let _ = write!(
        html,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>Levee: the HTTP interface</title><style>{STYLE}</style></head><body>\
         <h1>Levee: the HTTP interface</h1><p>{}</p><p>For programs: \
         <a href=\"/openapi.json\">/openapi.json</a>.</p><nav><ul>",
        text(about)
    );
    for route in ROUTES {
        let _ = write!(
            html,
            "<li><a href=\"#{}\"><span class=\"m\">{}</span> <span class=\"p\">{}</span></a> \
             <span class=\"q\">{}</span></li>",
            anchor(route),
            route.method,
            route.path,
            text(route.summary)
        );
    }
    html += "<li><a href=\"#types\">Types</a></li><li><a href=\"#errors\">Error codes</a></li>\
             </ul></nav>";
    let mut last = "";
    for route in ROUTES {
        if tag(route) != last {
            last = tag(route);
            let _ = write!(html, "<h2>{last}</h2>");
        }
        put_route(&mut html, route, openapi);
    }
    put_types(&mut html, openapi);
    put_errors(&mut html);
    html + "</body></html>"
}

fn anchor(route: &Route) -> String {
    let path = route.path.replace(['/', '{', '}'], "-");
    format!("{}{path}", route.method.as_str().to_ascii_lowercase())
}

fn put_route(html: &mut String, route: &Route, openapi: &Value) {
    let method = route.method.as_str();
    let operation = &openapi["paths"][route.path][method.to_ascii_lowercase()];
    let roles: Vec<&str> = route.roles.iter().map(|role| role.name()).collect();
    let roles = match (route.signature, roles.is_empty()) {
        (Signature::Needed, _) => "signed, no key needed".to_owned(),
        (Signature::InsteadOfKey, _) => format!("{}, or signed", roles.join(", ")),
        (Signature::Unused, true) => "no key needed".to_owned(),
        (Signature::Unused, false) => roles.join(", "),
    };
    let _ = write!(
        html,
        "<h3 id=\"{}\"><span class=\"m\">{method}</span> <span class=\"p\">{}</span></h3>\
         <p>{}. <span class=\"q\">({roles})</span></p><table>",
        anchor(route),
        route.path,
        text(route.summary)
    );
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let of = |name: &str| text(parameter[name].as_str().unwrap_or(""));
        let need = if parameter["required"] == true { "required" } else { "optional" };
        let _ = write!(
            html,
            "<tr><th>{} <code>{}</code></th><td>{need}. {}</td></tr>",
            of("in"),
            of("name"),
            of("description")
        );
    }
    let body = &operation["requestBody"];
    put_content(html, "body", if body["required"] == true { "" } else { "optional " }, body);
    for (status, response) in operation["responses"].as_object().into_iter().flatten() {
        if status.starts_with('2') {
            put_content(html, status, "", response);
        }
    }
    let codes: Vec<String> = route
        .all_codes()
        .iter()
        .map(|code| format!("<a href=\"#{0}\"><code>{0}</code></a>", code.as_str()))
        .collect();
    let _ = write!(html, "<tr><th>errors</th><td>{}</td></tr></table>", codes.join(" "));
    if let Some(note) = route.level_note() {
        let _ = write!(html, "<p class=\"q\">{}</p>", text(&note));
    }
    if route.idempotency == Idempotency::Needed {
        *html += "<p class=\"q\">May be repeated under the same Idempotency-Key.</p>";
    }
}

fn put_content(html: &mut String, name: &str, need: &str, of: &Value) {
    for (content_type, content) in of["content"].as_object().into_iter().flatten() {
        let _ = write!(
            html,
            "<tr><th>{name}</th><td>{need}<code>{content_type}</code> {}</td></tr>",
            kind(&content["schema"])
        );
    }
}

fn put_types(html: &mut String, openapi: &Value) {
    *html += "<h2 id=\"types\">Types</h2>";
    for (name, schema) in openapi["components"]["schemas"].as_object().into_iter().flatten() {
        let _ = write!(
            html,
            "<h3 id=\"type-{name}\" class=\"p\">{name}</h3><p>{}</p>",
            text(schema["description"].as_str().unwrap_or(""))
        );
        let Some(fields) = schema["properties"].as_object() else {
            let _ = write!(html, "<p>{}</p>", kind(schema));
            continue;
        };
        *html += "<table>";
        for (field, of) in fields {
            let required = schema["required"].as_array().into_iter().flatten();
            let need =
                if required.into_iter().any(|name| name == field) { "" } else { "optional " };
            let _ = write!(
                html,
                "<tr><th><code>{field}</code></th><td>{need}{}</td><td>{}</td></tr>",
                kind(of),
                text(of["description"].as_str().unwrap_or(""))
            );
        }
        *html += "</table>";
    }
}

fn put_errors(html: &mut String) {
    *html += "<h2 id=\"errors\">Error codes</h2><table>";
    for code in Code::ALL {
        let _ = write!(
            html,
            "<tr id=\"{0}\"><th><code>{0}</code></th><td>{1}</td><td>{2}</td></tr>",
            code.as_str(),
            code.status(),
            text(code.title())
        );
    }
    *html += "</table>";
}

/// A schema in a few words.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return format!("<a href=\"#type-{name}\">{name}</a>");
    }
    if let Some(any) = schema["anyOf"].as_array().or_else(|| schema["oneOf"].as_array()) {
        let kinds: Vec<String> = any.iter().map(kind).collect();
        return kinds.join(" or ");
    }
    if let Some(only) = schema["const"].as_str() {
        return format!("<code>{}</code>", text(only));
    }
    if let Some(values) = schema["enum"].as_array() {
        let values = values.iter().filter_map(Value::as_str);
        let values: Vec<String> =
            values.map(|value| format!("<code>{}</code>", text(value))).collect();
        return values.join(" ");
    }
    if schema["items"].is_object() {
        return format!("list of {}", kind(&schema["items"]));
    }
    let name = match &schema["type"] {
        Value::String(name) => name.clone(),
        Value::Array(names) => {
            let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
            names.join(" or ")
        }
        _ => String::new(),
    };
    let format = schema["format"].as_str().map_or(String::new(), |format| format!(" ({format})"));
    text(&(name + &format))
}

fn text(raw: &str) -> String {
    raw.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
