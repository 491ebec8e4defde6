//! Tells what this machine lets its user do: tests that need more are shown as ignored.
//!
//! `cfg(root)`: start processes as another user. `cfg(namespaces)`: mount file systems and number
//! processes apart from all others. `cfg(time_namespaces)`: give processes another time since the start of the system.

use std::process::{Command, Stdio};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(root, namespaces, time_namespaces)");
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
        let at_another_time = ["--time", "--boottime", "9999", "--fork", "echo", "apart"];
        if prints("unshare", &at_another_time, "apart\n") {
            println!("cargo::rustc-cfg=time_namespaces");
        }
    }
}

/// Whether this program is there, and prints this and nothing else.
fn prints(program: &str, args: &[&str], wanted: &str) -> bool {
    let mut command = Command::new(program);
    command.args(args).stderr(Stdio::null());
    command
        .output()
        .is_ok_and(|output| output.status.success() && output.stdout == wanted.as_bytes())
}
