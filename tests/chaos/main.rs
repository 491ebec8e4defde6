//! A monkey disturbs sixty tests under nextest, and counts the faults: `chaos [SECONDS] [SEED]`.
//!
//! In each round it runs the tests of `victims.rs`, kills, freezes and limits their processes, and fills or removes
//! their directories. Then it counts the leftovers, and runs the same tests again without a disturbance. It ends with
//! the counts, and fails if one of them is not 0. `chaos/run` starts it.
#![cfg_attr(
    target_os = "linux",
    expect(
        clippy::disallowed_methods,
        reason = "the monkey disturbs at random times"
    )
)]

#[cfg(target_os = "linux")]
mod monkey;
#[cfg(target_os = "linux")]
mod round;

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("the monkey needs Linux: it finds every process by its parent");
    std::process::exit(1);
}

#[cfg(target_os = "linux")]
fn main() {
    use std::{
        env, process,
        time::{Duration, Instant},
    };

    use mirakuru_tests::descendants;

    let mut args = env::args().skip(1);
    let mut number = |name: &str| {
        let number = args.next()?.parse();
        Some(number.unwrap_or_else(|error| panic!("{name}: {error}")))
    };
    let time = Duration::from_secs(number("SECONDS").unwrap_or(120));
    let seed = number("SEED").unwrap_or_else(|| fastrand::u64(..1_000_000));
    println!("chaos: {} s, seed {seed}", time.as_secs());

    descendants::adopt_orphans();
    let begun = Instant::now();
    let mut total = round::Counts::default();
    let mut rounds = 0;
    while begun.elapsed() < time || rounds == 0 {
        let begun = Instant::now();
        let counts = round::run(seed + rounds);
        let took = begun.elapsed().as_secs();
        println!("round {rounds}, seed {}, {took} s: {counts}", seed + rounds);
        total.add(&counts);
        rounds += 1;
    }
    println!("{rounds} rounds: {total}");
    if !total.is_clean() {
        process::exit(1);
    }
}
