//! Measures the latency of mirakuru next to that of a loop with system calls alone:
//! `cargo bench -p mirakuru --bench latency`.
//!
//! Prints a Markdown table of medians. Options:
//!
//! - `-- --quick` measures fewer rounds.
//! - `-- --python` adds the Python library of the same name, if it is installed.
//! - `-- --spawn` measures only the spawn.
//! - `-- --waits` measures only the processor time of long waits.

mod bare;
mod measure;
mod python;
mod service;
mod table;

use std::time::Duration;

use measure::{Delays, Outcome, Pair, Port};
use service::Kind;
use table::{Bound, Table};

/// The number of rounds of each figure.
struct Rounds {
    ready: usize,
    spawn: usize,
    waits: usize,
    many: usize,
}

const THOROUGH: Rounds = Rounds {
    ready: 60,
    spawn: 40,
    waits: 5,
    many: 9,
};

const QUICK: Rounds = Rounds {
    ready: 7,
    spawn: 10,
    waits: 1,
    many: 3,
};

fn main() -> Outcome<()> {
    let mut args = std::env::args().skip(1).peekable();
    if args.peek().is_some_and(|arg| arg == service::ROLE) {
        return service::run(args.skip(1)).map_err(|error| error.to_string().into());
    }
    let args: Vec<_> = args.collect();
    let has = |flag: &str| args.iter().any(|arg| arg == flag);
    // Without `--bench`, `cargo test` runs this program, and only checks that it works.
    let quick = has("--quick") || !has("--bench");
    let rounds = if quick { &QUICK } else { &THOROUGH };

    let mut table = Table::default();
    if has("--waits") {
        measure_waits(&mut table, rounds)?;
    } else {
        measure_spawn(&mut table, rounds)?;
    }
    if has("--spawn") || has("--waits") {
        println!("{table}");
        return Ok(());
    }
    measure_all(&mut table, rounds)?;
    if has("--python") {
        match python::medians(rounds.ready.min(15), &mut Delays::new())? {
            Some(medians) => table.python(medians),
            None => eprintln!("the Python library is not installed: no column for it"),
        }
    }
    println!("{table}");
    Ok(())
}

fn measure_spawn(table: &mut Table, rounds: &Rounds) -> Outcome<()> {
    let bound = Bound::OverTheLoop(1.6);
    let small = measure::first_instruction(Kind::Silent, rounds.spawn)?;
    let name = "call of `start()` to the service's first instruction";
    table.pair(name, "first instruction", &small, bound);
    let http = measure::first_instruction(Kind::Http, rounds.spawn)?;
    table.pair("… of an HTTP executor", "", &http, bound);
    let again = measure::first_instruction_again(rounds.spawn)?;
    table.pair("… of a restart", "", &again, Bound::OverTheLoop(1.0));
    Ok(())
}

/// Measures the processor time of a wait of two seconds until a service listens.
fn measure_waits(table: &mut Table, rounds: &Rounds) -> Outcome<()> {
    for (kind, service) in [
        (Kind::Tcp, "a TCP service"),
        (Kind::Http, "an HTTP service"),
    ] {
        let waits = measure::processor_time(kind, Duration::from_secs(2), rounds.waits)?;
        let name = format!("processor time spent waiting 2 s for {service}");
        table.pair(name, "", &waits, Bound::AtMost(15.0));
    }
    Ok(())
}

fn measure_all(table: &mut Table, rounds: &Rounds) -> Outcome<()> {
    let mut delays = Delays::new();
    let (mut fixed, mut others) = (Pair::default(), Pair::default());
    for kind in Kind::READY {
        let within = match kind {
            Kind::Tcp => 1.0,
            Kind::Output => 0.5,
            Kind::Http => 1.5,
            _ => 0.3,
        };
        let (ready, stop) = measure::ready_and_stop(kind, Port::Fixed, rounds.ready, &mut delays)?;
        table.pair(
            format!("ready latency, {}", kind.name()),
            kind.name(),
            &ready,
            Bound::OverTheLoop(within),
        );
        match kind {
            Kind::Tcp | Kind::Http => fixed.extend(stop),
            _ => others.extend(stop),
        }
    }
    let (_, free) = measure::ready_and_stop(Kind::Tcp, Port::Free, rounds.ready, &mut delays)?;
    let bound = Bound::OverTheLoop(0.6);
    table.pair("stop latency, no port", "stop", &others, bound);
    table.pair("stop latency, free port", "", &free, bound);
    table.pair("stop latency, fixed port", "", &fixed, bound);

    let ballast = vec![1_u8; 1 << 30];
    let large = measure::first_instruction(Kind::Silent, rounds.spawn)?;
    drop(std::hint::black_box(ballast));
    let bound = Bound::OverTheLoop(1.6);
    table.pair(
        "call of `start()` to the service's first instruction, with 1 GB resident in the test process",
        "",
        &large,
        bound,
    );

    measure_waits(table, rounds)?;

    let (ready, stop) = measure::many_at_once(50, rounds.many, &mut delays)?;
    let name = "50 TCP services at once: time from the last ready service to the return";
    table.pair(name, "", &ready, Bound::AtMost(5.0));
    let name = "50 services: stopping all";
    table.pair(name, "", &stop, Bound::AtMost(100.0));

    let (resident, share) = measure::supervisor_memory()?;
    table.memory(resident, share, 5.0);
    Ok(())
}
