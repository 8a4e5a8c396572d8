//! Which of the server's folders this account has: patterns as people write them for files, and roles.

use std::collections::BTreeMap;

use postrider_connector::types::Folder;

/// A folder's role is meant, not its path: `role:junk`.
const ROLE: &str = "role:";

/// What an operator chose.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    include: Vec<Pattern>,
    exclude: Vec<Pattern>,
    roles: Vec<(Pattern, String)>,
}

/// One pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    Role(String),
    /// The names of a path, from the root down.
    Path(Vec<String>),
}

impl Selection {
    /// Folders that match one of `include` (none: all) and none of `exclude`. `roles`: `PATTERN=role` for servers that do not tell roles.
    #[must_use]
    pub fn new(include: &[String], exclude: &[String], roles: &[String]) -> Self {
        let patterns = |texts: &[String]| texts.iter().map(|text| Pattern::new(text)).collect();
        let roles = roles.iter().filter_map(|text| text.rsplit_once('=')).map(|(pattern, role)| (Pattern::new(pattern), role.to_owned()));
        Self { include: patterns(include), exclude: patterns(exclude), roles: roles.collect() }
    }

    /// Those of `folders` that the account has, in their order, with the roles that the operator gives. The number beside a folder: how many names of
    /// its path are the personal namespace's.
    #[must_use]
    pub fn choose(&self, mut folders: Vec<(Folder, usize)>) -> Vec<Folder> {
        for (folder, root) in &mut folders {
            if let Some((_, role)) = self.roles.iter().find(|(pattern, _)| pattern.is_of(folder, *root, Extent::Itself)) {
                folder.role = Some(role.clone());
            }
        }
        let with_role = folders.iter().filter_map(|(folder, _)| Some((folder.path.clone(), folder.role.clone()?)));
        let extent = Extent::Below(&with_role.collect());
        let is_named = |patterns: &[Pattern], folder: &Folder, root| patterns.iter().any(|pattern| pattern.is_of(folder, root, extent));
        folders.retain(|(folder, root)| {
            (self.include.is_empty() || is_named(&self.include, folder, *root)) && !is_named(&self.exclude, folder, *root)
        });
        folders.into_iter().map(|(folder, _)| folder).collect()
    }
}

/// How far a pattern reaches.
#[derive(Debug, Clone, Copy)]
enum Extent<'a> {
    /// The folder that it describes.
    Itself,
    /// What lies below it as well; with the roles of paths.
    Below(&'a BTreeMap<Vec<String>, String>),
}

impl Pattern {
    fn new(text: &str) -> Self {
        match text.strip_prefix(ROLE) {
            Some(role) => Self::Role(role.to_ascii_lowercase()),
            None => Self::Path(text.trim_matches('/').split('/').map(str::to_owned).collect()),
        }
    }

    fn is_of(&self, folder: &Folder, root: usize, extent: Extent<'_>) -> bool {
        match (self, extent) {
            (Self::Role(role), Extent::Itself) => folder.role.as_ref() == Some(role),
            (Self::Role(role), Extent::Below(roles)) => {
                (1..=folder.path.len()).any(|length| folder.path.get(..length).and_then(|path| roles.get(path)) == Some(role))
            }
            (Self::Path(names), extent) => {
                let below = matches!(extent, Extent::Below(_));
                // `INBOX.Sent` is `Sent` to people whose server puts everything below the inbox.
                let inner = folder.path.get(root..).filter(|inner| root > 0 && !inner.is_empty());
                is_described(names, &folder.path, below) || inner.is_some_and(|path| is_described(names, path, below))
            }
        }
    }
}

/// Whether `path` is what `names` describes, or with `below` lies below it.
fn is_described(names: &[String], path: &[String], below: bool) -> bool {
    match names.split_first() {
        None => below || path.is_empty(),
        Some((first, rest)) if first == "**" => {
            (0..=path.len()).any(|skipped| is_described(rest, path.get(skipped..).unwrap_or_default(), below))
        }
        Some((first, rest)) => path.split_first().is_some_and(|(name, inner)| is_like(first, name) && is_described(rest, inner, below)),
    }
}

/// Whether `name` is what `pattern` describes: `*` is any text, `?` any character. INBOX is the same in any case (RFC 9051 section 5.1).
fn is_like(pattern: &str, name: &str) -> bool {
    if pattern.eq_ignore_ascii_case("INBOX") && name.eq_ignore_ascii_case("INBOX") {
        return true;
    }
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    // The place in `name`, and where to go on when the last `*` has to take one character more.
    let (mut at, mut of, mut star) = (0, 0, None);
    while let Some(character) = name.get(at) {
        match pattern.get(of) {
            Some('*') => {
                star = Some((at, of));
                of += 1;
            }
            Some(wanted) if *wanted == '?' || wanted == character => (at, of) = (at + 1, of + 1),
            _ => match star {
                Some((taken, place)) => {
                    star = Some((taken + 1, place));
                    (at, of) = (taken + 1, place + 1);
                }
                None => return false,
            },
        }
    }
    pattern.get(of..).is_none_or(|rest| rest.iter().all(|&character| character == '*'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn folder(path: &str, role: Option<&str>) -> Folder {
        let names = path.split('/').map(str::to_owned).collect();
        Folder { id: path.to_owned(), path: names, role: role.map(str::to_owned), selectable: true, extra: Vec::new() }
    }

    fn takes(include: &[&str], exclude: &[&str], path: &str, role: Option<&str>, root: usize) -> bool {
        let owned = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
        !Selection::new(&owned(include), &owned(exclude), &[]).choose(vec![(folder(path, role), root)]).is_empty()
    }

    #[test]
    fn patterns_are_what_people_expect() {
        for (pattern, path, is_meant) in [
            ("Archive", "Archive", true),
            ("Archive", "Archive/2024/June", true),
            ("Archive", "Archives", false),
            ("Archive", "Old/Archive", false),
            ("**/Archive", "Old/Archive/2024", true),
            ("Archive/*", "Archive", false),
            ("Archive/*", "Archive/2024", true),
            ("Archive/20??", "Archive/2024", true),
            ("Archive/20??", "Archive/20245", false),
            ("Lists/*-dev", "Lists/rust-dev", true),
            ("Lists/*-dev", "Lists/rust-devs", false),
            ("Lists/**/2024", "Lists/a/b/2024", true),
            ("*", "x", true),
            ("inbox", "INBOX", true),
            ("sent", "Sent", false),
            ("/Sent/", "Sent", true),
            ("Entwürf?", "Entwürfe", true),
            ("role:junk", "Spam", false),
        ] {
            assert_eq!(takes(&[pattern], &[], path, None, 0), is_meant, "{pattern} {path}");
            assert_eq!(takes(&[], &[pattern], path, None, 0), !is_meant, "not {pattern} {path}");
        }
    }

    #[test]
    fn roles_and_the_inboxs_own_folders_are_meant_too() {
        assert!(takes(&["role:Junk"], &[], "Spam", Some("junk"), 0));
        assert!(!takes(&[], &["role:junk", "role:trash"], "Deleted", Some("trash"), 0));
        assert!(!takes(&["INBOX", "Archive"], &["Archive/2019"], "Archive/2019", None, 0));
        assert!(takes(&["Sent"], &[], "INBOX/Sent", None, 1) && takes(&["INBOX/Sent"], &[], "INBOX/Sent", None, 1));
        assert!(!takes(&["Sent"], &[], "INBOX", None, 1));
    }

    #[test]
    fn an_operator_gives_roles() {
        let selection = Selection::new(&[], &["role:junk".into()], &["Spam=junk".into(), "a=b=sent".into(), "nonsense".into()]);
        let folders =
            ["INBOX/Spam/old", "INBOX/Spam", "a=b", "a=b/c", "Spam2"].map(|path| (folder(path, None), usize::from(path.len() > 9)));
        let chosen: Vec<_> = selection.choose(folders.to_vec()).into_iter().map(|folder| (folder.id, folder.role)).collect();
        assert_eq!(chosen, [("a=b".into(), Some("sent".into())), ("a=b/c".into(), None), ("Spam2".into(), None)]);
    }

    proptest! {
        #[test]
        fn a_pattern_is_the_regular_expression_that_it_looks_like(pattern in "[ab*?]{0,8}", name in "[ab]{0,10}") {
            fn slow(pattern: &[char], name: &[char]) -> bool {
                match pattern.split_first() {
                    None => name.is_empty(),
                    Some(('*', rest)) => (0..=name.len()).any(|at| slow(rest, &name[at..])),
                    Some((first, rest)) => name.split_first().is_some_and(|(one, more)| (*first == '?' || first == one) && slow(rest, more)),
                }
            }
            let (p, n): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
            prop_assert_eq!(is_like(&pattern, &name), slow(&p, &n));
        }
    }
}
