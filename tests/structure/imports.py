"""The import graph of the Rust crates: which file takes names from which, and the circles among them.

    python3 tests/structure/imports.py            # every circle, and what ties it
    python3 tests/structure/imports.py --graph    # every arrow

An arrow goes from a file to the file that *defines* the name it takes: a `pub use` of a parent is followed to the
child, so a façade ties nobody. `mod x;` is no import. Tests (`#[cfg(test)]`, `tests.rs`, `tests/`) are left out.
The code is read as text: enough for paths that rustfmt has laid out, and held to it by test_imports.py.
"""

import re
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COMMENT_OR_TEXT = re.compile(
    r"//[^\n]*|/\*.*?\*/|b?r(#+)\".*?\"\1|b?\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])'", re.S
)
DEFINITION = re.compile(
    r"^\s*(?:pub(?:\([^)]*\))? )?(?:(?:default|const|async|unsafe|extern \"[^\"]*\") )*"
    r"(?:fn|struct|enum|trait|type|const|static|union|macro_rules!)\s+([A-Za-z_]\w*)",
    re.M,
)
USE = re.compile(r"^[ \t]*(pub(?:\([^)]*\))? )?use ([^;]+);", re.M)
INLINE = re.compile(r"\b(?:crate|super|self)(?:::[A-Za-z_]\w*)+")


class File:
    """One file of a crate: where it stands among the modules, what it defines, what it takes."""

    def __init__(self, path, module, text):
        self.path, self.module = path, module
        self.text = without_tests(COMMENT_OR_TEXT.sub('""', text))
        self.defines = set(DEFINITION.findall(self.text))
        self.reexports, self.paths = {}, []
        for public, tree in USE.findall(self.text):
            for path, name in leaves(" ".join(tree.split())):
                absolute = self.absolute(path)
                if absolute is None:
                    continue
                if public:
                    self.reexports[name] = absolute
                else:
                    self.paths.append(absolute)
        body = USE.sub("", self.text)
        self.paths += filter(None, (self.absolute(found.split("::")) for found in INLINE.findall(body)))

    def absolute(self, path):
        """The path from the crate's root, or None where it leads out of the crate."""
        head, rest = path[0], list(path[1:])
        if head == "crate":
            return tuple(rest)
        base = list(self.module)
        if head == "self":
            return tuple(base + rest)
        if head == "super":
            base = base[:-1]
            while rest and rest[0] == "super":
                base, rest = base[:-1], rest[1:]
            return tuple(base + rest)
        # `use child::Name` of a module that this file declares.
        if re.search(rf"^\s*(?:pub(?:\([^)]*\))? )?mod {re.escape(head)};", self.text, re.M):
            return tuple(base + [head] + rest)
        return None


def without_tests(text):
    """The text without items under `#[cfg(test)]`."""
    kept, position = [], 0
    for found in re.finditer(r"#\[cfg\((?:test|all\(test[^)]*\)|any\(test[^)]*\))\)\]", text):
        if found.start() < position:
            continue
        kept.append(text[position : found.start()])
        brace, semicolon = text.find("{", found.end()), text.find(";", found.end())
        if brace < 0 or 0 <= semicolon < brace:
            position = semicolon + 1
            continue
        depth, position = 1, brace + 1
        while depth and position < len(text):
            depth += {"{": 1, "}": -1}.get(text[position], 0)
            position += 1
    return "".join(kept) + text[position:]


def leaves(tree, prefix=()):
    """Every `(path, name)` of a use tree: `a::{b, c::{self, d as e}}`."""
    tree = tree.strip()
    if not tree:
        return
    opening = tree.find("{")
    if opening < 0:
        path, _, alias = tree.partition(" as ")
        parts = [part.strip() for part in path.split("::") if part.strip()]
        path = list(prefix) + ([] if parts == ["self"] else parts)
        if path:
            yield path, alias.strip() or path[-1]
        return
    head = [part.strip() for part in tree[:opening].split("::") if part.strip()]
    inner, depth, start = tree[opening + 1 : tree.rindex("}")], 0, 0
    for position, letter in enumerate(inner + ","):
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            yield from leaves(inner[start:position], (*prefix, *head))
            start = position + 1


def files_of(source):
    """The files of the crate whose root is in `source`, by their module paths."""
    files = {}
    for path in sorted(source.rglob("*.rs")):
        parts = list(path.relative_to(source).with_suffix("").parts)
        if "tests" in parts or parts[0] in ("main", "bin"):
            continue
        if parts[-1] in ("mod", "lib"):
            parts.pop()
        files[tuple(parts)] = File(path, tuple(parts), path.read_text(encoding="utf-8"))
    return files


def defining(files, path, seen=()):
    """The file that defines what a path names; None where no file of the crate does."""
    for length in range(len(path), -1, -1):
        file = files.get(path[:length])
        if file is None:
            continue
        if length == len(path):
            return file
        name = path[length]
        target = file.reexports.get(name)
        if target is not None and target not in seen:
            return defining(files, (*target, *path[length + 1 :]), (*seen, target)) or file
        if name not in file.defines and "*" in file.reexports:
            return defining(files, (*file.reexports["*"][:-1], *path[length:]), (*seen, path)) or file
        return file
    return None


def arrows(files):
    """For each file the files that it takes names from, and those names."""
    graph = defaultdict(lambda: defaultdict(set))
    for file in files.values():
        for path in file.paths:
            target = defining(files, path)
            # A path that ends at a file names the module; what is taken of it is named where it is used.
            if target is not None and target is not file:
                graph[file.path][target.path].add(path[-1] if path else "crate")
    return graph


def circles(graph):
    """Every set of two or more nodes that reach each other (Tarjan, 1972), largest first."""
    index, low, stack, on_stack, found = {}, {}, [], set(), []

    def visit(node):
        work = [(node, iter(sorted(graph.get(node, ()))))]
        index[node] = low[node] = len(index)
        stack.append(node)
        on_stack.add(node)
        while work:
            current, following = work[-1]
            for target in following:
                if target not in index:
                    index[target] = low[target] = len(index)
                    stack.append(target)
                    on_stack.add(target)
                    work.append((target, iter(sorted(graph.get(target, ())))))
                    break
                if target in on_stack:
                    low[current] = min(low[current], index[target])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[current])
                if low[current] == index[current]:
                    members = []
                    while True:
                        member = stack.pop()
                        on_stack.discard(member)
                        members.append(member)
                        if member == current:
                            break
                    if len(members) > 1:
                        found.append(sorted(members))

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return sorted(found, key=lambda members: (-len(members), members))


def crates(root=ROOT):
    """The source folder of every crate of the workspace."""
    return sorted(path.parent / "src" for path in root.glob("*/Cargo.toml") if (path.parent / "src").is_dir())


def main():
    show_graph = "--graph" in sys.argv[1:]
    for source in crates():
        graph = arrows(files_of(source))
        name = lambda path: path.relative_to(ROOT)  # noqa: E731
        if show_graph:
            for file in sorted(graph):
                for target, names in sorted(graph[file].items()):
                    print(f"{name(file)} -> {name(target)}: {', '.join(sorted(names))}")
            continue
        for members in circles(graph):
            print(f"circle of {len(members)} files in {source.parent.name}:")
            for file in members:
                for target in sorted(set(graph[file]) & set(members)):
                    print(f"  {name(file)} -> {name(target)}: {', '.join(sorted(graph[file][target]))}")


if __name__ == "__main__":
    main()
