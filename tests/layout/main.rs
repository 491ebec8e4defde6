//! The modules of `mirakuru/src` form floors: a module uses modules of lower floors only. Of these modules, `sys` alone
//! knows the operating system.

mod english;

use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Group, TokenStream, TokenTree};

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
    &[
        "environment",
        "limits",
        "loopback",
        "paths",
        "rerun",
        "wait",
    ],
];

#[test]
fn no_module_uses_one_of_its_own_floor_or_above() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mirakuru/src");
    let mut files = Vec::new();
    files_below(&root, Path::new(""), &mut files);
    let read = |file: &PathBuf| fs::read_to_string(root.join(file)).expect("a source file");
    let mistakes = files.iter().flat_map(|file| mistakes_in(file, &read(file)));
    let mistakes: Vec<_> = mistakes.collect();
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

/// Names that belong to operating systems.
const SYSTEM_NAMES: &str = "nix libc unix linux windows macos apple target_os target_vendor mirakuru_portable errno Errno \
    fd fds OwnedFd BorrowedFd RawFd AsFd AsRawFd pidfd UnixStream UnixListener UnixDatagram \
    uid gid ino mtime atime fchown fcntl flock";

/// Parts of texts that belong to operating systems.
const SYSTEM_TEXTS: &str =
    "/proc|/dev/|/bin/sh|\"/tmp|Linux|Unix |macOS|Windows|ulimit|RLIMIT_|pidfd|errno";

#[test]
fn no_module_but_sys_knows_the_operating_system() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mirakuru/src");
    let mut files = Vec::new();
    files_below(&root, Path::new(""), &mut files);
    // `lib.rs` and the two lists of kinds of executors and checks show what each system has. Unit tests
    // may know the one that they run on.
    let is_bound = |file: &PathBuf| !file.starts_with("sys") && !file.ends_with("tests.rs");
    files.retain(|file| is_bound(file) && *file != Path::new("lib.rs"));
    assert!(files.len() > 100, "{files:?}");
    let mistakes = files.iter().flat_map(|file| {
        let text = fs::read_to_string(root.join(file)).expect("a source file");
        let found = system_words(text.parse().expect("Rust")).into_iter();
        found.map(|word| format!("{}:{word}", file.display()))
    });
    let is_listed = |mistake: &String| {
        let mut lists = ["executor/mod.rs", "readiness/mod.rs"].into_iter();
        lists.any(|list| mistake.starts_with(list)) && mistake.ends_with(": unix")
    };
    let mistakes: Vec<_> = mistakes.filter(|mistake| !is_listed(mistake)).collect();
    assert!(mistakes.is_empty(), "\n{}", mistakes.join("\n"));
}

#[test]
fn system_words_of_every_form_are_reported() {
    let text = "//! Linux\nuse std::os::unix::net::UnixStream; // nix\n/// `SIGKILL` on Linux\n\
        #[cfg(target_os = \"linux\")]\nfn a() { libc::kill(1, SIGKILL); }\n\
        const B: &str = \"see /proc\"; const C: u32 = 0o600;\n\
        fn d(signal: Signal) { umask(0); \"SIG{other}\" }\nfn e() { f(\"SIGHUP\") }\n\
        #[cfg(all(test, unix, feature = \"g\"))]\nmod tests { use nix::E; }";
    let found = system_words(text.parse().expect("Rust")).join(", ");
    let expected = "2: unix, 2: UnixStream, 4: target_os, 5: libc, 5: SIGKILL, \
        6: \"see /proc\", 6: 0o600, 8: \"SIGHUP\"";
    assert_eq!(found, expected);
}

/// The line and the text of each token that an operating system gives its meaning. Comments do not count, nor do modules
/// of unit tests.
fn system_words(tokens: TokenStream) -> Vec<String> {
    let tokens: Vec<_> = tokens.into_iter().collect();
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let is_before = |text: &str, back: usize| {
            let token = at.checked_sub(back).map(|at| &tokens[at]);
            token.is_some_and(|token| {
                !matches!(token, TokenTree::Group(_)) && token.to_string() == text
            })
        };
        match token {
            TokenTree::Group(_) if is_before("tests", 1) && is_before("mod", 2) => {}
            TokenTree::Group(group) if is_comment(group) || is_for_tests(group) => {}
            TokenTree::Group(group) => found.extend(system_words(group.stream())),
            // The method of slices.
            _ if is_before(".", 1) && token.to_string() == "windows" => {}
            _ if is_of_a_system(&token.to_string()) => {
                found.push(format!("{}: {token}", token.span().start().line));
            }
            _ => {}
        }
    }
    found
}

/// Returns whether these are the tokens of a documenting comment.
fn is_comment(group: &Group) -> bool {
    let first = group.stream().into_iter().next();
    first.is_some_and(|first| first.to_string() == "doc")
}

/// Returns whether these are the tokens of a condition that holds for unit tests alone.
fn is_for_tests(group: &Group) -> bool {
    let text = group.stream().to_string();
    text.starts_with("cfg (test") || text.starts_with("cfg (all (test")
}

fn is_of_a_system(token: &str) -> bool {
    let is_signal = |word: &str| {
        let is_capital = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
        word.starts_with("SIG") && word.len() > 5 && word.bytes().all(is_capital)
    };
    let mut words = token.split(|char: char| !char.is_ascii_alphanumeric() && char != '_');
    let has_text = |part| token.contains('"') && token.contains(part);
    words.any(is_signal)
        || SYSTEM_NAMES.split_whitespace().any(|name| name == token)
        || SYSTEM_TEXTS.split('|').any(has_text)
        // The mode of a file.
        || (token.starts_with("0o") && token.len() > 3)
}

const OF_UNIXES: &[&str] = &["executors", "ports", "attribute"];
const OF_LINUX: &[&str] = &[
    "executors",
    "trees",
    "ports",
    "runners",
    "attribute",
    "examples",
];

/// The columns of the table of platforms: the section of `tests/left_out`, and the suites that run there.
const PLATFORMS: [(&str, &[&str]); 4] = [
    ("[linux]", OF_LINUX),
    ("[macos]", OF_UNIXES),
    ("[windows]", &["everywhere"]),
    ("[portable]", OF_UNIXES),
];

#[test]
fn the_table_of_platforms_names_tests_that_run_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
    let (page, left_out) = ("mirakuru/src/guide/platforms.md", read("tests/left_out"));
    let is_left_out = |section: &str, path: &str| {
        let lines = left_out.lines().skip_while(|line| *line != section);
        let mut lines = lines.skip(1).take_while(|line| !line.starts_with('['));
        lines.any(|line| line == path || (line.ends_with("::") && path.starts_with(line)))
    };
    let mut count = 0;
    for row in read(page)
        .lines()
        .filter(|line| line.starts_with("| "))
        .skip(1)
    {
        let cells: Vec<_> = row.trim_matches(['|', ' ']).split(" | ").skip(1).collect();
        assert_eq!(cells.len(), PLATFORMS.len(), "{row}");
        for (cell, (section, suites)) in cells.iter().zip(PLATFORMS) {
            let cell = if *cell == "the same" { cells[0] } else { cell };
            assert!(cell.starts_with("no") || cell.starts_with('`'), "{cell}");
            for name in cell.split('`').skip(1).step_by(2) {
                let (suite, path) = name.split_once("::").expect("a suite");
                let runs = suites.contains(&suite) && !is_left_out(section, path);
                assert!(runs, "{section} has no test {name}");
                let (file, test) = file_and_test(suite, path);
                let exists = read(&file).contains(&format!("fn {test}()"));
                assert!(exists, "{file} has no test {test}");
                count += 1;
            }
        }
    }
    assert!(count > 30, "{count} names");
}

/// The file of a test, and its name.
fn file_and_test<'a>(suite: &str, path: &'a str) -> (String, &'a str) {
    let (module, test) = path.rsplit_once("::").expect("a module");
    let directory = match suite {
        "everywhere" => "tests/everywhere/suite".to_owned(),
        "examples" => "examples/tests".to_owned(),
        suite => format!("tests/{suite}"),
    };
    (
        format!("{directory}/{}.rs", module.replace("::", "/")),
        test,
    )
}

fn files_below(root: &Path, directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(root.join(directory)).expect("a source directory") {
        let file = directory.join(entry.expect("an entry").file_name());
        match root.join(&file) {
            path if path.is_dir() => files_below(root, &file, files),
            path if path.extension().is_some_and(|found| found == "rs") => files.push(file),
            _ => {}
        }
    }
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
