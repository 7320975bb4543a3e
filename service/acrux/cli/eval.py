"""`acrux eval`: evaluates CEL expressions over facts that are sent. No logic lives here."""

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from acrux.analysis.evaluation import Asked, Evaluated, Evaluator, read_lines
from acrux.cel import EngineUnavailable, load_engine
from acrux.policy.request import RequestInvalid
from acrux.policy.times import parse_timestamp

_FINDINGS = 1
_CANNOT_RUN = 3


def _now(_context: click.Context, _parameter: click.Parameter, value: str | None) -> datetime:
    if value is None:
        return datetime.now(UTC)
    at = parse_timestamp(value)
    if at is None:
        raise click.BadParameter("expected an RFC 3339 timestamp with its zone")
    return at


def _facts(_context: click.Context, _parameter: click.Parameter, value: Path | None) -> Any:
    if value is None:
        return None
    try:
        return json.loads(value.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise click.BadParameter(f"{value} is no JSON: {error}") from error


@click.command("eval")
@click.argument("expressions", metavar="[EXPR]...", nargs=-1)
@click.option(
    "--facts",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    callback=_facts,
    help="A JSON file in the shape of a decide request.",
)
@click.option(
    "--engine",
    "engine_name",
    type=click.Choice(["google", "celpy"]),
    default="google",
    show_default=True,
    help="The engine that evaluates.",
)
@click.option("--now", callback=_now, help="The time that `request.time` is (RFC 3339); default: now.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Output."
)
@click.option("--json", "form", flag_value="json", help="Short for --format json: one object a line.")
def command(expressions: tuple[str, ...], facts: Any, engine_name: str, now: datetime, form: str) -> None:
    """Evaluate CEL expressions, or lines of standard input (text, or {"expression", "facts"} objects).

    Exit code 0 if all have a value, 1 if one erred, 2 for wrong usage, 3 if the engine is not installed.
    """
    try:
        evaluator = Evaluator(load_engine(engine_name), now, facts)
        failed = _run(evaluator, _asked(expressions), form)
    except RequestInvalid as invalid:
        raise click.UsageError(
            "; ".join(f"--facts: {one.pointer}: {one.message}" for one in invalid.errors)
        ) from invalid
    except EngineUnavailable as missing:
        click.echo(f"acrux eval: {missing}", err=True)
        sys.exit(_CANNOT_RUN)
    sys.exit(_FINDINGS if failed else 0)


def _asked(expressions: tuple[str, ...]) -> Iterator[Asked]:
    if expressions:
        return (Asked(expression) for expression in expressions)
    return read_lines(line.decode("utf-8", "replace") for line in sys.stdin.buffer)


def _run(evaluator: Evaluator, asked: Iterator[Asked], form: str) -> bool:
    failed = False
    for one in asked:
        evaluated = evaluator.evaluate(one)
        failed = failed or evaluated.error is not None
        click.echo(_as_json(evaluated) if form == "json" else _as_text(evaluated))
    return failed


def _json(value: Any) -> str:
    """JSON in the reader's own characters, escaped where a terminal could not take them."""
    text = json.dumps(value, ensure_ascii=False)
    return text if _printable(text) == text else json.dumps(value)


def _printable(text: str) -> str:
    """The text without lone surrogates, which an argument that is not UTF-8 is full of."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _as_json(evaluated: Evaluated) -> str:
    if evaluated.error is not None:
        return _json({"expression": evaluated.expression, "error": evaluated.error})
    return _json({"expression": evaluated.expression, "value": evaluated.value, "type": evaluated.type})


def _as_text(evaluated: Evaluated) -> str:
    if evaluated.error is None:
        return _json(evaluated.value)
    if not evaluated.problems:
        return _printable(f"error: {evaluated.error}")
    lines = []
    for problem in evaluated.problems:
        lines += [f"error: {problem.message}", *_marked(evaluated.expression, problem.start, problem.end)]
        lines += [f"  = help: {problem.help}"] if problem.help else []
    return _printable("\n".join(lines))


def _marked(text: str, start: int, end: int) -> list[str]:
    """The line of the text with carets under the characters from `start` on."""
    first = text.rfind("\n", 0, start) + 1
    last = text.find("\n", first)
    line = text[first:] if last < 0 else text[first:last]
    width = max(1, min(end, first + len(line)) - start)
    return [f"  | {line}", f"  | {' ' * (start - first)}{'^' * width}"]
