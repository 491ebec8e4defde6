//! Tests a variable that a fixture sets before `main`.

use std::env;

use mirakuru::{OutputExecutor, Shared};
use mirakuru_everywhere::service;

static SERVICE: Shared<OutputExecutor> =
    Shared::new(|| OutputExecutor::new(service(&["say=on port {port}", "wait"]), "on port"));

mirakuru::export! { EVERYWHERE_URL = SERVICE, |service| format!("{}/api", service.url()) }

#[test]
fn a_variable_is_set_before_the_tests_begin() {
    let service = SERVICE.get().expect("it is there");
    assert_eq!(
        env::var("EVERYWHERE_URL"),
        Ok(format!("{}/api", service.url()))
    );
    assert!(service.running());
}
