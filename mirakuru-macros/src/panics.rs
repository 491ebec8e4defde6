//! Finds out whether the test harness expects a panic, and in which cases: by `#[should_panic]`, and by the cases of
//! `test_case` and rstest.

use syn::{Attribute, Expr, ExprLit, Lit, LitStr, Meta};

use crate::args::Mistakes;
use crate::harness::{Outcome, is_case_of_rstest, is_test_case, name_of, outcome};

/// The panic that the test harness expects.
#[derive(Clone)]
pub(crate) enum Panics {
    Never,
    Always,
    /// A panic whose message contains this text.
    WithMessage(LitStr),
}

/// The cases of one function, by the crate that runs them.
#[derive(Default)]
struct Cases<'a> {
    all: usize,
    panicking: usize,
    /// The attribute that makes the last of the panicking cases panic.
    last_panicking: Option<&'a Attribute>,
}

impl<'a> Cases<'a> {
    fn add_panicking(&mut self, place: &'a Attribute) {
        self.panicking += 1;
        self.last_panicking = Some(place);
    }

    /// Returns the place of the mistake, if some cases panic and others do not.
    fn mixed(&self) -> Option<&'a Attribute> {
        self.last_panicking.filter(|_| self.panicking < self.all)
    }
}

/// Returns the panic that the harness expects, and reports cases that disagree.
///
/// All cases must agree: if a process cannot start, a test that expects a panic must not panic, and every other test
/// must.
pub(crate) fn of(attributes: &[Attribute], mistakes: &mut Mistakes) -> Panics {
    let mut panics = Panics::Never;
    let mut of_test_case = Cases::default();
    let mut of_rstest = Cases::default();
    // A `should_panic` that no case of rstest has followed yet.
    let mut waiting = None;
    for attribute in attributes {
        if is_test_case(attribute) {
            of_test_case.all += 1;
            if let Outcome::Panic = outcome(&attribute.meta) {
                of_test_case.add_panicking(attribute);
                panics = Panics::Always;
            }
        } else if is_case_of_rstest(attribute) {
            of_rstest.all += 1;
            if let Some(before) = waiting.take() {
                of_rstest.add_panicking(before);
            }
        } else if name_of(attribute) == "should_panic" {
            panics = expected(&attribute.meta, &panics);
            waiting = Some(attribute);
        }
    }
    // Before a case of rstest it belongs to that case alone; after the last case, to all of them.
    if waiting.is_some() {
        of_rstest.panicking = of_rstest.all;
    }
    for place in [of_test_case, of_rstest].iter().filter_map(Cases::mixed) {
        mistakes.on(place, MIXED);
    }
    panics
}

/// Returns whether the harness compares the value that the function returns. An `Err` may then be the expected value.
pub(crate) fn is_judged(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        is_test_case(attribute) && !matches!(outcome(&attribute.meta), Outcome::Any)
    })
}

const MIXED: &str = "either all cases must expect a panic, or none: split the function into two. Otherwise, a case passes although its process cannot start";

/// Returns the panic that one `#[should_panic]` expects, merged with those of the other cases. If their messages
/// differ, any message is accepted.
fn expected(meta: &Meta, others: &Panics) -> Panics {
    let text = |expr: &Expr| match expr {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => Some(text.clone()),
        _ => None,
    };
    let found = match meta {
        Meta::Path(_) => None,
        Meta::NameValue(pair) => text(&pair.value),
        Meta::List(list) => list
            .parse_args::<syn::MetaNameValue>()
            .ok()
            .and_then(|pair| text(&pair.value)),
    };
    match (found, others) {
        (Some(found), Panics::Never) => Panics::WithMessage(found),
        (Some(found), Panics::WithMessage(other)) if found.value() == other.value() => {
            Panics::WithMessage(found)
        }
        _ => Panics::Always,
    }
}
