//! The import table of ARCHITECTURE.md, held by reading every `crate::` path in the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Modules of the base: plain data that everyone may import.
const BASE: [&str; 5] = ["model", "fault", "limits", "secret", "clock"];

#[test]
fn imports_keep_to_the_table() {
    let table = table();
    let mut broken = Vec::new();
    for file in sources(&Path::new(ROOT).join("src")) {
        let relative = file.strip_prefix(Path::new(ROOT).join("src")).unwrap();
        let module = relative.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        if ["lib", "main", "layers"].contains(&module) {
            continue;
        }
        let allowed = table.get(module).unwrap_or_else(|| panic!("`{module}` has no row in ARCHITECTURE.md's import table"));
        let text = fs::read_to_string(&file).unwrap();
        for import in imports(&text) {
            if import != module && !allowed.contains(&import) {
                broken.push(format!("{}: `{module}` imports `{import}`", relative.display()));
            }
        }
    }
    assert!(broken.is_empty(), "against the import table of ARCHITECTURE.md:\n{}", broken.join("\n"));
}

#[test]
fn sockets_sled_and_wasmtime_have_one_owner_each() {
    let mut broken = Vec::new();
    for file in sources(&Path::new(ROOT).join("src")) {
        let relative = file.strip_prefix(Path::new(ROOT).join("src")).unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&file).unwrap();
        // In two halves, so that this file does not name them.
        for (name, owner) in [(concat!("Tcp", "Stream"), "net"), (concat!("sled", "::"), "store"), (concat!("wasmtime", "::"), "connector")]
        {
            let in_code = text.lines().map(str::trim_start).filter(|line| !line.starts_with("//")).any(|line| line.contains(name));
            if in_code && !relative.starts_with(owner) {
                broken.push(format!("{relative} names `{name}`, which belongs to `{owner}`"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// A table that names tests which do not exist promises what nobody checks.
#[test]
fn every_test_that_the_tables_of_attacks_name_exists() {
    let root = Path::new(ROOT).join("..");
    let security = fs::read_to_string(root.join("SECURITY.md")).unwrap();
    let files: Vec<_> = [root.join("host/src"), root.join("tests/e2e")].iter().flat_map(|folder| sources(folder)).collect();
    let text: String = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let mut modules = BTreeSet::new();
    for file in &files {
        modules.extend(file.components().filter_map(|part| Some(part.as_os_str().to_str()?.trim_end_matches(".rs").to_owned())));
    }
    let has_module = |module: &str| modules.contains(module);
    let (mut named, mut missing) = (0, Vec::new());
    for row in security.lines().filter(|line| line.starts_with('|')) {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let Some(tests) = cells.get(2) else { continue };
        for test in tests.split('`').skip(1).step_by(2) {
            named += 1;
            let parts: Vec<_> = test.split("::").collect();
            let exists = match parts.as_slice() {
                // All tests of a module.
                [.., module, "tests"] => has_module(module),
                [test] if test.contains('/') => root.join(test).exists(),
                [.., test] => text.contains(&format!("fn {test}(")) || has_module(test),
                [] => false,
            };
            if !exists {
                missing.push(test.to_owned());
            }
        }
    }
    assert!(named > 30, "{named} tests are named");
    assert!(missing.is_empty(), "SECURITY.md names tests that do not exist: {missing:?}");
}

/// "| `net` | base, `connector` |" rows under the heading "Import table".
fn table() -> BTreeMap<String, BTreeSet<String>> {
    let text = fs::read_to_string(Path::new(ROOT).join("../ARCHITECTURE.md")).unwrap();
    let section = text.split("## Import table").nth(1).expect("ARCHITECTURE.md has an import table");
    let section = section.split("\n## ").next().unwrap();
    let mut table = BTreeMap::new();
    for row in section.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let mut allowed: BTreeSet<String> = cells[1].split('`').skip(1).step_by(2).map(str::to_owned).collect();
        if cells[1].starts_with("the base") {
            allowed.extend(BASE.map(str::to_owned));
        }
        for module in cells[0].split('`').skip(1).step_by(2) {
            table.insert(module.to_owned(), allowed.clone());
        }
    }
    table
}

/// The first segment of every path that begins at the crate, groups included.
fn imports(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for after in text.split("crate::").skip(1) {
        if let Some(group) = after.strip_prefix('{') {
            let group = group.split('}').next().unwrap();
            found.extend(group.split(',').map(|part| part.trim().split("::").next().unwrap().to_owned()).filter(|name| !name.is_empty()));
        } else {
            found.insert(after.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect());
        }
    }
    found
}

fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}
