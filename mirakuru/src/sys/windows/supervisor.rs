//! Starts a supervisor: the test process runs its own program again, with a pipe as standard input.
//!
//! A program may merely inherit the environment variable that marks a supervisor. So until [`is_greeted`] returns
//! `true`, nothing is taken from such a program: the greeting in the pipe is only peeked at.
#![expect(unsafe_code, reason = "calls of the system")]

use std::fs::File;
use std::io::{self, Read, Write};
use std::mem::zeroed;
use std::net::TcpStream;
use std::os::windows::io::{AsRawHandle, FromRawHandle, FromRawSocket, OwnedHandle};
use std::os::windows::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::ptr::null_mut;

use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, HANDLE, HANDLE_FLAG_INHERIT, SetHandleInformation,
};
use windows_sys::Win32::Networking::WinSock::{
    FROM_PROTOCOL_INFO, INVALID_SOCKET, WSA_FLAG_NO_HANDLE_INHERIT, WSA_FLAG_OVERLAPPED,
    WSADuplicateSocketW, WSAPROTOCOL_INFOW, WSASocketW,
};
use windows_sys::Win32::Storage::FileSystem::PIPE_ACCESS_OUTBOUND;
use windows_sys::Win32::System::Console::SetConsoleCtrlHandler;
use windows_sys::Win32::System::Diagnostics::Debug::{
    SEM_FAILCRITICALERRORS, SEM_NOGPFAULTERRORBOX, SetErrorMode,
};
use windows_sys::Win32::System::Pipes::{PIPE_WAIT, PeekNamedPipe};
use windows_sys::Win32::System::Threading::{CREATE_BREAKAWAY_FROM_JOB, CREATE_NO_WINDOW};

use super::job::Job;
use super::names::NULL_DEVICE;
use super::process::{Pid, Process, number, parent, process_of, this_process, wake_at_the_end_of};
use super::sockets::{Socket, connection, keep_sockets_at_exit, raw_of};
use super::spawn::SYSTEM_ROOT;
use super::streams::pipe;

/// The size of the structure by which a process takes over a socket.
const INFO: usize = size_of::<WSAPROTOCOL_INFOW>();

/// Returns success: any process can supervise.
#[allow(clippy::unnecessary_wraps, reason = "the contract")]
pub(crate) fn may_supervise() -> io::Result<()> {
    Ok(())
}

/// Runs this program again, with one more environment variable.
///
/// Returns the socket to the new process, the process and its number. The new process finds the greeting at its
/// standard input. The name is not used, as the system names a process after its program.
pub(crate) fn run_again(
    _name: &str,
    (variable, value): (&str, &str),
    greeting: &[u8],
) -> io::Result<(Socket, Process, u32)> {
    let (ours, theirs) = connection()?;
    let (pipe, standard_input) = pipe(PIPE_ACCESS_OUTBOUND, PIPE_WAIT)?;
    let mut pipe = File::from(pipe);
    // The greeting is written before the process starts, so that the process finds it when it checks.
    pipe.write_all(greeting)?;
    let mut command = Command::new(std::env::current_exe()?);
    command
        .env(variable, value)
        .env("LLVM_PROFILE_FILE", NULL_DEVICE)
        .stdin(standard_input)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    keep_streams_to_this_process();
    let mut child = spawn_beside(&mut command)?;
    let sent = info_for(&theirs, child.id()).and_then(|info| pipe.write_all(&info));
    if let Err(error) = sent {
        let _ = child.kill();
        return Err(error);
    }
    let number = child.id();
    let process = Process::of(child.into());
    let pid = process_of(number).ok_or(io::ErrorKind::NotFound)?;
    let peer = Process::of(process.handle().try_clone()?);
    Ok((Socket::new(ours, pid, peer)?, process, number))
}

/// Starts a supervisor outside the job of the test, if that job allows it: the end of the job must not end the process
/// that cleans up.
///
/// The supervisor has a console of its own, without a window, so that Ctrl-C in the terminal does not reach it.
fn spawn_beside(command: &mut Command) -> io::Result<Child> {
    let denied = number(ERROR_ACCESS_DENIED);
    match command
        .creation_flags(CREATE_NO_WINDOW | CREATE_BREAKAWAY_FROM_JOB)
        .spawn()
    {
        Err(error) if error.raw_os_error() == Some(denied) => {
            command.creation_flags(CREATE_NO_WINDOW).spawn()
        }
        spawned => spawned,
    }
}

/// Keeps the standard streams of this process out of the supervisor and the services.
///
/// The caller of this process may have marked them as inheritable, and a runner waits until no process has the output
/// of a test open. std makes a copy when it passes a stream on.
fn keep_streams_to_this_process() {
    let streams = [
        io::stdin().as_raw_handle(),
        io::stdout().as_raw_handle(),
        io::stderr().as_raw_handle(),
    ];
    for stream in streams {
        keep_to_this_process(stream);
    }
}

fn keep_to_this_process(handle: HANDLE) {
    // SAFETY: the call takes any number.
    unsafe { SetHandleInformation(handle, HANDLE_FLAG_INHERIT, 0) };
}

/// Returns the bytes by which that process takes over this socket.
fn info_for(socket: &TcpStream, process: u32) -> io::Result<[u8; INFO]> {
    // SAFETY: the structure consists of numbers, for which 0 is valid.
    let mut info: WSAPROTOCOL_INFOW = unsafe { zeroed() };
    // SAFETY: the socket is open, and the call writes one structure to the given address.
    let failed = unsafe { WSADuplicateSocketW(raw_of(socket), process, &raw mut info) };
    if failed != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the structure has this size, and any bytes are valid numbers.
    Ok(unsafe { std::mem::transmute::<WSAPROTOCOL_INFOW, [u8; INFO]>(info) })
}

/// Takes over the socket that these bytes describe.
fn socket_of(bytes: &[u8; INFO]) -> io::Result<TcpStream> {
    keep_sockets_at_exit();
    // SAFETY: any bytes are valid numbers.
    let info = unsafe { std::mem::transmute::<[u8; INFO], WSAPROTOCOL_INFOW>(*bytes) };
    let of_info = FROM_PROTOCOL_INFO;
    let flags = WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT;
    // SAFETY: the call reads the structure, which lives through it.
    let raw = unsafe { WSASocketW(of_info, of_info, of_info, &raw const info, 0, flags) };
    if raw == INVALID_SOCKET {
        return Err(io::Error::last_os_error());
    }
    keep_to_this_process(raw as HANDLE);
    // SAFETY: the system has just given this socket to us alone.
    Ok(unsafe { TcpStream::from_raw_socket(raw as u64) })
}

/// Returns whether standard input is a pipe that begins with this greeting.
pub(crate) fn is_greeted(expected: &[u8]) -> bool {
    let mut greeting = [0_u8; 64];
    let (input, mut length) = (io::stdin().as_raw_handle(), 0);
    let room = u32::try_from(greeting.len()).unwrap_or_default();
    // SAFETY: the call writes as many bytes as there is room for, and one number.
    let peeked = unsafe {
        PeekNamedPipe(
            input,
            greeting.as_mut_ptr().cast(),
            room,
            &raw mut length,
            null_mut(),
            null_mut(),
        )
    };
    peeked != 0 && greeting[..length as usize].starts_with(expected)
}

/// Returns the process that started this one.
#[allow(clippy::unnecessary_wraps, reason = "the contract")]
pub(crate) fn caller() -> Option<Pid> {
    Some(parent())
}

/// Gives up what this process inherited from the caller.
pub(crate) fn leave_the_caller() {
    // The working directory of a process cannot be removed.
    if let Some(system) = std::env::var_os(SYSTEM_ROOT) {
        let _ = std::env::set_current_dir(system);
    }
    ignore_events_of_the_console();
    // A service that crashes ends, instead of showing a window that would stay open. Its children inherit the mode.
    // SAFETY: the call takes any flags.
    unsafe { SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX) };
    // A job that contains this process, whose handle stays open until the process ends. A process that was started and
    // is not yet in the job of a tree then ends with the supervisor.
    if let Ok(job) = Job::new() {
        let _ = job.take_in(&this_process());
        std::mem::forget(job);
    }
}

/// Ignores console events. The `CTRL_BREAK` of a stop is for the group of the service, which does not inherit this
/// handler.
fn ignore_events_of_the_console() {
    unsafe extern "system" fn ignore(_event: u32) -> i32 {
        1
    }
    // SAFETY: the function may be called by any thread.
    unsafe { SetConsoleCtrlHandler(Some(ignore), 1) };
}

/// Takes over the socket that the caller sends after a greeting of this length, and opens the caller.
///
/// Returns `None` if the caller has ended, because it needs no supervisor then.
pub(crate) fn take_hold(caller: Pid, greeting: usize) -> Option<(Socket, Process)> {
    // The number may have been reused since. The socket then ends at once, and with it the supervisor. Start times would
    // not show it, as the clock may have been set back.
    let process = Process::open(caller).ok()?;
    // SAFETY: called once, by a supervisor, before anything else uses standard input; it never returns to a program
    // that would.
    let mut input =
        File::from(unsafe { OwnedHandle::from_raw_handle(io::stdin().as_raw_handle()) });
    let mut greeting = vec![0_u8; greeting];
    input.read_exact(&mut greeting).ok()?;
    let mut info = [0_u8; INFO];
    input.read_exact(&mut info).ok()?;
    let stream = socket_of(&info).ok()?;
    let peer = Process::of(process.handle().try_clone().ok()?);
    wake_at_the_end_of(&process);
    Some((Socket::new(stream, caller, peer).ok()?, process))
}
