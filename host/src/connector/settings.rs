//! The settings that a connector takes: a flat subset of JSON Schema (draft 2020-12), so that the command line and a form
//! can be made of it, and so that a stranger's schema cannot make the host compute for long.

use std::fmt;

use jsonschema::PatternOptions;
use jsonschema::error::ValidationErrorKind;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::fault::{Fault, Kind};

/// Octets of one account's settings, as JSON.
pub const SETTINGS_OCTETS: usize = 64 << 10;

/// Settings that one connector may have.
const SETTINGS: usize = 100;

/// Octets that the compiled form of a `pattern` may take.
const PATTERN_OCTETS: usize = 1 << 20;

/// Keywords taken at the top.
const TOP_KEYWORDS: &[&str] = &["$schema", "title", "description", "type", "properties", "required", "additionalProperties"];

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

/// A JSON Schema of an object whose properties are texts, numbers, booleans, or lists of these. It is always closed: a setting
/// that it does not name is refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SettingsSchema(Value);

impl Default for SettingsSchema {
    fn default() -> Self {
        Self(json!({ "type": "object", "properties": {} }))
    }
}

/// One setting, for listings and forms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Setting {
    /// As written in `--set NAME=VALUE`.
    pub name: String,
    /// What it takes, in words: "a whole number from 1 to 60".
    pub takes: String,
    /// Its title or description.
    pub about: Option<String>,
    /// What holds when it is not set.
    pub default: Option<Value>,
    /// Whether it must be set.
    pub required: bool,
}

/// What is wrong with a schema: the keyword's path and the finding.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{at}` {wrong}")]
pub struct SchemaError {
    /// "settings.properties.folder.type".
    pub at: String,
    /// What is wrong with it.
    pub wrong: String,
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.takes)?;
        match &self.default {
            Some(default) => write!(f, " (default {default})")?,
            None if self.required => write!(f, " (required)")?,
            None => {}
        }
        match &self.about {
            Some(about) => write!(f, "; {about}"),
            None => Ok(()),
        }
    }
}

impl SettingsSchema {
    /// Take over a schema; [`check`](Self::check) says whether it can be used.
    #[must_use]
    pub const fn new(schema: Value) -> Self {
        Self(schema)
    }

    /// The schema itself, for tools that make forms.
    #[must_use]
    pub const fn as_json(&self) -> &Value {
        &self.0
    }

    /// The settings in the schema's order.
    #[must_use]
    pub fn settings(&self) -> Vec<Setting> {
        let required = self.required();
        self.properties()
            .map(|(name, property)| Setting {
                name: name.clone(),
                takes: takes(property),
                about: ["title", "description"].iter().find_map(|key| property.get(*key)?.as_str()).map(str::to_owned),
                default: property.get("default").cloned(),
                required: required.contains(&name.as_str()),
            })
            .collect()
    }

    /// Whether this is a schema within the subset, with defaults that satisfy it.
    ///
    /// # Errors
    /// The first keyword or value outside the subset.
    pub fn check(&self) -> Result<(), SchemaError> {
        let wrong = |at: &str, wrong: &str| Err(SchemaError { at: at.to_owned(), wrong: wrong.to_owned() });
        let Some(top) = self.0.as_object() else { return wrong("settings", "must be an object: a JSON Schema") };
        check_keywords("settings", top, TOP_KEYWORDS)?;
        if top.get("type").is_some_and(|kind| kind != "object") {
            return wrong("settings.type", "must be \"object\"");
        }
        if top.get("additionalProperties").is_some_and(|more| more != false) {
            return wrong("settings.additionalProperties", "can only be false: a mistyped setting must be found");
        }
        if top.get("properties").is_some_and(|properties| !properties.is_object()) {
            return wrong("settings.properties", "must be an object");
        }
        if self.properties().count() > SETTINGS {
            return wrong("settings.properties", &format!("holds more than {SETTINGS} settings"));
        }
        for (name, property) in self.properties() {
            check_property(name, property)?;
        }
        if let Some(name) = self.required().into_iter().find(|name| self.property(name).is_none()) {
            return wrong("settings.required", &format!("names `{name}`, which is not among the properties"));
        }
        let validator =
            self.validator().map_err(|error| SchemaError { at: "settings".to_owned(), wrong: format!("is no JSON Schema: {error}") })?;
        let defaults: Map<String, Value> =
            self.properties().filter_map(|(name, property)| Some((name.clone(), property.get("default")?.clone()))).collect();
        let defaults = Value::Object(defaults);
        let unfit = validator.iter_errors(&defaults).find(|error| !matches!(error.kind(), ValidationErrorKind::Required { .. }));
        match unfit {
            Some(error) => wrong("settings", &format!("has a default that does not fit: {error}")),
            None => Ok(()),
        }
    }

    /// Whether `settings` satisfies the schema.
    ///
    /// # Errors
    /// Kind `misconfigured`, naming every setting that does not fit and what it takes.
    pub fn check_settings(&self, settings: &Value) -> Result<(), Fault> {
        let refuse = |words: String| Err(Fault::new(Kind::Misconfigured, "use these settings").because_words(words));
        if settings.to_string().len() > SETTINGS_OCTETS {
            return refuse(format!("they are over {SETTINGS_OCTETS} octets"));
        }
        if !settings.is_object() {
            return refuse("they are not a JSON object".to_owned());
        }
        let validator = match self.validator() {
            Ok(validator) => validator,
            Err(error) => return refuse(format!("the connector's schema is not one: {error}")),
        };
        let mut findings: Vec<String> = validator.iter_errors(settings).take(8).map(|error| self.finding(&error)).collect();
        // A value that breaks two rules is one finding.
        findings.dedup();
        if findings.is_empty() { Ok(()) } else { refuse(findings.join("; ")) }
    }

    /// Settings from `NAME=VALUE` pairs, each value in the type that the schema names. A list takes its elements
    /// separated by commas, or the pair several times. Only the types are looked at: see [`check_settings`](Self::check_settings).
    ///
    /// # Errors
    /// Kind `usage`: an unknown setting, one set twice, or text that is not of its type.
    pub fn from_pairs(&self, pairs: &[(String, String)]) -> Result<Value, Fault> {
        let mut settings = Map::new();
        for (name, text) in pairs {
            let refuse = |words: String| Fault::new(Kind::Usage, format!("set `{name}`")).because_words(words);
            let property = self.property(name).ok_or_else(|| refuse(self.no_such(name)))?;
            let value = coerce(property, text).ok_or_else(|| refuse(format!("it takes {}: not `{}`", takes(property), shorten(text))))?;
            match (settings.get_mut(name), value) {
                (None, value) => {
                    settings.insert(name.clone(), value);
                }
                (Some(Value::Array(had)), Value::Array(more)) => had.extend(more),
                (Some(_), _) => return Err(refuse("it is set twice".to_owned())),
            }
        }
        Ok(Value::Object(settings))
    }

    fn properties(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.0.get("properties").and_then(Value::as_object).into_iter().flatten()
    }

    fn property(&self, name: &str) -> Option<&Value> {
        self.0.get("properties")?.get(name)
    }

    fn required(&self) -> Vec<&str> {
        self.0.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
    }

    fn validator(&self) -> Result<jsonschema::Validator, jsonschema::ValidationError<'static>> {
        let mut closed = self.0.clone();
        if let Some(top) = closed.as_object_mut() {
            top.insert("additionalProperties".to_owned(), Value::Bool(false));
            top.insert("type".to_owned(), Value::from("object"));
            // Whatever it says, the subset means the same in every draft.
            top.shift_remove("$schema");
        }
        jsonschema::draft202012::options()
            // Linear in the text: a stranger's pattern cannot run for ever.
            .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_OCTETS).dfa_size_limit(PATTERN_OCTETS))
            .build(&closed)
    }

    fn finding(&self, error: &jsonschema::ValidationError<'_>) -> String {
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                unexpected.iter().take(8).map(|name| self.no_such(name)).collect::<Vec<_>>().join("; ")
            }
            ValidationErrorKind::Required { property } => {
                let name = property.as_str().unwrap_or_default();
                let takes = self.property(name).map_or_else(String::new, takes);
                format!("`{name}` must be set: it takes {takes}")
            }
            _ => {
                let path = error.instance_path().to_string();
                let name = path.split('/').nth(1).unwrap_or_default();
                let takes = self.property(name).map_or_else(|| error.to_string(), takes);
                format!("`{name}` takes {takes}: not `{}`", shorten(&error.instance().to_string()))
            }
        }
    }

    fn no_such(&self, name: &str) -> String {
        let names: Vec<String> = self.properties().map(|(name, _)| format!("`{name}`")).collect();
        let known = if names.is_empty() { "this connector has none".to_owned() } else { format!("there are {}", names.join(", ")) };
        format!("there is no setting `{}`: {known}", shorten(name))
    }
}

fn check_keywords(at: &str, schema: &Map<String, Value>, allowed: &[&str]) -> Result<(), SchemaError> {
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

fn check_property(name: &str, property: &Value) -> Result<(), SchemaError> {
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
fn takes(property: &Value) -> String {
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
fn coerce(property: &Value, text: &str) -> Option<Value> {
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
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The first 80 characters, with control characters escaped.
fn shorten(text: &str) -> String {
    let mut short: String =
        text.chars().take(80).flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect();
    if text.chars().nth(80).is_some() {
        short.push_str("..");
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> SettingsSchema {
        SettingsSchema::new(json!({
            "type": "object",
            "properties": {
                "folders": { "type": "array", "items": { "type": "string", "minLength": 1 }, "title": "Folders to receive" },
                "window-days": { "type": "integer", "minimum": 1, "maximum": 3650, "default": 30 },
                "mode": { "type": "string", "enum": ["fast", "careful"] },
                "peek": { "type": "boolean" },
                "ratio": { "type": "number" },
                "tag": { "type": "string", "maxLength": 4, "pattern": "^[a-z]*$" },
            },
            "required": ["mode"],
        }))
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn words(fault: &Fault) -> String {
        fault.causes().collect::<Vec<_>>().join(" / ")
    }

    #[test]
    fn pairs_become_typed_values() {
        let given = pairs(&[
            ("folders", "INBOX, Sent"),
            ("folders", "Bin"),
            ("window-days", "7"),
            ("mode", "fast"),
            ("peek", "yes"),
            ("ratio", "0.5"),
        ]);
        let settings = schema().from_pairs(&given).unwrap();
        assert_eq!(settings, json!({ "folders": ["INBOX", "Sent", "Bin"], "window-days": 7, "mode": "fast", "peek": true, "ratio": 0.5 }));
        schema().check_settings(&settings).unwrap();
    }

    #[test]
    fn a_bad_pair_is_named_with_what_is_allowed() {
        let refused = |name: &str, value: &str| words(&schema().from_pairs(&pairs(&[(name, value)])).unwrap_err());
        assert_eq!(refused("window-days", "soon"), "it takes a whole number from 1 to 3650: not `soon`");
        assert_eq!(refused("peek", "perhaps"), "it takes true or false: not `perhaps`");
        assert_eq!(
            refused("folder", "INBOX"),
            "there is no setting `folder`: there are `folders`, `window-days`, `mode`, `peek`, `ratio`, `tag`"
        );
        let twice = schema().from_pairs(&pairs(&[("mode", "fast"), ("mode", "fast")])).unwrap_err();
        assert_eq!(words(&twice), "it is set twice");
        assert_eq!(twice.kind, Kind::Usage);
    }

    #[test]
    fn settings_are_checked_one_by_one() {
        let refused = |settings: Value| words(&schema().check_settings(&settings).unwrap_err());
        assert_eq!(refused(json!({})), "`mode` must be set: it takes one of `fast`, `careful`");
        assert_eq!(refused(json!({ "mode": "slow" })), "`mode` takes one of `fast`, `careful`: not `\"slow\"`");
        assert_eq!(refused(json!({ "mode": "fast", "window-days": 0 })), "`window-days` takes a whole number from 1 to 3650: not `0`");
        assert_eq!(
            refused(json!({ "mode": "fast", "tag": "ABCDE" })),
            "`tag` takes text of at most 4 characters that matches `^[a-z]*$`: not `\"ABCDE\"`"
        );
        assert!(refused(json!({ "mode": "fast", "color": 1 })).starts_with("there is no setting `color`: there are `folders`"));
        assert_eq!(refused(json!([])), "they are not a JSON object");
    }

    #[test]
    fn only_the_subset_is_a_schema() {
        schema().check().unwrap();
        SettingsSchema::default().check().unwrap();
        for (bad, at) in [
            (json!([]), "settings"),
            (json!({ "type": "array" }), "settings.type"),
            (json!({ "$ref": "https://example.com/schema" }), "settings.$ref"),
            (json!({ "allOf": [] }), "settings.allOf"),
            (json!({ "additionalProperties": true }), "settings.additionalProperties"),
            (json!({ "properties": { "a": { "type": "object" } } }), "settings.properties.a"),
            (json!({ "properties": { "A": { "type": "string" } } }), "settings.properties.A"),
            (json!({ "properties": { "a": { "type": "string", "$ref": "#" } } }), "settings.properties.a.$ref"),
            (json!({ "properties": { "a": { "type": "array", "items": { "type": "array" } } } }), "settings.properties.a.items"),
            (json!({ "properties": { "a": { "type": "integer", "default": "x" } } }), "settings"),
            (json!({ "properties": { "a": { "type": "string", "pattern": "(" } } }), "settings"),
            (json!({ "properties": { "a": { "type": "string", "pattern": "(a{900}){900}" } } }), "settings"),
            (json!({ "required": ["b"] }), "settings.required"),
        ] {
            assert_eq!(SettingsSchema::new(bad.clone()).check().unwrap_err().at, at, "{bad}");
        }
    }

    #[test]
    fn listings_show_what_each_takes() {
        let settings = schema().settings();
        assert_eq!(settings[0].takes, "a list, each text of at least 1 characters");
        assert_eq!(settings[0].about.as_deref(), Some("Folders to receive"));
        assert_eq!(settings[1].default, Some(json!(30)));
        assert!(settings[2].required);
    }
}
