#!/usr/bin/env python3
"""Is snapshot-server cheaper and faster than nginx over the same folder?

    against-nginx.py SERVER_BINARY SNAPSHOT_FOLDER [--rounds 5] [--seconds 2] [--http2] [--check]
                     [--floor FLOOR_BINARY] [--browser] [--only WORD]

Both serve the folder on loopback; rounds alternate, so a noisy machine is noisy
for both, and the ratios are medians of the rounds' own ratios. Trust the CPU
time per request (the kernel's account of each thread) and the system calls per
request (strace) over requests per second. `--check` fails where a request costs
more than 3.05 system calls: the one number that no neighbour can change.
`--http2` asks by h2load, 16 connections of 10 streams each. `--floor` measures beside
them what nobody can be cheaper than: the example `floor`, which answers whatever it
reads with the same bytes. `--browser` accepts what browsers accept, gzip alone
otherwise, since nginx has no other coding. `--only` picks questions.

Needs nginx, wrk and strace, or h2load.
"""

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

MOST_SYSCALLS = 3.05


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("server")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--http2", action="store_true", help="compare over HTTP/2")
    parser.add_argument("--floor", help="the example floor, to be measured too")
    parser.add_argument("--browser", action="store_true", help="accept gzip, deflate, br, zstd")
    parser.add_argument("--only", help="the questions whose name holds this word")
    parser.add_argument("--check", action="store_true", help="only count system calls, and judge")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as scratch:
        os.chmod(scratch, 0o755)
        with contextlib.ExitStack() as running:
            servers = {"snapshot-server": ours(running, options.server, options.folder)}
            if not options.check:
                servers["nginx"] = nginx(running, options.folder, Path(scratch))
            questions = scenarios(options.folder, options.browser)
            questions = {name: asked for name, asked in questions.items() if (options.only or "") in name}
            if not options.check:
                compare(servers, questions, options, Path(scratch))
            calls = {} if options.http2 or options.floor else count_syscalls(servers, questions)
    worst = max(calls.get("snapshot-server", {"none": 0}).values())
    if worst > MOST_SYSCALLS:
        sys.exit(f"error: {worst:.2f} system calls per request; at most {MOST_SYSCALLS} are allowed")


def start(running, command, **options):
    """A process that ends when `running` does, whatever ends this script."""
    process = subprocess.Popen(command, **options)
    running.callback(stop, process)
    return process


def stop(process):
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Server:
    def __init__(self, process, port, port_of_http2=None):
        self.process = process
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.url_of_http2 = f"http://127.0.0.1:{port_of_http2 or port}"
        self.wait()

    def pids(self):
        children = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, text=True
        )
        return [self.process.pid, *map(int, children.stdout.split())]

    def cpu_seconds(self):
        total = 0
        for pid in self.pids():
            for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
                total += int(task.read_text().split()[0])
        return total / 1e9

    def wait(self):
        """Until somebody listens: a floor answers the same to everybody, so none is asked."""
        for _ in range(500):
            if self.process.poll() is not None:
                sys.exit(f"error: {self.process.args[0]} ended before it served")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        sys.exit(f"error: {self.url} is not served")


def ours(running, binary, folder):
    port = free_port()
    # What is counted is requests, not how often the folder is looked at.
    command = [binary, "--root", folder, "--listen", f"127.0.0.1:{port}", "--poll-interval", "10m"]
    return Server(start(running, command, stderr=subprocess.DEVNULL), port)


def nginx(running, folder, scratch):
    """As tuned as the research found it: descriptors cached, sendfile, no log."""
    port, port_of_http2 = free_port(), free_port()
    config = f"""
        {"user root;" if os.getuid() == 0 else ""}
        worker_processes {os.cpu_count()}; daemon off; pid {scratch}/pid; error_log {scratch}/error.log;
        events {{ worker_connections 4096; }}
        http {{
          access_log off; default_type application/json; types {{ application/json json; }}
          sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_requests 1000000000; http2_max_concurrent_streams 128;
          open_file_cache max=1000 inactive=60s; open_file_cache_valid 60s;
          {" ".join(f"{kind}_temp_path {scratch}/{kind};" for kind in
                    ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))}
          server {{
            listen 127.0.0.1:{port} reuseport backlog=4096;
            listen 127.0.0.1:{port_of_http2} reuseport backlog=4096 http2;
            root {folder.resolve()};
            gzip_static on; gzip_vary on;
            add_header Cache-Control "public, max-age=31536000, immutable";
            add_header Access-Control-Allow-Origin "*";
            location = /version.json {{
              add_header Cache-Control "public, max-age=5, stale-if-error=86400";
              add_header Access-Control-Allow-Origin "*";
            }}
          }}
        }}"""
    path = scratch / "nginx.conf"
    path.write_text(config)
    return Server(start(running, ["nginx", "-p", scratch, "-c", path]), port, port_of_http2)


def scenarios(folder, is_browser):
    """What clients of a CDN's origin ask: name -> path, header fields."""
    version = json.loads((folder / "version.json").read_text())
    bundle = f"/bootstrap/{version['bootstrap']['hash']}.json"
    size = os.path.getsize(f"{folder}{bundle}.gz")
    if is_browser:
        small = os.path.getsize(f"{folder}{bundle}.zst")
        name = f"bundle, {small / 1000:.0f}, {size / 1000:.0f} kB"
        return {name: (bundle, {"Accept-Encoding": "gzip, deflate, br, zstd"})}
    return {
        "version.json 200": ("/version.json", {}),
        "version.json 304": ("/version.json", {"If-None-Match": None}),
        f"bundle, gzip, {size / 1000:.0f} kB": (bundle, {"Accept-Encoding": "gzip"}),
    }


def fields_for(server, path, fields):
    """The server's own tag, where one is asked for."""
    if "If-None-Match" in fields and fields["If-None-Match"] is None:
        with urllib.request.urlopen(server.url + path) as response:
            fields = {**fields, "If-None-Match": response.headers["ETag"]}
    return fields


def floors(running, binary, server, path, fields, scratch):
    """The server's own response, sent by as little as can send it."""
    response = scratch / "response"
    with connect(server) as connection:
        connection.sendall(request_for(path, fields_for(server, path, fields)))
        response.write_bytes(receive(connection))
    started = {}
    for source in ("write", "memory", "file"):
        port = free_port()
        started[f"floor, {source}"] = Server(start(running, [binary, str(port), response, source]), port)
    return started


def compare(servers, questions, options, scratch):
    slow = "mean us" if options.http2 else "p99 us"
    print(f"{'':24}{'':16}{'req/s':>9}{slow:>9}{'cpu us/req':>12}")
    for question, (path, fields) in questions.items():
        with contextlib.ExitStack() as running:
            ours = servers["snapshot-server"]
            least = floors(running, options.floor, ours, path, fields, scratch) if options.floor else {}
            asked = {**servers, **least}
            results = {name: [] for name in asked}
            for _ in range(options.rounds):
                for name, server in asked.items():
                    ask = measure_http2 if options.http2 else measure
                    # A floor answers the same to everybody, and knows no tag.
                    own = {} if name in least else fields
                    results[name].append(ask(server, path, own, options.seconds))
        for name, rounds in results.items():
            rate, p99, cpu = (statistics.median(values) for values in zip(*rounds))
            print(f"{question:24}{name:16}{rate:9.0f}{p99:9.0f}{cpu:12.2f}")
        pairs = list(zip(results["snapshot-server"], results["nginx"]))
        rate = statistics.median(a[0] / b[0] for a, b in pairs)
        p99 = statistics.median(a[1] / b[1] for a, b in pairs)
        cpu = statistics.median(b[2] / a[2] for a, b in pairs)
        print(f"{'':24}ratio: {rate:.2f} times the requests, {p99:.2f} times the {slow[:-3]}, "
              f"{cpu:.2f} times less CPU")
        for name in least:
            cpu = statistics.median(nginx[2] / floor[2] for floor, nginx in zip(results[name], results["nginx"]))
            rate = statistics.median(floor[0] / nginx[0] for floor, nginx in zip(results[name], results["nginx"]))
            print(f"{'':24}{name}: {rate:.2f} times the requests, {cpu:.2f} times less CPU than nginx")
        print(flush=True)


def measure(server, path, fields, seconds):
    fields = fields_for(server, path, fields)
    headers = [word for name, value in fields.items() for word in ("-H", f"{name}: {value}")]
    before = server.cpu_seconds()
    command = ["wrk", "-t1", "-c32", f"-d{seconds}s", "--latency", *headers, server.url + path]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    cpu = server.cpu_seconds() - before
    if "Non-2xx" in out or "Socket errors" in out:
        sys.exit(f"error: {server.url}{path} failed under load:\n{out}")
    count = int(re.search(r"(\d+) requests in", out)[1])
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1])
    number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", out).groups()
    p99 = float(number) * {"us": 1, "ms": 1e3, "s": 1e6}[unit]
    return rate, p99, cpu / count * 1e6


def measure_http2(server, path, fields, seconds):
    """As `measure`, but with the mean in place of the p99, which h2load does not tell."""
    fields = fields_for(server, path, fields)
    headers = [word for name, value in fields.items() for word in ("-H", f"{name}: {value}")]
    before = server.cpu_seconds()
    command = ["h2load", "-t1", "-c16", "-m10", f"-D{seconds}", *headers, server.url_of_http2 + path]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    cpu = server.cpu_seconds() - before
    count, failed = map(int, re.search(r"(\d+) succeeded, (\d+) failed", out).groups())
    if failed or not count:
        sys.exit(f"error: {server.url_of_http2}{path} failed under load:\n{out}")
    number, unit = re.search(r"time for request:\s+\S+\s+\S+\s+([\d.]+)(us|ms|s)", out).groups()
    mean = float(number) * {"us": 1, "ms": 1e3, "s": 1e6}[unit]
    return count / seconds, mean, cpu / count * 1e6


def count_syscalls(servers, questions):
    """The system calls per request. A busy machine only adds to them (a body that a slow
    reader takes in two pieces), so what is too much is counted again, and the least is kept."""
    counts = {}
    for name, server in servers.items():
        counts[name] = {}
        for question, (path, fields) in questions.items():
            fields = fields_for(server, path, fields)
            least = syscalls_per_request(server, path, fields)
            for _ in range(2):
                if least > MOST_SYSCALLS:
                    least = min(least, syscalls_per_request(server, path, fields))
            counts[name][question] = least
            print(f"{question:24}{name:16}{least:9.2f} system calls per request")
    return counts


def syscalls_per_request(server, path, fields, requests=4_000):
    """One keep-alive connection, one request after the other, under strace."""
    with tempfile.NamedTemporaryFile("r") as summary:
        tracer = ["strace", "-f", "-c", "-o", summary.name]
        tracer += [word for pid in server.pids() for word in ("-p", str(pid))]
        with contextlib.ExitStack() as running:
            strace = start(running, tracer, stderr=subprocess.PIPE, text=True)
            attached = set(server.pids())
            while attached:
                line = strace.stderr.readline()
                if not line:
                    sys.exit("error: strace may not trace here; it needs root, or kernel.yama.ptrace_scope=0")
                if found := re.search(r"Process (\d+) attached", line):
                    attached.discard(int(found[1]))
            ask(server, path, fields, requests)
            strace.send_signal(signal.SIGINT)
            strace.wait()
        total = sum(
            int(line.split()[3])
            for line in summary.read().splitlines()
            if re.match(r"\s*\d+\.\d+\s", line) and not line.rstrip().endswith("total")
        )
    return total / requests


def ask(server, path, fields, requests):
    request = request_for(path, fields)
    with connect(server) as connection:
        for _ in range(requests):
            connection.sendall(request)
            receive(connection)


def connect(server):
    connection = socket.create_connection(("127.0.0.1", int(server.url.rsplit(":", 1)[1])))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    return connection


def request_for(path, fields):
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{head}\r\n".encode()


def receive(connection):
    answer = bytearray()
    while (end := answer.find(b"\r\n\r\n")) < 0:
        answer += connection.recv(1 << 20)
    length = re.search(rb"(?i)content-length: (\d+)", answer[:end])
    has_body = not answer.startswith(b"HTTP/1.1 304")
    size = end + 4 + (int(length[1]) if has_body else 0)
    while len(answer) < size:
        answer += connection.recv(1 << 20)
    return bytes(answer)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


if __name__ == "__main__":
    # SIGTERM ends what was started too, as Ctrl-C does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    needed = ("nginx", "h2load") if "--http2" in sys.argv else ("nginx", "wrk", "strace")
    for tool in ("strace",) if "--check" in sys.argv else needed:
        if not shutil.which(tool):
            sys.exit(f"error: {tool} is not installed")
    main()
