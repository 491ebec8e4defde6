//! The function below the attributes: which of them are ours, what its harness does with it, and
//! which of its parameters are processes.

use proc_macro2::{TokenStream, TokenTree};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{
    Attribute, Expr, ExprLit, FnArg, ItemFn, Lit, LitStr, Meta, Pat, ReturnType, Token, Type,
};

use crate::args::{self, Args, Mistakes};

/// What is to become of the function.
pub(crate) struct Function {
    pub(crate) item: ItemFn,
    /// The leading parameters, each for one process.
    pub(crate) processes: Vec<(Pat, Type)>,
    pub(crate) panics: Panics,
}

/// Whether its harness expects a panic.
#[derive(Clone)]
pub(crate) enum Panics {
    Never,
    Always,
    Saying(LitStr),
}

/// Attributes of the language that make no test and take no parameters.
const INERT: [&str; 19] = [
    "allow",
    "warn",
    "deny",
    "forbid",
    "expect",
    "doc",
    "cfg",
    "cfg_attr",
    "inline",
    "cold",
    "must_use",
    "ignore",
    "should_panic",
    "track_caller",
    "deprecated",
    "serial",
    "parallel",
    "rustfmt",
    "clippy",
];

fn name_of(attribute: &Attribute) -> String {
    let last = attribute.path().segments.last();
    last.map(|segment| segment.ident.to_string())
        .unwrap_or_default()
}

/// Takes our further attributes off the function, wherever they stand: in the order written.
pub(crate) fn gather(item: &mut ItemFn, mistakes: &mut Mistakes) -> Vec<Args> {
    let (ours, others) = std::mem::take(&mut item.attrs)
        .into_iter()
        .partition(|attribute| name_of(attribute) == "with_process");
    item.attrs = others;
    let tokens = |attribute: &Attribute| match &attribute.meta {
        Meta::List(list) => list.tokens.clone(),
        Meta::Path(_) | Meta::NameValue(_) => TokenStream::new(),
    };
    let ours: Vec<Attribute> = ours;
    ours.iter()
        .map(|attribute| args::parse(tokens(attribute), attribute.span(), mistakes))
        .collect()
}

/// Splits the parameters; `count` is how many processes there are.
pub(crate) fn read(mut item: ItemFn, count: usize, mistakes: &mut Mistakes) -> Function {
    let panics = panics(&item.attrs);
    let harness = Harness::of(&item.attrs);
    let mut processes = Vec::new();
    let inputs: Vec<_> = std::mem::take(&mut item.sig.inputs).into_iter().collect();
    let own_tail = harness.arguments.unwrap_or(0).min(inputs.len());
    let leading = inputs.len() - own_tail;
    let mut rest = Punctuated::<FnArg, Token![,]>::new();
    for (index, input) in inputs.into_iter().enumerate() {
        let is_next = index < leading && rest.is_empty();
        match input {
            FnArg::Typed(typed) if is_next && is_process(&typed.attrs, &typed.ty) => {
                if processes.len() < count {
                    processes.push((*typed.pat, *typed.ty));
                } else if harness.takes_parameters {
                    rest.push(FnArg::Typed(typed));
                } else {
                    let message = format!(
                        "there is no process for this parameter: the attributes start {count}"
                    );
                    mistakes.at(typed.span(), message);
                }
            }
            FnArg::Receiver(receiver) => {
                mistakes.at(receiver.span(), "a method can be no test: use a function");
            }
            FnArg::Typed(typed) if !harness.takes_parameters => mistakes.at(
                typed.span(),
                "a process is given by reference, as in `redis: &TcpExecutor`; this function can have no other parameters",
            ),
            FnArg::Typed(typed) => rest.push(FnArg::Typed(typed)),
        }
    }
    item.sig.inputs = rest;
    if let Some((pattern, _)) = processes.first().filter(|_| !harness.is_test) {
        mistakes.at(
            pattern.span(),
            "no test attribute stands below: put `#[with_process(…)]` first, above `#[test]` and its like; a helper that is no test takes no parameters",
        );
    }
    if !matches!(panics, Panics::Never) && !returns_nothing(&item.sig.output) {
        mistakes.at(
            item.sig.output.span(),
            "a test that is to panic returns nothing: where a process cannot start it has to end without a panic",
        );
    }
    Function {
        item,
        processes,
        panics,
    }
}

fn is_process(attributes: &[Attribute], ty: &Type) -> bool {
    attributes.is_empty()
        && matches!(ty, Type::Reference(reference) if reference.mutability.is_none())
}

fn returns_nothing(output: &ReturnType) -> bool {
    match output {
        ReturnType::Default => true,
        ReturnType::Type(_, ty) => match &**ty {
            Type::Tuple(tuple) => tuple.elems.is_empty(),
            Type::Never(_) => true,
            _ => false,
        },
    }
}

/// What stands below: it decides which parameters there may be.
struct Harness {
    is_test: bool,
    takes_parameters: bool,
    /// How many arguments each case of `test_case` has.
    arguments: Option<usize>,
}

impl Harness {
    fn of(attributes: &[Attribute]) -> Self {
        let mut harness = Self {
            is_test: false,
            takes_parameters: false,
            arguments: None,
        };
        for attribute in attributes {
            let name = name_of(attribute);
            if INERT.contains(&name.as_str())
                || attribute.path().segments.len() > 1 && name == "skip"
            {
                continue;
            }
            harness.is_test = true;
            // `#[test]`, `#[tokio::test]` and their like take none; others may.
            harness.takes_parameters |= name != "test";
            if name == "test_case" || name == "case" && attribute.path().segments.len() > 1 {
                harness.arguments = Some(harness.arguments.unwrap_or_else(|| arguments(attribute)));
            }
        }
        harness
    }
}

/// The expressions in front of `=>` or `;`.
fn arguments(attribute: &Attribute) -> usize {
    let Meta::List(list) = &attribute.meta else {
        return 0;
    };
    let mut count = 0;
    let mut in_one = false;
    let mut before_equals = false;
    for token in list.tokens.clone() {
        match &token {
            TokenTree::Punct(punct) if punct.as_char() == ';' => break,
            TokenTree::Punct(punct) if punct.as_char() == '>' && before_equals => {
                break;
            }
            TokenTree::Punct(punct) if punct.as_char() == ',' => in_one = false,
            TokenTree::Punct(punct) if punct.as_char() == '=' => {}
            _ if !in_one => {
                in_one = true;
                count += 1;
            }
            _ => {}
        }
        before_equals = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '=');
    }
    count
}

fn panics(attributes: &[Attribute]) -> Panics {
    for attribute in attributes {
        match name_of(attribute).as_str() {
            "should_panic" => return expected(&attribute.meta),
            "test_case" if says_panics(&attribute.meta) => return Panics::Always,
            _ => {}
        }
    }
    Panics::Never
}

fn expected(meta: &Meta) -> Panics {
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
    found.map_or(Panics::Always, Panics::Saying)
}

fn says_panics(meta: &Meta) -> bool {
    let Meta::List(list) = meta else {
        return false;
    };
    let tokens: Vec<_> = list.tokens.clone().into_iter().collect();
    tokens.windows(2).any(|pair| {
        matches!(&pair[0], TokenTree::Punct(punct) if punct.as_char() == '>')
            && matches!(&pair[1], TokenTree::Ident(ident) if ident == "panics")
    })
}
