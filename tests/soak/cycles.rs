//! Cycles of a start and a stop in this process.

use std::{
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use mirakuru::{OnConflict, TcpExecutor};

/// The program of every service. Its first argument names a behaviour (see `programs/main.rs`).
const PROGRAM: &str = env!("CARGO_BIN_EXE_programs");
/// A port outside the range of the free ports.
const PORT: u16 = 9_472;

fn service() -> TcpExecutor {
    TcpExecutor::new([PROGRAM, "answers", "{port}"], "127.0.0.1", 0)
}

fn cycle(service: TcpExecutor) -> Duration {
    let begun = Instant::now();
    let service = service.started().expect("it starts");
    assert!(service.running());
    drop(service);
    begun.elapsed()
}

/// Prints the times of the first and of the last tenth of the cycles.
fn print(mut times: Vec<Duration>) {
    let tenth = times.len().div_ceil(10);
    let last = times.split_off(times.len() - tenth);
    times.truncate(tenth);
    for (when, mut times) in [("at first", times), ("at last", last)] {
        times.sort();
        let median = times[times.len() / 2].as_secs_f64() * 1e3;
        let longest = times[times.len() - 1].as_secs_f64() * 1e3;
        println!("{when}: a cycle takes {median:.1} ms, the longest {longest:.1} ms");
    }
}

pub(crate) fn in_threads(threads: usize, cycles: usize) {
    let cycles = || (0..cycles).map(|_| cycle(service())).collect();
    let times = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(cycles)).collect();
        let times: Vec<Vec<_>> = threads
            .into_iter()
            .map(|one| one.join().expect("no panic"))
            .collect();
        // Approximately in the order of time.
        (0..times[0].len())
            .flat_map(|at| times.iter().map(move |one| one[at]).collect::<Vec<_>>())
            .collect()
    });
    print(times);
}

/// Starts this many services at once, and stops them at once.
pub(crate) fn at_once(services: usize) {
    let begun = Instant::now();
    let (all_run, may_stop) = (Barrier::new(services + 1), Barrier::new(services + 1));
    let one = || {
        let service = service().timeout(Duration::from_secs(120)).started();
        all_run.wait();
        may_stop.wait();
        drop(service.expect("it starts"));
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..services).map(|_| scope.spawn(one)).collect();
        all_run.wait();
        let took = begun.elapsed().as_secs_f64() * 1e3;
        println!("{services} services are ready after {took:.0} ms");
        may_stop.wait();
        // The scope waits for the closures, and only `join` waits until a thread has ended.
        for one in threads {
            one.join().expect("no panic");
        }
    });
    println!(
        "{services} services are gone after {:.0} ms",
        begun.elapsed().as_secs_f64() * 1e3
    );
}

/// Lets threads wait for one port again and again. Prints the shortest and the longest total time of a thread.
pub(crate) fn at_one_port(threads: usize, cycles: usize) {
    let all = || {
        let one = || {
            let command = [PROGRAM, "answers", "{port}"];
            let service = TcpExecutor::new(command, "127.0.0.1", PORT);
            cycle(
                service
                    .on_conflict(OnConflict::Wait)
                    .timeout(Duration::from_secs(120)),
            )
        };
        (0..cycles).map(|_| one()).sum::<Duration>()
    };
    let mut totals: Vec<Duration> = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(all)).collect();
        threads
            .into_iter()
            .map(|one| one.join().expect("no panic"))
            .collect()
    });
    totals.sort();
    let (least, most) = (totals[0].as_secs_f64(), totals[threads - 1].as_secs_f64());
    println!("{threads} threads, each {cycles} times: from {least:.2} s to {most:.2} s");
    assert!(
        most < least * 2.0 + 1.0,
        "a thread waited twice as long as another"
    );
}
