"""Query text to tokens."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from local.emulators.cosmosdb.errors import SqlError
from local.emulators.cosmosdb.values import number

# A query may be 512 KB long (Azure Cosmos DB service quotas: maximum length of SQL query).
MAX_QUERY_CHARS: Final = 512 * 1024


class Kind(Enum):
    """What a token is. Keywords are identifiers; the parser knows where a word is a keyword."""

    IDENTIFIER = "identifier"
    PARAMETER = "parameter"
    STRING = "string"
    NUMBER = "number"
    SYMBOL = "symbol"
    END = "end of query"


@dataclass(frozen=True, slots=True)
class Token:
    """`text` as written, `value` as meant, `position` in characters from the start of the query."""

    kind: Kind
    text: str
    value: Any
    position: int

    @property
    def upper(self) -> str:
        """The text for comparison with a keyword; empty for anything that cannot be one."""
        return self.text.upper() if self.kind is Kind.IDENTIFIER else ""


_TOKEN: Final = re.compile(
    r"""
      (?P<space>\s+|--[^\n]*|/\*.*?\*/)
    | (?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![A-Za-z_]))
    | (?P<parameter>@[A-Za-z_][A-Za-z0-9_]*)
    | (?P<identifier>[^\W\d]\w*)
    | (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<symbol>\?\?|\|\||<=|>=|!=|<>|<<|>>>?|[-+*/%&|^~=<>!?:.,()\[\]{}])
    """,
    re.VERBOSE | re.DOTALL,
)
# A whole number of more digits is beyond 2^53, where it is the nearest double anyway.
_EXACT_DIGITS: Final = 17
_ESCAPE: Final = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_ESCAPES: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def _unescape(match: re.Match[str]) -> str:
    code = match[1]
    if len(code) > 1:
        return chr(int(code[1:], 16))
    if code in _ESCAPES:
        return _ESCAPES[code]
    if code in "\"'\\/":
        return code
    raise SqlError(f"Syntax error, invalid string escape '\\{code}'.", position=match.start(), code="SC1012")


def _value(kind: Kind, text: str, position: int) -> Any:
    if kind is Kind.NUMBER:
        # Python refuses to convert thousands of digits to an int; a float is as exact as the service.
        return number(int(text)) if text.isdigit() and len(text) <= _EXACT_DIGITS else number(float(text))
    if kind is Kind.STRING:
        value = _ESCAPE.sub(_unescape, text[1:-1]) if "\\" in text else text[1:-1]
        # Two escaped halves of a surrogate pair are one character; a half alone is none.
        try:
            value = value.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            raise SqlError("Syntax error, invalid string literal.", position=position, code="SC1012") from None
        return value
    return text


def tokenize(query: str) -> list[Token]:
    """All tokens, ending with one of kind END.

    Raises:
        SqlError: a character that starts no token, or a query beyond 512 KB.
    """
    if len(query) > MAX_QUERY_CHARS:
        raise SqlError("The SQL query text exceeded the maximum limit of 524288 characters.", code="SC2001")
    tokens = []
    position = 0
    while position < len(query):
        match = _TOKEN.match(query, position)
        if match is None or match.lastgroup is None:
            near = query[position : position + 16]
            raise SqlError(f"Syntax error, incorrect syntax near {json.dumps(near)}.", position=position)
        if match.lastgroup != "space":
            kind = Kind(match.lastgroup)
            tokens.append(Token(kind, match[0], _value(kind, match[0], position), position))
        position = match.end()
    tokens.append(Token(Kind.END, "", None, len(query)))
    return tokens
