//! The settings that a connector takes: a flat subset of JSON Schema (draft 2020-12), so that the command line and a form
//! can be made of it, and so that a stranger's schema cannot make the host compute for long.

mod property;

use std::fmt;

use jsonschema::PatternOptions;
use jsonschema::error::ValidationErrorKind;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use self::property::{check_keywords, check_property, coerce, shorten, takes};
use crate::fault::{Fault, Kind};

/// Octets of one account's settings, as JSON.
pub const SETTINGS_OCTETS: usize = 64 << 10;

/// Settings that one connector may have.
const SETTINGS: usize = 100;

/// Octets that the compiled form of a `pattern` may take.
const PATTERN_OCTETS: usize = 1 << 20;

/// Keywords taken at the top.
const TOP_KEYWORDS: &[&str] = &["$schema", "title", "description", "type", "properties", "required", "additionalProperties"];

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

#[cfg(test)]
mod tests;
