//! The language of documentation, comments and error texts: words that hide the subject of a sentence are mistakes.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use proc_macro2::{TokenStream, TokenTree};
use regex::{Regex, RegexBuilder};

use super::{files_below, is_comment, is_for_tests};

/// Patterns of words, and what a sentence uses instead. Code in backticks and in fences does not count.
const WORDS: &[(&str, &str)] = &[
    (
        r"(?:^|[.:;!?] |\()(?-i:Who|What|Whose|Whom|Where)\b[^?]*$",
        "a noun: \"the process that\", \"if\"",
    ),
    (
        r"\b(?:tells?|told|telling|says?|said)\b",
        "\"returns\", \"reports\", \"prints\", \"shows\", \"states\"",
    ),
    (
        r"\b(?:nobody|somebody|anybody|someone|anyone|no one)\b",
        "\"no process\", \"another process\", \"any user\"",
    ),
    (r"\b(?:is|are|was|were) no\b", "\"is not a\""),
    (r"\b(?:is|are|was|were) to [a-z]+\b", "\"must\", \"will\""),
    (
        r"\b(?:stands?|stood) (?:in|at|on|beside|behind|elsewhere|there|here)\b",
        "\"is in\", \"is defined in\"",
    ),
    (
        r"\b(?:anew|be it|in vain|all the same|at the most)\b",
        "\"again\", \"even if\", \"without success\", \"anyway\", \"at most\"",
    ),
    (r"\bbehind\b|\bahead of\b", "\"after\", \"before\""),
    (r"\bfor (?:people|a person)\b", "\"human-readable\""),
    (
        r"^(?-i:The same|Has) ",
        "a verb or a noun that stands alone",
    ),
];

/// Phrases that a pattern finds although a sentence needs them.
const RIGHT: &str =
    r"there (?:is|are|was|were) no\b|no longer|\b(?:left|leaves? \w+|left processes) behind";

static PATTERNS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    let words = WORDS.iter();
    words
        .map(|(words, instead)| (regex(words), *instead))
        .collect()
});
static RIGHT_ONES: LazyLock<Regex> = LazyLock::new(|| regex(RIGHT));

#[test]
fn texts_use_plain_words() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = sources(
        &root,
        ["mirakuru/src", "mirakuru-macros/src", "tests", "examples"],
    );
    let pages = [&root, &root.join("mirakuru/src/guide")].map(|directory| {
        let entries = fs::read_dir(directory).expect("a directory of the project");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        paths.filter(|path| path.extension().is_some_and(|found| found == "md"))
    });
    files.extend(pages.into_iter().flatten());
    let this = Path::new("tests/layout/english.rs");
    files.retain(|file| file != this && !file.starts_with("tests/macros"));
    assert!(files.len() > 400, "{} files", files.len());
    let mistakes = files.iter().flat_map(|file| {
        let text = fs::read_to_string(root.join(file)).expect("a text");
        let found = mistakes_in(file, &text).into_iter();
        found.map(|mistake| format!("{}:{mistake}", file.display()))
    });
    let mistakes: Vec<_> = mistakes.collect();
    assert!(mistakes.is_empty(), "\n{}", mistakes.join("\n"));
}

#[test]
fn the_name_of_a_test_has_at_most_sixty_characters() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut long = Vec::new();
    for file in sources(&root, ["mirakuru", "mirakuru-macros", "tests", "examples"]) {
        let text = fs::read_to_string(root.join(&file)).expect("a source file");
        let tests = text.split("test]\n").skip(1);
        let names = tests.filter_map(|test| test.split_once("fn ")?.1.split_once('('));
        let names = names.filter(|(name, _)| name.len() > 60);
        long.extend(names.map(|(name, _)| format!("{}: {name}", file.display())));
    }
    assert!(long.is_empty(), "\n{}", long.join("\n"));
}

#[test]
fn words_of_every_kind_of_text_are_reported() {
    let source = "//! Who asks\n/// `nobody` is a user.\nfn a() {\n    // It is told. Where it ends.\n\
        let b = \"it is no port\";\n}\n#[cfg(test)]\nmod tests { const C: &str = \"all the same\"; }\n";
    let found = mistakes_in(Path::new("mirakuru/src/a.rs"), source);
    let found: Vec<_> = found.iter().map(|line| line.split(';').next()).collect();
    let expected = [
        "1: `Who asks`",
        "4: `. Where it ends.`",
        "4: `told`",
        "5: `is no`",
    ];
    assert_eq!(found, expected.map(Some));
    let page =
        "# What it is?\n- `told`\n```\nnobody\n```\nIt is no longer there.\nIt stands in a file.\n";
    let found = mistakes_in(Path::new("a.md"), page);
    assert!(
        found.len() == 1 && found[0].starts_with("7: `stands in`"),
        "{found:?}"
    );
}

/// Returns the source files below these directories.
fn sources(root: &Path, directories: [&str; 4]) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for directory in directories {
        files_below(root, Path::new(directory), &mut files);
    }
    files
}

/// Returns the line, the words and their replacement for each mistake in a source file or a page.
fn mistakes_in(file: &Path, text: &str) -> Vec<String> {
    let is_page = file.extension().is_some_and(|found| found == "md");
    let mut texts = if is_page {
        let lines = text.lines().enumerate();
        lines.map(|(at, line)| (at + 1, line.to_owned())).collect()
    } else {
        comments_of(text)
    };
    without_fences(&mut texts);
    if file.iter().any(|part| part == "src") && !is_page {
        literals_in(text.parse().expect("Rust"), &mut texts);
        texts.sort();
    }
    let mut mistakes = Vec::new();
    for (line, text) in &texts {
        let text = without_code(text);
        let text = RIGHT_ONES.replace_all(&text, "");
        for (pattern, instead) in &*PATTERNS {
            let found = pattern.find_iter(&text);
            let describe = |words: &str| format!("`{words}`; instead: {instead}");
            mistakes.extend(found.map(|found| (*line, describe(found.as_str()))));
        }
    }
    mistakes.sort();
    let mistakes = mistakes.into_iter();
    mistakes
        .map(|(line, mistake)| format!("{line}: {mistake}"))
        .collect()
}

fn regex(words: &str) -> Regex {
    let pattern = RegexBuilder::new(words).case_insensitive(true).build();
    pattern.expect("a valid expression")
}

/// Returns the comments of a source file, with the numbers of their lines.
fn comments_of(text: &str) -> Vec<(usize, String)> {
    let comment = |line: &str| {
        let line = line.trim_start().strip_prefix("//")?;
        Some(line.trim_start_matches(['/', '!']).to_owned())
    };
    let lines = text.lines().enumerate();
    lines
        .filter_map(|(at, line)| Some((at + 1, comment(line)?)))
        .collect()
}

/// Removes blocks of code.
fn without_fences(texts: &mut Vec<(usize, String)>) {
    let mut is_code = false;
    texts.retain(|(_, text)| {
        let is_fence = text.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_fence && !is_code
    });
    for (_, text) in texts {
        *text = text.trim_matches([' ', '#', '-', '*', '|', '>']).to_owned();
    }
}

/// Removes code in backticks, and the targets of links.
fn without_code(text: &str) -> String {
    text.split('`').step_by(2).collect::<Vec<_>>().join("`")
}

/// Collects the literals that contain several words, without those of unit tests.
fn literals_in(tokens: TokenStream, texts: &mut Vec<(usize, String)>) {
    let tokens: Vec<_> = tokens.into_iter().collect();
    for (at, token) in tokens.iter().enumerate() {
        let is_before =
            |word: &str, back: usize| at >= back && tokens[at - back].to_string() == word;
        match token {
            TokenTree::Group(_) if is_before("tests", 1) && is_before("mod", 2) => {}
            TokenTree::Group(group) if is_comment(group) || is_for_tests(group) => {}
            TokenTree::Group(group) => literals_in(group.stream(), texts),
            TokenTree::Literal(literal) => {
                let text = literal.to_string();
                if text.starts_with('"') && text.contains(' ') {
                    texts.push((token.span().start().line, text));
                }
            }
            _ => {}
        }
    }
}
