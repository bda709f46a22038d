"""JSON on standard output and in files: readable, safe on a terminal, and long lists item by item."""

import json
import re
import sys
import unicodedata
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

_INDENT = 2

# Control (also 8-bit ones, which `json` leaves as they are), format (direction changes, zero width), surrogates, line
# and paragraph separators: what a sender could use to control or deceive a terminal.
_UNSAFE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_NOT_PLAIN = re.compile(r"[^\n -~]")


def print_json(body: Any) -> None:
    """Print `body`; what standard output cannot encode is escaped."""
    print(json_text(body, sys.stdout.encoding or "utf-8"))


def print_parts(parts: Mapping[str, Any]) -> None:
    """Print an object of which some values are iterators: those are printed as lists, item by item."""
    for piece in json_pieces(parts, sys.stdout.encoding or "utf-8"):
        print(piece, end="")


def json_text(body: Any, encoding: str) -> str:
    """`body` as JSON in which every character is safe to look at and can be encoded; the others are escaped."""
    text = json.dumps(body, ensure_ascii=False, indent=_INDENT)
    # Outside of its strings JSON is ASCII: what is replaced here is inside one.
    return _NOT_PLAIN.sub(lambda found: _escaped(found[0], encoding), text)


def json_pieces(parts: Mapping[str, Any], encoding: str) -> Iterator[str]:
    """As `json_text`, in pieces and with a line end at the end; iterators among the values become lists."""
    before = "{\n"
    for name, value in parts.items():
        yield f"{before}  {json.dumps(name)}: "
        if isinstance(value, Iterator):
            yield from _list_pieces(value, encoding)
        else:
            yield _indented(json_text(value, encoding), 1)
        before = ",\n"
    yield "\n}\n"


def _list_pieces(items: Iterator[Any], encoding: str) -> Iterator[str]:
    before = "["
    for item in items:
        yield f"{before}\n    {_indented(json_text(item, encoding), 2)}"
        before = ","
    yield "[]" if before == "[" else "\n  ]"


def _indented(text: str, levels: int) -> str:
    return text.replace("\n", "\n" + " " * _INDENT * levels)


@lru_cache(4096)
def _escaped(character: str, encoding: str) -> str:
    if unicodedata.category(character) not in _UNSAFE:
        try:
            # Some code pages encode a character as another one that looks like it.
            if character.encode(encoding).decode(encoding) == character:
                return character
        except UnicodeError:
            pass
    return json.dumps(character)[1:-1]
