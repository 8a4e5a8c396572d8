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
    let tests = [tests_below(&root.join("host/src")), tests_below(&root.join("tests/e2e"))].concat();
    assert!(tests.len() > 300, "{} tests are found in the sources", tests.len());
    let (mut rows, mut named, mut missing) = (0, 0, Vec::new());
    for row in security.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        // The table of components is held by the compiler, and has no column for tests.
        let Some(cell) = cells.get(2).filter(|cell| **cell != "test") else { continue };
        let names: Vec<_> = cell.split('`').skip(1).step_by(2).collect();
        rows += 1;
        named += names.len();
        if names.is_empty() {
            missing.push(format!("a test in the row of: {}", cells[0]));
        }
        for name in names {
            let is_there = if name.contains('/') {
                root.join(name).exists()
            } else {
                // One test, or all of a module.
                let (whole, end, inside) = (format!("{name}::"), format!("::{name}"), format!("::{name}::"));
                tests.iter().any(|test| test == name || test.ends_with(&end) || test.starts_with(&whole) || test.contains(&inside))
            };
            if !is_there {
                missing.push(name.to_owned());
            }
        }
    }
    assert!(rows > 40 && named > rows, "{rows} rows name {named} tests");
    assert!(missing.is_empty(), "SECURITY.md names what does not exist: {missing:#?}");
}

/// The path of every test below `folder`, from its outermost module.
fn tests_below(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for file in sources(folder) {
        let relative = file.strip_prefix(folder).unwrap().with_extension("");
        let modules = relative.iter().map(|part| part.to_str().unwrap().to_owned()).filter(|part| part != "mod");
        // Where a module stands in its file is seen by how far in it is written.
        let mut path: Vec<(usize, String)> = modules.map(|module| (0, module)).collect();
        let is_attribute = |line: &str| line == "#[test]" || line.starts_with("#[tokio::test");
        let mut is_test = false;
        for line in fs::read_to_string(&file).unwrap().lines() {
            let (words, depth) = (line.trim_start(), line.len() - line.trim_start().len());
            if let Some(module) = words.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(" {")) {
                path.retain(|(outer, _)| *outer <= depth);
                path.push((depth + 1, module.to_owned()));
            } else if is_attribute(words) {
                is_test = true;
            } else if let (true, Some((_, rest))) = (is_test, words.split_once("fn ")) {
                let name = rest.split('(').next().unwrap().to_owned();
                let modules = path.iter().filter(|(outer, _)| *outer <= depth).map(|(_, module)| module.clone());
                found.push(modules.chain([name]).collect::<Vec<_>>().join("::"));
                is_test = false;
            }
        }
    }
    found
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
