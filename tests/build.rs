//! Detects what the user may do on this machine. Tests that need more rights are ignored.
//!
//! `cfg(root)`: the user may start processes as another user. `cfg(namespaces)`: the user may create mount and pid
//! namespaces. `cfg(time_namespaces)`: the user may give processes another time since the start of the system.

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

/// Returns whether the program exists, succeeds, and prints exactly the wanted output.
fn prints(program: &str, args: &[&str], wanted: &str) -> bool {
    let mut command = Command::new(program);
    command.args(args).stderr(Stdio::null());
    command
        .output()
        .is_ok_and(|output| output.status.success() && output.stdout == wanted.as_bytes())
}
