//! Tests every interleaving of threads that share a reader, and of starts with the exit. `loom` runs each test once for
//! each interleaving, and fails if a thread is never woken. The waits have no timeout, so no result depends on one.

use std::time::Duration;

use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

use self::live::Live;
use self::reader::{Known, SharedReader, Source};
use crate::wait::Deadline;

#[path = "reader.rs"]
#[expect(dead_code, reason = "the tests use a part of it")]
#[allow(clippy::duplicate_mod, reason = "the same code, with other locks")]
mod reader;

#[path = "live.rs"]
#[allow(clippy::duplicate_mod, reason = "the same code, with other locks")]
mod live;

/// The locks of both modules, which `loom` schedules.
mod sync {
    use std::time::Duration;

    pub(super) use loom::sync::atomic::Ordering::SeqCst;
    pub(super) use loom::sync::atomic::{AtomicBool, AtomicUsize};
    pub(super) use loom::sync::{Condvar, Mutex, MutexGuard};
    pub(super) use loom::thread::yield_now as pause;

    pub(super) fn lock_at_exit<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
        mutex.try_lock().ok()
    }

    pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().expect("no panic")
    }

    pub(super) fn wait_timeout<'a, T>(
        changed: &Condvar,
        guard: MutexGuard<'a, T>,
        _bound: Duration,
    ) -> MutexGuard<'a, T> {
        changed.wait(guard).expect("no panic")
    }
}

/// A source whose news is a list of numbers.
#[derive(Default)]
struct Numbers {
    arrived: Mutex<Vec<u32>>,
    sent: Condvar,
}

impl Numbers {
    fn send(&self, number: u32) {
        sync::lock(&self.arrived).push(number);
        self.sent.notify_all();
    }
}

impl Source for Numbers {
    type Wakeup = ();
    type News = Vec<u32>;

    fn wait(&self, bound: Duration) -> Option<()> {
        let mut arrived = sync::lock(&self.arrived);
        while arrived.is_empty() {
            if bound.is_zero() {
                return None;
            }
            arrived = sync::wait_timeout(&self.sent, arrived, bound);
        }
        Some(())
    }

    fn take(&self, (): ()) -> Vec<u32> {
        std::mem::take(&mut *sync::lock(&self.arrived))
    }
}

#[derive(Default)]
struct Seen(Vec<u32>);

impl Known<Vec<u32>> for Seen {
    fn apply(&mut self, news: Vec<u32>) {
        self.0.extend(news);
    }

    fn is_over(&self) -> bool {
        self.0.contains(&END)
    }
}

const END: u32 = 0;

type Reader = SharedReader<Numbers, Seen>;

fn reader() -> Arc<Reader> {
    Arc::new(Reader::new(Numbers::default()))
}

/// Waits for a number, as a caller waits for its reply, and takes it.
fn take(reader: &Reader, number: u32) -> Option<u32> {
    reader.wait(Deadline::after(Duration::MAX), |seen| {
        let at = seen.0.iter().position(|one| *one == number)?;
        Some(seen.0.remove(at))
    })
}

fn has_seen(reader: &Reader, number: u32) -> bool {
    reader.current(|seen| seen.0.contains(&number))
}

#[test]
fn each_of_two_callers_gets_its_reply() {
    loom::model(|| {
        let reader = reader();
        let other = Arc::clone(&reader);
        let other = thread::spawn(move || {
            let reply = take(&other, 1);
            // This thread may have read for both, and leaves the reading to the other thread.
            other.source().send(2);
            reply
        });
        reader.source().send(1);
        assert_eq!(take(&reader, 2), Some(2));
        assert_eq!(other.join().expect("no panic"), Some(1));
    });
}

#[test]
fn a_look_waits_for_news_that_another_thread_takes() {
    loom::model(|| {
        let reader = reader();
        let waiter = Arc::clone(&reader);
        let waiter = thread::spawn(move || take(&waiter, 2));
        reader.source().send(1);
        assert!(has_seen(&reader, 1));
        reader.source().send(2);
        assert_eq!(waiter.join().expect("no panic"), Some(2));
    });
}

#[test]
fn a_look_waits_for_all_earlier_news() {
    loom::model(|| {
        let reader = reader();
        let waiter = Arc::clone(&reader);
        let waiter = thread::spawn(move || take(&waiter, 3));
        reader.source().send(1);
        reader.source().send(2);
        assert!(has_seen(&reader, 2));
        reader.source().send(3);
        assert_eq!(waiter.join().expect("no panic"), Some(3));
    });
}

#[test]
fn two_concurrent_looks_see_all_earlier_news() {
    loom::model(|| {
        let reader = reader();
        let other = Arc::clone(&reader);
        let other = thread::spawn(move || {
            other.source().send(1);
            has_seen(&other, 1)
        });
        reader.source().send(2);
        assert!(has_seen(&reader, 2));
        assert!(other.join().expect("no panic"));
    });
}

#[test]
fn the_end_of_the_source_ends_every_wait() {
    loom::model(|| {
        let reader = reader();
        let other = Arc::clone(&reader);
        let other = thread::spawn(move || take(&other, 1));
        let sender = Arc::clone(&reader);
        let sender = thread::spawn(move || sender.source().send(END));
        assert_eq!(take(&reader, 2), None);
        assert_eq!(other.join().expect("no panic"), None);
        sender.join().expect("no panic");
    });
}

fn live() -> Arc<Live<u32>> {
    Arc::new(Live {
        links: Mutex::new(Vec::new()),
        exiting: sync::AtomicBool::new(false),
        starting: sync::AtomicUsize::new(0),
    })
}

/// Starts the supervisor with this number, and returns whether the start was permitted.
fn starts(live: &Live<u32>, number: u32) -> bool {
    let Some(permit) = live.ask() else {
        return false;
    };
    live.register(permit, number, || false);
    true
}

fn exits(live: &Live<u32>) -> Vec<u32> {
    live.take_all(Deadline::after(Duration::MAX), |_| {})
}

#[test]
fn an_exit_takes_every_start_that_was_permitted() {
    loom::model(|| {
        let live = live();
        let starter = Arc::clone(&live);
        let starter = thread::spawn(move || starts(&starter, 1));
        let taken = exits(&live);
        let permitted = starter.join().expect("no panic");
        assert_eq!(taken, if permitted { vec![1] } else { Vec::new() });
        assert!(!starts(&live, 2));
    });
}

#[test]
fn an_exit_takes_the_links_that_do_not_end_meanwhile() {
    loom::model(|| {
        let live = live();
        assert!(starts(&live, 1) && starts(&live, 2));
        let other = Arc::clone(&live);
        let other = thread::spawn(move || other.unregister(|number| *number == 1));
        let taken = exits(&live);
        other.join().expect("no panic");
        assert!(taken.ends_with(&[2]), "{taken:?}");
        assert!(sync::lock(&live.links).is_empty());
    });
}
