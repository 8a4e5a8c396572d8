use super::*;

const SOURCES: Sources = &[
    (
        "Cargo.toml",
        "[workspace.package]\nversion = \"1.2.3\"\n\n[workspace.dependencies]\nserde_json = \"9\"\nserde = { version = \"1\" }\n\n[profile.dev]\n",
    ),
    ("rust-toolchain.toml", "[toolchain]\n"),
    ("LICENSE-MIT", "MIT"),
    (
        "plugins/sdk/Cargo.toml",
        "[package]\nname = \"postrider-connector\"\nversion.workspace = true\n\n[dependencies]\nserde.workspace = true\n\n[dev-dependencies]\nproptest.workspace = true\n\n[lints]\nworkspace = true\n",
    ),
    ("plugins/sdk/src/lib.rs", "//! template-line is not renamed here.\n"),
    ("wit/deps/http.wit", "package postrider:http;\n"),
    ("plugins/template/line/Cargo.toml", "[package]\nname = \"template-line\"\n\n[dependencies]\nsdk = { path = \"../../sdk\" }\n"),
    ("plugins/template/line/src/lib.rs", "use template_line::x;\n"),
    ("plugins/template/rest/src/lib.rs", "use template_rest::x;\n"),
];

fn project(template: Template, sdk: Option<PathBuf>) -> Project {
    Project { name: "my-mail".parse().unwrap(), template, sdk }
}

fn text(directory: &Path, path: &str) -> String {
    fs::read_to_string(directory.join(path)).unwrap()
}

#[test]
fn a_project_has_the_template_and_a_copy_of_the_sdk() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("here");
    let made = project(Template::Line, None).write(SOURCES, &directory).unwrap();
    assert_eq!((made.id.as_str(), made.component), ("my-mail", PathBuf::from("target/wasm32-wasip2/release/my_mail.wasm")));
    assert_eq!(text(&directory, "src/lib.rs"), "use my_mail::x;\n");
    assert!(
        text(&directory, "Cargo.toml")
            .starts_with("[package]\nname = \"my-mail\"\n\n[dependencies]\nsdk = { path = \"sdk\" }\n\n[workspace]\n")
    );
    assert_eq!(text(&directory, "sdk/wit/deps/http.wit"), "package postrider:http;\n");
    assert_eq!(text(&directory, "sdk/src/lib.rs"), "//! template-line is not renamed here.\n");
    assert_eq!(text(&directory, "sdk/LICENSE-MIT"), "MIT");
    let sdk = "[package]\nname = \"postrider-connector\"\nversion = \"1.2.3\"\n\n[dependencies]\nserde = { version = \"1\" }\n";
    assert_eq!(text(&directory, "sdk/Cargo.toml"), sdk);
    assert!(directory.join("rust-toolchain.toml").exists() && directory.join(".gitignore").exists());
}

#[test]
fn a_checkout_s_sdk_is_named_and_not_copied() {
    let folder = tempfile::tempdir().unwrap();
    let sdk = folder.path().join("a \"sdk\"");
    fs::create_dir(&sdk).unwrap();
    let directory = folder.path().join("here");
    let refused = project(Template::Line, Some(sdk.clone())).write(SOURCES, &directory).unwrap_err();
    assert_eq!(refused.kind, Kind::Usage);
    fs::write(sdk.join("Cargo.toml"), "[package]\nname = \"other\"\n").unwrap();
    let refused = project(Template::Line, Some(sdk.clone())).write(SOURCES, &directory).unwrap_err();
    assert!(refused.causes().any(|cause| cause.contains("another package")), "{refused}");
    assert!(!directory.exists(), "what is refused leaves nothing behind");
    fs::write(sdk.join("Cargo.toml"), "[package]\nname = \"postrider-connector\"\n").unwrap();
    project(Template::Line, Some(sdk)).write(SOURCES, &directory).unwrap();
    assert!(text(&directory, "Cargo.toml").contains(r#"/a \"sdk\"" }"#), "{}", text(&directory, "Cargo.toml"));
    assert!(!directory.join("sdk").exists());
}

#[test]
fn nothing_is_written_over() {
    let folder = tempfile::tempdir().unwrap();
    for there in [folder.path().join("folder"), folder.path().join("file")] {
        if there.ends_with("folder") {
            fs::create_dir(&there).unwrap();
        } else {
            fs::write(&there, "mine").unwrap();
        }
        let refused = project(Template::Rest, None).write(SOURCES, &there).unwrap_err();
        assert_eq!(refused.kind, Kind::Usage);
        assert!(refused.remedy.as_deref().is_some_and(|remedy| remedy.contains("--directory")), "{refused}");
    }
    assert_eq!(fs::read_dir(folder.path().join("folder")).unwrap().count(), 0);
    let refused = project(Template::Rest, None).write(SOURCES, &folder.path().join("no/such")).unwrap_err();
    assert_eq!(refused.kind, Kind::Usage);
}

#[test]
fn names_are_those_that_cargo_and_manifests_take() {
    for good in ["a", "my-mail", "imap4rev2", "a1-b2"] {
        assert_eq!(good.parse::<ProjectName>().unwrap().as_str(), good);
    }
    let long = "a".repeat(65);
    for bad in ["", "1mail", "-a", "a-", "a--b", "My", "my_mail", "a.b", "a b", "../a", "ä", &long] {
        assert!(matches!(bad.parse::<ProjectName>(), Err(ProjectNameError::Bad(_))), "{bad}");
    }
    for reserved in ["test", "async", "serde", "postrider-connector"] {
        let error = reserved.parse::<ProjectName>().unwrap_err();
        assert!(error.to_string().contains(&format!("`{reserved}-mail`")), "{error}");
    }
}

#[test]
fn every_file_is_carried() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let embedded = fs::read_to_string(root.join("plugins/template/embedded.rs")).unwrap();
    let mut missing = Vec::new();
    for folder in ["plugins/sdk/src", "wit/deps", "plugins/template/line", "plugins/template/rest"] {
        for file in files(&root.join(folder)) {
            let path = file.strip_prefix(&root).unwrap().to_str().unwrap();
            if !embedded.contains(&format!("    \"{path}\",\n")) {
                missing.push(path.to_owned());
            }
        }
    }
    assert!(missing.is_empty(), "missing in `plugins/template/embedded.rs`: {missing:#?}");
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
