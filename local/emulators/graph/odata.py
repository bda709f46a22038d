"""The part of OData that Graph's clients send: query options and `$filter` expressions, parsed and not yet checked.

Keywords and functions are read in any case, as Graph's own examples write them (`NOT(…)`, `startsWith(…)`). Parsing
is pure and its results are immutable, so they are cached by their text: one incident asks thousands of mailboxes
the same question.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Union
from urllib.parse import unquote_plus

from local.emulators.graph.errors import bad_request, unsupported

# Deeper than any real query. A hostile one is a 400 and not a RecursionError.
MAX_DEPTH = 50


@dataclass(frozen=True, slots=True)
class Literal:
    """A value: a number, a Boolean, None, or text. Text without quotes is a time or the name of a property."""

    value: str | int | float | bool | None
    quoted: bool


@dataclass(frozen=True, slots=True)
class Compare:
    """`left op right`. `op` is eq, ne, gt, ge, lt or le; `cast` is the type that the left side is cast to."""

    left: str
    op: str
    right: Literal
    cast: str | None = None


@dataclass(frozen=True, slots=True)
class In:
    """`left in ('a','b')`."""

    left: str
    values: tuple[Literal, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """`contains(path,'x')`, `startswith(…)` or `endswith(…)`; the name is in lower case."""

    name: str
    path: str
    argument: Literal


@dataclass(frozen=True, slots=True)
class AnyOf:
    """`collection/any(variable: condition)`."""

    collection: str
    variable: str
    condition: "Expression"


@dataclass(frozen=True, slots=True)
class And:
    """All of several conditions."""

    parts: "tuple[Expression, ...]"


@dataclass(frozen=True, slots=True)
class Or:
    """At least one of several conditions."""

    parts: "tuple[Expression, ...]"


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite of a condition."""

    part: "Expression"


Expression = Union[Compare, In, Call, AnyOf, And, Or, Not]  # noqa: UP007 - the names are quoted above

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<string>'(?:[^']|'')*')
    | (?P<punct>[(),:])
    | (?P<word>[^\s'(),:]+(?::\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?)?)
    )""",
    re.VERBOSE,
)
_OPERATORS = frozenset({"eq", "ne", "gt", "ge", "lt", "le"})
_FUNCTIONS = frozenset({"contains", "startswith", "endswith"})
_OTHER_FUNCTIONS = frozenset(
    {
        "concat", "indexof", "isof", "length", "matchespattern", "substring", "tolower", "toupper", "trim", "year",
        "month", "day", "hour", "minute", "second", "date", "time", "now", "round", "floor", "ceiling",
    }
)  # fmt: skip
"""Functions of OData that some service behind Graph may know."""
_NUMBER = re.compile(r"-?\d{1,40}(\.\d{1,40})?\Z", re.ASCII)
"""As long as any number of the entity model. Python refuses to read numbers of thousands of digits."""
_NAME = re.compile(r"[A-Za-z_$][\w.$]*(/[A-Za-z_$][\w.$]*)*\Z")


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[tuple[str, str]] = []
        position, end = 0, len(text.rstrip())
        while position < end:
            match = _TOKEN.match(text, position)
            if match is None:
                raise self.wrong(f"'{text[position : position + 20]}' at position {position}")
            self.tokens.append((match.lastgroup or "", match.group(match.lastgroup or "")))
            position = match.end()
        self.at = 0
        self.depth = 0

    def wrong(self, what: str) -> Exception:
        return bad_request(f"Invalid filter clause: {what} is not expected.", "BadRequest")

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")

    def take(self) -> tuple[str, str]:
        token = self.peek()
        if token[0] == "end":
            raise self.wrong("the end")
        self.at += 1
        return token

    def expect(self, punct: str) -> None:
        token = self.take()
        if token != ("punct", punct):
            raise self.wrong(f"'{token[1]}' instead of '{punct}'")

    def keyword(self) -> str:
        """The next token in lower case if it is a word; empty otherwise."""
        kind, text = self.peek()
        return text.lower() if kind == "word" else ""

    def word(self) -> str:
        kind, text = self.take()
        if kind != "word":
            raise self.wrong(f"'{text}'")
        return text

    def parse(self) -> Expression:
        result = self.disjunction()
        if self.peek()[0] != "end":
            raise self.wrong(f"'{self.peek()[1]}'")
        return result

    def disjunction(self) -> Expression:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.wrong("nesting this deep")
        parts = [self.conjunction()]
        while self.keyword() == "or":
            self.at += 1
            parts.append(self.conjunction())
        self.depth -= 1
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def conjunction(self) -> Expression:
        parts = [self.term()]
        while self.keyword() == "and":
            self.at += 1
            parts.append(self.term())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def term(self) -> Expression:
        if self.peek() == ("punct", "("):
            self.at += 1
            inner = self.disjunction()
            self.expect(")")
            return inner
        name = self.word()
        if name.lower() == "not":
            self.depth += 1
            if self.depth > MAX_DEPTH:
                raise self.wrong("nesting this deep")
            inner = self.term()
            self.depth -= 1
            return Not(inner)
        if self.peek() == ("punct", "("):
            return self.call(name)
        return self.comparison(self.path(name))

    def path(self, name: str) -> str:
        if not _NAME.match(name):
            raise self.wrong(f"'{name}'")
        return name

    def call(self, name: str) -> Expression:
        self.expect("(")
        lowered = name.lower()
        if lowered in _FUNCTIONS:
            path = self.path(self.word())
            self.expect(",")
            argument = self.literal()
            self.expect(")")
            return Call(lowered, path, argument)
        if lowered == "cast":
            path = self.path(self.word())
            self.expect(",")
            kind = self.word()
            self.expect(")")
            return self.comparison(path, kind)
        collection, slash, quantifier = name.rpartition("/")
        if slash and quantifier.lower() == "all":
            # "Use the $filter query parameter": all is not supported in Microsoft Graph.
            raise bad_request("Filter not supported.")
        if slash and quantifier.lower() == "any":
            if self.peek() == ("punct", ")"):
                unsupported("'any' without a condition")
            variable = self.path(self.word())
            self.expect(":")
            condition = self.disjunction()
            self.expect(")")
            return AnyOf(self.path(collection), variable, condition)
        if lowered in _OTHER_FUNCTIONS:
            unsupported(f"the function {lowered} in a filter")
        raise self.wrong(f"the function '{name}'")

    def comparison(self, left: str, cast: str | None = None) -> Expression:
        op = self.word().lower()
        if op == "in" and cast is None:
            self.expect("(")
            values = [self.literal()]
            while self.peek() == ("punct", ","):
                self.at += 1
                values.append(self.literal())
            self.expect(")")
            return In(left, tuple(values))
        if op == "has":
            unsupported("the operator 'has' in a filter")
        if op not in _OPERATORS:
            raise self.wrong(f"'{op}'")
        return Compare(left, op, self.literal(), cast)

    def literal(self) -> Literal:
        kind, text = self.take()
        if kind == "string":
            return Literal(text[1:-1].replace("''", "'"), quoted=True)
        if kind != "word":
            raise self.wrong(f"'{text}'")
        if text.lower() in {"true", "false"}:
            return Literal(text.lower() == "true", quoted=False)
        if text.lower() == "null":
            return Literal(None, quoted=False)
        if _NUMBER.match(text):
            return Literal(float(text) if "." in text else int(text), quoted=False)
        return Literal(text, quoted=False)


@lru_cache(maxsize=4096)
def parse_filter(text: str) -> Expression:
    """A `$filter` expression (already percent-decoded); 400 where it is none."""
    return _Parser(text).parse()


def paths_of(expression: Expression) -> tuple[str, ...]:
    """The properties that the expression names, in their order. A collection counts as one property."""
    match expression:
        case Compare(left=path) | In(left=path) | Call(path=path) | AnyOf(collection=path):
            return (path,)
        case Not(part=part):
            return paths_of(part)
        case And(parts=parts) | Or(parts=parts):
            return tuple(path for part in parts for path in paths_of(part))


def split_top_level(text: str, separator: str) -> list[str]:
    """Split at separators that are outside parentheses and quotes."""
    parts, depth, quoted, start = [], 0, False, 0
    for index, character in enumerate(text):
        if character == "'":
            quoted = not quoted
        elif quoted:
            continue
        elif character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
        elif character == separator and depth == 0:
            parts.append(text[start:index])
            start = index + 1
    parts.append(text[start:])
    return parts


@lru_cache(maxsize=4096)
def parse_options(query: str) -> dict[str, str]:
    """The query options of a URL (the part after `?`, as it came), by name in lower case.

    `$filter` and `%24filter` are the same; `+` is a space and `%2B` a plus. A repeated option is a 400. The
    result is cached: do not change it.
    """
    options: dict[str, str] = {}
    for pair in query.split("&"):
        if not pair:
            continue
        name, _, value = pair.partition("=")
        try:
            key, text = unquote_plus(name, errors="strict").lower(), unquote_plus(value, errors="strict")
        except UnicodeDecodeError:
            raise bad_request(f"The query option '{pair}' is not UTF-8.") from None
        if key in options:
            raise bad_request(f"Query option '{key}' was specified more than once.")
        options[key] = text
    return options
