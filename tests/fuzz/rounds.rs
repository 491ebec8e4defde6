//! The rounds of a fuzz target, and its random inputs. Each round has a seed of its own, so that it can be repeated
//! alone.

use std::{env, thread};

pub(crate) use fastrand::Rng;

/// The number of rounds in a run of all tests.
const FEW: u64 = 10;

/// Calls `round` once per seed. `tests/fuzz/run` sets the variables with the first seed and the number of rounds.
pub(crate) fn rounds(target: &'static str, round: impl Fn(&mut Rng)) {
    let number = |name: &str| Some(env::var(name).ok()?.parse().expect("a number"));
    let first = number("MIRAKURU_FUZZ_SEED").unwrap_or(1);
    let count = number("MIRAKURU_FUZZ_ROUNDS").unwrap_or(FEW);
    for seed in first..first.saturating_add(count) {
        let _repeat = Repeat { target, seed };
        round(&mut Rng::with_seed(seed));
    }
}

/// Prints the command that repeats a round, if the round panics.
struct Repeat {
    target: &'static str,
    seed: u64,
}

impl Drop for Repeat {
    fn drop(&mut self) {
        if thread::panicking() {
            let Self { target, seed } = self;
            eprintln!("repeat it by: tests/fuzz/run {target} --seed {seed} --rounds 1");
        }
    }
}

/// Returns a random element.
pub(crate) fn one<'a, T: ?Sized>(rng: &mut Rng, of: &[&'a T]) -> &'a T {
    of[rng.usize(..of.len())]
}

/// Returns a text of up to `most` random letters.
pub(crate) fn text(rng: &mut Rng, letters: &[&str], most: usize) -> String {
    let count = rng.usize(..=most);
    (0..count).map(|_| one(rng, letters)).collect()
}
