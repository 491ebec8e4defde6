use mirakuru::services;
use std::time::Instant;

fn timed<T>(what: &str, act: impl FnOnce() -> T) -> T {
    let begin = Instant::now();
    let done = act();
    eprintln!("{what}: {:.1} ms", begin.elapsed().as_secs_f64() * 1e3);
    done
}

#[test]
fn postgres() {
    for _ in 0..3 {
        let pg = timed("pg start", || {
            services::postgres()
                .prepared(|url| {
                    eprintln!("{url}");
                    Ok(())
                })
                .started()
                .unwrap()
        });
        eprintln!("{} {}", pg.url(), pg.command());
        let db = timed("db", || pg.database().unwrap());
        let db2 = timed("db", || pg.database().unwrap());
        eprintln!("{db:?}");
        timed("drop", || drop(db));
        timed("drop", || drop(db2));
        timed("stop", || pg.stop().unwrap());
    }
}
#[test]
fn mariadb() {
    for _ in 0..3 {
        let pg = timed("my start", || {
            services::mariadb()
                .prepared(|url| {
                    eprintln!("{url}");
                    Ok(())
                })
                .started()
                .unwrap()
        });
        let db = timed("mdb", || pg.database().unwrap());
        let db2 = timed("mdb", || pg.database().unwrap());
        eprintln!("{db:?}");
        timed("mdrop", || drop(db));
        timed("mdrop", || drop(db2));
        timed("mstop", || pg.stop().unwrap());
    }
}
#[test]
fn others() {
    let x = timed("redis", || services::redis().started().unwrap());
    let db = timed("rdb", || x.database().unwrap());
    eprintln!("{db:?} {}", x.url());
    drop(db);
    timed("stop", || x.stop().unwrap());
    let x = timed("memcached", || services::memcached().started().unwrap());
    timed("stop", || x.stop().unwrap());
    let x = timed("nats", || services::nats().started().unwrap());
    timed("stop", || x.stop().unwrap());
    let x = timed("etcd", || services::etcd().started().unwrap());
    timed("stop", || x.stop().unwrap());
    let x = timed("mosquitto", || services::mosquitto().started().unwrap());
    timed("stop", || x.stop().unwrap());
}
#[test]
fn rabbit() {
    let x = timed("rabbit", || services::rabbitmq().started().unwrap());
    let out = x.rabbitmqctl().unwrap().arg("status").output().unwrap();
    eprintln!(
        "{}",
        String::from_utf8_lossy(&out.stdout)
            .lines()
            .take(5)
            .collect::<Vec<_>>()
            .join("\n")
    );
    timed("stop", || x.stop().unwrap());
}
#[test]
fn missing() {
    eprintln!("{}", services::webdriver().start().unwrap_err());
    eprintln!("{}", services::postgres().version("9").start().unwrap_err());
    eprintln!(
        "{}",
        services::postgres()
            .config("max_connections", "abc")
            .start()
            .unwrap_err()
    );
}
