//! The HTTP check: which requests it sends, and which answers it accepts.

use std::time::Duration;

use mirakuru::{ErrorKind, Executor, HttpExecutor, Result};
use mirakuru_tests::error_text::error_of;

use crate::{
    PROGRAM,
    rerun::{alone, is_alone},
};

/// Returns a service whose check requests this path.
fn serving(path: &str) -> HttpExecutor {
    let url = format!("http://127.0.0.1:{{port}}{path}");
    HttpExecutor::new([PROGRAM, "http_service", "{port}"], url)
}

/// Returns the requests that the service received, one per line, without the lines that it printed before them.
fn requests(service: &HttpExecutor) -> Vec<String> {
    // The service answers once it has written the line, and the line may still be on its way.
    let line = service.output().wait_for(" /");
    line.expect("at least one request");
    let text = service.output().text();
    text.lines().skip(1).map(str::to_owned).collect()
}

#[track_caller]
fn is_ready(service: HttpExecutor) -> Vec<String> {
    let service = service.started().expect("it gets ready");
    requests(&service)
}

/// Returns the last check of a service that never becomes ready.
#[track_caller]
fn last_check(service: HttpExecutor) -> String {
    let service = service.timeout(Duration::from_secs(2));
    let error = error_of(service.start());
    assert_eq!(error.kind(), ErrorKind::TimeoutExpired);
    let text = error.to_string();
    let (_, after) = text.split_once("\n  last check:  ").expect("a last check");
    after.lines().next().expect("a line").to_owned()
}

#[test]
fn an_answer_in_another_protocol_is_reported() {
    for greeting in ["INFO%20{}", "220%20mail", "-ERR", "HTTP/1.1%20two"] {
        let reported = last_check(serving(&format!("/raw/{greeting}%20and%20more")));
        assert_eq!(reported, "it answered, but not with HTTP", "{greeting}");
    }
    let reported = last_check(serving("/raw/"));
    assert_eq!(reported, "it closed the connection before it had answered");
}

#[test]
fn a_refused_connection_is_reported_as_the_tcp_check_does() {
    let url = "http://127.0.0.1:{port}/";
    let asks = mirakuru::readiness::Http::new(url).any_listener();
    let service = Executor::with_readiness([PROGRAM, "prints", "up"], asks);
    let error = error_of(service.timeout(Duration::from_secs(1)).start());
    let reported = "\n  last check:  connection refused: no process listens there\n";
    assert!(error.to_string().contains(reported), "{error}");
}

#[test]
fn one_head_request_is_sent_if_the_answer_is_right() {
    assert_eq!(is_ready(serving("/")), ["HEAD / "]);
    assert_eq!(is_ready(serving("")), ["HEAD / "]);
}

#[test]
fn a_get_request_follows_if_head_is_refused() {
    for status in [400, 404, 405, 501] {
        let path = format!("/refuses/HEAD/{status}");
        let service = serving(&path).started().expect("it gets ready");
        service
            .output()
            .wait_for("^GET ")
            .expect("it received the request");
        let asked = [format!("HEAD {path} "), format!("GET {path} ")];
        assert_eq!(requests(&service), asked);
    }
}

#[test]
fn a_given_method_is_the_only_one() {
    let service = serving("/refuses/HEAD/405").method("HEAD");
    assert_eq!(last_check(service), "it answered with status 405");
}

#[test]
fn refusals_of_head_and_get_are_both_reported() {
    let last = last_check(serving("/status/501"));
    assert_eq!(last, "it answered HEAD with status 501, and GET with 501");
    let last = last_check(serving("/refuses/HEAD/405").status(204));
    assert_eq!(last, "it answered HEAD with status 405, and GET with 200");
    let last = last_check(serving("/status/404"));
    assert_eq!(last, "it answered HEAD with status 404, and GET with 404");
}

#[test]
fn the_path_and_the_query_are_kept() {
    let asked = is_ready(serving("/a/b%20c/?x=1&y=%2F&x=2"));
    assert_eq!(asked, ["HEAD /a/b%20c/?x=1&y=%2F&x=2 "]);
}

#[test]
fn any_success_status_is_accepted_by_default() {
    for status in [200, 204, 299] {
        is_ready(serving(&format!("/status/{status}")));
    }
    for status in [401, 500, 503] {
        let check = last_check(serving(&format!("/status/{status}")));
        assert_eq!(check, format!("it answered with status {status}"));
    }
}

#[test]
fn a_single_status_can_be_expected() {
    is_ready(serving("/status/404").status(404));
    let check = last_check(serving("/status/200").status(404));
    assert_eq!(check, "it answered with status 200");
}

#[test]
fn a_pattern_must_match_the_whole_status() {
    is_ready(serving("/status/418").status(r"4\d\d"));
    is_ready(serving("/status/503").status("200|503".to_owned()));
    let check = last_check(serving("/status/200").status("20"));
    assert_eq!(check, "it answered with status 200");
    let check = last_check(serving("/status/500").status("200|50"));
    assert_eq!(check, "it answered with status 500");
}

#[test]
fn redirects_are_not_followed() {
    assert_eq!(
        is_ready(serving("/status/302").status(302)),
        ["HEAD /status/302 "]
    );
}

#[test]
fn a_redirect_is_reported_with_its_target_and_advice() {
    let check = last_check(serving("/status/302"));
    let begin = "it answered with status 302, a redirect to http://127.0.0.1:";
    let end = "/status/200: request that URL, or accept the redirect with `status(302)`";
    assert!(check.starts_with(begin) && check.ends_with(end), "{check}");
    let check = last_check(serving("/refuses/HEAD/405").method("GET").status(204));
    assert_eq!(check, "it answered with status 200");
}

#[test]
fn a_body_is_sent_as_it_is() -> Result<()> {
    let path = "/needs/content-type/application/json";
    let service = serving(path).method("POST").body(r#"{"a": 1}"#);
    let service = service
        .header("Content-Type", "application/json")
        .started()?;
    assert_eq!(requests(&service), [format!(r#"POST {path} {{"a": 1}}"#)]);
    let both = serving("/").body("a").payload([("b", "c")]);
    assert_eq!(error_of(both.start()).kind(), ErrorKind::InvalidConfig);
    Ok(())
}

#[test]
fn a_payload_is_sent_as_a_form() -> Result<()> {
    let pairs = [("name", "a b&c"), ("sign", "=é")];
    let form = "/needs/content-type/application/x-www-form-urlencoded";
    let service = serving(form).method("POST").payload(pairs).started()?;
    let expected = format!("POST {form} name=a+b%26c&sign=%3D%C3%A9");
    assert_eq!(requests(&service), [expected]);
    Ok(())
}

#[test]
fn the_length_of_a_payload_is_sent() {
    let asked = is_ready(
        serving("/needs/content-length/3")
            .method("PUT")
            .payload([("a", "b")]),
    );
    assert_eq!(asked, ["PUT /needs/content-length/3 a=b"]);
}

#[test]
fn any_method_can_be_set() {
    for method in ["GET", "OPTIONS", "DELETE", "PROPFIND"] {
        assert_eq!(
            is_ready(serving("/x").method(method)),
            [format!("{method} /x ")]
        );
    }
}

#[test]
fn headers_are_sent() {
    is_ready(serving("/needs/X-Token/secret").header("X-Token", "secret"));
    let two = serving("/needs/b/2").header("A", "1").header("B", "2");
    is_ready(two);
    let check = last_check(serving("/needs/X-Token/secret").header("X-Token", "wrong"));
    assert_eq!(check, "it answered with status 412");
}

#[test]
fn the_host_header_is_that_of_the_url_and_can_be_overridden() {
    is_ready(serving("/needs/host/127.0.0.1:{port}"));
    let service = serving("/needs/host/example.org").header("Host", "example.org");
    is_ready(service);
}

#[test]
fn requests_repeat_until_the_answer_is_right() -> Result<()> {
    let command = [PROGRAM, "http_service", "{port}", "3", "201"];
    let service = HttpExecutor::new(command, "http://127.0.0.1:{port}/late").started()?;
    let asked = service.output().lines().skip(1).take(4);
    let asked = asked.collect::<Result<Vec<_>>>()?;
    assert_eq!(asked, ["HEAD /late "; 4], "three were refused");
    Ok(())
}

#[test]
fn localhost_is_a_valid_host() -> Result<()> {
    let url = "http://localhost:{port}/x";
    HttpExecutor::new([PROGRAM, "http_service", "{port}"], url).start()?;
    Ok(())
}

#[test]
fn a_fragment_is_not_sent_and_credentials_are_a_header() {
    assert_eq!(is_ready(serving("/x?y#z")), ["HEAD /x?y "]);
    // The Base64 encoding of "user:word".
    let path = "/needs/authorization/Basic%20dXNlcjp3b3Jk";
    let url = format!("http://user:word@127.0.0.1:{{port}}{path}");
    let service = HttpExecutor::new([PROGRAM, "http_service", "{port}"], url);
    assert_eq!(is_ready(service), [format!("HEAD {path} ")]);
}

#[test]
fn proxies_from_the_environment_are_not_used() {
    if !is_alone() {
        // No proxy listens on this port: a check that used it would never pass.
        let proxy = "http://127.0.0.1:9";
        alone(
            "http::proxies_from_the_environment_are_not_used",
            "",
            |command| {
                for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
                    command.env(name, proxy);
                }
                command.env_remove("NO_PROXY").env_remove("no_proxy");
                command.env_remove("REQUEST_METHOD");
            },
        );
        return;
    }
    assert!(std::env::var_os("HTTP_PROXY").is_some());
    assert_eq!(is_ready(serving("/x")), ["HEAD /x "]);
}
