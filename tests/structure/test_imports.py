"""The folders show the data flow: what may not import what, and no circles among files.

`imports.py` reads the graph, of every crate of the workspace.
"""

import tempfile
import tomllib
import unittest
from pathlib import Path

import imports

def circles_below(source):
    found = imports.circles(imports.arrows(imports.files_of(source)))
    return [[str(path.relative_to(source)) for path in members] for members in found]


def made_of(files):
    """The circles of a crate that is made of these files."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "src"
        for name, text in files.items():
            path = source / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return circles_below(source)


def dependencies(crate):
    with open(imports.ROOT / crate / "Cargo.toml", "rb") as file:
        return set(tomllib.load(file).get("dependencies", {}))


def judged_by_audit(crates):
    """Those of the crates that make what snapshot-audit judges."""
    return crates & {"publisher", "snapshot-server", "snapshot-client"}


class Circles(unittest.TestCase):
    def test_no_crate_has_a_circle_of_files(self):
        for source in imports.crates():
            with self.subTest(source.parent.name):
                self.assertEqual(circles_below(source), [])

    def test_every_file_of_every_crate_is_read(self):
        with open(imports.ROOT / "Cargo.toml", "rb") as file:
            members = tomllib.load(file)["workspace"]["members"]
        self.assertEqual([source.parent.name for source in imports.crates()], sorted(members))
        for source in imports.crates():
            files = imports.files_of(source)
            arrows = sum(len(targets) for targets in imports.arrows(files).values())
            self.assertGreater(len(files), 10, source)
            self.assertGreaterEqual(arrows, len(files), source)

    def test_two_files_that_take_from_each_other_are_a_circle(self):
        files = {
            "lib.rs": "mod a;\nmod b;\n",
            "a.rs": "use crate::b::B;\npub struct A;\n",
            "b.rs": "pub struct B;\nfn f() { super::a::g(); }\n",
        }
        self.assertEqual(made_of(files), [["a.rs", "b.rs"]])

    def test_a_facade_ties_nobody(self):
        files = {
            "lib.rs": "mod room;\n",
            "room/mod.rs": "mod a;\nmod b;\npub use a::A;\npub use b::B;\n",
            "room/a.rs": "pub struct A;\n",
            "room/b.rs": "use super::A;\npub struct B(A);\n",
        }
        self.assertEqual(made_of(files), [])

    def test_what_only_tests_take_ties_nobody(self):
        files = {
            "lib.rs": "mod a;\nmod b;\n",
            "a.rs": "pub struct A;\n#[cfg(test)]\nmod tests {\n    use crate::b::B;\n}\n",
            "b.rs": "use crate::a::A;\npub struct B(A);\n",
        }
        self.assertEqual(made_of(files), [])


class Walls(unittest.TestCase):
    def test_only_publisher_knows_sql(self):
        # But for the private server, which sets up its own two roles.
        know_sql = {"publisher", "embedded-postgres"}
        for source in imports.crates():
            crate = source.parent.name
            with self.subTest(crate):
                self.assertEqual("tokio-postgres" in dependencies(crate), crate in know_sql)
        for path, file in imports.files_of(imports.ROOT / "embedded-postgres" / "src").items():
            text = file.path.read_text(encoding="utf-8")
            self.assertEqual("SELECT" in text or "ALTER " in text, path == ("roles",), path)

    def test_the_private_server_knows_nothing_of_what_is_in_it(self):
        crates = {source.parent.name for source in imports.crates()}
        self.assertEqual(dependencies("embedded-postgres") & crates, {"snapshot-store"})

    def test_the_format_knows_no_files_sockets_or_clocks(self):
        self.assertFalse(dependencies("snapshot-format") & {"tokio", "hyper", "rustix", "nix", "jiff", "ureq"})
        for path, file in imports.files_of(imports.ROOT / "snapshot-format" / "src").items():
            for module in ("std::fs", "TcpStream", "UdpSocket", "std::time", "std::env", "std::process"):
                self.assertNotIn(module, file.text, path)

    def test_a_publication_changes_the_disk_only_through_its_store(self):
        changing = ["fs::", "OpenOptions", "File::create", "NamedTempFile", "tempfile_in", "rustix", "use nix::"]
        files = imports.files_of(imports.ROOT / "publisher" / "src")
        judged = [file for path, file in files.items() if path and path[0] in ("prune", "publish", "rollback")]
        self.assertGreater(len(judged), 10)
        for file in judged:
            for call in changing:
                self.assertNotIn(call, file.text, f"{file.path}: use the store")

    def test_the_server_and_the_clients_know_no_publisher(self):
        for crate in ("snapshot-server", "snapshot-client", "snapshot-store", "snapshot-format"):
            self.assertNotIn("publisher", dependencies(crate))

    def test_the_audit_cannot_import_what_it_judges(self):
        self.assertEqual(judged_by_audit(dependencies("snapshot-audit")), set())
        # Had it one, that would be found.
        self.assertEqual(judged_by_audit({"serde", "snapshot-store", "publisher"}), {"publisher"})

    def test_the_server_and_the_clients_compile_no_more_of_the_stores_than_the_folder(self):
        with open(imports.ROOT / "Cargo.toml", "rb") as file:
            shared = tomllib.load(file)["workspace"]["dependencies"]["snapshot-store"]
        self.assertIs(shared["default-features"], False)
        for crate in ("snapshot-server", "snapshot-client"):
            with open(imports.ROOT / crate / "Cargo.toml", "rb") as file:
                self.assertEqual(tomllib.load(file)["dependencies"]["snapshot-store"], {"workspace": True})

    def test_a_store_knows_neither_who_fills_it_nor_who_judges_it(self):
        for crate in ("publisher", "snapshot-audit", "snapshot-server", "snapshot-client"):
            self.assertNotIn(crate, dependencies("snapshot-store"))


if __name__ == "__main__":
    unittest.main()
