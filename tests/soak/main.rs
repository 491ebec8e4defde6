//! Starts and stops services very often, and prints the resources of the test process at the beginning and at the end:
//! `soak [CYCLES]`.
//!
//! It fails if a descriptor, thread or child is left, or if the memory has grown by half. `soak/run` starts it.
#![cfg_attr(
    target_os = "linux",
    expect(
        clippy::disallowed_methods,
        reason = "it samples the resources of a run"
    )
)]

#[cfg(target_os = "linux")]
mod cycles;
#[cfg(target_os = "linux")]
mod of_a_run;
#[cfg(target_os = "linux")]
mod usage;

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("the soak needs Linux: it reads /proc");
    std::process::exit(1);
}

#[cfg(target_os = "linux")]
fn main() {
    use std::process;

    use mirakuru_tests::descendants;
    use usage::Usage;

    let cycles = std::env::args().nth(1);
    let cycles = cycles.map_or(1_000, |count| count.parse().expect("CYCLES is a number"));

    println!("== warm-up, which does not count");
    cycles::in_threads(8, 8);
    let mut grown = Vec::new();
    let mut part = |name: &'static str, part: &dyn Fn()| {
        println!("== {name}");
        let usage = || Usage::of(process::id()).expect("this process is running");
        let before = usage();
        part();
        if before.is_less_than(&usage()) {
            grown.push(name);
        }
    };
    part("cycles in one thread", &|| cycles::in_threads(1, cycles));
    part("cycles in eight threads", &|| {
        cycles::in_threads(8, cycles / 8);
    });
    part("many services at once", &|| cycles::at_once(100));
    part("fairness at one port", &|| {
        cycles::at_one_port(8, cycles / 40);
    });
    descendants::adopt_orphans();
    part("a fixture of a run", &|| of_a_run::clients(cycles));
    assert!(grown.is_empty(), "resources grew in: {grown:?}");
}
