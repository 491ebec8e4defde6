//! Asking a check so that it cannot outlive the deadline.
//!
//! A check that keeps time is asked on the caller's thread. Any other (a user's own, and HTTP,
//! whose client may not be used on a thread of an async runtime) is asked on a thread apart, which
//! is left to itself where it does not answer: it ends with its check.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use super::{Context, NotReady, Readiness};
use crate::wait::Deadline;

/// Which of the two checks is asked.
#[derive(Clone, Copy)]
pub(crate) enum Question {
    BeforeStart,
    AfterStart,
}

/// What came of it; a panic of the check is the caller's to go on with.
pub(crate) enum Answer {
    Ready,
    NotReady(NotReady),
    /// Somebody else has the place that the process was to have: who.
    Taken(String),
    /// The deadline passed, or what was checked ended, and the check has not answered.
    Overdue,
    Panicked(Box<dyn Any + Send>),
}

/// Asks one check, for one start.
pub(crate) enum Probe<R> {
    Here(Arc<R>),
    Apart {
        questions: Sender<(Question, Context)>,
        answers: Receiver<Answer>,
    },
}

/// How often it is asked whether waiting for an answer still makes sense.
const SLICE: Duration = Duration::from_millis(10);

impl<R: Readiness> Probe<R> {
    pub(crate) fn new(check: &Arc<R>, cx: &Context) -> std::io::Result<Self> {
        if check.manner(cx).keeps_time {
            return Ok(Self::Here(Arc::clone(check)));
        }
        let (questions, asked) = channel::<(Question, Context)>();
        let (answer, answers) = channel();
        let check = Arc::clone(check);
        let answering = move || {
            for (question, cx) in asked {
                // Nobody waits for it any more where this fails.
                let _ = answer.send(ask(&*check, question, &cx));
            }
        };
        std::thread::Builder::new()
            .name("mirakuru-probe".to_owned())
            .spawn(answering)?;
        Ok(Self::Apart { questions, answers })
    }

    /// Asks, and waits for the answer until the deadline or until `in_vain`.
    pub(crate) fn ask(
        &self,
        question: Question,
        cx: &Context,
        deadline: Deadline,
        in_vain: impl Fn() -> bool,
    ) -> Answer {
        let (questions, answers) = match self {
            Self::Here(check) => return ask(&**check, question, cx),
            Self::Apart { questions, answers } => (questions, answers),
        };
        if questions.send((question, cx.clone())).is_err() {
            return Answer::Overdue;
        }
        loop {
            match answers.recv_timeout(deadline.remaining().min(SLICE)) {
                Ok(answer) => return answer,
                Err(RecvTimeoutError::Timeout) if !deadline.has_passed() && !in_vain() => {}
                Err(_) => return Answer::Overdue,
            }
        }
    }
}

fn ask<R: Readiness>(check: &R, question: Question, cx: &Context) -> Answer {
    let asked = catch_unwind(AssertUnwindSafe(|| match question {
        Question::BeforeStart if check.pre_start_check(cx) => Ok(()),
        Question::BeforeStart => Err(NotReady::new("nothing is there")),
        Question::AfterStart => check.after_start_check(cx),
    }));
    match asked {
        Ok(Ok(())) => Answer::Ready,
        Ok(Err(not_ready)) => match not_ready.into_holder() {
            Ok(holder) => Answer::Taken(holder),
            Err(not_ready) => Answer::NotReady(not_ready),
        },
        Err(panic) => Answer::Panicked(panic),
    }
}
