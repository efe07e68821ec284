"""Values that a settings file takes from elsewhere: `${env:NAME}` and `${file:path}`.

In:  a document, the environment.
Out: the document with the values in place; its problems show what is written, never the value.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stream.settings.yaml_file import Document, KeyPath, is_broken

_REFERENCE = re.compile(r"\$\{([^}]*)\}")


def resolve_references(document: Document, env: Mapping[str, str]) -> None:
    """Replace every reference in `document`, in whole values and inside text.

    `${file:path}` is the file's text without its last line end; a relative path
    starts at the document's folder.
    """
    document.tree = _resolved(document, env, document.tree, ())


def _resolved(document: Document, env: Mapping[str, str], value: Any, path: KeyPath) -> Any:
    if isinstance(value, dict):
        return {key: _resolved(document, env, inner, (*path, key)) for key, inner in value.items()}
    if isinstance(value, list):
        return [_resolved(document, env, inner, (*path, index)) for index, inner in enumerate(value)]
    if isinstance(value, str) and "${" in value:
        document.written[path] = value
        text = _REFERENCE.sub(lambda found: _text(document, env, found[1], path), value)
        if is_broken(text) and not is_broken(value):  # bytes of an environment variable that are no UTF-8
            document.report(path, "is not text in UTF-8 (give another one)")
        return text
    return value


def _text(document: Document, env: Mapping[str, str], reference: str, path: KeyPath) -> str:
    kind, _, name = reference.partition(":")
    if kind == "env" and name in env:
        return env[name]
    if kind == "file" and name:
        return _file_text(document, name, path)
    if kind == "env" and name:
        return _given_up(document, path, f"the environment variable {name} is not set (set it)")
    hint = f'try "${{env:{reference or "NAME"}}}" or "${{file:path}}"'
    return _given_up(document, path, f'"${{{reference}}}" is no reference ({hint})')


def _file_text(document: Document, name: str, path: KeyPath) -> str:
    file = document.path.parent / Path(name).expanduser()
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        return _given_up(document, path, f"the file {file} cannot be read: {why}")
    return text.removesuffix("\n").removesuffix("\r")


def _given_up(document: Document, path: KeyPath, text: str) -> str:
    document.give_up(path, text)
    return ""
