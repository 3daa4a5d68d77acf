"""docker/nginx.conf in a real nginx, in front of a server whose every word is known here."""

import concurrent.futures
import hashlib
import http.client
import http.server
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

CONFIGURATION = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docker", "nginx.conf")
NGINX = shutil.which("nginx", path=os.environ["PATH"] + os.pathsep + "/usr/sbin")

FOREVER = "public, max-age=31536000, immutable"
# As the server sends it, with an expiry that a test can wait for.
BRIEFLY = "public, max-age=1, stale-if-error=86400"
OBJECT = "/tables/grips/" + "0" * 64 + ".json"


class Origin(http.server.ThreadingHTTPServer):
    """Stands for snapshot-server and remembers what it was asked."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), OriginHandler)
        self.version = "1"
        self.failing = False
        # "*", or the origins of `--cors`.
        self.cors = "*"
        self.delay = 0
        self.asked = []
        self.connections = 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def asked_for(self, path):
        return [request for request in self.asked if request["path"] == path]


class OriginHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        self.server.connections += 1

    def do_GET(self):
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append({"path": self.path, "method": self.command, **headers})
        time.sleep(self.server.delay)
        if self.server.failing:
            return self.answer(503, "no-store", b"failing")
        coding = headers.get("accept-encoding", "identity")
        if self.path == "/version.json":
            return self.answer(200, BRIEFLY, self.server.version.encode())
        if self.path == "/events":
            return self.answer(200, "no-store", b"event")
        if self.path.startswith("/tables/"):
            return self.answer(200, FOREVER, f"{self.path} as {coding}".encode(), coding)
        return self.answer(404, "no-store", b"not here")

    do_HEAD = do_GET

    def do_OPTIONS(self):
        self.server.asked.append({"path": self.path, "method": self.command})
        self.answer(204, "no-store", b"")

    def answer(self, status, cache_control, body, coding="identity"):
        etag = f'"{hashlib.sha256(body).hexdigest()}"'
        if status == 200 and self.headers.get("If-None-Match") == etag:
            status, body = 304, b""
        self.send_response(status)
        self.send_header("Cache-Control", cache_control)
        allowed = self.server.cors if self.server.cors == "*" else self.headers.get("Origin")
        if allowed and allowed in self.server.cors:
            self.send_header("Access-Control-Allow-Origin", allowed)
        if status in (200, 304):
            self.send_header("ETag", etag)
            self.send_header("Vary", "Accept-Encoding" if self.server.cors == "*" else "Accept-Encoding, Origin")
            self.send_header("Accept-Ranges", "bytes")
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
            if coding != "identity":
                self.send_header("Content-Encoding", coding)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_):
        pass


class Edge:
    """nginx with our configuration: other places for its files, nothing else changed."""

    def __init__(self, folder, origin_port):
        self.socket = os.path.join(folder, "edge.sock")
        self.log = os.path.join(folder, "error.log")
        with open(CONFIGURATION, encoding="utf-8") as file:
            text = file.read().replace(" /tmp/", f" {folder}/")
        for ours, here in (
            ("server server:8080;", f"server 127.0.0.1:{origin_port};"),
            ("listen 8080;", f"listen unix:{self.socket};"),
            ("/var/cache/nginx/snapshots", f"{folder}/cache"),
            ("access_log /dev/stdout;", "access_log off;"),
            ("error_log /dev/stderr warn;", f"error_log {self.log} warn;"),
        ):
            if text.count(ours) != 1:
                raise ValueError(f"{ours!r} should stand once in docker/nginx.conf")
            text = text.replace(ours, here)
        path = os.path.join(folder, "nginx.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        subprocess.run([NGINX, "-t", "-q", "-e", self.log, "-c", path], check=True)
        # `-e` is where it writes before it has read the configuration.
        self.process = subprocess.Popen([NGINX, "-e", self.log, "-c", path, "-g", "daemon off;"])
        until(self.answers, "nginx answers")

    def answers(self):
        with socket.socket(socket.AF_UNIX) as connection:
            return connection.connect_ex(self.socket) == 0

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()

    def get(self, path, method="GET", **headers):
        return self.send(f"{method} {path} HTTP/1.1", **headers)

    def send(self, request_line, **headers):
        """One request, byte for byte; http.client would mend what a test breaks."""
        lines = [request_line, "Host: edge", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(20)
            connection.connect(self.socket)
            connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
            response = http.client.HTTPResponse(connection, method=request_line.split(" ")[0])
            response.begin()
            response.body = response.read().decode()
            return response


@unittest.skipUnless(NGINX, "nginx is not installed; ./dev test installs it")
class EdgeTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.mkdtemp(prefix="tablecast-edge.")
        self.addCleanup(shutil.rmtree, folder)
        # The worker of a root's nginx is another user.
        os.chmod(folder, 0o755)
        self.origin = Origin()
        self.addCleanup(self.origin.server_close)
        self.addCleanup(self.origin.shutdown)
        self.edge = Edge(folder, self.origin.server_address[1])
        self.addCleanup(self.edge.stop)

    def test_an_object_is_fetched_once(self):
        first = self.edge.get(OBJECT)
        again = self.edge.get(OBJECT)
        self.assertEqual((first.status, first.body), (200, f"{OBJECT} as identity"))
        self.assertEqual(again.body, first.body)
        self.assertEqual(first.headers["Cache-Status"], "edge; fwd=uri-miss")
        self.assertEqual(again.headers["Cache-Status"], "edge; hit")
        self.assertEqual(again.headers["Cache-Control"], FOREVER)
        self.assertEqual(len(self.origin.asked), 1)

    def test_a_crowd_is_one_request_to_the_server(self):
        self.origin.delay = 0.3
        with concurrent.futures.ThreadPoolExecutor(30) as crowd:
            answers = list(crowd.map(lambda _: self.edge.get(OBJECT), range(30)))
        self.assertEqual({answer.body for answer in answers}, {f"{OBJECT} as identity"})
        self.assertEqual(len(self.origin.asked), 1)

    def test_each_coding_is_fetched_once_however_it_is_asked_for(self):
        for spellings, coding in (
            (["zstd", "gzip, deflate, br, zstd", "br;q=1.0, ZSTD;q=0.001", "gzip,zstd ; q=1"], "zstd"),
            (["br", "gzip, deflate, br", "zstd;q=0, br", "zstd;q=0.000,br;q=0.5"], "br"),
            (["gzip", "deflate, gzip;q=1.0", "gzip;q=0.1, br;q=0, zstd; q=0.0"], "gzip"),
            (["", "identity", "deflate", "xgzip, gzipx", "gzip;q=0", "br ; q=0., zstd;q=0"], "identity"),
        ):
            for spelling in spellings:
                answer = self.edge.get(OBJECT, Accept_Encoding=spelling)
                self.assertEqual(answer.body, f"{OBJECT} as {coding}", spelling)
                self.assertEqual(answer.headers["Content-Encoding"] or "identity", coding)
                self.assertEqual(answer.headers["Vary"], "Accept-Encoding")
        self.assertEqual(len(self.origin.asked), 4)

    def test_a_query_does_not_split_the_cache(self):
        for query in ("", "?", "?a=1", "?b=2&c=%0d%0a"):
            self.assertEqual(self.edge.get(OBJECT + query).status, 200)
        self.assertEqual([request["path"] for request in self.origin.asked], [OBJECT])

    def test_a_client_that_has_it_is_told_so(self):
        first = self.edge.get(OBJECT)
        etag = first.headers["ETag"]
        for tag in (etag, f"W/{etag}", f'"other", {etag}'):
            self.assertEqual(self.edge.get(OBJECT, If_None_Match=tag).status, 304)
        self.assertEqual(self.edge.get(OBJECT, If_None_Match='"other"').status, 200)
        self.assertEqual(len(self.origin.asked), 1)

    def test_a_part_comes_from_the_cache(self):
        self.edge.get(OBJECT)
        part = self.edge.get(OBJECT, Range="bytes=1-6")
        self.assertEqual((part.status, part.body), (206, "tables"))
        self.assertEqual(len(self.origin.asked), 1)

    def test_head_is_answered_from_the_same_copy(self):
        head = self.edge.get(OBJECT, method="HEAD")
        self.assertEqual((head.status, head.body), (200, ""))
        self.assertEqual(self.edge.get(OBJECT).body, f"{OBJECT} as identity")
        self.assertEqual([request["method"] for request in self.origin.asked], ["GET"])

    def test_an_unchanged_version_costs_a_304(self):
        self.edge.get("/version.json")
        etag = self.edge.get("/version.json").headers["ETag"]
        answer = self.after_expiry()
        self.assertEqual(answer.headers["Cache-Status"], "edge; fwd=stale; fwd-status=304")
        self.assertEqual((answer.status, answer.body), (200, "1"))
        self.assertEqual(self.origin.asked[-1]["if-none-match"], etag)

    def test_the_first_request_after_a_quiet_time_gets_the_new_version(self):
        self.edge.get("/version.json")
        self.origin.version = "2"
        self.assertEqual(self.after_expiry().body, "2")

    def test_while_one_request_renews_a_version_nobody_waits(self):
        self.edge.get("/version.json")
        self.wait_for_expiry()
        self.origin.version = "2"
        self.origin.delay = 1
        asked = len(self.origin.asked)
        with concurrent.futures.ThreadPoolExecutor(1) as other:
            renewing = other.submit(self.edge.get, "/version.json")
            until(lambda: len(self.origin.asked) > asked, "the server is asked")
            meanwhile = self.edge.get("/version.json")
            self.assertFalse(renewing.done())
            self.assertEqual(renewing.result().body, "2")
        self.assertEqual(meanwhile.body, "1")
        self.assertEqual(meanwhile.headers["Cache-Status"], "edge; hit; detail=updating")
        self.assertEqual(len(self.origin.asked), asked + 1)

    def test_a_version_outlives_a_failing_server(self):
        self.edge.get("/version.json")
        self.origin.failing = True
        answer = self.after_expiry()
        self.assertEqual((answer.status, answer.body), (200, "1"))
        self.assertEqual(answer.headers["Cache-Status"], "edge; hit; detail=stale")
        self.origin.failing = False
        self.origin.version = "2"
        until(lambda: self.edge.get("/version.json").body == "2", "the new version is served")

    def test_a_version_outlives_a_server_that_is_gone(self):
        self.edge.get("/version.json")
        self.origin.shutdown()
        self.origin.server_close()
        answer = self.after_expiry()
        self.assertEqual((answer.status, answer.body), (200, "1"))
        self.assertEqual(self.edge.get("/edge-health").body, "ok\n")

    def test_what_was_missing_once_is_asked_for_again(self):
        for _ in range(2):
            answer = self.edge.get("/manifests/none.json")
            self.assertEqual((answer.status, answer.headers["Cache-Control"]), (404, "no-store"))
        self.assertEqual(len(self.origin.asked), 2)

    def test_the_server_is_asked_over_one_connection(self):
        for i in range(10):
            self.edge.get(f"/tables/grips/{i:064x}.json")
        self.assertEqual(len(self.origin.asked), 10)
        # One for each worker process of nginx at most.
        self.assertLessEqual(self.origin.connections, os.cpu_count())

    def test_an_odd_path_reaches_the_server_as_the_cache_knows_it(self):
        for path, asked in (
            ("/x/../version.json", "/version.json"),
            ("//version.json", "/version.json"),
            ("/%76ersion.json", "/version.json"),
            ("/a%0d%0aX:%20b", "/a%0D%0AX:%20b"),
            ("/a%3fb", "/a%3Fb"),
        ):
            self.origin.asked.clear()
            self.edge.get(path, If_None_Match='"x"')
            for request in self.origin.asked:
                self.assertEqual(request["path"], asked)
                self.assertNotIn("x", request)
        self.assertEqual(self.edge.get("/../etc/passwd").status, 400)

    def test_each_page_gets_its_own_answer_whoever_asked_before(self):
        app, admin = "https://app.example", "https://admin.example"
        self.origin.cors = [app, admin]
        allowed = "Access-Control-Allow-Origin"
        for _ in range(2):
            # Anonymous first, then pages; in the next round from the cache.
            self.assertIsNone(self.edge.get(OBJECT).headers[allowed])
            for page in (app, admin):
                answer = self.edge.get(OBJECT, Origin=page)
                self.assertEqual((answer.status, answer.headers[allowed]), (200, page))
                self.assertIn("Origin", answer.headers["Vary"])
                again = self.edge.get(OBJECT, Origin=page, If_None_Match=answer.headers["ETag"])
                self.assertEqual((again.status, again.headers[allowed]), (304, page))
                part = self.edge.get(OBJECT, Origin=page, Range="bytes=0-3")
                self.assertEqual((part.status, part.headers[allowed]), (206, page))
                preflight = self.edge.get(OBJECT, "OPTIONS", Origin=page, Access_Control_Request_Method="GET")
                self.assertEqual((preflight.status, preflight.headers[allowed]), (204, page))
            self.assertIsNone(self.edge.get(OBJECT, Origin="https://other.example").headers[allowed])
            for nonsense in ("null", "https://a, https://b", "x" * 400):
                self.assertIsNone(self.edge.get(OBJECT, Origin=nonsense).headers[allowed])
        asked = [request for request in self.origin.asked if request["method"] == "GET"]
        self.assertEqual([request.get("origin") for request in asked], [None, app, admin, "https://other.example"])

    def test_only_what_was_asked_for_is_kept(self):
        kept = self.edge.get(OBJECT)
        size = len(kept.body)
        for ask, status in (
            ({}, 200),
            ({"Range": "bytes=0-3"}, 206),
            ({"Range": "bytes=-3"}, 206),
            ({"If_None_Match": kept.headers["ETag"]}, 304),
        ):
            answer = self.edge.get(OBJECT, **ask)
            self.assertEqual((answer.status, answer.headers.get_all("Cache-Control")), (status, [FOREVER]), ask)
        for ask, status in (
            ({"Range": f"bytes={size}-"}, 416),
            ({"Range": "bytes=99999999999-"}, 416),
            ({"Range": "bytes=-0"}, 416),
            ({"If_Match": '"other"'}, 412),
            ({"If_Unmodified_Since": "Sun, 06 Nov 1994 08:49:37 GMT"}, 412),
        ):
            answer = self.edge.get(OBJECT, **ask)
            if status == 412 and answer.status == 200:
                # The stand-in has no date to compare.
                continue
            self.assertEqual((answer.status, answer.headers.get_all("Cache-Control")), (status, ["no-store"]), ask)
            self.assertLessEqual(len(answer.headers.get_all("Access-Control-Allow-Origin") or []), 1)
        self.assertEqual(self.edge.get("/" + "a" * 9000).headers.get_all("Cache-Control"), None)
        self.assertEqual(self.edge.get("/nothing", Range="bytes=0-3").headers.get_all("Cache-Control"), ["no-store"])
        self.origin.failing = True
        failed = self.edge.get("/tables/other.json")
        self.assertEqual((failed.status, failed.headers.get_all("Cache-Control")), (503, ["no-store"]))

    def test_events_are_not_gathered(self):
        for _ in range(2):
            self.assertEqual(self.edge.get("/events").body, "event")
        self.assertEqual(len(self.origin.asked_for("/events")), 2)

    # --- waiting ---

    def wait_for_expiry(self):
        """Until the copy of version.json has outlived its second, without asking for it."""
        time.sleep(2.1)

    def after_expiry(self):
        self.wait_for_expiry()
        return self.edge.get("/version.json")


def until(condition, what, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.02)


if __name__ == "__main__":
    unittest.main()
