//! One property of a settings schema: what it may be made of, what it takes, and how a text becomes its value.

use serde_json::{Map, Value, json};

use super::SchemaError;

/// Keywords taken for one setting.
const KEYWORDS: &[&str] = &[
    "title",
    "description",
    "type",
    "default",
    "examples",
    "enum",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "pattern",
    "items",
    "minItems",
    "maxItems",
    "uniqueItems",
];

pub(super) fn check_keywords(at: &str, schema: &Map<String, Value>, allowed: &[&str]) -> Result<(), SchemaError> {
    match schema.keys().find(|key| !allowed.contains(&key.as_str())) {
        Some(key) => Err(SchemaError {
            at: format!("{at}.{}", shorten(key)),
            wrong: format!(
                "is not taken here: settings are a flat subset of JSON Schema, and these keywords are it: {}",
                allowed.join(", ")
            ),
        }),
        None => Ok(()),
    }
}

pub(super) fn check_property(name: &str, property: &Value) -> Result<(), SchemaError> {
    let at = format!("settings.properties.{}", shorten(name));
    let wrong = |wrong: &str| Err(SchemaError { at: at.clone(), wrong: wrong.to_owned() });
    let in_set = name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-');
    if !in_set || !name.starts_with(|c: char| c.is_ascii_lowercase()) || name.len() > 64 {
        return wrong("is no name for a setting: 1 to 64 characters of a-z, 0-9 and '-', a letter first");
    }
    let Some(keywords) = property.as_object() else { return wrong("must be an object") };
    check_keywords(&at, keywords, KEYWORDS)?;
    match keywords.get("type").and_then(Value::as_str) {
        Some("string" | "integer" | "number" | "boolean") => {
            if keywords.contains_key("items") {
                wrong("is no list, and cannot have `items`")
            } else {
                Ok(())
            }
        }
        Some("array") => check_items(&at, keywords.get("items")),
        _ => wrong("needs a `type`: string, integer, number, boolean or array"),
    }
}

fn check_items(at: &str, items: Option<&Value>) -> Result<(), SchemaError> {
    let at = format!("{at}.items");
    let Some(items) = items.and_then(Value::as_object) else {
        return Err(SchemaError { at, wrong: "must be an object: what the list is made of".to_owned() });
    };
    check_keywords(&at, items, KEYWORDS)?;
    match items.get("type").and_then(Value::as_str) {
        Some("string" | "integer" | "number" | "boolean") => Ok(()),
        _ => Err(SchemaError { at, wrong: "needs a `type`: string, integer, number or boolean".to_owned() }),
    }
}

/// What a setting takes, in words.
pub(super) fn takes(property: &Value) -> String {
    if let Some(options) = property.get("enum").and_then(Value::as_array) {
        let options: Vec<String> = options.iter().map(|option| format!("`{}`", plain(option))).collect();
        return format!("one of {}", options.join(", "));
    }
    let ends = |least: &str, most: &str, unit: &str| match (property.get(least), property.get(most)) {
        (Some(least), Some(most)) => format!(" {}{least} to {most}{unit}", if unit.is_empty() { "from " } else { "of " }),
        (Some(least), None) => format!(" of at least {least}{unit}"),
        (None, Some(most)) => format!(" of at most {most}{unit}"),
        (None, None) => String::new(),
    };
    match property.get("type").and_then(Value::as_str) {
        Some("integer") => format!("a whole number{}", ends("minimum", "maximum", "")),
        Some("number") => format!("a number{}", ends("minimum", "maximum", "")),
        Some("boolean") => "true or false".to_owned(),
        Some("array") => {
            let of = property.get("items").map_or_else(String::new, takes);
            format!("a list{}, each {of}", ends("minItems", "maxItems", " elements"))
        }
        _ => {
            let pattern =
                property.get("pattern").and_then(Value::as_str).map_or_else(String::new, |pattern| format!(" that matches `{pattern}`"));
            format!("text{}{pattern}", ends("minLength", "maxLength", " characters"))
        }
    }
}

/// `text` in the type of `property`; none where it is not of that type.
pub(super) fn coerce(property: &Value, text: &str) -> Option<Value> {
    match property.get("type")?.as_str()? {
        "integer" => text.parse::<i64>().map(Value::from).or_else(|_| text.parse::<u64>().map(Value::from)).ok(),
        "number" => text.parse::<f64>().ok().and_then(serde_json::Number::from_f64).map(Value::Number),
        "boolean" => match text {
            "true" | "yes" | "on" => Some(Value::Bool(true)),
            "false" | "no" | "off" => Some(Value::Bool(false)),
            _ => None,
        },
        "array" if text.is_empty() => Some(json!([])),
        "array" => {
            let items = property.get("items")?;
            text.split(',').map(|element| coerce(items, element.trim())).collect::<Option<Vec<_>>>().map(Value::Array)
        }
        _ => Some(Value::from(text)),
    }
}

/// A value without the quotes of a text.
pub(super) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The first 80 characters, with control characters escaped.
pub(super) fn shorten(text: &str) -> String {
    let mut short: String =
        text.chars().take(80).flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect();
    if text.chars().nth(80).is_some() {
        short.push_str("..");
    }
    short
}
