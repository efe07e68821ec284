"""Hold a document against its schema and say what is wrong in words for people.

In:  a document, a schema of `stream.settings.schema`.
Out: problems added to the document; none means that its form is right.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from jsonschema import Draft202012Validator, ValidationError, validators

from stream.settings import durations, texts
from stream.settings.schema_words import Schema
from stream.settings.yaml_file import Document, KeyPath


def check_schema(document: Document, schema: Schema) -> None:
    """Report every place where `document` breaks `schema`."""
    for error in _VALIDATOR(schema).iter_errors(document.tree):
        _report(document, error)


def shown_value(document: Document, path: KeyPath, value: object, schema: Schema) -> str:
    """Write `value` for a problem: a secret stays hidden, a reference is shown as it is written."""
    if path in document.written:
        return f'the value of "{document.written[path]}"'
    return "the value" if schema.get("x-secret") else texts.shown(value)


def _report(document: Document, error: ValidationError) -> None:
    path: KeyPath = tuple(error.absolute_path)
    schema = cast("Schema", error.schema)
    value: Any = error.instance
    keyword = str(error.validator)
    if keyword == "anyOf":
        _report_choice(document, error, schema["anyOf"])
    elif keyword == "additionalProperties":
        for key in value:
            if key not in schema["properties"]:
                document.report((*path, key), texts.unknown_key(key, schema))
    elif keyword == "required":
        document.report(path, f'"{error.message}" is missing (add {error.message}: ...)')
    else:
        document.report(path, _TEXTS[keyword](shown_value(document, path, value, schema), value, schema))


def _report_choice(document: Document, error: ValidationError, branches: list[Schema]) -> None:
    """Speak only about the form that the value's type shows was meant."""
    path, value = tuple(error.absolute_path), error.instance
    for index, branch in enumerate(branches):
        if branch["type"] == texts.type_of(value):
            for inner in error.context or ():
                if inner.relative_schema_path[0] == index:
                    _report(document, inner)
            return
    nouns = " or ".join(texts.noun(branch) for branch in branches)
    document.report(path, f"{shown_value(document, path, value, branches[0])} is {texts.type_noun(value)}, not {nouns}")


def _pattern(_validator: Any, pattern: str, value: object, schema: Schema) -> Iterator[ValidationError]:
    # Python's $ lets a last line end pass, JSON Schema's does not.
    is_told = value == "" and schema.get("minLength", 0) > 0
    if isinstance(value, str) and not is_told and re.fullmatch(pattern, value) is None:
        yield ValidationError(pattern)


def _bounds(_validator: Any, bounds: Mapping[str, str], value: object, _schema: Schema) -> Iterator[ValidationError]:
    try:
        duration_ms = durations.to_ms(str(value))
    except ValueError:
        return  # the pattern's problem
    if not durations.to_ms(bounds["least"]) <= duration_ms <= durations.to_ms(bounds["most"]):
        yield ValidationError("bounds")


def _required(_validator: Any, keys: list[str], value: object, _schema: Schema) -> Iterator[ValidationError]:
    if isinstance(value, dict):
        yield from (ValidationError(key) for key in keys if key not in value)


def _is_integer(_checker: Any, value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)  # 1.0 is no version


_VALIDATOR = validators.extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    {"pattern": _pattern, "required": _required, "x-bounds": _bounds},
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer),
)

# Each takes the shown value, the value and the schema, and says what is wrong and what would be right.
_TEXTS: Mapping[str, Callable[[str, Any, Schema], str]] = {
    "type": texts.wrong_type,
    "enum": texts.not_one_of,
    "pattern": texts.wrong_pattern,
    "x-bounds": texts.out_of_bounds,
    "minLength": lambda _shown, _value, schema: f"is empty, not {texts.noun(schema)}",
    "maxLength": lambda shown, value, schema: f"{shown} has {len(value)} characters, at most {schema['maxLength']}",
    "minimum": lambda shown, _value, schema: f"{shown} is too small (at least {schema['minimum']})",
    "maximum": lambda shown, _value, schema: f"{shown} is too large (at most {schema['maximum']})",
    "minItems": lambda _shown, value, schema: f"has {len(value)} entries, needs at least {schema['minItems']}",
    "maxItems": lambda _shown, value, schema: f"has {len(value)} entries, at most {schema['maxItems']}",
    "uniqueItems": lambda _shown, value, _schema: f"names {texts.shown(texts.repeated(value))} twice (keep one)",
}
