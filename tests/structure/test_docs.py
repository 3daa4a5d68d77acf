"""Whoever opens the documentation of one of these crates alone finds each public item described."""

import re
import unittest

import imports

READ_ALONE = ["snapshot-format", "snapshot-store", "snapshot-client"]
ITEM = re.compile(r"pub (?!use |mod |\()(?:\w+ )*(\w+)|([A-Z]\w*)(?=[,({ ]|$)")
FEWEST_WORDS = 4


def short(text):
    """The items whose doc comment is a word or three."""
    found, doc = [], []
    for line in (line.strip() for line in text.split("\n")):
        if line.startswith("///"):
            doc.append(line[3:].strip())
        elif not line.startswith("#["):
            item = ITEM.match(line)
            if doc and item and len(" ".join(doc).split()) < FEWEST_WORDS:
                found.append(f"{item.group(1) or item.group(2)}: {' '.join(doc)}")
            doc = []
    return found


class Docs(unittest.TestCase):
    def test_no_public_item_has_a_doc_of_two_words(self):
        for crate in READ_ALONE:
            for path in sorted((imports.ROOT / crate / "src").rglob("*.rs")):
                if "tests" not in path.parts:
                    with self.subTest(path.relative_to(imports.ROOT)):
                        self.assertEqual(short(path.read_text(encoding="utf-8")), [])

    def test_a_short_one_is_found(self):
        text = "/// Its name.\n#[serde(default)]\npub name: String,\n/// Which of the two it is, from 1.\nOther(u8),\n"
        self.assertEqual(short(text), ["name: Its name."])


if __name__ == "__main__":
    unittest.main()
