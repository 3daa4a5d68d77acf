#!/usr/bin/env python3
"""What does snapshot-server take in memory: a large snapshot, and idle connections?

    memory.py SERVER_BINARY SAMPLE_SNAPSHOT_BINARY

Serves 500 tables of 100 kB and the bootstrap of them all (100 MB, and their variants) with a small and with the
default budget; then opens 10,000 connections that ask once and wait, and measures
a client that goes on asking with and without them, in alternating rounds; then
2,000 listeners of /events.
"""

import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

IDLE = 10_000
LISTENERS = 2_000
REQUEST = b"GET /version.json HTTP/1.1\r\nHost: localhost\r\n\r\n"


def main():
    binary, sample = sys.argv[1:3]
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sample, folder, "500", "100000"], check=True, stderr=subprocess.DEVNULL)
        sizes = [(path.suffix, path.stat().st_size) for path in Path(folder).rglob("*") if path.is_file()]
        plain = sum(size for suffix, size in sizes if suffix == ".json")
        print(f"500 tables: {plain / 1e6:.0f} MB, with variants {sum(s for _, s in sizes) / 1e6:.0f} MB")
        for budget in ("32MiB", "256MiB"):
            with serving(binary, folder, "--memory", budget) as server:
                print(f"--memory {budget}: {server.memory():.0f} MB resident, ready after {server.started:.1f} s")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sample, folder, "23", "40000"], check=True, stderr=subprocess.DEVNULL)
        with serving(binary, folder) as server:
            idle(server)
        with serving(binary, folder, "--max-listeners-per-client", "0") as server:
            listen(server)


def idle(server):
    active = socket.create_connection(("127.0.0.1", server.port))
    quiet, crowded = [], []
    before = server.memory()
    for _ in range(3):
        quiet.append(median_us(active))
        connections = [ask(socket.create_connection(("127.0.0.1", server.port))) for _ in range(IDLE)]
        held = server.memory()
        crowded.append(median_us(active))
        for connection in connections:
            connection.close()
        time.sleep(1)
    quiet, crowded = statistics.median(quiet), statistics.median(crowded)
    print(f"{IDLE} idle connections: {before:.0f} -> {held:.0f} MB; a client that goes on asking, p50: "
          f"{quiet:.1f} us without them, {crowded:.1f} us with them ({crowded / quiet:.2f})")


def listen(server):
    before = server.memory()
    request = b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n"
    connections = []
    for _ in range(LISTENERS):
        connection = socket.create_connection(("127.0.0.1", server.port))
        connection.sendall(request)
        heard = b""
        while b"data: " not in heard:
            heard += connection.recv(4096)
        connections.append(connection)
    each = (server.memory() - before) * 1e6 / LISTENERS / 1e3
    print(f"{LISTENERS} listeners: {before:.0f} -> {server.memory():.0f} MB, {each:.1f} kB each")


def median_us(connection, requests=5000):
    times = []
    for _ in range(requests):
        begun = time.perf_counter()
        ask(connection)
        times.append(time.perf_counter() - begun)
    return statistics.median(times) * 1e6


def ask(connection):
    connection.sendall(REQUEST)
    if not connection.recv(65536).startswith(b"HTTP/1.1 200"):
        sys.exit("error: a client was not served")
    return connection


class serving:
    def __init__(self, binary, folder, *settings):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.command = [binary, "--root", folder, "--listen", f"127.0.0.1:{self.port}", *settings]

    def __enter__(self):
        begun = time.monotonic()
        self.process = subprocess.Popen(self.command, stderr=subprocess.PIPE, text=True)
        while " on http://" not in self.process.stderr.readline():
            if self.process.poll() is not None:
                sys.exit("error: the server ended")
        self.started = time.monotonic() - begun
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def memory(self):
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024


if __name__ == "__main__":
    # SIGTERM ends what was started too, as Ctrl-C does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    main()
