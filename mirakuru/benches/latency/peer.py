"""Starts and stops one service with the Python library, and prints three times in nanoseconds:
when the start was called, when it returned, and when the stop returned."""

import sys
import time

from mirakuru import (
    HTTPExecutor,
    OutputExecutor,
    PidExecutor,
    TCPExecutor,
    UnixSocketExecutor,
)


def now():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


banner, *command = sys.argv[1:]
kind, port, directory = command[2], command[4], command[5]
path = directory + "/here"
executor = {
    "TCP": lambda: TCPExecutor(command, host="127.0.0.1", port=int(port)),
    "Unix socket": lambda: UnixSocketExecutor(command, socket_name=path),
    "pid file": lambda: PidExecutor(command, filename=path),
    "output": lambda: OutputExecutor(command, banner=banner),
    "HTTP": lambda: HTTPExecutor(command, url=f"http://127.0.0.1:{port}/"),
}[kind]()

called = now()
executor.start()
ready = now()
executor.stop()
gone = now()
print(called, ready, gone)
