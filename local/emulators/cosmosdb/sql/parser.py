"""Tokens to a tree, by recursive descent. What is real Cosmos DB SQL but not built is refused by its name."""

from __future__ import annotations

import json
from typing import Final

from local.emulators.cosmosdb.errors import SqlError
from local.emulators.cosmosdb.sql import tree
from local.emulators.cosmosdb.sql.lexer import Kind, Token, tokenize
from local.emulators.cosmosdb.values import UNDEFINED

# Words that cannot be an alias or a bare name (the service's reserved keywords that this grammar uses).
RESERVED: Final = frozenset(
    [
        "ALL",
        "AND",
        "ARRAY",
        "AS",
        "ASC",
        "BETWEEN",
        "BY",
        "DESC",
        "DISTINCT",
        "ESCAPE",
        "EXISTS",
        "FALSE",
        "FROM",
        "GROUP",
        "HAVING",
        "IN",
        "IS",
        "JOIN",
        "LEFT",
        "LIKE",
        "LIMIT",
        "NOT",
        "NULL",
        "OFFSET",
        "OR",
        "ORDER",
        "RIGHT",
        "SELECT",
        "TOP",
        "TRUE",
        "UNDEFINED",
        "VALUE",
        "WHERE",
    ]
)
# LEFT and RIGHT are also functions, ARRAY and EXISTS take a subquery: a following parenthesis tells.
_CALLABLE: Final = frozenset({"LEFT", "RIGHT"})
_LITERALS: Final = {"TRUE": True, "FALSE": False, "NULL": None, "UNDEFINED": UNDEFINED}
_COMPARISONS: Final = frozenset({"=", "!=", "<>", "<", "<=", ">", ">="})
# From loose to tight, below comparison.
_ARITHMETIC: Final = (("|",), ("^",), ("&",), ("<<", ">>", ">>>"), ("+", "-", "||"), ("*", "/", "%"))
_UNSUPPORTED_WORDS: Final = frozenset({"HAVING", "UNION", "INTERSECT", "EXCEPT", "WITH", "LET", "RANK", "OVER"})
# Deep enough for any real query, and at 15 Python frames a level clear of Python's own limit of 1,000.
MAX_EXPRESSION_DEPTH: Final = 40


class _Parser:
    """One pass over the tokens of one query."""

    def __init__(self, query: str) -> None:
        self._tokens = tokenize(query)
        self._index = 0
        self._depth = 0

    # Tokens

    @property
    def _token(self) -> Token:
        return self._tokens[self._index]

    def _peek(self, ahead: int = 1) -> Token:
        return self._tokens[min(self._index + ahead, len(self._tokens) - 1)]

    def _next(self) -> Token:
        token = self._token
        self._index += token.kind is not Kind.END
        return token

    def _word(self, *words: str) -> bool:
        """Takes the next tokens if they are these keywords."""
        if all(self._peek(ahead).upper == word for ahead, word in enumerate(words)):
            self._index += len(words)
            return True
        return False

    def _symbol(self, symbol: str) -> bool:
        if self._token.kind is Kind.SYMBOL and self._token.text == symbol:
            self._index += 1
            return True
        return False

    def _expect(self, symbol: str) -> None:
        if not self._symbol(symbol):
            raise self._error(f"expected '{symbol}'")

    def _error(self, hint: str = "") -> SqlError:
        token = self._token
        if token.upper in _UNSUPPORTED_WORDS:
            return _unsupported(token.upper, token)
        near = json.dumps(token.text) if token.text else "end of query"
        tail = f" ({hint})" if hint else ""
        return SqlError(
            f"Syntax error, incorrect syntax near {near}{tail}.", position=token.position, length=len(token.text) or 1
        )

    def _identifier(self) -> str:
        token = self._token
        if token.kind is not Kind.IDENTIFIER or token.upper in RESERVED:
            raise self._error("expected a name")
        return self._next().text

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > MAX_EXPRESSION_DEPTH:
            raise SqlError(
                f"The query is nested more than {MAX_EXPRESSION_DEPTH} deep.", position=self._token.position,
                code="SC2203",
            )  # fmt: skip

    # Query

    def query(self) -> tree.Select:
        select = self._select()
        if self._token.kind is not Kind.END:
            raise self._error()
        return select

    def predicate(self) -> tree.Select:
        """The filter of a conditional patch: FROM and WHERE without SELECT."""
        if not self._word("FROM"):
            raise self._error("expected FROM")
        sources = self._from()
        where = self._expression() if self._word("WHERE") else None
        if self._token.kind is not Kind.END:
            raise self._error()
        return tree.Select(
            distinct=False, top=None, star=True, value=None, columns=(), sources=sources, where=where,
            group_by=(), order_by=(), offset=None, limit=None,
        )  # fmt: skip

    def _select(self) -> tree.Select:
        self._deeper()
        if not self._word("SELECT"):
            raise self._error("expected SELECT")
        distinct = self._word("DISTINCT")
        top = self._count("TOP") if self._word("TOP") else None
        star, value = False, None
        columns: tuple[tree.Column, ...] = ()
        if self._symbol("*"):
            star = True
        elif self._word("VALUE"):
            value = self._expression()
        else:
            columns = self._columns()
        sources = self._from() if self._word("FROM") else ()
        where = self._expression() if self._word("WHERE") else None
        group_by = self._expressions() if self._word("GROUP", "BY") else ()
        order_by = self._order() if self._word("ORDER", "BY") else ()
        offset = limit = None
        if self._word("OFFSET"):
            offset = self._count("OFFSET")
            if not self._word("LIMIT"):
                raise self._error("expected LIMIT after OFFSET")
            limit = self._count("LIMIT")
        self._depth -= 1
        return tree.Select(
            distinct=distinct, top=top, star=star, value=value, columns=columns, sources=sources, where=where,
            group_by=group_by, order_by=order_by, offset=offset, limit=limit,
        )  # fmt: skip

    def _count(self, clause: str) -> tree.Expression:
        token = self._next()
        if token.kind is Kind.PARAMETER:
            return tree.Parameter(token.text, token.position)
        if token.kind is Kind.NUMBER and isinstance(token.value, int):
            return tree.Literal(token.value)
        raise SqlError(f"{clause} needs a whole number or a parameter.", position=token.position, code="SC2062")

    def _columns(self) -> tuple[tree.Column, ...]:
        columns: list[tree.Column] = []
        unnamed = 0
        while True:
            start = self._token
            expression = self._expression()
            if self._word("AS") or (self._token.kind is Kind.IDENTIFIER and self._token.upper not in RESERVED):
                name = self._column_alias()
            else:
                name = _derived_name(expression)
            if not name:
                unnamed += 1
                name = f"${unnamed}"
            if any(column.name == name for column in columns):
                raise SqlError(
                    f"Property name '{name}' specified more than once.", position=start.position, code="SC2011"
                )
            columns.append(tree.Column(name, expression))
            if not self._symbol(","):
                return tuple(columns)

    def _column_alias(self) -> str:
        if self._token.kind is Kind.STRING:
            return str(self._next().value)
        return self._identifier()

    def _from(self) -> tuple[tree.Source, ...]:
        sources = [self._source(first=True)]
        while self._word("JOIN"):
            sources.append(self._source(first=False))
        if self._token.upper in ("LEFT", "RIGHT", "INNER", "CROSS") and self._peek().upper in ("JOIN", "OUTER"):
            raise _unsupported(f"{self._token.upper} JOIN", self._token)
        return tuple(sources)

    def _source(self, *, first: bool) -> tree.Source:
        start = self._token
        if self._symbol("("):
            query = self._select()
            self._expect(")")
            self._word("AS")
            return tree.Source(self._identifier(), tree.Subquery("", query), each=True)
        name = self._identifier()
        if self._word("IN"):
            if self._token.text == "(" and self._peek().upper == "SELECT":
                self._next()
                query = self._select()
                self._expect(")")
                return tree.Source(name, tree.Subquery("", query), each=True)
            return tree.Source(name, self._path(), each=True)
        path = self._postfix(tree.Name(name, start.position))
        alias = name
        if self._word("AS") or (self._token.kind is Kind.IDENTIFIER and self._token.upper not in RESERVED):
            alias = self._identifier()
        elif isinstance(path, tree.Member):
            alias = _derived_name(path)
        if first and isinstance(path, tree.Name):
            return tree.Source(alias, None, each=False)
        return tree.Source(alias, path, each=False)

    def _path(self) -> tree.Expression:
        position = self._token.position
        return self._postfix(tree.Name(self._identifier(), position))

    def _order(self) -> tuple[tree.Order, ...]:
        items = []
        while True:
            if self._token.upper == "RANK":
                raise _unsupported("ORDER BY RANK", self._token)
            expression = self._expression()
            descending = self._word("DESC")
            if not descending:
                self._word("ASC")
            items.append(tree.Order(expression, descending))
            if not self._symbol(","):
                return tuple(items)

    def _expressions(self) -> tuple[tree.Expression, ...]:
        items = [self._expression()]
        while self._symbol(","):
            items.append(self._expression())
        return tuple(items)

    # Expressions, from loose to tight

    def _expression(self) -> tree.Expression:
        self._deeper()
        condition = self._coalesce()
        if self._symbol("?"):
            then = self._expression()
            self._expect(":")
            condition = tree.Conditional(condition, then, self._expression())
        self._depth -= 1
        return condition

    def _coalesce(self) -> tree.Expression:
        left = self._or()
        while self._symbol("??"):
            left = tree.Binary("??", left, self._or())
        return left

    def _or(self) -> tree.Expression:
        terms = [self._and()]
        while self._word("OR"):
            terms.append(self._and())
        return _balanced("OR", terms)

    def _and(self) -> tree.Expression:
        terms = [self._comparison()]
        while self._word("AND"):
            terms.append(self._comparison())
        return _balanced("AND", terms)

    def _comparison(self) -> tree.Expression:
        start = self._token
        left = self._arithmetic(0)
        compared = False
        while True:
            if self._token.kind is Kind.SYMBOL and self._token.text in _COMPARISONS:
                operator = self._next().text
                left = tree.Binary("!=" if operator == "<>" else operator, left, self._arithmetic(0))
            elif self._token.upper in ("IN", "BETWEEN", "LIKE") or (
                self._token.upper == "NOT" and self._peek().upper in ("IN", "BETWEEN", "LIKE")
            ):
                left = self._word_comparison(left)
            elif self._token.upper == "IS":
                raise _unsupported("IS (use IS_NULL or IS_DEFINED)", self._token)
            else:
                break
            compared = True
        if compared and start.upper == "NOT":
            # NOT binds tighter than a comparison in Cosmos DB, looser in every other SQL: no guess is made.
            raise SqlError(
                "The local Cosmos DB does not support NOT before a comparison without parentheses: write NOT (...).",
                position=start.position, length=3,
            )  # fmt: skip
        return left

    def _word_comparison(self, operand: tree.Expression) -> tree.Expression:
        negated = self._word("NOT")
        if self._word("BETWEEN"):
            low = self._arithmetic(0)
            if not self._word("AND"):
                raise self._error("expected AND")
            return tree.Between(operand, low, self._arithmetic(0), negated)
        if self._word("LIKE"):
            pattern = self._arithmetic(0)
            escape = ""
            if self._word("ESCAPE"):
                token = self._next()
                if token.kind is not Kind.STRING or len(token.value) != 1:
                    raise SqlError("ESCAPE needs a string of one character.", position=token.position)
                escape = token.value
            return tree.Like(operand, pattern, escape, negated)
        self._word("IN")
        self._expect("(")
        if self._token.upper == "SELECT":
            raise _unsupported("IN with a subquery (use ARRAY_CONTAINS or EXISTS)", self._token)
        choices = self._expressions()
        self._expect(")")
        return tree.In(operand, choices, negated)

    def _arithmetic(self, level: int) -> tree.Expression:
        if level == len(_ARITHMETIC):
            return self._unary()
        left = self._arithmetic(level + 1)
        while self._token.kind is Kind.SYMBOL and self._token.text in _ARITHMETIC[level]:
            operator = self._next().text
            left = tree.Binary(operator, left, self._arithmetic(level + 1))
        return left

    def _unary(self) -> tree.Expression:
        operators = []
        while self._token.upper == "NOT" or (self._token.kind is Kind.SYMBOL and self._token.text in "-+~"):
            operators.append(self._next().text.upper())
            if len(operators) > MAX_EXPRESSION_DEPTH:
                raise self._error("too many operators")
        operand = self._postfix(self._primary())
        for operator in reversed(operators):
            operand = tree.Unary(operator, operand)
        return operand

    def _postfix(self, target: tree.Expression) -> tree.Expression:
        steps = 0
        while True:
            steps += 1
            if steps > MAX_EXPRESSION_DEPTH:
                raise self._error("too many steps in one path")
            if self._symbol("."):
                if self._token.kind is not Kind.IDENTIFIER:
                    raise self._error("expected a property name")
                target = tree.Member(target, tree.Literal(self._next().text))
            elif self._symbol("["):
                key = self._expression()
                self._expect("]")
                target = tree.Member(target, key)
            else:
                return target

    def _primary(self) -> tree.Expression:
        token = self._token
        if token.kind in (Kind.STRING, Kind.NUMBER):
            return tree.Literal(self._next().value)
        if token.kind is Kind.PARAMETER:
            return tree.Parameter(self._next().text, token.position)
        if self._symbol("("):
            inner = self._subquery("") if self._token.upper == "SELECT" else self._expression()
            self._expect(")")
            return inner
        if self._symbol("{"):
            return self._object()
        if self._symbol("["):
            items = () if self._token.text == "]" else self._expressions()
            self._expect("]")
            return tree.ArrayLiteral(items)
        if token.kind is Kind.IDENTIFIER:
            return self._named()
        raise self._error()

    def _named(self) -> tree.Expression:
        token = self._token
        followed = self._peek().text
        if token.upper in _LITERALS:
            self._next()
            return tree.Literal(_LITERALS[token.upper])
        if token.upper in ("EXISTS", "ARRAY") and followed == "(":
            self._next()
            self._next()
            if self._token.upper != "SELECT":
                raise self._error("expected SELECT")
            subquery = self._subquery(token.upper)
            self._expect(")")
            return subquery
        if token.text.lower() == "udf" and followed == ".":
            raise _unsupported("user-defined functions (udf.)", token)
        if followed == "(" and (token.upper not in RESERVED or token.upper in _CALLABLE):
            self._next()
            self._next()
            arguments = () if self._token.text == ")" else self._expressions()
            self._expect(")")
            return tree.Call(token.upper, arguments, token.position)
        return tree.Name(self._identifier(), token.position)

    def _subquery(self, form: str) -> tree.Subquery:
        return tree.Subquery(form, self._select())

    def _object(self) -> tree.Expression:
        items: list[tuple[str, tree.Expression]] = []
        while not self._symbol("}"):
            if items:
                self._expect(",")
            token = self._next()
            if token.kind not in (Kind.STRING, Kind.IDENTIFIER):
                raise SqlError("Syntax error, expected a property name.", position=token.position)
            self._expect(":")
            items.append((str(token.value), self._expression()))
        return tree.ObjectLiteral(tuple(items))


def _balanced(operator: str, terms: list[tree.Expression]) -> tree.Expression:
    """AND and OR are associative: a balanced tree keeps a chain of a thousand terms shallow."""
    while len(terms) > 1:
        pairs = [
            tree.Binary(operator, terms[index], terms[index + 1]) if index + 1 < len(terms) else terms[index]
            for index in range(0, len(terms), 2)
        ]
        terms = pairs
    return terms[0]


def _derived_name(expression: tree.Expression) -> str:
    """The name of an unaliased column: the last step of a path, or empty."""
    if isinstance(expression, tree.Name):
        return expression.name
    if isinstance(expression, tree.Member) and isinstance(expression.key, tree.Literal):
        key = expression.key.value
        return key if isinstance(key, str) else ""
    return ""


def _unsupported(what: str, token: Token) -> SqlError:
    return SqlError(
        f"The local Cosmos DB does not support {what}.", position=token.position, length=len(token.text) or 1,
        code="SC2000",
    )  # fmt: skip


def parse(query: str) -> tree.Select:
    """Raises SqlError, which says where and why."""
    return _Parser(query).query()


def parse_predicate(condition: str) -> tree.Select:
    """The `condition` of a patch, such as `from c where c.state = "found"`. Raises SqlError."""
    return _Parser(condition).predicate()
