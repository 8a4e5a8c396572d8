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
    let given =
        pairs(&[("folders", "INBOX, Sent"), ("folders", "Bin"), ("window-days", "7"), ("mode", "fast"), ("peek", "yes"), ("ratio", "0.5")]);
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
