//! Asks a check so that the call cannot outlive the deadline.
//!
//! A check that keeps time is asked on the caller's thread. Any other check (a user's own, and HTTP,
//! whose client may not be used on a thread of an async runtime) is asked on a thread of its own. If such
//! a check does not answer, the caller leaves the thread, which ends with its check.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
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

/// What a check answers; `None` if it did not answer in time.
pub(crate) type Answer = Option<Result<(), NotReady>>;

/// Asks one check, for one start.
pub(crate) enum Probe {
    Here(Arc<dyn Readiness>),
    Apart {
        check: Arc<dyn Readiness>,
        questions: Sender<(Question, Context)>,
        answers: Receiver<std::thread::Result<Result<(), NotReady>>>,
    },
}

/// How often the caller looks whether an answer is still wanted.
const SLICE: Duration = Duration::from_millis(10);

impl Probe {
    pub(crate) fn new(check: &Arc<dyn Readiness>, cx: &Context) -> std::io::Result<Self> {
        let check = Arc::clone(check);
        if check.manner(cx).keeps_time {
            return Ok(Self::Here(check));
        }
        let asked_apart = Arc::clone(&check);
        let (questions, asked) = channel::<(Question, Context)>();
        let (answer, answers) = channel();
        let answering = move || {
            for (question, cx) in asked {
                let answered = catch_unwind(AssertUnwindSafe(|| ask(&*asked_apart, question, &cx)));
                // The caller may have left.
                let _ = answer.send(answered);
            }
            #[cfg(feature = "http")]
            super::client::drop_own();
        };
        std::thread::Builder::new()
            .name("mirakuru-probe".to_owned())
            .spawn(answering)?;
        Ok(Self::Apart {
            check,
            questions,
            answers,
        })
    }

    /// Asks, and waits for the answer until the deadline or until it is `pointless`.
    ///
    /// # Panics
    ///
    /// Panics if the check does, with its panic.
    pub(crate) fn ask(
        &self,
        question: Question,
        cx: &Context,
        deadline: Deadline,
        pointless: &dyn Fn() -> bool,
    ) -> Answer {
        let (questions, answers) = match self {
            Self::Here(check) => return Some(ask(&**check, question, cx)),
            Self::Apart {
                check,
                questions,
                answers,
            } => {
                if let (Question::AfterStart, Err(why)) = (question, check.glance(cx)) {
                    return Some(Err(why));
                }
                (questions, answers)
            }
        };
        questions.send((question, cx.clone())).ok()?;
        loop {
            match answers.recv_timeout(deadline.remaining().min(SLICE)) {
                Ok(Ok(answer)) => return Some(answer),
                Ok(Err(panic)) => resume_unwind(panic),
                Err(RecvTimeoutError::Timeout) if !deadline.has_passed() && !pointless() => {}
                Err(_) => return None,
            }
        }
    }
}

fn ask(check: &dyn Readiness, question: Question, cx: &Context) -> Result<(), NotReady> {
    match question {
        Question::BeforeStart if check.pre_start_check(cx) => Ok(()),
        Question::BeforeStart => Err(NotReady::new("nothing is there")),
        Question::AfterStart => check.after_start_check(cx),
    }
}
