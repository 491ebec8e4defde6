//! Implements the program of every service: `everywhere-service STEP...` does the steps in turn, then exits with 0.
//!
//! | step | effect |
//! |---|---|
//! | `life=ADDRESS` | connects to a [`Life`](mirakuru_everywhere::life::Life); processes that it starts later do so first |
//! | `say=TEXT`, `warn=TEXT` | prints a line to standard output, or to standard error |
//! | `pid`, `parent`, `cwd`, `env=NAME` | prints a line with that value |
//! | `args` | prints each remaining word in brackets, and does no further step |
//! | `chat` | prints numbered lines for ever |
//! | `echo` | prints each line that it reads, and the end of its input |
//! | `read` | waits for one line of its input |
//! | `append=FILE=TEXT` | adds a line to a file |
//! | `write-pid=FILE` | writes its pid to a file that appears with its whole content |
//! | `after=MS` | waits for so many milliseconds |
//! | `listen=PORT` | accepts connections from now on |
//! | `http=PORT` | answers requests from now on: three with 503, all others with 200 |
//! | `tree=DEPTH` | starts a child, which starts a child, … |
//! | `daemon` | starts a process that shares nothing with this one: no stream, no group, no environment |
//! | `flood=BYTES` | prints so many bytes in lines of 100 bytes |
//! | `interrupt=CODE` | from now on, `SIGINT` or `CTRL_BREAK` makes it exit with this code |
//! | `exit=CODE` | exits |
//! | `wait` | waits for ever |

use std::{
    env, fs,
    io::{self, BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    process::{self, Command, Stdio},
    thread,
    time::Duration,
};

use mirakuru_everywhere::processes::{exit_at_interrupt, parent};

fn main() {
    let mut service = Service {
        life: None,
        connection: None,
    };
    let mut words = env::args().skip(1);
    while let Some(word) = words.next() {
        if word == "args" {
            words.by_ref().for_each(|word| println!("[{word}]"));
        } else {
            service.does(&word).unwrap_or_else(|error| {
                eprintln!("{word}: {error}");
                process::exit(101);
            });
        }
    }
}

struct Service {
    /// The address of the test's listener.
    life: Option<String>,
    connection: Option<TcpStream>,
}

impl Service {
    fn does(&mut self, word: &str) -> io::Result<()> {
        let (step, value) = word.split_once('=').unwrap_or((word, ""));
        match step {
            "life" => self.connects(value)?,
            "say" => println!("{value}"),
            "warn" => eprintln!("{value}"),
            "pid" => println!("pid {}", process::id()),
            "parent" => println!("parent {}", parent()),
            "cwd" => println!("cwd {}", env::current_dir()?.display()),
            "env" => println!("{value} {:?}", env::var_os(value)),
            "chat" => chats(),
            "echo" => echoes()?,
            "read" => drop(io::stdin().read_line(&mut String::new())?),
            "append" => {
                let (file, text) = value.split_once('=').unwrap_or((value, ""));
                let file = fs::OpenOptions::new().create(true).append(true).open(file);
                writeln!(file?, "{text}")?;
            }
            "write-pid" => {
                let draft = format!("{value}.draft");
                fs::write(&draft, process::id().to_string())?;
                fs::rename(draft, value)?;
            }
            "after" => thread::park_timeout(Duration::from_millis(number(value))),
            "listen" => listens(value, drop)?,
            "http" => {
                let mut requests = 0;
                listens(value, move |stream| {
                    let _ = answers(&stream, &mut requests);
                })?;
            }
            "tree" => self.starts_child(number(value))?,
            "daemon" => self.leaves_daemon()?,
            "flood" => floods(number(value))?,
            "interrupt" => exit_at_interrupt(value.parse().expect("a number")),
            "exit" => process::exit(value.parse().expect("a number")),
            "wait" => loop {
                thread::park();
            },
            _ => panic!("there is no step {step}"),
        }
        Ok(())
    }

    fn connects(&mut self, address: &str) -> io::Result<()> {
        let mut stream = TcpStream::connect(address)?;
        // The pid is written at once, as other processes connect, too.
        stream.write_all(format!("{}\n", process::id()).as_bytes())?;
        self.life = Some(address.to_owned());
        self.connection = Some(stream);
        Ok(())
    }

    /// Returns the command that runs this program again, with the same listener.
    fn again(&self) -> io::Result<Command> {
        let mut command = Command::new(env::current_exe()?);
        command.args(self.life.as_ref().map(|address| format!("life={address}")));
        command.stdin(Stdio::null());
        Ok(command)
    }

    fn starts_child(&self, depth: u64) -> io::Result<()> {
        let mut child = self.again()?;
        if depth > 1 {
            child.arg(format!("tree={}", depth - 1));
        }
        child.arg("wait").spawn().map(drop)
    }

    fn leaves_daemon(&self) -> io::Result<()> {
        let mut daemon = self.again()?;
        daemon
            .arg("wait")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        daemon.env_clear();
        // Without this variable, sockets do not work on Windows.
        daemon.envs(env::var_os("SystemRoot").map(|root| ("SystemRoot", root)));
        leave(&mut daemon);
        daemon.spawn().map(drop)
    }
}

#[cfg(unix)]
fn leave(daemon: &mut Command) {
    use std::os::unix::process::CommandExt;

    daemon.process_group(0);
}

#[cfg(windows)]
fn leave(daemon: &mut Command) {
    use std::os::windows::process::CommandExt;

    const DETACHED_PROCESS: u32 = 0x0000_0008;
    const CREATE_NEW_PROCESS_GROUP: u32 = 0x0000_0200;
    daemon.creation_flags(DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP);
}

fn chats() {
    for count in 0_u64.. {
        println!("line {count}");
        thread::park_timeout(Duration::from_millis(1));
    }
}

fn floods(bytes: u64) -> io::Result<()> {
    let mut output = io::BufWriter::new(io::stdout().lock());
    let line = format!("{}\n", "x".repeat(99));
    for _ in 0..bytes / 100 {
        output.write_all(line.as_bytes())?;
    }
    output.flush()
}

fn echoes() -> io::Result<()> {
    for line in io::stdin().lines() {
        println!("read {}", line?);
    }
    println!("end of input");
    Ok(())
}

/// Accepts connections in another thread.
fn listens(port: &str, mut serve: impl FnMut(TcpStream) + Send + 'static) -> io::Result<()> {
    let port = u16::try_from(number(port)).expect("a port");
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    println!("listens on port {}", listener.local_addr()?.port());
    thread::spawn(move || listener.incoming().flatten().for_each(&mut serve));
    Ok(())
}

fn answers(mut stream: &TcpStream, requests: &mut u32) -> io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    while !lines.next().unwrap_or(Ok(String::new()))?.is_empty() {}
    *requests += 1;
    let status = if *requests > 3 {
        "200 OK"
    } else {
        "503 Service Unavailable"
    };
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    // The line comes first, as the answer makes the service ready.
    println!("answers {status}");
    stream.write_all(head.as_bytes())
}

fn number(text: &str) -> u64 {
    text.parse().expect("a number")
}
