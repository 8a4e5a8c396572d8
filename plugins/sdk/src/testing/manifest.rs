//! Holds the settings in `connector.toml` to the connector's own type.

use std::fs;
use std::path::Path;

use schemars::JsonSchema;

use crate::settings::manifest_block;

/// With this variable set, [`check_manifest`] writes what it would ask for.
const UPDATE: &str = "POSTRIDER_UPDATE_MANIFEST";

/// Hold the `[settings]` of the manifest at `path` to the type `T`: they must be the [`manifest_block`] of it, to the octet. Run the test with
/// `POSTRIDER_UPDATE_MANIFEST=1` to have it written, in its place or at the end.
///
/// ```
/// # let folder = std::env::temp_dir().join(format!("postrider-manifest-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let path = folder.join("connector.toml");
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Settings {
///     /// The name of the mailbox
///     mailbox: String,
/// }
///
/// std::fs::write(&path, r#"format = 1
/// id = "mine"
///
/// [settings]
/// type = "object"
/// required = ["mailbox"]
///
/// [settings.properties.mailbox]
/// description = "The name of the mailbox"
/// type = "string"
/// "#)?;
/// // In a connector: `concat!(env!("CARGO_MANIFEST_DIR"), "/connector.toml")`.
/// postrider_connector::testing::check_manifest::<Settings>(&path);
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Panics
/// Where they differ, saying what belongs there; where the type cannot be described, or the file not be read.
pub fn check_manifest<T: JsonSchema>(path: impl AsRef<Path>) {
    let path = path.as_ref();
    let block = manifest_block::<T>().unwrap_or_else(|error| panic!("no manifest can describe these settings: {error}"));
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{} cannot be read: {error}", path.display()));
    let wanted = with_settings(&text, &block);
    if wanted == text {
        return;
    }
    if std::env::var_os(UPDATE).is_some() {
        fs::write(path, wanted).unwrap_or_else(|error| panic!("{} cannot be written: {error}", path.display()));
        return;
    }
    panic!("{} does not say what the type says. Run the test with {UPDATE}=1, or put this there:\n\n{block}", path.display());
}

/// `text` with `block` as all that it says of settings.
fn with_settings(text: &str, block: &str) -> String {
    let (mut before, mut after, mut is_within, mut is_found) = (String::new(), String::new(), false, false);
    for line in text.lines() {
        if line.starts_with('[') {
            is_within = line.starts_with("[settings]") || line.starts_with("[settings.");
            is_found |= is_within;
        }
        if !is_within {
            let side = if is_found { &mut after } else { &mut before };
            side.push_str(line);
            side.push('\n');
        }
    }
    let before = before.trim_end();
    let after = after.trim();
    let first = if before.is_empty() { String::new() } else { format!("{before}\n\n") };
    let last = if after.is_empty() { String::new() } else { format!("\n{after}\n") };
    format!("{first}{block}{last}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: &str = "[settings]\ntype = \"object\"\n";

    #[test]
    fn settings_are_put_in_their_place_or_at_the_end() {
        let old = "id = \"a\"\n\n[settings]\ntype = \"object\"\n\n[settings.properties.old]\ntype = \"string\"\n\n[oauth]\ntoken = \"t\"\n";
        let new = with_settings(old, BLOCK);
        assert_eq!(new, format!("id = \"a\"\n\n{BLOCK}\n[oauth]\ntoken = \"t\"\n"));
        assert_eq!(with_settings(&new, BLOCK), new, "what is right stays as it is");
        assert_eq!(with_settings("id = \"a\"\n", BLOCK), format!("id = \"a\"\n\n{BLOCK}"));
        assert_eq!(with_settings("", BLOCK), BLOCK);
    }

    #[derive(schemars::JsonSchema)]
    #[expect(dead_code, reason = "described, not read")]
    struct Settings {
        mailbox: String,
    }

    #[test]
    #[should_panic(expected = "does not say what the type says")]
    fn a_manifest_that_says_something_else_is_refused() {
        check_manifest::<Settings>(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
    }
}
