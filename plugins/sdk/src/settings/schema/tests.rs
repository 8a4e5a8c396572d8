#![expect(dead_code, reason = "the types are described, not read")]

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::*;

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default)]
struct Everything {
    /// A number
    /// over two lines.
    #[schemars(range(min = 1, max = 9))]
    bounded: u64,
    octet: u8,
    signed: i32,
    size: usize,
    ratio: f64,
    is_on: bool,
    #[schemars(length(min = 1, max = 80), regex(pattern = "^[a-z]*$"))]
    text: String,
    #[schemars(length(max = 3), inner(length(max = 64)))]
    list: Vec<String>,
    perhaps: Option<u16>,
    /// How
    plain: Plain,
    /// How.
    told: Told,
    either: Option<Told>,
}

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Plain {
    OneWay,
    Other,
}

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Told {
    /// In a hurry.
    Fast,
    /// With "care"
    Careful,
    Unsaid,
}

impl Default for Everything {
    fn default() -> Self {
        Self {
            bounded: 2,
            octet: 3,
            signed: -4,
            size: 5,
            ratio: 0.5,
            is_on: true,
            text: "word".to_owned(),
            list: Vec::new(),
            perhaps: None,
            plain: Plain::OneWay,
            told: Told::Fast,
            either: None,
        }
    }
}

#[test]
fn everything_becomes_flat() {
    let about = "`fast`: In a hurry; `careful`: With \"care\"";
    // schemars puts variants without a comment together, and first.
    let choices = json!(["unsaid", "fast", "careful"]);
    let expected = json!({
        "bounded": { "description": "A number over two lines", "type": "integer", "minimum": 1, "maximum": 9, "default": 2 },
        "octet": { "type": "integer", "minimum": 0, "maximum": 255, "default": 3 },
        "signed": { "type": "integer", "minimum": -2_147_483_648_i64, "maximum": 2_147_483_647, "default": -4 },
        "size": { "type": "integer", "minimum": 0, "maximum": 4_294_967_295_u32, "default": 5 },
        "ratio": { "type": "number", "default": 0.5 },
        "is-on": { "type": "boolean", "default": true },
        "text": { "type": "string", "minLength": 1, "maxLength": 80, "pattern": "^[a-z]*$", "default": "word" },
        "list": { "type": "array", "items": { "type": "string", "maxLength": 64 }, "maxItems": 3, "default": [] },
        "perhaps": { "type": "integer", "minimum": 0, "maximum": 65535 },
        "plain": { "description": "How", "type": "string", "enum": ["one-way", "other"], "default": "one-way" },
        "told": { "description": format!("How. {about}"), "type": "string", "enum": choices, "default": "fast" },
        "either": { "description": about, "type": "string", "enum": choices },
    });
    assert_eq!(schema::<Everything>().unwrap(), json!({ "type": "object", "properties": expected }));
}

#[test]
fn the_block_is_toml_of_the_same() {
    let block = manifest_block::<Everything>().unwrap();
    assert!(block.contains(
        "\n[settings.properties.list]\ntype = \"array\"\nitems = { type = \"string\", maxLength = 64 }\nmaxItems = 3\ndefault = []\n"
    ));
    assert!(block.contains(r#"description = "`fast`: In a hurry; `careful`: With \"care\"""#), "{block}");
    assert!(block.starts_with("[settings]\ntype = \"object\"\n\n[settings.properties.bounded]\n"));
}

#[test]
fn what_must_be_set_is_required() {
    #[derive(Deserialize, JsonSchema)]
    struct Needs {
        mailbox: String,
    }
    #[derive(Deserialize, JsonSchema)]
    struct Nothing {}
    assert!(manifest_block::<Needs>().unwrap().starts_with("[settings]\ntype = \"object\"\nrequired = [\"mailbox\"]\n"));
    assert_eq!(manifest_block::<Nothing>().unwrap(), "[settings]\ntype = \"object\"\n");
}

#[test]
fn what_a_manifest_cannot_say_is_refused_by_name() {
    #[derive(Deserialize, JsonSchema)]
    struct Snake {
        two_words: u8,
    }
    #[derive(Deserialize, JsonSchema)]
    struct Inner {
        value: u8,
    }
    #[derive(Deserialize, JsonSchema)]
    struct Nested {
        inner: Inner,
    }
    #[derive(Deserialize, JsonSchema)]
    struct Mapped {
        map: BTreeMap<String, u8>,
    }
    #[derive(Deserialize, JsonSchema)]
    struct Lists {
        lists: Vec<Vec<u8>>,
    }
    #[derive(Deserialize, JsonSchema)]
    enum Variants {
        Of(u8),
        And { this: u8 },
    }
    #[derive(Deserialize, JsonSchema)]
    struct Varied {
        variants: Variants,
    }
    #[derive(Default, Deserialize, JsonSchema)]
    enum Mute {
        #[default]
        One,
    }
    #[derive(Default, Deserialize, JsonSchema)]
    #[serde(default)]
    struct Untold {
        mute: Mute,
    }
    let refused = |result: Result<Value, SchemaError>| result.unwrap_err().to_string();
    assert!(refused(schema::<Snake>()).contains("`two_words` has a name"));
    assert!(refused(schema::<Nested>()).contains("`inner` is no text"));
    assert!(refused(schema::<Mapped>()).contains("`map` is no text"));
    assert!(refused(schema::<Lists>()).contains("`lists` is a list of lists"));
    assert!(refused(schema::<Varied>()).contains("`variants` has variants with fields"));
    assert!(refused(schema::<Untold>()).contains("`mute` has a default that cannot be told"));
    assert!(refused(schema::<u8>()).contains("is no struct"));
    assert!(refused(schema::<Variants>()).contains("is no struct"));
}
