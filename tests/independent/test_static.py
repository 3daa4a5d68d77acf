"""docker/static.conf in a real nginx, over a folder as a publisher leaves it."""

import os
import shutil
import subprocess
import tempfile
import unittest

from test_edge import NGINX, Edge, until

CONFIGURATION = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docker", "static.conf")
FOREVER = "public, max-age=31536000, immutable"
BRIEFLY = "public, max-age=5, stale-if-error=86400"
OBJECT = "/tables/grips/" + "0" * 64 + ".json"


class Static(Edge):
    """An nginx that includes our configuration: other places, nothing else changed."""

    def __init__(self, folder, root):  # pylint: disable=super-init-not-called
        self.socket = os.path.join(folder, "static.sock")
        self.log = os.path.join(folder, "error.log")
        with open(CONFIGURATION, encoding="utf-8") as file:
            server = file.read()
        for ours, here in (("listen 8080;", f"listen unix:{self.socket};"), ("root /srv/snapshots;", f"root {root};")):
            if server.count(ours) != 1:
                raise ValueError(f"{ours!r} should stand once in docker/static.conf")
            server = server.replace(ours, here)
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        temporary = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
        path = os.path.join(folder, "nginx.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"""{"user root;" if os.getuid() == 0 else ""} pid {folder}/pid; error_log {self.log};
                events {{ worker_connections 64; }} http {{ access_log off; {temporary} {server} }}""")
        self.process = subprocess.Popen([NGINX, "-e", self.log, "-c", path, "-g", "daemon off;"])
        until(self.answers, "nginx answers")


@unittest.skipUnless(NGINX, "nginx is not installed; ./dev test installs it")
class StaticTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="tablecast-static.")
        self.addCleanup(shutil.rmtree, self.folder)
        for path in (
            "version.json",
            OBJECT,
            OBJECT + ".gz",
            "tables/version/" + "1" * 64 + ".json",
            "versions/1771938724-1.json",
            "README.md",
            ".lock",
            ".staging/half.json",
            "tables/.hidden.json",
            "folder.json/inside.json",
        ):
            path = os.path.join(self.folder, "store", path.lstrip("/"))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write('{"a":1}')

    def served(self, root="store"):
        static = Static(self.folder, os.path.join(self.folder, root))
        self.addCleanup(static.stop)
        return static

    def check(self, answer, status, cached, what=None):
        found = (answer.status, answer.headers.get_all("Cache-Control"))
        self.assertEqual(found, (status, [cached]), what)
        self.assertEqual(answer.headers.get_all("Access-Control-Allow-Origin"), ["*"], what)

    def test_only_what_is_there_is_kept(self):
        static = self.served()
        etag = static.get(OBJECT).headers["ETag"]
        for ask, status in (
            ({}, 200),
            ({"Accept_Encoding": "gzip"}, 200),
            ({"Range": "bytes=0-3"}, 206),
            ({"Range": "bytes=-3"}, 206),
            ({"If_None_Match": etag}, 304),
        ):
            self.check(static.get(OBJECT, **ask), status, FOREVER, ask)
        self.check(static.get(OBJECT, method="HEAD"), 200, FOREVER)
        for path in ("tables/version/" + "1" * 64 + ".json", "versions/1771938724-1.json"):
            self.check(static.get("/" + path), 200, FOREVER, path)
        self.check(static.get("/version.json"), 200, BRIEFLY)
        self.check(static.get("/version.json", Range="bytes=0-3"), 206, BRIEFLY)

    def test_a_range_that_is_not_there_is_not_kept(self):
        static = self.served()
        for path in (OBJECT, "/version.json"):
            for asked in ("bytes=7-", "bytes=99999999999999999999999-", "bytes=100-200", "bytes=-0", "bytes=9-,8-"):
                self.check(static.get(path, Range=asked), 416, "no-store", asked)
                # nginx gives no part of a coded file.
                coded = static.get(OBJECT, Range=asked, Accept_Encoding="gzip")
                self.check(coded, 200, "no-store", asked)
        self.check(static.get(OBJECT, If_Match='"other"'), 412, "no-store")

    def test_nothing_else_is_there(self):
        static = self.served()
        for path in (
            "/", "/tables", "/tables/", "/tables/grips", "/tables/grips/", "/versions", "/manifests", "/folder.json",
            "/folder.json/", "/README.md", "/.lock", "/.staging", "/.staging/", "/.staging/half.json",
            "/tables/.hidden.json", "/tables/%2ehidden.json", "/nothing.json", OBJECT + "/", OBJECT + ".br",
        ):
            for method in ("GET", "HEAD"):
                answer = static.get(path, method=method)
                self.check(answer, 404, "no-store", path)
                self.assertIsNone(answer.headers["Location"])

    def test_what_is_refused_is_not_kept(self):
        static = self.served()
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "BREW"):
            answer = static.get(OBJECT, method=method)
            self.assertIn(answer.status, (400, 405), method)
            self.check(answer, answer.status, "no-store", method)
        self.check(static.get("/" + "a" * 40000), 414, "no-store")

    def test_under_a_prefix_the_pointer_is_the_pointer(self):
        static = self.served(root=".")
        self.check(static.get("/store/version.json"), 200, BRIEFLY)
        self.check(static.get("/store" + OBJECT), 200, FOREVER)
        for path in ("/store", "/store/", "/store/.staging/half.json", "/store/tables"):
            self.check(static.get(path), 404, "no-store", path)


if __name__ == "__main__":
    unittest.main()
