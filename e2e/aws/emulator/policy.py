"""Judges a request by IAM policy documents. Pure.

Moto's own evaluation asks for the resource `*` in most calls and knows no Condition but StringEquals.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from typing import Any

Document = Mapping[str, Any]
Principal = tuple[str, str]
"""Kind ("AWS", "Service") and name, as in a statement's Principal."""


class Verdict(Enum):
    """The decision of a set of policies; an explicit denial outweighs every permission."""

    ALLOWED = "allowed"
    DENIED = "denied"
    SILENT = "silent"


@dataclass(frozen=True)
class Question:
    """May one of `principals` do `action` to `resource` in `context`?"""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)
    principals: frozenset[Principal] = frozenset()


def judge(documents: Iterable[Document], question: Question) -> Verdict:
    """The verdict of all documents together."""
    verdict = Verdict.SILENT
    for document in documents:
        for statement in _listed(document.get("Statement", [])):
            if not _applies(statement, question):
                continue
            if statement["Effect"] == "Deny":
                return Verdict.DENIED
            verdict = Verdict.ALLOWED
    return verdict


def _applies(statement: Document, question: Question) -> bool:
    return (
        _element(statement, "Action", lambda pattern: _like(pattern.lower(), question.action.lower()))
        and _element(statement, "Resource", lambda pattern: _like(pattern, question.resource))
        and _principal(statement, question)
        and _conditions(statement.get("Condition", {}), question.context)
    )


def _element(statement: Document, name: str, matches: Callable[[str], bool]) -> bool:
    """Action or Resource, or their Not- forms. A trust policy has no Resource: that is a match."""
    if f"Not{name}" in statement:
        return not any(matches(pattern) for pattern in _listed(statement[f"Not{name}"]))
    if name not in statement:
        return name == "Resource"
    return any(matches(pattern) for pattern in _listed(statement[name]))


def _principal(statement: Document, question: Question) -> bool:
    if "Principal" not in statement:
        return True
    named = statement["Principal"]
    if named == "*":
        return True
    return any(
        name == "*" or (kind, name) in question.principals for kind, names in named.items() for name in _listed(names)
    )


def _conditions(conditions: Mapping[str, Mapping[str, Any]], context: Mapping[str, str]) -> bool:
    known = {key.lower(): value for key, value in context.items()}
    return all(
        _condition(operator, known.get(key.lower()), [str(value) for value in _listed(values)])
        for operator, keys in conditions.items()
        for key, values in keys.items()
    )


def _condition(operator: str, actual: str | None, expected: list[str]) -> bool:
    name = operator.removesuffix("IfExists")
    if name == "Null":
        return (actual is None) == (expected == ["true"])
    if name not in _OPERATORS:
        raise NotImplementedError(f"the emulator does not know the policy condition {operator}")
    matches, negated = _OPERATORS[name]
    if actual is None:
        # AWS: an absent key fails a positive condition and satisfies a negated or an -IfExists one.
        return negated or operator.endswith("IfExists")
    return any(matches(value, actual) for value in expected) != negated


def _like(pattern: str, text: str) -> bool:
    return _glob(pattern).fullmatch(text) is not None


@cache
def _glob(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)


def _equal(expected: str, actual: str) -> bool:
    return expected == actual


def _equal_ignoring_case(expected: str, actual: str) -> bool:
    return expected.lower() == actual.lower()


_OPERATORS: dict[str, tuple[Callable[[str, str], bool], bool]] = {
    "StringEquals": (_equal, False),
    "StringNotEquals": (_equal, True),
    "StringEqualsIgnoreCase": (_equal_ignoring_case, False),
    "StringLike": (_like, False),
    "StringNotLike": (_like, True),
    "ArnEquals": (_like, False),
    "ArnLike": (_like, False),
    "ArnNotEquals": (_like, True),
    "ArnNotLike": (_like, True),
    "Bool": (_equal_ignoring_case, False),
}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
