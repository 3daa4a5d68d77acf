#!/usr/bin/env python3
"""Independent suites against snapshot-server, by one command.

    run.py SERVER_BINARY SNAPSHOT_FOLDER [SUITE...]

Suites: httplint, redbot, schemathesis, slowhttptest, h2load, proxies, testssl; all of them
without a name. Python tools go into a virtual environment in the cache folder;
the others are packages: slowhttptest nghttp2-client nginx varnish testssl.sh openssl.

A suite fails on what it calls an error; what it calls a warning must stand in
ACCEPTED with the reason.
"""

import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
DOCUMENT = HERE.parent.parent / "docs" / "openapi.json"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "tablecast-conformance"

# What a linter remarks and we mean.
ACCEPTED = {
    "Cache-Control: public is probably not necessary.":
        "it says to CDNs that a request with credentials may be answered from the cache too",
}


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    binary, folder, *names = sys.argv[1:]
    suites = {
        "httplint": httplint,
        "redbot": redbot,
        "schemathesis": schemathesis,
        "slowhttptest": slowhttptest,
        "h2load": h2load,
        "proxies": proxies,
        "testssl": testssl,
    }
    if unknown := [name for name in names if name not in suites]:
        sys.exit(f"error: no suite is called {' or '.join(unknown)}; there are {', '.join(suites)}")
    failures = []
    with tempfile.TemporaryDirectory() as scratch, Server(binary, folder, scratch) as server:
        os.chmod(scratch, 0o755)
        for name in names or suites:
            try:
                result = suites[name](server)
            except Failed as failure:
                failures.append(name)
                result = f"FAILED\n{failure}"
            print(f"{name:14}{result}", flush=True)
    if failures:
        sys.exit(f"error: {', '.join(failures)} failed")


class Failed(Exception):
    pass


class Server:
    """The server on a plain and a TLS port."""

    def __init__(self, binary, folder, scratch):
        self.folder, self.scratch = Path(folder), Path(scratch)
        self.certificate, key = self.scratch / "certificate.pem", self.scratch / "key.pem"
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
            "-nodes", "-keyout", key, "-out", self.certificate, "-days", "30",
            "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
        plain, secure = free_port(), free_port()
        self.port, self.secure_port = plain, secure
        self.url = f"http://127.0.0.1:{plain}"
        self.command = [
            binary, "--root", folder, "--listen", f"127.0.0.1:{plain},https://127.0.0.1:{secure}",
            "--tls-cert", self.certificate, "--tls-key", key,
        ]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stderr=subprocess.DEVNULL)
        try:
            wait_for(self.url + "/version.json")
            self.version = json.loads(fetch(self.url + "/version.json")[1])
            self.manifest = json.loads(fetch(f"{self.url}/manifests/{self.version['manifest']['hash']}.json")[1])
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise
        return self

    def __exit__(self, *_):
        self.process.terminate()
        if self.process.wait() != 0:
            sys.exit("error: the server did not stop cleanly")

    def paths(self):
        """One of each kind."""
        table, entry = next(iter(self.manifest["tables"].items()))
        return [
            "/version.json",
            f"/manifests/{self.version['manifest']['hash']}.json",
            f"/bootstrap/{self.version['bootstrap']['hash']}.json",
            f"/bootstrap/{self.version['bootstrap']['hash']}.json.gz",
            f"/tables/{table}/{entry['hash']}.json",
            "/api/v1/reference/version",
            "/api/v1/reference/bootstrap",
            f"/api/v1/reference/{table}",
            "/health",
            "/ready",
            "/nothing",
        ]


def httplint(server):
    """Every kind of response, linted from its head."""
    tool = python_tool("httplint")
    remarks = []
    for path in server.paths():
        for coding in ("identity", "gzip", "zstd"):
            answer = subprocess.run(
                ["curl", "-si", "-H", f"Accept-Encoding: {coding}", server.url + path], capture_output=True
            ).stdout
            report = subprocess.run([tool, "-n"], input=answer, capture_output=True).stdout.decode()
            remarks += remarks_of(report, path, coding)
    return verdict(remarks, f"{len(server.paths()) * 3} responses")


def remarks_of(report, path, coding):
    found = re.findall(r"\[(?:BAD|WARN)\] (.*)", report)
    return [f"{path} ({coding}): {remark}" for remark in found if remark not in ACCEPTED]


def redbot(server):
    """Active checks: negotiation, validation, ranges."""
    tool = python_tool("redbot")
    remarks = []
    for path in server.paths():
        report = run(tool, "-o", "text", server.url + path)
        bad = r"(?i)incorrect|invalid|not supported|doesn't|wrong|missing|differ|conflict|malformed|error code"
        for line in report.partition("* General:")[2].splitlines():
            line = line.strip(" *")
            if re.search(bad, line) and line not in ACCEPTED and "sniff" not in line:
                remarks.append(f"{path}: {line}")
    return verdict(remarks, f"{len(server.paths())} resources")


def schemathesis(server):
    """The OpenAPI document, with what this snapshot holds as examples."""
    document = json.loads(DOCUMENT.read_text())
    table, entry = next(iter(server.manifest["tables"].items()))
    parameters = document["components"]["parameters"]
    parameters["Table"]["example"] = table
    hashes = {
        "/manifests/{hash}.json": server.version["manifest"]["hash"],
        "/bootstrap/{hash}.json": server.version["bootstrap"]["hash"],
        "/tables/{table}/{hash}.json": entry["hash"],
    }
    for path, value in hashes.items():
        known = {**parameters["Hash"], "example": value}
        others = [p for p in document["paths"][path]["parameters"] if not p["$ref"].endswith("/Hash")]
        document["paths"][path]["parameters"] = [known, *others]
    epoch, sequence = document["paths"]["/versions/{epoch}-{sequence}.json"]["parameters"]
    epoch["example"], sequence["example"] = server.version["epoch"], server.version["sequence"]
    path = server.scratch / "openapi.json"
    path.write_text(json.dumps(document))
    tool = python_tool("schemathesis")
    # It would wait for the end of a stream that has none; tests/http/events.rs asks it instead.
    report = run(tool, "run", path, "--url", server.url, "--checks", "all", "--max-examples", "50",
                 "--exclude-path", "/events", folder=server.scratch)
    return re.search(r"(\d+ generated, [^\n]*)", report)[1]


def slowhttptest(server):
    """Slow heads, slow bodies, slow readers: others are served meanwhile."""
    modes = {
        "slow heads": ["-H", "-i", "5", "-x", "24"],
        "slow bodies": ["-B", "-i", "5", "-s", "8192", "-x", "10"],
        "slow readers": ["-X", "-w", "10", "-y", "20", "-n", "5", "-z", "32"],
    }
    bundle = server.paths()[2]
    for name, mode in modes.items():
        report = run("slowhttptest", "-c", "400", "-r", "200", "-t", "GET", "-p", "3", "-l", "20",
                     "-u", server.url + bundle, *mode)
        if "NO" in re.findall(r"service available:\S*\s+\S*?(YES|NO)", report):
            raise Failed(f"{name}: not available\n{report[-2000:]}")
    return f"served under {', '.join(modes)}"


def h2load(server):
    """HTTP/2 by prior knowledge and by ALPN, and HTTP/1.1."""
    results = []
    secure = f"https://127.0.0.1:{server.secure_port}"
    for name, options, url in (
        ("h2c", ["-m", "10"], server.url),
        ("h2", ["-m", "10"], secure),
        ("http/1.1", ["--h1"], server.url),
    ):
        for path in server.paths()[:3]:
            report = run("h2load", "-n", "4000", "-c", "8", *options, url + path)
            if "4000 2xx" not in report:
                raise Failed(f"{name} {path}\n{report}")
        results.append(name)
    return f"every response of {', '.join(results)} is a 2xx"


def proxies(server):
    """A caching nginx and varnish in front: the same bytes, also from the cache."""
    results = []
    for name, start in (("nginx", nginx_in_front), ("varnish", varnish_in_front)):
        if not shutil.which({"varnish": "varnishd"}.get(name, name)):
            raise Failed(f"{name} is not installed")
        process, url = start(server)
        try:
            wait_for(url + "/version.json")
            for path in server.paths()[:8]:
                for coding in ("identity", "gzip", "gzip, br, zstd", "gzip"):
                    same_through(server.url, url, path, coding)
            told_through(url, server.version)
            results.append(name)
        finally:
            process.terminate()
            process.wait()
    return f"the same bytes, tags, 304 and events through {' and '.join(results)}"


def same_through(origin, proxy, path, coding):
    expected = digest(*fetch(origin + path, {"Accept-Encoding": coding}))
    for attempt in ("first", "cached"):
        headers, body = fetch(proxy + path, {"Accept-Encoding": coding})
        if digest(headers, body) != expected:
            raise Failed(f"{proxy}{path} with {coding}, {attempt}: other bytes\n{headers}")
    again = urllib.request.Request(
        proxy + path, headers={"Accept-Encoding": coding, "If-None-Match": headers["ETag"]}
    )
    try:
        urllib.request.urlopen(again)
        raise Failed(f"{proxy}{path} with {coding}: no 304 for {headers['ETag']}")
    except urllib.error.HTTPError as error:
        if error.code != 304:
            raise Failed(f"{proxy}{path} with {coding}: {error.code} instead of 304") from error


def told_through(proxy, version):
    """Two listeners at a time hear of the version while their streams go on."""
    streams = [urllib.request.urlopen(proxy + "/events", timeout=10) for _ in range(2)]
    for stream in streams:
        with stream:
            lines = iter(stream.readline, b"")
            data = next(line for line in lines if line.startswith(b"data: "))
            if json.loads(data[6:]) != version:
                raise Failed(f"{proxy}/events: {data!r}")


def digest(headers, body):
    """The object behind a response, whatever coding a proxy chose."""
    coding = headers["Content-Encoding"]
    unpack = {None: None, "gzip": ["gzip", "-dc"], "br": ["brotli", "-dc"], "zstd": ["zstd", "-dcq"]}[coding]
    if unpack:
        body = subprocess.run(unpack, input=body, capture_output=True, check=True).stdout
    return hashlib.sha256(body).hexdigest()


def nginx_in_front(server):
    port, scratch = free_port(), server.scratch
    temporary = " ".join(f"{kind}_temp_path {scratch}/{kind};" for kind in
                         ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (scratch / "nginx.conf").write_text(f"""
        {"user root;" if os.getuid() == 0 else ""} daemon off; pid {scratch}/pid; error_log {scratch}/log;
        events {{}}
        http {{
          access_log off; {temporary}
          proxy_cache_path {scratch}/cache keys_zone=tablecast:10m;
          server {{
            listen 127.0.0.1:{port};
            location / {{
              proxy_pass {server.url}; proxy_http_version 1.1; proxy_set_header Connection "";
              proxy_cache tablecast; proxy_cache_lock on; proxy_cache_revalidate on;
              proxy_cache_background_update on; proxy_cache_use_stale updating error timeout;
            }}
            location = /events {{
              proxy_pass {server.url}; proxy_http_version 1.1; proxy_set_header Connection "";
            }}
          }}
        }}""")
    command = ["nginx", "-p", scratch, "-c", scratch / "nginx.conf", "-e", scratch / "start.log"]
    return subprocess.Popen(command), f"http://127.0.0.1:{port}"


def varnish_in_front(server):
    port = free_port()
    command = ["varnishd", "-F", "-n", server.scratch / "varnish", "-a", f"127.0.0.1:{port}",
               "-b", f"127.0.0.1:{server.port}", "-s", "malloc,64m"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, **quiet), f"http://127.0.0.1:{port}"


def testssl(server):
    """Protocols and ciphers: nothing before TLS 1.2, nothing weak."""
    tool = shutil.which("testssl") or shutil.which("testssl.sh")
    if not tool:
        raise Failed("testssl.sh is not installed")
    path = server.scratch / "testssl.json"
    run(tool, "--quiet", "--color", "0", "--warnings", "off", "-p", "-s", "-f",
        "--jsonfile", path, f"127.0.0.1:{server.secure_port}", check=False)
    found = json.loads(path.read_text())
    bad = [f"{entry['id']}: {entry['finding']}" for entry in found
           if entry["severity"] in ("MEDIUM", "HIGH", "CRITICAL")]
    return verdict(bad, f"{len(found)} checks")


def verdict(remarks, count):
    if remarks:
        raise Failed("\n".join(remarks))
    return f"nothing bad in {count}"


def python_tool(name):
    folder = CACHE / name
    tool = folder / "bin" / name
    if not tool.exists():
        venv.create(folder, with_pip=True, clear=True)
        run(folder / "bin" / "pip", "install", "--quiet", name)
    return tool


def run(*command, check=True, folder=None):
    if not shutil.which(str(command[0])):
        raise Failed(f"{command[0]} is not installed")
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=folder)
    if check and done.returncode != 0:
        raise Failed(f"{command[0]} ended with {done.returncode}\n{(done.stdout + done.stderr)[-4000:]}")
    return done.stdout


def fetch(url, headers=None):
    request = urllib.request.Request(url, headers=headers or {})
    with urllib.request.urlopen(request) as response:
        return response.headers, response.read()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(url):
    for _ in range(500):
        try:
            return fetch(url)
        except OSError:
            time.sleep(0.05)
    raise Failed(f"{url} is not served")


if __name__ == "__main__":
    # SIGTERM ends what was started too, as Ctrl-C does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    main()
