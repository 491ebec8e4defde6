//! Measures build times with mirakuru: `cargo bench -p mirakuru --bench build`.
//!
//! Prints Markdown tables:
//!
//! - the time of `cargo check` for a file of 200 annotated tests, and for the same tests written by hand;
//! - the time from an edit in a file of 20 tests until they can run, and the size of that test binary;
//! - with `-- --clean`, the number of crates and the time of a clean build, and those of testcontainers.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

type Outcome<T> = Result<T, Box<dyn Error>>;

const TESTS: usize = 200;
const EDITED: usize = 20;
const ROUNDS: usize = 9;

fn main() -> Outcome<()> {
    let clean = std::env::args().any(|arg| arg == "--clean");
    check()?;
    println!();
    edits()?;
    if clean {
        println!();
        clean_builds()?;
    }
    Ok(())
}

/// A package with one dependency.
struct Project(tempfile::TempDir);

impl Project {
    fn with(dependency: &str) -> Outcome<Self> {
        let dir = tempfile::tempdir()?;
        let manifest = format!(
            "[package]\nname = \"costs\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n{dependency}\n"
        );
        fs::write(dir.path().join("Cargo.toml"), manifest)?;
        fs::create_dir(dir.path().join("src"))?;
        fs::write(dir.path().join("src/lib.rs"), "")?;
        fs::create_dir(dir.path().join("tests"))?;
        Ok(Self(dir))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Runs cargo in the package. Returns the time that it took, and its output.
    fn cargo(&self, args: &[&str]) -> Outcome<(Duration, String)> {
        let begun = Instant::now();
        let output = Command::new(env!("CARGO"))
            .args(args)
            .current_dir(self.path())
            .env("CARGO_TARGET_DIR", self.path().join("target"))
            .stdin(Stdio::null())
            .output()?;
        let took = begun.elapsed();
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            return Err(format!("cargo {}: {errors}", args.join(" ")).into());
        }
        Ok((took, String::from_utf8(output.stdout)?))
    }
}

fn check() -> Outcome<()> {
    let project = Project::with(&mirakuru(""))?;
    let files = [
        ("annotated", annotated as fn(usize) -> String),
        ("by_hand", by_hand),
        ("empty", empty),
    ];
    let mut times = [const { Vec::new() }; 3];
    for round in 0..=ROUNDS {
        for ((name, test), times) in files.iter().zip(&mut times) {
            let mut text = format!("// Round {round}.\n");
            (0..TESTS).for_each(|index| text += &test(index));
            fs::write(project.path().join(format!("tests/{name}.rs")), text)?;
            let (took, _) = project.cargo(&["check", "--quiet", "--test", name])?;
            // The first round builds the dependencies.
            if round > 0 {
                times.push(took);
            }
        }
    }
    let [annotated, by_hand, empty] = times.map(median);
    let each = (annotated - by_hand) / f64::from(u32::try_from(TESTS)?);
    println!("| `cargo check` of a file of {TESTS} tests | time (median of {ROUNDS}) |");
    println!("|---|---|");
    println!("| with the attribute | {annotated:.0} ms |");
    println!("| the same written by hand | {by_hand:.0} ms |");
    println!("| tests that do nothing | {empty:.0} ms |");
    println!("| the attribute adds, to each test | {each:.2} ms |");
    Ok(())
}

/// Measures the time to compile and link after a line of a test was edited, without the run.
fn edits() -> Outcome<()> {
    let without_http = ", default-features = false, features = [\"macros\"]";
    let without_debug = "\n[profile.dev.package.\"*\"]\ndebug = 0";
    let rows = [
        (
            "tests that do nothing",
            mirakuru(""),
            empty as fn(usize) -> String,
        ),
        ("annotated tests", mirakuru(""), annotated),
        ("… without `http`", mirakuru(without_http), annotated),
        (
            "… without debug information of dependencies",
            mirakuru("") + without_debug,
            annotated,
        ),
    ];
    println!(
        "| one line edited in {EDITED} tests | until they can run (median of {ROUNDS}) | test binary |"
    );
    println!("|---|---|---|");
    for (name, dependency, test) in rows {
        let project = Project::with(&dependency)?;
        let mut times = Vec::new();
        let mut binary = String::new();
        for round in 0..=ROUNDS {
            let mut text = format!(
                "const ROUND: usize = {round};\n#[test]\nfn round() {{ assert!(ROUND < 100); }}\n"
            );
            (1..EDITED).for_each(|index| text += &test(index));
            fs::write(project.path().join("tests/edited.rs"), text)?;
            let build = [
                "test",
                "--no-run",
                "--test",
                "edited",
                "--message-format=json",
            ];
            let (took, messages) = project.cargo(&build)?;
            let mut paths = messages.split("\"executable\":\"").skip(1);
            let path = paths.next().and_then(|rest| rest.split('"').next());
            path.unwrap_or_default().clone_into(&mut binary);
            // The first round builds the dependencies.
            if round > 0 {
                times.push(took);
            }
        }
        let megabytes = fs::metadata(&binary)?.len() / 1_000_000;
        println!("| {name} | {:.0} ms | {megabytes} MB |", median(times));
    }
    Ok(())
}

fn annotated(index: usize) -> String {
    format!(
        r#"
#[mirakuru::with_process(tcp = "redis-server --port {{port}} --save ''", timeout = "10s")]
#[test]
fn test_{index}(redis: &mirakuru::TcpExecutor) {{
    assert!(redis.running());
}}
"#
    )
}

fn by_hand(index: usize) -> String {
    format!(
        r#"
#[test]
fn test_{index}() {{
    let redis = mirakuru::TcpExecutor::new("redis-server --port {{port}} --save ''", "127.0.0.1", 0)
        .timeout(std::time::Duration::from_secs(10))
        .started()
        .unwrap();
    assert!(redis.running());
    redis.stop().unwrap();
}}
"#
    )
}

fn empty(index: usize) -> String {
    format!("\n#[test]\nfn test_{index}() {{}}\n")
}

fn clean_builds() -> Outcome<()> {
    let dependencies = [
        (
            "mirakuru without features",
            mirakuru(", default-features = false"),
        ),
        ("mirakuru", mirakuru("")),
        (
            "testcontainers (`blocking`)",
            "testcontainers = { version = \"*\", features = [\"blocking\"] }".to_owned(),
        ),
    ];
    let mut table = String::from("| | crates | clean build (`dev`) |\n|---|---|---|\n");
    for (name, dependency) in dependencies {
        let project = Project::with(&dependency)?;
        project.cargo(&["fetch", "--quiet"])?;
        let (_, tree) = project.cargo(&["tree", "--edges", "normal,build", "--prefix", "none"])?;
        let crates: BTreeSet<_> = tree
            .lines()
            .filter_map(|line| line.split(" (").next())
            .filter(|line| !line.is_empty() && !line.starts_with("costs "))
            .collect();
        let (took, _) = project.cargo(&["build", "--quiet"])?;
        writeln!(
            table,
            "| {name} | {} | {:.1} s |",
            crates.len(),
            took.as_secs_f64()
        )?;
    }
    print!("{table}");
    Ok(())
}

fn mirakuru(features: &str) -> String {
    let path = env!("CARGO_MANIFEST_DIR");
    format!("mirakuru = {{ path = {path:?}{features} }}")
}

/// Returns the median in milliseconds.
fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e3
}
