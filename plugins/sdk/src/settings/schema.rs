//! From a type to the schema of a manifest: what schemars makes of it, brought into the flat subset that a host takes
//! (texts, numbers, booleans, and lists of these).

use std::fmt::Write as _;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// Keywords that go into the manifest, in its order.
const KEYWORDS: &[&str] = &[
    "title",
    "description",
    "type",
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
    "default",
    "examples",
];

/// A type that a manifest cannot describe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaError {
    /// The setting.
    pub setting: String,
    /// What is wrong with it, and what to do about it.
    pub wrong: String,
}

impl std::fmt::Display for SchemaError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the setting `{}` {}", self.setting, self.wrong)
    }
}

impl std::error::Error for SchemaError {}

/// The JSON Schema of `T` as a manifest has it: a flat object. Descriptions are the documentation comments, names, defaults and enums are serde's,
/// ranges are `#[schemars(range(..))]`, `#[schemars(length(..))]` and those of the number's type (`usize` has 32 bits in a component).
///
/// ```
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Settings {
///     /// The name of the mailbox
///     mailbox: String,
/// }
///
/// let schema = postrider_connector::settings::schema::<Settings>()?;
/// assert_eq!(schema["required"][0], "mailbox");
/// # Ok::<(), postrider_connector::settings::SchemaError>(())
/// ```
///
/// # Errors
/// A setting that is no text, number, boolean or list of these, that has a name other than a manifest takes, or that has a default which cannot be
/// told.
pub fn schema<T: JsonSchema>() -> Result<Value, SchemaError> {
    let made =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true).into_generator().into_root_schema_for::<T>();
    let required: Vec<Value> = made.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    let Some(given) = made.get("properties").and_then(Value::as_object) else {
        let is_object = made.get("type").is_some_and(|kind| kind == "object");
        return if is_object {
            Ok(json!({ "type": "object", "properties": {} }))
        } else {
            Err(wrong(T::schema_name().as_ref(), "is no struct with named fields"))
        };
    };
    let mut properties = Map::new();
    for (name, property) in given {
        check_name(name)?;
        let is_required = required.iter().any(|required| required == name);
        properties.insert(name.clone(), self::property(name, property, is_required)?);
    }
    let mut schema = Map::new();
    schema.insert("type".to_owned(), Value::from("object"));
    if !required.is_empty() {
        schema.insert("required".to_owned(), Value::Array(required));
    }
    schema.insert("properties".to_owned(), Value::Object(properties));
    Ok(Value::Object(schema))
}

/// The [`schema`] of `T` as it stands in `connector.toml`; the same type gives the same text.
///
/// # Errors
/// As for [`schema`].
pub fn manifest_block<T: JsonSchema>() -> Result<String, SchemaError> {
    let schema = schema::<T>()?;
    let mut block = "[settings]\ntype = \"object\"\n".to_owned();
    if let Some(required) = schema.get("required") {
        // Writing to a text does not fail.
        let _ = writeln!(block, "required = {}", toml(required));
    }
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let _ = writeln!(block, "\n[settings.properties.{name}]");
        for (keyword, value) in property.as_object().into_iter().flatten() {
            let _ = writeln!(block, "{keyword} = {}", toml(value));
        }
    }
    Ok(block)
}

fn wrong(setting: &str, wrong: impl Into<String>) -> SchemaError {
    SchemaError { setting: setting.to_owned(), wrong: wrong.into() }
}

fn check_name(name: &str) -> Result<(), SchemaError> {
    let in_set = name.bytes().all(|octet| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-');
    if in_set && name.starts_with(|first: char| first.is_ascii_lowercase()) && name.len() <= 64 {
        Ok(())
    } else {
        Err(wrong(
            name,
            "has a name that a manifest does not take (a-z, 0-9 and '-'): put `#[serde(rename_all = \"kebab-case\")]` on the struct",
        ))
    }
}

/// One setting in the manifest's subset.
fn property(name: &str, given: &Value, is_required: bool) -> Result<Value, SchemaError> {
    let given = given.as_object().ok_or_else(|| wrong(name, "may be anything: give it a type"))?;
    let mut given = given.clone();
    let is_optional = take_null(&mut given);
    let flat = flatten(name, given)?;
    if !is_required && !is_optional && !flat.contains_key("default") {
        return Err(wrong(name, "has a default that cannot be told: derive `Serialize` for its type"));
    }
    Ok(in_order(&flat))
}

/// Take "or null" off, which is how schemars describes an `Option`; whether it was there.
fn take_null(given: &mut Map<String, Value>) -> bool {
    let mut was_there = false;
    if let Some(Value::Array(kinds)) = given.get("type") {
        let kinds: Vec<Value> = kinds.iter().filter(|kind| *kind != "null").cloned().collect();
        was_there = true;
        if let [kind] = kinds.as_slice() {
            given.insert("type".to_owned(), kind.clone());
        }
    }
    if let Some(Value::Array(choices)) = given.get("anyOf") {
        let choices: Vec<Value> = choices.iter().filter(|choice| choice.get("type").is_none_or(|kind| kind != "null")).cloned().collect();
        if let [Value::Object(choice)] = choices.as_slice() {
            was_there = true;
            given.remove("anyOf");
            for (keyword, value) in choice.clone() {
                given.entry(keyword).or_insert(value);
            }
        }
    }
    if let Some(Value::Array(options)) = given.get_mut("enum") {
        options.retain(|option| !option.is_null());
    }
    if given.get("default").is_some_and(Value::is_null) {
        given.remove("default");
    }
    was_there
}

/// The keywords of one schema in the subset.
fn flatten(name: &str, mut given: Map<String, Value>) -> Result<Map<String, Value>, SchemaError> {
    merge_variants(name, &mut given)?;
    if let Some(format) = given.remove("format") {
        bound(&mut given, format.as_str().unwrap_or_default());
    }
    if let Some(text) = given.get_mut("description") {
        *text = Value::from(sentence(text.as_str().unwrap_or_default()));
    }
    match given.get("type").and_then(Value::as_str) {
        Some("string" | "integer" | "number" | "boolean") => {}
        Some("array") => {
            let items = given
                .get("items")
                .and_then(Value::as_object)
                .cloned()
                .ok_or_else(|| wrong(name, "is a list of anything: give it a type"))?;
            let mut items = flatten(name, items)?;
            if items.get("type").is_some_and(|kind| kind == "array") {
                return Err(wrong(name, "is a list of lists, which a manifest cannot describe"));
            }
            items.shift_remove("description");
            given.insert("items".to_owned(), in_order(&items));
        }
        _ => return Err(wrong(name, "is no text, number, boolean or list of these, which is all that a manifest can describe")),
    }
    match given.keys().find(|keyword| !KEYWORDS.contains(&keyword.as_str())) {
        Some(keyword) => Err(wrong(name, format!("has the keyword `{keyword}`, which a manifest does not take"))),
        None => Ok(given),
    }
}

/// An enum whose variants have comments is described as one constant each: make a list of them, and one description.
fn merge_variants(name: &str, given: &mut Map<String, Value>) -> Result<(), SchemaError> {
    let Some(Value::Array(variants)) = given.remove("oneOf") else { return Ok(()) };
    let (mut options, mut about) = (Vec::new(), Vec::new());
    for variant in &variants {
        // Variants without a comment stand together.
        let several = variant.get("enum").and_then(Value::as_array).cloned();
        let values = several.or_else(|| Some(vec![variant.get("const")?.clone()]));
        let values = values.ok_or_else(|| wrong(name, "has variants with fields, which a manifest cannot describe"))?;
        if let (Some(text), [value]) = (variant.get("description").and_then(Value::as_str), values.as_slice()) {
            about.push(format!("`{}`: {}", value.as_str().unwrap_or_default(), sentence(text)));
        }
        options.extend(values);
    }
    given.insert("type".to_owned(), Value::from("string"));
    given.insert("enum".to_owned(), Value::Array(options));
    if !about.is_empty() {
        let before = given.get("description").and_then(Value::as_str).map(|text| format!("{}. ", sentence(text))).unwrap_or_default();
        given.insert("description".to_owned(), Value::from(before + &about.join("; ")));
    }
    Ok(())
}

/// The bounds of a number's type, where nothing closer is said.
fn bound(given: &mut Map<String, Value>, format: &str) {
    let (least, most) = match format {
        "int8" => (i64::from(i8::MIN), Some(i64::from(i8::MAX))),
        "int16" => (i64::from(i16::MIN), Some(i64::from(i16::MAX))),
        "int32" | "int" => (i64::from(i32::MIN), Some(i64::from(i32::MAX))),
        "uint8" => (0, Some(i64::from(u8::MAX))),
        "uint16" => (0, Some(i64::from(u16::MAX))),
        "uint32" | "uint" => (0, Some(i64::from(u32::MAX))),
        "uint64" => (0, None),
        _ => return,
    };
    given.entry("minimum").or_insert(Value::from(least));
    if let Some(most) = most {
        given.entry("maximum").or_insert(Value::from(most));
    }
}

/// A documentation comment as one line without its last full stop, as listings of settings want it.
fn sentence(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.strip_suffix('.').map(str::to_owned).unwrap_or(line)
}

fn in_order(given: &Map<String, Value>) -> Value {
    Value::Object(KEYWORDS.iter().filter_map(|keyword| Some(((*keyword).to_owned(), given.get(*keyword)?.clone()))).collect())
}

/// A value as TOML 1.0 writes it; texts, numbers, booleans and lists look as in JSON.
fn toml(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields: Vec<String> = fields.iter().map(|(key, value)| format!("{key} = {}", toml(value))).collect();
            format!("{{ {} }}", fields.join(", "))
        }
        Value::Array(values) => format!("[{}]", values.iter().map(toml).collect::<Vec<_>>().join(", ")),
        // Not allowed as it is in a TOML text (section "String"), but in a JSON one (RFC 8259 section 7).
        Value::String(text) => json!(text).to_string().replace('\u{7f}', "\\u007f"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
