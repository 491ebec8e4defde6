//! The modules of `mirakuru/src` form floors: a module uses modules of lower floors only.

use std::fs;
use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};

/// From top to bottom. The modules of one floor do not use each other.
const FLOORS: &[&[&str]] = &[
    &["__private", "guide"],
    &["services", "shared"],
    &["executor"],
    &["readiness"],
    &["command", "output"],
    &["link", "supervisor"],
    &["port", "run"],
    &["events", "locks", "protocol", "tmpdir"],
    &["error"],
    &["signal"],
    &["sys"],
    &["environment", "limits", "loopback", "paths", "wait"],
];

#[test]
fn no_module_uses_one_of_its_own_floor_or_above() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mirakuru/src");
    let mistakes = mistakes_below(&root, Path::new(""));
    assert!(mistakes.is_empty(), "\n{}", mistakes.join("\n"));
}

#[test]
fn upward_uses_of_every_form_are_reported() {
    let text = "//! crate::shared::A\nuse crate::{sys::{self, B}, wait, r#link::{C, D}};\n\
        pub(in crate::port) fn a(_: crate::executor::E) { b!(crate::run::F, \"crate::shared::G\") }\n\
        use crate::{\n    limits::H, // crate::shared::I\n    shared,\n};\n\
        #[cfg(test)]\nmod tests {\n    use crate::shared::J;\n}\n\
        mod c { use super::d; use super::super::super::readiness::K; }\npub(crate) use crate::L;\n\
        macro_rules! m { () => { $crate::shared::M } }";
    let found = mistakes_in(Path::new("port/a.rs"), text).join("\n");
    let found = found.replace("port/a.rs:", "").replace(": `port` uses", "");
    let expected = "2 `link`\n3 `executor`\n3 `run`\n6 `shared`\n12 `readiness`\n13 `L`";
    assert_eq!(found, expected);
    let unlisted = ["attic.rs:1: `FLOORS` lacks `attic`"];
    assert_eq!(mistakes_in(Path::new("attic.rs"), ""), unlisted);
}

fn mistakes_below(root: &Path, directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(root.join(directory)).expect("a source directory");
    let files = entries.map(|entry| directory.join(entry.expect("an entry").file_name()));
    let mistakes = files.map(|file| match root.join(&file) {
        path if path.is_dir() => mistakes_below(root, &file),
        path if path.extension().is_none_or(|found| found != "rs") => Vec::new(),
        path => mistakes_in(&file, &fs::read_to_string(path).expect("a source file")),
    });
    mistakes.flatten().collect()
}

/// One line for each use that the floors forbid. The crate's root, `lib.rs`, lies above all floors.
fn mistakes_in(file: &Path, text: &str) -> Vec<String> {
    let name = file.display();
    let module = file.iter().next().unwrap_or_default().to_string_lossy();
    let module = module.trim_end_matches(".rs");
    let floor_of = |module: &str| FLOORS.iter().position(|floor| floor.contains(&module));
    let floor = match floor_of(module) {
        Some(floor) => floor,
        None if module == "lib" => return Vec::new(),
        None => return vec![format!("{name}:1: `FLOORS` lacks `{module}`")],
    };
    let depth = file.iter().count() - usize::from(file.ends_with("mod.rs"));
    let mut used = Vec::new();
    collect(text.parse().expect("Rust"), depth, &mut used);
    used.retain(|(_, used)| used != module && floor_of(used).is_none_or(|below| below <= floor));
    let describe = |(line, used)| format!("{name}:{line}: `{module}` uses `{used}`");
    used.into_iter().map(describe).collect()
}

/// The line and the name of each item of the crate's root that these tokens name, by `crate::` or by as many
/// `super::` as their module is deep. Tokens contain no comment, and a text is one literal. Unit tests may use
/// every floor, so modules after `#[cfg(test)]` are skipped.
fn collect(tokens: TokenStream, depth: usize, used: &mut Vec<(usize, String)>) {
    let tokens: Vec<_> = tokens.into_iter().collect();
    let texts: Vec<_> = tokens.iter().map(ToString::to_string).collect();
    let text = |at: usize| texts.get(at).map_or("", String::as_str);
    let mut ups = 0;
    for (at, token) in tokens.iter().enumerate() {
        let steps_up = (text(at + 1), text(at + 2)) == (":", ":");
        match text(at) {
            // A path with `$crate` is the user's, in the expansion of a macro.
            "crate" if steps_up && (at == 0 || text(at - 1) != "$") => ups = depth,
            "super" if steps_up => ups += 1,
            ":" => {}
            _ if ups < depth => ups = 0,
            _ => {
                names_in(token, used);
                ups = 0;
            }
        }
        let is_module = at > 1 && text(at - 2) == "mod";
        let is_test = is_module && at > 2 && text(at - 3).replace(' ', "") == "[cfg(test)]";
        if let TokenTree::Group(group) = token
            && !is_test
        {
            collect(group.stream(), depth + usize::from(is_module), used);
        }
    }
}

/// The first name of each path: `token` is a name, or the braces around several.
fn names_in(token: &TokenTree, used: &mut Vec<(usize, String)>) {
    let TokenTree::Group(group) = token else {
        used.push((
            token.span().start().line,
            token.to_string().replace("r#", ""),
        ));
        return;
    };
    let tokens: Vec<_> = group.stream().into_iter().collect();
    for path in tokens.split(|token| token.to_string() == ",") {
        path.iter().take(1).for_each(|first| names_in(first, used));
    }
}
