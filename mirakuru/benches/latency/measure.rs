//! The measurements. Each figure is measured alternately with mirakuru and with the bare loop, on the same services.

use std::error::Error;
use std::io;
use std::net::TcpListener;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use mirakuru::{
    AnyExecutor, HttpExecutor, OutputExecutor, PidExecutor, SimpleExecutor, TcpExecutor,
    UnixSocketExecutor,
};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use crate::bare::Bare;
use crate::service::{BANNER, Kind, Order, Stamp, now};

pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// The times of mirakuru and of the loop in milliseconds, one value per round.
#[derive(Default)]
pub(crate) struct Pair {
    pub(crate) mirakuru: Vec<f64>,
    pub(crate) bare: Vec<f64>,
}

impl Pair {
    pub(crate) fn extend(&mut self, other: Self) {
        self.mirakuru.extend(other.mirakuru);
        self.bare.extend(other.bare);
    }
}

/// The delays before a service is ready. They are the same in every run.
pub(crate) struct Delays(u64);

impl Delays {
    pub(crate) fn new() -> Self {
        Self(20_240_229)
    }

    /// Returns the next delay, from 5 to 150 ms.
    pub(crate) fn draw(&mut self) -> Duration {
        // A linear congruential generator, whose upper bits are the most random ones.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        Duration::from_micros(5_000 + (self.0 >> 33) % 145_001)
    }
}

fn ms(from: i64, to: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52 nanoseconds")]
    let nanoseconds = (to - from) as f64;
    nanoseconds / 1e6
}

pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Returns different ports that no process is bound to.
pub(crate) fn free_ports(count: usize) -> io::Result<Vec<u16>> {
    let held: io::Result<Vec<_>> = (0..count)
        .map(|_| TcpListener::bind(("127.0.0.1", 0)))
        .collect();
    held?
        .iter()
        .map(|listener| Ok(listener.local_addr()?.port()))
        .collect()
}

/// The way in which the executor gets the port of a service.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Port {
    Fixed,
    /// With the placeholder `{port}`.
    Free,
}

fn executor(order: &Order, port: Port) -> io::Result<AnyExecutor> {
    let mut words = order.words()?;
    if port == Port::Free {
        "{port}".clone_into(&mut words[Order::PORT_WORD]);
        return Ok(TcpExecutor::new(words, "127.0.0.1", 0).boxed());
    }
    Ok(match order.kind {
        Kind::Tcp => TcpExecutor::new(words, "127.0.0.1", order.port).boxed(),
        Kind::UnixSocket => UnixSocketExecutor::new(words, order.path()).boxed(),
        Kind::PidFile => PidExecutor::new(words, order.path()).boxed(),
        Kind::Output => OutputExecutor::new(words, BANNER).boxed(),
        Kind::Http => HttpExecutor::new(words, format!("http://127.0.0.1:{}/", order.port)).boxed(),
        Kind::Silent => SimpleExecutor::new(words).boxed(),
    })
}

fn order(kind: Kind, delay: Duration) -> io::Result<Order> {
    Order::new(kind, delay, free_ports(1)?[0])
}

/// Measures the latencies of a start and of a stop: from the service's own stamp, when it was ready or about to die,
/// until the call returned.
pub(crate) fn ready_and_stop(
    kind: Kind,
    port: Port,
    rounds: usize,
    delays: &mut Delays,
) -> Outcome<(Pair, Pair)> {
    let (mut ready, mut stop) = (Pair::default(), Pair::default());
    for _ in 0..rounds {
        let delay = delays.draw();

        let service = order(kind, delay)?;
        let executor = executor(&service, port)?;
        executor.start()?;
        let returned = now();
        ready
            .mirakuru
            .push(ms(service.stamp(Stamp::Ready)?, returned));
        executor.stop()?;
        let returned = now();
        stop.mirakuru
            .push(ms(service.stamp(Stamp::Dying)?, returned));

        let service = order(kind, delay)?;
        let (mut bare, returned) = Bare::start(&service)?;
        ready.bare.push(ms(service.stamp(Stamp::Ready)?, returned));
        bare.stop()?;
        let returned = now();
        stop.bare.push(ms(service.stamp(Stamp::Dying)?, returned));
    }
    Ok((ready, stop))
}

/// Measures the time from the call to the service's first instruction.
pub(crate) fn first_instruction(kind: Kind, rounds: usize) -> Outcome<Pair> {
    let mut pair = Pair::default();
    for _ in 0..rounds {
        let service = order(kind, Duration::ZERO)?;
        let executor = executor(&service, Port::Fixed)?;
        let called = now();
        executor.start()?;
        pair.mirakuru.push(ms(called, service.stamp(Stamp::Begun)?));
        service.stamp(Stamp::Ready)?;
        executor.stop()?;

        let service = order(kind, Duration::ZERO)?;
        let called = now();
        let (mut bare, _) = Bare::start(&service)?;
        pair.bare.push(ms(called, service.stamp(Stamp::Begun)?));
        service.stamp(Stamp::Ready)?;
        bare.stop()?;
    }
    Ok(pair)
}

/// Measures the time from the call to the service's first instruction, if the supervisor runs already.
pub(crate) fn first_instruction_again(rounds: usize) -> Outcome<Pair> {
    let mut pair = Pair::default();
    let service = Order::new(Kind::Silent, Duration::ZERO, 0)?;
    let executor = executor(&service, Port::Fixed)?;
    executor.start()?;
    for _ in 0..rounds {
        executor.stop()?;
        service.forget_stamps()?;
        let called = now();
        executor.start()?;
        pair.mirakuru.push(ms(called, service.stamp(Stamp::Begun)?));
        service.stamp(Stamp::Ready)?;

        let service = Order::new(Kind::Silent, Duration::ZERO, 0)?;
        let called = now();
        let (mut bare, _) = Bare::start(&service)?;
        pair.bare.push(ms(called, service.stamp(Stamp::Begun)?));
        service.stamp(Stamp::Ready)?;
        bare.stop()?;
    }
    executor.stop()?;
    Ok(pair)
}

/// Returns the processor time of this process so far.
fn own_time() -> Outcome<f64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let time = usage.user_time() + usage.system_time();
    Ok(ms(0, time.num_microseconds() * 1000))
}

/// Measures the processor time that this process and the supervisor spend on a wait of this length. It is the
/// difference between a start with this delay and a start whose service is ready at once.
pub(crate) fn processor_time(kind: Kind, delay: Duration, rounds: usize) -> Outcome<Pair> {
    let mut pair = Pair::default();
    for _ in 0..rounds {
        let (waited, at_once) = (start_time(kind, delay)?, start_time(kind, Duration::ZERO)?);
        pair.mirakuru.push(waited.0 - at_once.0);
        pair.bare.push(waited.1 - at_once.1);
    }
    Ok(pair)
}

/// Measures the processor time of one start with mirakuru and of one with the loop.
fn start_time(kind: Kind, delay: Duration) -> Outcome<(f64, f64)> {
    let service = order(kind, delay)?;
    let executor = executor(&service, Port::Fixed)?;
    let before = own_time()?;
    executor.start()?;
    let spent = own_time()? - before + supervisor_time(&executor)?;
    executor.stop()?;

    let service = order(kind, delay)?;
    let before = own_time()?;
    let (mut bare, _) = Bare::start(&service)?;
    let bare_spent = own_time()? - before;
    bare.stop()?;
    Ok((spent, bare_spent))
}

/// Returns the processor time of the supervisor's only thread: the first number of `schedstat`, in nanoseconds.
fn supervisor_time(executor: &AnyExecutor) -> Outcome<f64> {
    Ok(field(&supervisor_file(executor, "schedstat")?, "")? / 1e6)
}

/// Returns the path of a file in the supervisor's directory of `/proc`.
fn supervisor_file(executor: &AnyExecutor, name: &str) -> Outcome<String> {
    let service = executor.pid().ok_or("it has just been started")?;
    let supervisor = field(&format!("/proc/{service}/status"), "PPid:")?;
    Ok(format!("/proc/{supervisor}/{name}"))
}

/// Starts many TCP services at once, each from its own thread. Measures the time from the stamp of the last ready
/// service to the last return, and the time to stop them all.
pub(crate) fn many_at_once(
    count: usize,
    rounds: usize,
    delays: &mut Delays,
) -> Outcome<(Pair, Pair)> {
    let (mut ready, mut stop) = (Pair::default(), Pair::default());
    for _ in 0..rounds {
        let mut orders = || -> io::Result<Vec<Order>> {
            let ports = free_ports(count)?;
            let order = |port| Order::new(Kind::Tcp, delays.draw(), port);
            ports.into_iter().map(order).collect()
        };

        let (last, stopping) = together(&orders()?, |service, gate| {
            let executor = executor(service, Port::Fixed)?;
            gate.wait();
            let started = executor.start();
            let returned = now();
            gate.wait();
            started?;
            let called = now();
            executor.stop()?;
            Ok((returned, called, now()))
        })?;
        ready.mirakuru.push(last);
        stop.mirakuru.push(stopping);

        let (last, stopping) = together(&orders()?, |service, gate| {
            gate.wait();
            let started = Bare::start(service);
            gate.wait();
            let (mut bare, returned) = started?;
            let called = now();
            bare.stop()?;
            Ok((returned, called, now()))
        })?;
        ready.bare.push(last);
        stop.bare.push(stopping);
    }
    Ok((ready, stop))
}

/// Runs `serve` for each service in a thread of its own. `serve` returns three times: when the start returned, when it
/// called the stop, and when the stop returned.
fn together(
    services: &[Order],
    serve: impl Fn(&Order, &Barrier) -> Outcome<(i64, i64, i64)> + Sync,
) -> Outcome<(f64, f64)> {
    let gate = Barrier::new(services.len());
    let times: Outcome<Vec<_>> = thread::scope(|scope| {
        let (serve, gate) = (&serve, &gate);
        let serve = |service| scope.spawn(move || serve(service, gate));
        let threads: Vec<_> = services.iter().map(serve).collect();
        let ends = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
        ends.map(|end| end.expect("a thread that does not panic"))
            .collect()
    });
    let times = times?;
    let stamps: io::Result<Vec<_>> = services.iter().map(|one| one.stamp(Stamp::Ready)).collect();
    let last_ready = stamps?.into_iter().max().unwrap_or_default();
    let last_returned = times.iter().map(|time| time.0).max().unwrap_or_default();
    let first_called = times.iter().map(|time| time.1).min().unwrap_or_default();
    let last_gone = times.iter().map(|time| time.2).max().unwrap_or_default();
    Ok((ms(last_ready, last_returned), ms(first_called, last_gone)))
}

/// Returns the memory of one supervisor in megabytes: resident (RSS), and proportional (PSS).
pub(crate) fn supervisor_memory() -> Outcome<(f64, f64)> {
    let service = order(Kind::Output, Duration::ZERO)?;
    let executor = executor(&service, Port::Fixed)?;
    executor.start()?;
    let rollup = supervisor_file(&executor, "smaps_rollup")?;
    let megabytes = |name| Ok::<_, Box<dyn Error + Send + Sync>>(field(&rollup, name)? / 1024.0);
    let memory = (megabytes("Rss:")?, megabytes("Pss:")?);
    executor.stop()?;
    Ok(memory)
}

/// Returns the number that follows this name in a file of `/proc`.
fn field(file: &str, name: &str) -> Outcome<f64> {
    let text = std::fs::read_to_string(file)?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.split_whitespace().next());
    Ok(number
        .ok_or_else(|| format!("no {name} in {file}"))?
        .parse()?)
}
