//! Several clients of one service. No client blocks another, and no client starts a second service. The last tests
//! start a run within a run.

use std::process::Command;

use crate::{
    run::{Run, passes},
    shared::target_runner,
};

fn passes_in_a_run(filter: &str) {
    let run = Run::new();
    passes(run.nextest(filter));
    assert!(run.is_gone());
}

#[test]
fn a_supervisor_that_does_not_answer_is_not_replaced() {
    passes_in_a_run("frozen_one_is_not_replaced");
}

#[test]
fn a_supervisor_that_does_not_answer_is_waited_for_once() {
    passes_in_a_run("frozen_one_is_waited_for_by_the_first_alone");
}

#[test]
fn a_supervisor_at_its_descriptor_limit_uses_no_processor_time() {
    passes_in_a_run("one_without_room_for_a_client_waits_at_rest");
}

#[test]
fn the_directory_of_a_supervisor_that_does_not_answer_is_known() {
    passes_in_a_run("frozen_one_keeps_its_directory");
}

#[test]
fn a_client_that_was_idle_for_long_sees_the_current_process() {
    passes_in_a_run("idle_one_sees_it_run");
}

#[test]
fn a_client_that_was_idle_for_long_gets_the_running_service() {
    passes_in_a_run("idle_one_has_the_same_one");
}

#[test]
fn a_client_that_was_idle_for_long_restarts_the_service() {
    passes_in_a_run("idle_one_can_have_it_started_again");
}

#[test]
fn a_client_that_does_not_read_blocks_no_other_client() {
    passes_in_a_run("client_that_does_not_read_blocks_no_other_client");
}

fn passes_without_waiting_for_locks(filter: &str) {
    let run = Run::new();
    let mut nextest = run.nextest(filter);
    nextest.env("MIRAKURU_QUEUE_TIMEOUT", "0");
    passes(nextest);
    assert!(run.is_gone());
}

#[test]
fn a_client_waits_for_the_restart_by_another_process() {
    passes_without_waiting_for_locks("client_waits_for_the_restart_by_another_client");
}

#[test]
fn an_outage_lasts_until_its_guard_drops_even_after_a_start() {
    passes_without_waiting_for_locks("outage_with_a_start_in_it_is_waited_for");
}

#[test]
fn a_dead_service_is_started_by_the_supervisor_that_it_had() {
    passes_in_a_run("starter_of_one_that_died_needs_no_connection");
}

#[test]
fn a_client_ends_the_supervisor_of_its_own_failed_start() {
    passes_in_a_run("client_of_another_start_ends_its_own_supervisor");
}

#[test]
fn a_client_that_cannot_adopt_a_service_leaves_it_running() {
    passes_in_a_run("client_without_a_temporary_directory_leaves_it_running");
}

#[test]
fn a_new_port_of_a_member_is_known_to_its_peer() {
    passes_in_a_run("member_without_a_supervisor_gets_a_port_that_its_peer_knows");
}

#[test]
fn a_service_is_known_to_all_when_the_restart_has_returned() {
    passes_in_a_run("restart_by_another_client_is_known_at_once");
}

#[test]
fn threads_that_look_in_an_outage_do_not_start_another() {
    passes_in_a_run("threads_that_look_in_an_outage_start_nothing");
}

#[test]
fn an_attached_executor_answers_as_a_local_one() {
    let run = Run::new();
    passes(run.nextest("attached_one"));
}

/// An inner run, which a test of an outer nextest run starts. It inherits the variables that nextest sets for the outer
/// test.
struct Inner {
    run: Run,
    outer: Command,
}

impl Inner {
    fn run(runner: &str, inner: &str, outer: &str) -> Self {
        let run = Run::new();
        let mut outer = run.nextest(outer);
        let words = format!("{runner} --workspace --test clients_in_a_run {inner}");
        outer.env("INNER", words);
        Self { run, outer }
    }

    fn with_a_service(runner: &str) -> Self {
        Self::run(runner, "inner_one_is_another", "outer_one_stays_as_it_is")
    }

    fn passes_on_its_own(self) {
        passes(self.outer);
        assert_eq!(self.run.uses(), (2, 2));
        assert!(self.run.is_gone());
    }
}

#[test]
fn a_cargo_test_that_a_test_starts_is_a_run_of_its_own() {
    Inner::with_a_service("test").passes_on_its_own();
}

#[test]
fn a_nextest_that_a_test_starts_is_a_run_of_its_own() {
    Inner::with_a_service("nextest run --profile default").passes_on_its_own();
}

#[test]
fn a_cargo_test_that_a_test_starts_may_have_a_target_runner() {
    let mut inner = Inner::with_a_service("test");
    inner.outer.env(target_runner(), inner.run.wrapper());
    inner.passes_on_its_own();
}

#[test]
fn a_cargo_test_that_a_test_starts_has_slots_of_its_own() {
    let inner = Inner::run(
        "test",
        "inner_slots_differ",
        "outer_slot_is_that_of_nextest",
    );
    passes(inner.outer);
}
