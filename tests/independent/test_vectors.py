"""The vectors are what their generator writes, and what this PostgreSQL sends."""

import os
import shutil
import subprocess
import sys
import unittest

VECTORS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "vectors")


def check(*arguments):
    command = [sys.executable, "-B", os.path.join(VECTORS, "generate.py"), "--check", *arguments]
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return run.stdout if run.returncode else ""


class Vectors(unittest.TestCase):
    def test_the_generator_writes_them(self):
        self.assertEqual(check(), "")

    def test_this_postgresql_sends_the_same_bytes(self):
        database = os.environ.get("TABLECAST_TEST_DATABASE_URL")
        if not database or not shutil.which("psql"):
            self.skipTest("needs psql and a database: TABLECAST_TEST_DATABASE_URL")
        self.assertEqual(check("--capture", database), "")


if __name__ == "__main__":
    unittest.main()
