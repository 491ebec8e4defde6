//! Tests of the services without databases, and of options that all services have.

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;

use mirakuru::services;

use super::Outcome;

/// Sends a request, and returns the beginning of the answer.
fn asked(address: &str, request: &str) -> Outcome<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(request.as_bytes())?;
    let mut answer = [0; 4096];
    let length = stream.read(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
}

#[test]
#[cfg(target_os = "linux")]
#[cfg_attr(
    not(namespaces),
    ignore = "needs namespaces, to mount another /dev/shm"
)]
fn files_lie_in_memory_if_it_has_a_gibibyte() -> Outcome {
    const SIZE: &str = "SIZE_OF_MEMORY";
    if let Ok(size) = std::env::var(SIZE) {
        let redis = services::redis();
        assert_eq!(redis.tmpdir().starts_with("/dev/shm"), size == "2g");
        return Ok(());
    }
    for size in ["64m", "2g"] {
        let mut script = "mount -t tmpfs -o size=$SIZE_OF_MEMORY none /dev/shm".to_owned();
        script += " && exec \"$0\" --exact others::files_lie_in_memory_if_it_has_a_gibibyte";
        let mut command = super::in_another_namespace(&script);
        let output = command.env(SIZE, size).env_remove("TMPDIR").output()?;
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && printed.contains("1 passed"),
            "{size}: {printed}"
        );
    }
    Ok(())
}

#[test]
#[cfg_attr(
    not(has_redis),
    ignore = "redis-server is not in PATH: apt-get install redis-server"
)]
fn redis_takes_options_of_several_words() -> Outcome {
    let redis = services::redis()
        .config("maxmemory", "64mb")
        .config("client-output-buffer-limit", "normal 1mb 1mb 60")
        .started()?;
    let mut client = redis::Client::open(redis.url())?.get_connection()?;
    let limit = |name: &str| redis::cmd("CONFIG").arg("GET").arg(name).to_owned();
    let found: Vec<String> = limit("maxmemory").query(&mut client)?;
    assert_eq!(found[1], "67108864");
    let found: Vec<String> = limit("client-output-buffer-limit").query(&mut client)?;
    assert!(found[1].contains("normal 1048576 1048576 60"), "{found:?}");
    redis.stop()?;
    Ok(())
}

#[test]
#[cfg_attr(
    not(has_memcached),
    ignore = "memcached is not in PATH: apt-get install memcached"
)]
fn memcached_keeps_a_value_and_stops_with_a_client() -> Outcome {
    let memcached = services::memcached()
        .config("max-item-size", "2m")
        .started()?;
    let client = memcache::connect(memcached.url())?;
    client.set("answer", "x".repeat(1_500_000).as_str(), 0)?;
    memcached.stop()?;
    Ok(())
}

#[test]
#[cfg_attr(
    not(has_nats),
    ignore = "nats-server is not in PATH: apt-get install nats-server"
)]
fn nats_offers_jet_stream_in_its_directory() -> Outcome {
    let nats = services::nats().config("max_payload", 4096).started()?;
    let info = asked(&nats.addr(), "")?;
    assert!(info.contains("\"jetstream\":true"), "{info}");
    assert!(info.contains("\"max_payload\":4096"), "{info}");
    assert!(nats.tmpdir().join("jetstream").is_dir());
    nats.stop()?;
    Ok(())
}

#[test]
#[cfg_attr(
    not(has_etcd),
    ignore = "etcd is not in PATH: apt-get install etcd-server"
)]
fn etcd_is_healthy_and_takes_options() -> Outcome {
    let etcd = services::etcd().config("max-txn-ops", 7).started()?;
    let health = asked(&etcd.addr(), "GET /health HTTP/1.0\r\n\r\n")?;
    assert!(health.contains("\"health\":\"true\""), "{health}");
    assert_ne!(etcd.port(), etcd.port_named("peer"));
    etcd.stop()?;
    Ok(())
}

#[test]
#[cfg_attr(
    not(has_mosquitto),
    ignore = "mosquitto is not in PATH: apt-get install mosquitto"
)]
fn mosquitto_accepts_clients_and_shows_a_complaint() -> Outcome {
    let mosquitto = services::mosquitto()
        .config("max_keepalive", 60)
        .started()?;
    let connect = "\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01a";
    assert_eq!(asked(&mosquitto.addr(), connect)?, "\x20\x02\0\0");
    mosquitto.stop()?;
    let wrong = services::mosquitto().config("no_such_option", 1);
    let text = wrong
        .start()
        .expect_err("the option is unknown")
        .to_string();
    assert!(text.contains("no_such_option"), "{text}");
    Ok(())
}

#[test]
#[cfg(target_os = "linux")]
#[cfg_attr(
    not(has_webdriver),
    ignore = "chromedriver is not in PATH: apt-get install chromium-driver"
)]
fn a_browser_ends_with_its_driver() -> Outcome {
    let driver = services::webdriver().started()?;
    let browser = r#"{"capabilities":{"alwaysMatch":{"goog:chromeOptions":
        {"args":["--headless=new","--no-sandbox","--disable-gpu","--disable-dev-shm-usage"]}}}}"#;
    let request = format!(
        "POST /session HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{browser}",
        driver.addr(),
        browser.len()
    );
    let answer = asked(&driver.addr(), &request)?;
    assert!(answer.contains("sessionId"), "{answer}");
    let tasks = format!(
        "/proc/{}/task",
        driver.pid().ok_or("the server is not running")?
    );
    let children = std::fs::read_dir(tasks)?.flatten().map(|task| {
        let children = std::fs::read_to_string(task.path().join("children"));
        children.unwrap_or_default()
    });
    let children: String = children.collect();
    let browsers: Vec<_> = children.split_whitespace().collect();
    assert!(!browsers.is_empty());
    driver.stop()?;
    let lives = |browser: &&&str| std::path::Path::new("/proc").join(browser).exists();
    assert_eq!(browsers.iter().find(lives), None);
    Ok(())
}

#[test]
#[cfg_attr(
    not(has_redis),
    ignore = "redis-server is not in PATH: apt-get install redis-server"
)]
fn a_script_can_replace_the_program() -> Outcome {
    let home = tempfile::tempdir()?;
    let script = home.path().join("redis-server");
    std::fs::write(&script, "#!/bin/sh\necho \"instead: $*\" >&2\nexit 3\n")?;
    let chmod = std::process::Command::new("chmod")
        .arg("755")
        .arg(&script)
        .status()?;
    assert!(chmod.success());
    let redis = services::redis().program(&script);
    // The start must succeed at last: the kernel refuses to run a file while a child that another thread forked has it
    // open for writing.
    let text = redis
        .start()
        .expect_err("the script exits with an error")
        .to_string();
    assert!(text.contains("instead: --port"), "{text}");
    assert_eq!(redis.exit_code(), Some(3));
    Ok(())
}

#[test]
#[cfg_attr(
    not(has_rabbitmq),
    ignore = "rabbitmq-server is not in PATH: apt-get install rabbitmq-server"
)]
fn rabbitmqctl_needs_a_running_broker() -> Outcome {
    let broker = services::rabbitmq();
    let error = broker
        .rabbitmqctl()
        .expect_err("the broker was not started");
    assert_eq!(error.kind(), mirakuru::ErrorKind::Io);
    // If the broker stops before the command runs, the command starts no port mapper.
    broker.start()?;
    let mut command = broker.rabbitmqctl()?;
    let mapper = (std::net::Ipv4Addr::LOCALHOST, broker.port_named("epmd"));
    broker.stop()?;
    let ended = command.current_dir("/").arg("status").output()?;
    assert!(!ended.status.success());
    assert!(TcpStream::connect(mapper).is_err());
    Ok(())
}

#[test]
fn a_ready_made_service_rejects_the_shell_option() {
    let error = services::redis()
        .shell(true)
        .start()
        .expect_err("a service has no script");
    assert_eq!(error.kind(), mirakuru::ErrorKind::InvalidConfig);
}

#[test]
#[cfg(target_os = "linux")]
#[cfg_attr(
    not(all(root, has_nats)),
    ignore = "root is needed, and nats-server: apt-get install nats-server"
)]
fn a_service_of_another_user_reads_its_configuration() -> Outcome {
    let nats = services::nats().user("nobody").umask(0o077).started()?;
    // Each start writes the file again, because the port may differ.
    std::fs::write(nats.tmpdir().join("mirakuru.conf"), "")?;
    nats.restart()?;
    nats.stop()?;
    Ok(())
}

#[test]
#[cfg_attr(
    not(has_redis),
    ignore = "redis-server is not in PATH: apt-get install redis-server"
)]
fn twenty_services_start_at_the_same_time() -> Outcome {
    let threads: Vec<_> = (0..20)
        .map(|_| thread::spawn(|| services::redis().started()?.stop().map(drop)))
        .collect();
    for thread in threads {
        thread
            .join()
            .map_err(|_| Box::<dyn Error>::from("the thread panicked"))??;
    }
    Ok(())
}
