"""A file holds one thought, so none is long."""

import unittest

import imports

LONGEST = 500


def lines_of_code(crate_source):
    """How many lines each file has before its tests."""
    sizes = {}
    for path in crate_source.rglob("*.rs"):
        if "tests" in path.relative_to(crate_source).parts or path.name == "tests.rs":
            continue
        code, _, _ = path.read_text(encoding="utf-8").partition("#[cfg(test)]\nmod tests {")
        sizes[path] = code.count("\n")
    return sizes


class Sizes(unittest.TestCase):
    def test_no_file_of_code_is_long(self):
        for source in imports.crates():
            for path, size in lines_of_code(source).items():
                self.assertLessEqual(size, LONGEST, path.relative_to(imports.ROOT))


if __name__ == "__main__":
    unittest.main()
