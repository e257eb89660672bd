"""The part of JSON Schema that edgeface's own schemas use, on the standard library alone.

Boards have no ``jsonschema``; the tests do, and hold this module to it. One strictness is ours:
``1.0`` is not an integer here, since Python code would carry it on as a float.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Callable, Optional

_TYPES: dict[str, tuple] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
_Check = Callable[[Any, Any], Optional[str]]
_MAX_DEPTH = 32
_MAX_INTEGER_DIGITS = 18
# Half a surrogate pair cannot be printed; control characters a terminal would obey.
_UNPRINTABLE = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\ud800-\\udfff]")


class JsonError(ValueError):
    """Text that is not the strict JSON edgeface reads."""


def parse_json(data: bytes) -> Any:
    """Parse strict JSON from a stranger.

    UTF-8, no duplicate keys, no NaN or infinity, integers of at most 18 digits, nested at most
    32 deep, no control characters in strings but tab and line end. Else ``JsonError``.
    """
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique_keys,
            parse_constant=_finite,
            parse_float=_finite,
            parse_int=_short_integer,
        )
    except RecursionError as error:
        raise JsonError("nested too deeply") from error
    except ValueError as error:  # covers JSONDecodeError, UnicodeDecodeError and our own
        raise JsonError(str(error)) from error
    _check_depth_and_texts(value)
    return value


def _check_depth_and_texts(document: Any) -> None:
    # Not by recursion: what reads the result recurses, and would fail in the middle.
    level, depth = [document], 0
    while level:
        depth += 1
        if depth > _MAX_DEPTH:
            raise JsonError("nested too deeply")
        held = [item for value in level for item in _contents(value)]
        if any(isinstance(item, str) and _UNPRINTABLE.search(item) for item in held):
            raise JsonError("a string with a control character or half a surrogate pair")
        level = [item for item in held if isinstance(item, (dict, list))]


def _contents(value: Any) -> list:
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    return value if isinstance(value, list) else [value]


def _unique_keys(pairs: list[tuple]) -> dict:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise JsonError(f"key {twice[:80]!r} appears twice")
    return result


def _short_integer(text: str) -> int:
    if len(text) > _MAX_INTEGER_DIGITS:  # old Pythons convert digits in quadratic time
        raise JsonError(f"an integer of {len(text)} characters")
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise JsonError(f"{text[:40]} is not a finite number")
    return value


def first_problem(value: Any, schema: dict) -> str | None:
    """Say where ``value`` breaks ``schema``, what was found and what was expected; else None."""
    return _problem(value, schema, "", schema)


def _problem(value: Any, schema: dict, where: str, root: dict) -> str | None:
    schema = _resolve(schema, root)
    if "type" in schema and not _has_type(value, schema["type"]):
        return _say(where, value, f"expected {_alternatives(schema['type'])}", schema)
    for keyword, (kind, check) in _RULES.items():
        applies = keyword in schema and (kind == "any" or _has_type(value, kind))
        expected = check(value, schema[keyword]) if applies else None
        if expected:
            return _say(where, value, expected, schema)
    return _problem_inside(value, schema, where, root)


def _resolve(schema: dict, root: dict) -> dict:
    reference = schema.get("$ref")
    return root["$defs"][reference[len("#/$defs/") :]] if reference else schema


def _problem_inside(value: Any, schema: dict, where: str, root: dict) -> str | None:
    if isinstance(value, list) and "items" in schema:
        inside = [(f"{where}[{i}]", item, schema["items"]) for i, item in enumerate(value)]
    elif isinstance(value, dict):
        known = schema.get("properties", {})
        other = schema.get("additionalProperties", {})
        inside = [(f"{where}.{key}", item, known.get(key, other)) for key, item in value.items()]
    else:
        return None
    problems = (_problem_or_refused(item, rule, at, root) for at, item, rule in inside)
    return next((problem for problem in problems if problem), None)


def _problem_or_refused(value: Any, schema: Any, where: str, root: dict) -> str | None:
    if schema is False:
        return f"{where.lstrip('.')}: there is no such field: remove it or correct its name"
    return _problem(value, schema, where, root)


def _say(where: str, value: Any, expected: str, schema: dict) -> str:
    found = json.dumps(value, ensure_ascii=False, default=repr)
    found = found if len(found) <= 60 else found[:57] + "..."
    hint = f" ({schema['description']})" if "description" in schema else ""
    return f"{where.lstrip('.') or 'the whole document'}: found {found}, {expected}{hint}"


def _alternatives(types: Any) -> str:
    return types if isinstance(types, str) else " or ".join(types)


def _has_type(value: Any, types: Any) -> bool:
    names = [types] if isinstance(types, str) else types
    if isinstance(value, bool):  # to Python a bool is an int; to JSON it is not
        return "boolean" in names
    return any(isinstance(value, _TYPES[name]) for name in names)


def _required(value: dict, names: list) -> str | None:
    missing = [name for name in names if name not in value]
    return f"expected the field(s) {', '.join(missing)}" if missing else None


def _names_match(value: dict, rule: dict) -> str | None:
    bad = [key for key in value if not re.fullmatch(rule["pattern"], key)]
    return f"expected no field named {bad[0]!r}" if bad else None


def _distinct(value: list, wanted: bool) -> str | None:
    texts = [json.dumps(item, sort_keys=True) for item in value]
    return "expected no item twice" if wanted and len(set(texts)) != len(texts) else None


def _unless(text: str, holds: Callable[[Any, Any], bool]) -> _Check:
    return lambda value, rule: None if holds(value, rule) else f"expected {text} {rule}"


# keyword: (the type of value it speaks about, what it expects when the value fails it).
# Our patterns are anchored; fullmatch, because Python's "$" also matches before a newline.
_RULES: dict[str, tuple[str, _Check]] = {
    "const": ("any", _unless("exactly", lambda value, rule: value == rule)),
    "enum": ("any", _unless("one of", lambda value, rule: value in rule)),
    "minimum": ("number", _unless("at least", lambda value, rule: value >= rule)),
    "maximum": ("number", _unless("at most", lambda value, rule: value <= rule)),
    "exclusiveMinimum": ("number", _unless("more than", lambda value, rule: value > rule)),
    "exclusiveMaximum": ("number", _unless("less than", lambda value, rule: value < rule)),
    "minLength": ("string", _unless("a length of at least", lambda v, rule: len(v) >= rule)),
    "maxLength": ("string", _unless("a length of at most", lambda v, rule: len(v) <= rule)),
    "pattern": ("string", _unless("text like", lambda v, rule: bool(re.fullmatch(rule, v)))),
    "minItems": ("array", _unless("a count of at least", lambda v, r: len(v) >= r)),
    "maxItems": ("array", _unless("a count of at most", lambda v, r: len(v) <= r)),
    "uniqueItems": ("array", _distinct),
    "required": ("object", _required),
    "propertyNames": ("object", _names_match),
}
KEYWORDS = frozenset(_RULES) | {
    "$schema", "$id", "$defs", "$ref", "title", "description",
    "type", "items", "properties", "additionalProperties",
}  # fmt: skip
