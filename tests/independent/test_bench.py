"""snapshot-server/bench/against-nginx.py leaves no process behind, however it ends."""

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "snapshot-server", "bench",
                      "against-nginx.py")

# Listens, writes down who it is, and answers everybody with 304, as the floor does to a
# question with a tag.
FLOOR = """
import os, socket, sys
with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as listener:
    with open(sys.argv[2], "w") as file:
        file.write(str(os.getpid()))
    while True:
        connection, _ = listener.accept()
        with connection:
            if connection.recv(65536):
                connection.sendall(b"HTTP/1.1 304 Not Modified\\r\\n\\r\\n")
"""


def script():
    specification = importlib.util.spec_from_file_location("against_nginx", SCRIPT)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


class BenchTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="tablecast-bench.")
        self.addCleanup(folder.cleanup)
        self.note = os.path.join(folder.name, "pid")

    def test_a_floor_that_answers_304_to_all_is_waited_for_and_ended(self):
        bench = script()
        with contextlib.ExitStack() as running:
            port = bench.free_port()
            process = bench.start(running, [sys.executable, "-c", FLOOR, str(port), self.note])
            server = bench.Server(process, port)
            self.assertIsNone(server.process.poll())
        self.assertIsNotNone(process.poll())

    def test_a_failure_ends_what_was_started(self):
        bench = script()
        for failure in (RuntimeError, SystemExit, KeyboardInterrupt):
            with self.assertRaises(failure), contextlib.ExitStack() as running:
                process = bench.start(running, ["sleep", "1000"])
                raise failure
            self.assertIsNotNone(process.poll(), failure)

    def test_a_signal_ends_what_was_started(self):
        """The whole script, in the moment in which it waits for its server."""
        server = os.path.join(os.path.dirname(self.note), "server")
        # Never listens, so the script waits.
        with open(server, "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\necho $$ > {self.note}.new; mv {self.note}.new {self.note}; exec sleep 1000\n")
        os.chmod(server, 0o755)
        for ended_by in (signal.SIGTERM, signal.SIGINT):
            command = [sys.executable, "-B", SCRIPT, server, os.path.dirname(self.note), "--check"]
            with subprocess.Popen(command, stderr=subprocess.DEVNULL) as bench:
                started = self.started()
                bench.send_signal(ended_by)
                self.assertNotEqual(bench.wait(20), 0)
            self.assertFalse(os.path.exists(f"/proc/{started}"), ended_by)
            os.remove(self.note)

    def started(self):
        """The process that the script began."""
        deadline = time.monotonic() + 20
        while not os.path.exists(self.note):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)
        with open(self.note, encoding="utf-8") as file:
            return int(file.read())


if __name__ == "__main__":
    unittest.main()
