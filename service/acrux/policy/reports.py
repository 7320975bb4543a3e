"""Diagnostics for programs: JSON, GitHub workflow commands, SARIF 2.1.0. Nothing is drawn or written here."""

from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote

from acrux.policy.codes import all_codes
from acrux.policy.diagnostics import Diagnostic, Severity, Span
from acrux.policy.source import SourceFile

_SARIF_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"


def sorted_by_place(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """By file, place and code; errors before warnings at one place."""
    return sorted(diagnostics, key=lambda found: (found.span, found.severity, found.code, found.message))


def to_json(
    diagnostics: Iterable[Diagnostic], sources: Mapping[str, SourceFile], *, prefix: str = ""
) -> list[dict[str, Any]]:
    """The `diagnostics` of `check --format json`: lines and columns from 1, columns in characters, ends exclusive."""
    return [
        {
            "code": found.code,
            "severity": str(found.severity),
            **_place(found.span, sources, prefix),
            "message": found.message,
            "help": found.help,
            "related": [
                {
                    "file": f"{prefix}{related.span.file}",
                    "line": _position(sources, related.span.file, related.span.start)[0],
                    "column": _position(sources, related.span.file, related.span.start)[1],
                    "message": related.message,
                }
                for related in found.related
            ],
        }
        for found in sorted_by_place(diagnostics)
    ]


def to_github(diagnostics: Iterable[Diagnostic], sources: Mapping[str, SourceFile], *, prefix: str = "") -> str:
    """One workflow command a diagnostic, which GitHub shows beside the changed line."""
    lines = []
    for found in sorted_by_place(diagnostics):
        place = _place(found.span, sources, prefix)
        properties = {
            "file": place["file"],
            "line": place["line"],
            "endLine": place["end_line"],
            # GitHub counts the last column as part of what is marked, and ignores columns over several lines.
            "col": place["column"],
            "endColumn": max(place["column"], place["end_column"] - 1),
            "title": found.code,
        }
        if place["line"] != place["end_line"]:
            del properties["col"], properties["endColumn"]
        text = found.message if found.help is None else f"{found.message}\nhelp: {found.help}"
        settings = ",".join(f"{name}={_property(str(value))}" for name, value in properties.items())
        lines.append(f"::{found.severity} {settings}::{_message(text)}\n")
    return "".join(lines)


def to_sarif(
    diagnostics: Iterable[Diagnostic], sources: Mapping[str, SourceFile], *, prefix: str = ""
) -> dict[str, Any]:
    """A SARIF 2.1.0 log of one run, with each code that was found as a rule."""
    found = sorted_by_place(diagnostics)
    used = {diagnostic.code for diagnostic in found}
    rules = [
        {
            "id": code.id,
            "shortDescription": {"text": code.title},
            "defaultConfiguration": {"level": str(code.severity)},
        }
        for code in all_codes()
        if code.id in used
    ]
    return {
        "$schema": _SARIF_SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "acrux", "rules": rules}},
                "columnKind": "unicodeCodePoints",
                "results": [_sarif_result(diagnostic, sources, prefix) for diagnostic in found],
            }
        ],
    }


def _sarif_result(found: Diagnostic, sources: Mapping[str, SourceFile], prefix: str) -> dict[str, Any]:
    text = found.message if found.help is None else f"{found.message}. Help: {found.help}"
    result: dict[str, Any] = {
        "ruleId": found.code,
        "level": "error" if found.severity is Severity.ERROR else "warning",
        "message": {"text": text},
        "locations": [{"physicalLocation": _sarif_place(found.span, sources, prefix)}],
    }
    if found.related:
        result["relatedLocations"] = [
            {
                "physicalLocation": _sarif_place(related.span, sources, prefix),
                "message": {"text": related.message},
            }
            for related in found.related
        ]
    return result


def _sarif_place(span: Span, sources: Mapping[str, SourceFile], prefix: str) -> dict[str, Any]:
    place = _place(span, sources, prefix)
    return {
        "artifactLocation": {"uri": quote(place["file"])},
        "region": {
            "startLine": place["line"],
            "startColumn": place["column"],
            "endLine": place["end_line"],
            "endColumn": place["end_column"],
        },
    }


def _place(span: Span, sources: Mapping[str, SourceFile], prefix: str) -> dict[str, Any]:
    line, column = _position(sources, span.file, span.start)
    end_line, end_column = _position(sources, span.file, span.end)
    return {
        "file": f"{prefix}{span.file}",
        "line": line,
        "column": column,
        "end_line": end_line,
        "end_column": end_column,
    }


def _position(sources: Mapping[str, SourceFile], file: str, offset: int) -> tuple[int, int]:
    """Line and column; the beginning for a file that could not be read."""
    source = sources.get(file)
    return source.position(offset) if source is not None else (1, 1)


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
