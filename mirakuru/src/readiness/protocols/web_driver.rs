//! The check that is ready when a WebDriver can create a session.

use super::http_answer;
use super::{
    Context, Endpoint, Exchange, Manner, NotReady, Origin, Readiness, Target, Verdict, is_a_check,
};

const SERVER: &str = "a WebDriver";

/// Ready when chromedriver, geckodriver or another WebDriver can create a session.
///
/// The check requests `GET /status` ([WebDriver](https://www.w3.org/TR/webdriver2/#status)). The driver is ready if the
/// status is 200 and the value contains `"ready": true`. For any other answer, an error shows the status and the text
/// as the last check.
///
/// ```no_run
/// use mirakuru::{Executor, readiness::WebDriver};
///
/// # fn main() -> mirakuru::Result<()> {
/// let check = WebDriver::new("127.0.0.1", 0);
/// let driver = Executor::with_readiness("chromedriver --port={port}", check).started()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct WebDriver {
    at: Endpoint,
}

is_a_check!(WebDriver, |_, exchange| http_answer::get(
    exchange, "/status", judge
));

pub(super) fn judge(bytes: &[u8]) -> Verdict {
    http_answer::judge(bytes, SERVER, &["value", "ready"], &[b"true"])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(body: &str) -> Verdict {
        judge(format!("HTTP/1.1 200 OK\r\n\r\n{body}").as_bytes())
    }

    #[test]
    fn a_driver_that_can_create_a_session_is_ready() {
        let chromedriver =
            r#"{"value":{"build":{"version":"1"},"message":"ChromeDriver ready","ready":true}}"#;
        let geckodriver = "{ \"value\" : {\n \"ready\" : true , \"message\" : \"\" } }";
        for body in [chromedriver, geckodriver] {
            assert_eq!(verdict(body), Verdict::Ready);
        }
    }

    #[test]
    fn the_reason_quotes_a_driver_that_is_not_ready() {
        let body = r#"{"value":{"message":"Session already started","ready":false}}"#;
        let why = format!("it answered with status 200: {body}");
        assert_eq!(verdict(body), Verdict::NotYet(why));
        for body in [
            r#"{"ready":true}"#,
            r#"{"value":{"a":{"ready":true}}}"#,
            r#"{"value":{"ready":"true"}}"#,
        ] {
            assert!(matches!(verdict(body), Verdict::NotYet(_)), "{body}");
        }
        assert_eq!(verdict(r#"{"value":{"ready":tru"#), Verdict::More);
    }
}
