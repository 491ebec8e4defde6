//! The names of executors, and their `Display` and `Debug` forms.

use mirakuru::{
    AnyExecutor, Executor, HttpExecutor, OutputExecutor, PidExecutor, Result, SimpleExecutor,
    TcpExecutor, UnixSocketExecutor, readiness::Context,
};
use mirakuru_tests::error_text::{assert_error_text, error_of};

use crate::PROGRAM;

#[test]
fn every_kind_shows_its_name_and_whole_command() {
    let command = || ["serve", "a b"];
    let url = "http://127.0.0.1:{port}/";
    let shown = [
        SimpleExecutor::new(command()).to_string(),
        OutputExecutor::new(command(), "x").to_string(),
        TcpExecutor::new(command(), "127.0.0.1", 0).to_string(),
        UnixSocketExecutor::new(command(), "{socket}").to_string(),
        HttpExecutor::new(command(), url).to_string(),
        PidExecutor::new(command(), "{pidfile}").to_string(),
        Executor::when(command(), |_: &Context| true).to_string(),
        TcpExecutor::new(command(), "127.0.0.1", 0)
            .boxed()
            .to_string(),
        SimpleExecutor::new(command())
            .name("the server")
            .to_string(),
    ];
    let kinds = [
        "SimpleExecutor",
        "OutputExecutor",
        "TcpExecutor",
        "UnixSocketExecutor",
        "HttpExecutor",
        "PidExecutor",
        "Executor",
        "TcpExecutor",
        "the server",
    ];
    assert_eq!(shown, kinds.map(|kind| format!("{kind}: serve 'a b'")));
}

#[test]
fn the_debug_form_is_short() -> Result<()> {
    let executor = SimpleExecutor::new("sleep 60");
    let shown = format!("{executor:?}");
    assert_eq!(
        shown,
        "SimpleExecutor { command: \"sleep 60\", pid: None, .. }"
    );
    let pid = executor.start()?.pid().expect("it runs");
    let shown = format!("{executor:?}");
    assert_eq!(
        shown,
        format!("SimpleExecutor {{ command: \"sleep 60\", pid: Some({pid}), .. }}")
    );
    Ok(())
}

#[test]
fn a_name_is_in_errors() {
    let executor = OutputExecutor::new([PROGRAM, "exits", "1"], "ready").name("the server");
    assert_error_text(
        &error_of(executor.start()),
        &[
            "`programs exits 1` ended before it was ready",
            "  waited for:  a line of its output that matches \"ready\"",
            "  how long:    TIME",
            "  last check:  no line matched",
            "  process:     exited with code 1",
            "  note:        this is the executor named \"the server\"",
        ],
    );
}

#[expect(
    clippy::needless_borrows_for_generic_args,
    reason = "every form must compile"
)]
#[test]
fn a_command_is_a_string_or_any_list_of_words() {
    let parts = |executor: &SimpleExecutor| executor.command_parts();
    let words = ["echo", "a b", "$HOME"];
    let owned: Vec<String> = words.map(str::to_owned).to_vec();
    let text = "echo 'a b' $HOME".to_owned();
    let executors = [
        SimpleExecutor::new("echo 'a b' $HOME"),
        SimpleExecutor::new(text.clone()),
        SimpleExecutor::new(&text),
        SimpleExecutor::new(words),
        SimpleExecutor::new(&words),
        SimpleExecutor::new(&words[..]),
        SimpleExecutor::new(words.to_vec()),
        SimpleExecutor::new(&owned),
        SimpleExecutor::new(owned.as_slice()),
        SimpleExecutor::new(owned.clone()),
    ];
    for (index, executor) in executors.iter().enumerate() {
        assert_eq!(parts(executor), words);
        let is_text = index < 3;
        let line = if is_text { &text } else { "echo 'a b' '$HOME'" };
        assert_eq!(executor.command(), line);
    }
}

#[test]
fn the_command_has_placeholders_until_the_first_start() -> Result<()> {
    let executor = OutputExecutor::new("sh -c 'echo {port}; sleep 60'", "^\\d+$");
    assert_eq!(
        executor.command_parts(),
        ["sh", "-c", "echo {port}; sleep 60"]
    );
    assert_eq!(executor.command(), "sh -c 'echo {port}; sleep 60'");
    executor.start()?;
    let script = format!("echo {}; sleep 60", executor.port());
    assert_eq!(executor.command_parts(), ["sh", "-c", &script]);
    assert_eq!(executor.command(), format!("sh -c '{script}'"));
    assert_eq!(
        executor.to_string(),
        format!("OutputExecutor: sh -c '{script}'")
    );
    executor.stop()?;
    assert_eq!(
        executor.command_parts(),
        ["sh", "-c", &script],
        "the command stays filled in"
    );
    Ok(())
}

#[test]
fn executors_go_between_threads_and_into_statics() {
    fn goes<T: Send + Sync + 'static>() {}
    goes::<SimpleExecutor>();
    goes::<OutputExecutor>();
    goes::<TcpExecutor>();
    goes::<UnixSocketExecutor>();
    goes::<HttpExecutor>();
    goes::<PidExecutor>();
    goes::<AnyExecutor>();
    goes::<mirakuru::Error>();
}

#[test]
fn executors_can_be_used_within_catch_unwind() {
    fn is_safe<T: std::panic::UnwindSafe + std::panic::RefUnwindSafe>() {}
    is_safe::<SimpleExecutor>();
    is_safe::<OutputExecutor>();
    is_safe::<TcpExecutor>();
    is_safe::<UnixSocketExecutor>();
    is_safe::<HttpExecutor>();
    is_safe::<PidExecutor>();
}
