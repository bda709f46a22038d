"""Which queries the directory answers, and which of them only as "advanced queries".

An advanced query has the header `ConsistencyLevel: eventual` and `$count=true`. The rules are those of "Advanced
query capabilities on Microsoft Entra ID objects" (learn.microsoft.com/graph/aad-advanced-queries).
"""

from collections.abc import Mapping

from local.emulators.graph.errors import unsupported_query
from local.emulators.graph.filters import COUNT, parse_orderby
from local.emulators.graph.http import Call
from local.emulators.graph.kinds import CONTACT, GROUP, USER, Kind
from local.emulators.graph.odata import And, AnyOf, Compare, Expression, In, Not, Or
from local.emulators.graph.odata import Call as Function

_ONLY_ADVANCED: Mapping[Kind, frozenset[str]] = {
    USER: frozenset({"companyName", "mobilePhone", "officeLocation", "preferredLanguage"}),
}
"""Properties that no filter takes without advanced query parameters."""

_ENDS_WITH = frozenset({"mail", "otherMails", "userPrincipalName", "proxyAddresses"})

_SORTED_BY: Mapping[Kind, Mapping[str, bool]] = {
    USER: {"displayName": False, "userPrincipalName": False, "createdDateTime": True, "deletedDateTime": True},
    GROUP: {"displayName": False, "deletedDateTime": True},
    CONTACT: {"displayName": True, "createdDateTime": True},
}
"""Properties that can be sorted by, and whether that is an advanced query."""

_FEW = (0, 1)
"""Numbers that the size of a collection is compared with."""


def need_advanced(call: Call, what: str) -> None:
    """400 unless the request is an advanced query."""
    if not (call.request.eventual and call.flag("$count")):
        raise unsupported_query(f"Unsupported query: {what} needs ConsistencyLevel: eventual and $count=true.")


def check_filter(call: Call, expression: Expression, kind: Kind) -> None:
    """400 for a filter that the directory refuses, or answers in advanced queries only.

    The expression's paths and types are checked already (`filters.compile_filter`).
    """
    if _is_advanced(expression, kind, None):
        need_advanced(call, "this $filter")


def check_order(call: Call, kind: Kind) -> tuple[tuple[str, bool], ...]:
    """What to sort by; 400 for a property that the directory does not sort by."""
    text = call.options.get("$orderby")
    if text is None:
        return ()
    if "$filter" in call.options:
        need_advanced(call, "$orderby together with $filter")
    order = parse_orderby(text, kind)
    for path, _ in order:
        name = kind.served(path.partition("/")[0]).name
        advanced = _SORTED_BY.get(kind, {}).get(name)
        if advanced is None:
            raise unsupported_query(f"Unsupported sort property '{name}' for '{_resource(kind)}'.")
        if advanced:
            need_advanced(call, f"$orderby={name}")
    return order


def _is_advanced(expression: Expression, kind: Kind, collection: str | None) -> bool:
    """Whether it is answered as an advanced query only; `collection` is what `any` goes through, if inside one."""
    match expression:
        case And(parts=parts) | Or(parts=parts):
            # All parts are checked, since any of them may be refused.
            checked = [_is_advanced(part, kind, collection) for part in parts]
            return any(checked)
        case Not(part=part):
            _is_advanced(part, kind, collection)
            return True
        case AnyOf(collection=path, condition=condition):
            return _is_advanced(condition, kind, path)
        case Function(name=function, path=path):
            return _is_function_advanced(function, _property(path, kind, collection), kind)
        case In(left=left):
            return _property(left, kind, collection) in _ONLY_ADVANCED.get(kind, ())
        case Compare():
            return _is_comparison_advanced(expression, _property(expression.left, kind, collection), kind)


def _is_comparison_advanced(comparison: Compare, name: str, kind: Kind) -> bool:
    op, value = comparison.op, comparison.right.value
    if comparison.left.lower().endswith(f"/{COUNT}"):
        if op not in {"eq", "ne"} or value not in _FEW:
            raise _refused(name, kind)
        return True
    if op in {"gt", "lt"}:
        raise _refused(name, kind)
    return op == "ne" or value is None or name in _ONLY_ADVANCED.get(kind, ())


def _is_function_advanced(function: str, name: str, kind: Kind) -> bool:
    if function == "contains":
        raise unsupported_query("The function 'contains' is not supported by this service.")
    if function == "endswith":
        if name not in _ENDS_WITH:
            raise _refused(name, kind)
        return True
    return name in _ONLY_ADVANCED.get(kind, ())


def _property(path: str, kind: Kind, collection: str | None) -> str:
    return kind.served((collection or path).partition("/")[0]).name


def _refused(name: str, kind: Kind) -> Exception:
    return unsupported_query(
        f"Unsupported or invalid query filter clause specified for property '{name}' of resource '{_resource(kind)}'."
    )


def _resource(kind: Kind) -> str:
    return kind.name[0].upper() + kind.name[1:]
