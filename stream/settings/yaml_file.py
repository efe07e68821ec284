"""Read one YAML file strictly: plain values, the line of each, and everything wrong with its form.

In:  a path.
Out: a `Document`: dicts, lists, text, whole numbers, floats, booleans, None.

Only the safe loader's parser runs, and no tag makes an object. The scalars are those
of YAML 1.2, so `yes`, `on`, `1:30` and `007` are text; a key given twice is a problem,
and so is an alias, because a few of them can stand for gigabytes.
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from stream.errors import Problem

KeyPath: TypeAlias = tuple[str | int, ...]

_TAG = "tag:yaml.org,2002:"


class _Loader(yaml.SafeLoader):
    """The safe loader without YAML 1.1's guesses."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own form


for _name, _pattern, _first in (
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    # A leading zero makes text: 007 is a name to people, and was octal in YAML 1.1.
    ("int", r"^[-+]?(?:0|[1-9][0-9]*)$", list("-+0123456789")),
    ("float", r"^[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$", list("-+.0123456789")),
):
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(_pattern), _first)


@dataclass(slots=True)
class Document:
    """A file's plain values (`tree`), where each stands, and what is wrong so far.

    `written` holds, for values that came from elsewhere (environment, secret file), the
    text that stands in the file: it is shown in problems instead of the value. `unresolved`
    has the places whose value could not be had: nothing more is said about them.
    """

    path: Path
    tree: Any = None
    lines: dict[KeyPath, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    written: dict[KeyPath, str] = field(default_factory=dict)
    unresolved: set[KeyPath] = field(default_factory=set)

    def line(self, path: KeyPath) -> int | None:
        """Line (from 1) of the value at `path`, or of the nearest thing around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path)

    def report(self, path: KeyPath, text: str) -> None:
        """Note that `text` is wrong at `path`."""
        if path in self.unresolved:
            return
        self.problems.append(Problem(str(self.path), self.line(path), path_text(path), text))

    def give_up(self, path: KeyPath, text: str) -> None:
        """Note that `text` is why there is no value at `path`, and let nothing else be said about it."""
        self.unresolved.discard(path)
        self.report(path, text)
        self.unresolved.add(path)


def path_text(path: KeyPath) -> str:
    """Write `("steps", 2, "window")` as `steps[2].window`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def read_document(path: Path) -> Document:
    """Read `path`; whatever is wrong is in the result's `problems`, never raised."""
    document = Document(path)
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=_Loader)
        if root is None:
            document.report((), "the file is empty")
        else:
            document.tree = _Reader(document).value(root, ())
    except FileNotFoundError:
        document.report((), "there is no such file")
    except OSError as error:
        document.report((), f"cannot be read: {error.strerror}")
    except UnicodeDecodeError:
        document.report((), "is not UTF-8 text (save it as UTF-8)")
    except RecursionError:
        document.report((), "is nested too deeply")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = mark.line + 1 if mark is not None else None
        document.problems.append(Problem(str(path), line, "", f"is not YAML: {error.problem}"))
    except yaml.YAMLError as error:
        document.report((), f"is not YAML: {str(error).splitlines()[0]}")
    return document


class _Reader:
    """Turns the parser's nodes into plain values, noting lines and problems in `document`."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._seen: set[int] = set()

    def value(self, node: yaml.Node, path: KeyPath) -> Any:
        self._document.lines.setdefault(path, node.start_mark.line + 1)
        if not isinstance(node, yaml.ScalarNode):
            if id(node) in self._seen:
                self._document.give_up(path, "aliases (*name) are not used here (write the value out)")
                return None
            self._seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            self._expect_tag(node, "seq", path)
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        self._expect_tag(node, "map", path)
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, path)
            if key is None:
                continue
            line = key_node.start_mark.line + 1
            if key in values:
                first = self._document.lines[(*path, key)]
                text = f"the key stands twice, first in line {first} (keep one)"
                self._document.problems.append(Problem(str(self._document.path), line, path_text((*path, key)), text))
                continue
            self._document.lines[(*path, key)] = line
            values[key] = self.value(value_node, (*path, key))
        return values

    def _key(self, node: yaml.Node, path: KeyPath) -> str | None:
        if isinstance(node, yaml.ScalarNode) and node.tag == _TAG + "str":
            return str(node.value)
        written = json.dumps(node.value) if isinstance(node, yaml.ScalarNode) else '"name"'
        text = f"a key must be text (try {written}:)"
        line = node.start_mark.line + 1
        self._document.problems.append(Problem(str(self._document.path), line, path_text(path), text))
        return None

    def _scalar(self, node: yaml.Node, path: KeyPath) -> Any:
        kind, text = node.tag.removeprefix(_TAG), str(node.value)
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() == "true"
        try:
            if kind == "int":
                return int(text)
            if kind == "float":
                return float(text)
        except ValueError:
            self._document.give_up(path, f"{text[:20]}... is not a number that fits")
            return None
        self._expect_tag(node, "str", path)
        if is_broken(text):
            self._document.report(path, "holds half of a surrogate pair, which is not text")
        return text

    def _expect_tag(self, node: yaml.Node, kind: str, path: KeyPath) -> None:
        if node.tag not in (_TAG + kind, "!"):
            self._document.report(path, f"tags ({node.tag}) are not used here (remove it)")


def is_broken(text: str) -> bool:
    """Whether a text holds half of a surrogate pair, for which UTF-8 has no bytes."""
    return any("\ud800" <= character <= "\udfff" for character in text)
