"""Write what is derived from the schemas: `python -m stream.settings.publish [project folder]`.

In:  the schemas.
Out: config/schema/*.schema.json, and the tables in docs/configuration.md between
`<!-- settings: NAME -->` and `<!-- end -->`.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from stream.settings import texts
from stream.settings.schema import SCHEMAS, Schema

_TABLE = re.compile(r"(<!-- settings: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


class Row(NamedTuple):
    """One setting as the docs show it."""

    path: str
    kind: str
    default: str
    meaning: str


def schema_text(name: str) -> str:
    """Return the published file of the schema `name` (`funnel`, `tracker`)."""
    return json.dumps(SCHEMAS[name], indent=2, ensure_ascii=False) + "\n"


def rows(schema: Schema) -> Iterator[Row]:
    """Yield every setting of `schema`, in the order in which a file would have them."""
    yield from _rows(schema, "")


def table_text(name: str) -> str:
    """Return the docs' table of the schema `name`."""
    head = ["| setting | type | default | meaning |", "|---|---|---|---|"]
    return "\n".join([*head, *(f"| {' | '.join(_escaped(row))} |" for row in rows(SCHEMAS[name]))]) + "\n"


def with_tables(page: str) -> str:
    """Return `page` with every table renewed."""
    return _TABLE.sub(lambda found: found[1] + table_text(found[2]) + found[3], page)


def main(folder: Path) -> None:
    """Write all derived files below the project's `folder`."""
    for name in SCHEMAS:
        (folder / "config" / "schema" / f"{name}.schema.json").write_text(schema_text(name), encoding="utf-8")
    page = folder / "docs" / "configuration.md"
    page.write_text(with_tables(page.read_text(encoding="utf-8")), encoding="utf-8")


def _rows(schema: Schema, prefix: str) -> Iterator[Row]:
    for key, inner in schema.get("properties", {}).items():
        path = f"{prefix}{key}"
        yield Row(f"`{path}`", _kind(inner), _default(key, inner, schema), inner["description"])
        for branch in (inner, *inner.get("anyOf", ())):
            yield from _rows(branch, f"{path}.")
            items = branch.get("items", {})
            for part in (items, *items.get("anyOf", ())):
                yield from _rows(part, f"{path}[].")


def _kind(schema: Schema) -> str:
    if "anyOf" in schema:
        return " or ".join(_kind(branch) for branch in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{word}`" for word in schema["enum"])
    if schema["type"] == "array":
        least, most = schema.get("minItems", 0), schema.get("maxItems")
        limits = [*([f"at least {least}"] if least > 1 else ()), *([f"at most {most}"] if most else ())]
        return ", ".join([f"list of {_kind(schema['items'])}", *limits])
    if schema.get("x-kind") == "duration":
        return f"duration, {schema['x-bounds']['least']} to {schema['x-bounds']['most']}"
    if schema["type"] == "integer":
        limits = [f"{word} {schema[key]}" for key, word in (("minimum", "from"), ("maximum", "to")) if key in schema]
        return " ".join(["whole number", *limits])
    return re.sub(r"^an? ", "", texts.noun(schema))


def _default(key: str, schema: Schema, parent: Schema) -> str:
    if key in parent.get("required", ()):
        return "required"
    if "default" not in schema or schema["default"] in ("", [], {}):
        return ""
    default = schema["default"]
    if isinstance(default, list):
        return f"`[{', '.join(default)}]`"
    return f"`{default}`" if isinstance(default, str) else f"`{json.dumps(default)}`"


def _escaped(row: Row) -> list[str]:
    return [cell.replace("|", "\\|") for cell in row]


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
