//! Functions of every shape: what they return, their generics, lints, visibility and documentation.

use std::{
    fmt::{self, Debug},
    process::{ExitCode, Termination},
};

use mirakuru::{SimpleExecutor, with_process};

use crate::recorded::{counted, made};

#[with_process(simple = "sleep 60")]
#[test]
fn unit(sleep: &SimpleExecutor) {
    assert!(sleep.running());
}

#[with_process(simple = "sleep 60")]
#[test]
fn result(sleep: &SimpleExecutor) -> Result<(), fmt::Error> {
    if !sleep.running() {
        return Err(fmt::Error);
    }
    Ok(())
}

#[with_process(simple = "sleep 60")]
#[test]
fn result_of_ours(sleep: &SimpleExecutor) -> mirakuru::Result<()> {
    sleep.restart()?.stop()?;
    Ok(())
}

#[with_process(simple = "sleep 60")]
#[test]
fn exit_code(_sleep: &SimpleExecutor) -> ExitCode {
    ExitCode::SUCCESS
}

#[with_process(simple = "sleep 60")]
#[test]
fn some_termination(sleep: &SimpleExecutor) -> impl Termination {
    sleep.stop().map(drop)
}

#[with_process(simple = "sleep 60")]
#[test]
#[should_panic = "the expected panic"]
fn never(_sleep: &SimpleExecutor) -> ! {
    panic!("the expected panic");
}

#[with_process(simple = "sleep 60")]
fn generic<T: Default, const N: usize>() -> [T; N]
where
    [T; N]: Debug,
{
    std::array::from_fn(|_| T::default())
}

#[test]
fn generics_are_kept() {
    assert_eq!(generic::<u8, 3>(), [0, 0, 0]);
}

mod inner {
    use mirakuru::with_process;

    /// Visible outside of its module.
    #[with_process(simple = "sleep 60")]
    #[allow(
        clippy::unnecessary_literal_unwrap,
        reason = "the other attributes of a function stay on it"
    )]
    #[inline]
    pub(in crate::signatures) fn visible() -> u8 {
        Some(1).unwrap()
    }
}

#[test]
fn visibility_is_kept() {
    assert_eq!(inner::visible(), 1);
}

/// Patterns, parameters that shadow the names of the expansion, and unused parameters.
#[with_process(simple = "sleep 60")]
#[with_process(simple = "sleep 61")]
#[with_process(simple = "sleep 62")]
#[test]
fn patterns(_: &SimpleExecutor, test: &SimpleExecutor, process_0: &mirakuru::SimpleExecutor) {
    assert_eq!(test.command(), "sleep 61");
    assert_eq!(process_0.command(), "sleep 62");
}

/// The attribute may also be below `#[test]` if the function takes no parameters.
#[test]
#[with_process(executor = counted())]
fn below() {
    assert_eq!(made(), 1);
}

#[test]
#[with_process(executor = counted())]
#[with_process(executor = counted())]
#[should_panic(expected = "panic")]
fn several_below() {
    assert_ne!(made(), 2, "the expected panic");
}

fn made_perhaps() -> Result<SimpleExecutor, std::num::ParseIntError> {
    "60".parse::<u8>()
        .map(|seconds| SimpleExecutor::new(format!("sleep {seconds}")))
}

#[with_process(executor = made_perhaps()?)]
#[test]
fn an_executor_expression_may_use_the_question_mark(
    sleep: &SimpleExecutor,
) -> Result<(), std::num::ParseIntError> {
    assert!(sleep.running());
    Ok(())
}

#[with_process(simple = "sleep 60")]
#[test]
#[should_panic]
#[expect(
    clippy::should_panic_without_expect,
    reason = "the attribute must recognise this form"
)]
fn any_panic(sleep: &SimpleExecutor) {
    assert!(!sleep.running());
}

#[with_process(simple = "sleep 60")]
#[test]
fn inner_attributes(sleep: &SimpleExecutor) {
    #![allow(unused_variables)]
    let unused = sleep.running();
}

macro_rules! of_a_macro {
    ($name:ident, $executor:ty) => {
        #[with_process(simple = "sleep 60")]
        #[test]
        fn $name(sleep: $executor) {
            assert!(sleep.running());
        }
    };
}

of_a_macro!(parameter_of_a_macro, &SimpleExecutor);
