//! Tells what this machine lets its user do: tests that need more are shown as ignored. And writes the
//! documentation of the attribute to a file that the library includes.
//!
//! `cfg(root)`: start processes as another user. `cfg(namespaces)`: mount file systems and number
//! processes apart from all others.

use std::{
    env, fs,
    path::Path,
    process::{Command, Stdio},
};

const ATTRIBUTE: &str = "../mirakuru-macros/src/lib.rs";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={ATTRIBUTE}");
    let out = env::var_os("OUT_DIR").expect("cargo sets it");
    let written = fs::write(Path::new(&out).join("attribute.md"), documentation());
    written.expect("cargo's own directory");
    println!("cargo::rustc-check-cfg=cfg(root, namespaces)");
    if prints("id", &["-u"], "0\n") {
        println!("cargo::rustc-cfg=root");
        let apart = [
            "--mount",
            "--pid",
            "--fork",
            "--mount-proc",
            "echo",
            "apart",
        ];
        if prints("unshare", &apart, "apart\n") {
            println!("cargo::rustc-cfg=namespaces");
        }
    }
}

/// The text of the doc comment in front of the attribute's function.
fn documentation() -> String {
    let source = fs::read_to_string(ATTRIBUTE).expect("a file of this workspace");
    let (before, _) = source
        .split_once("#[proc_macro_attribute]")
        .expect("the attribute's function");
    let lines = before.lines().filter_map(|line| line.strip_prefix("///"));
    // The space that follows the slashes is no part of the text.
    let lines = lines.map(|line| line.strip_prefix(' ').unwrap_or(line));
    lines.collect::<Vec<_>>().join("\n")
}

/// Whether this program is there, and prints this and nothing else.
fn prints(program: &str, args: &[&str], wanted: &str) -> bool {
    let mut command = Command::new(program);
    command.args(args).stderr(Stdio::null());
    command
        .output()
        .is_ok_and(|output| output.status.success() && output.stdout == wanted.as_bytes())
}
