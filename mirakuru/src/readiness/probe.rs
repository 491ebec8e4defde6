//! Asks a check so that the call cannot outlive the deadline.
//!
//! A check that never blocks beyond its deadline is asked on the caller's thread. Any other check is asked on a thread
//! of its own: a user's check, and HTTP, whose client must not be used on a thread of an async runtime. If that check
//! does not answer, the caller abandons the thread, which ends when the check returns.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use super::{Context, NotReady, Readiness};
use crate::wait::Deadline;

/// The method of the check that is called.
#[derive(Clone, Copy)]
pub(crate) enum Question {
    BeforeStart,
    AfterStart,
}

/// The answer of a check, or `None` if the check did not answer in time.
pub(crate) type Answer = Option<Result<(), NotReady>>;

/// Asks one check during one start.
pub(crate) enum Probe {
    /// The check is asked on the caller's thread.
    Here(Arc<dyn Readiness>),
    /// The check is asked on a thread of its own.
    OnThread {
        check: Arc<dyn Readiness>,
        questions: Sender<(Question, Context)>,
        answers: Receiver<std::thread::Result<Result<(), NotReady>>>,
    },
}

/// How often a waiting caller checks whether the answer is still needed.
const SLICE: Duration = Duration::from_millis(10);

impl Probe {
    pub(crate) fn new(check: &Arc<dyn Readiness>, cx: &Context) -> std::io::Result<Self> {
        let check = Arc::clone(check);
        if check.manner(cx).keeps_time {
            return Ok(Self::Here(check));
        }
        let on_thread = Arc::clone(&check);
        let (questions, asked) = channel::<(Question, Context)>();
        let (answer, answers) = channel();
        let answering = move || {
            for (question, cx) in asked {
                let answered = catch_unwind(AssertUnwindSafe(|| ask(&*on_thread, question, &cx)));
                // The send fails if the caller has abandoned this thread.
                let _ = answer.send(answered);
            }
            #[cfg(feature = "http")]
            super::client::drop_thread_client();
        };
        std::thread::Builder::new()
            .name("mirakuru-probe".to_owned())
            .spawn(answering)?;
        Ok(Self::OnThread {
            check,
            questions,
            answers,
        })
    }

    /// Asks the check, and waits for the answer until the deadline, or until `pointless` returns `true`.
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
            Self::OnThread {
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
        Question::BeforeStart => Err(NotReady::new("no service answers yet")),
        Question::AfterStart => check.after_start_check(cx),
    }
}
