"""The command line: one file per verb, each found by its name. No logic lives here."""

import importlib
import sys
from collections.abc import Sequence

EXTRA_MISSING = "acrux: every verb but `rewrite-map` needs the service extra: pip install 'acrux[service]'"
CANNOT_RUN = 3
BASE_VERBS = {"rewrite-map": "acrux.cli.rewrite_map"}
"""What runs where a relying party is, on the base install: modules with `run(arguments)` that returns an exit code."""


def main() -> None:
    """Run the `acrux` command; without the service extra, say which extra is missing and exit with 3."""
    if len(sys.argv) > 1 and sys.argv[1] in BASE_VERBS:
        sys.exit(run_base_verb(sys.argv[1], sys.argv[2:]))
    try:
        from acrux.cli.group import command  # noqa: PLC0415 - the base install has no click
    except ModuleNotFoundError as missing:
        if missing.name is not None and missing.name.partition(".")[0] == "acrux":
            raise
        print(EXTRA_MISSING, file=sys.stderr)
        sys.exit(CANNOT_RUN)
    command(prog_name="acrux")


def run_base_verb(verb: str, arguments: Sequence[str]) -> int:
    """Runs a verb of the base install; its exit code."""
    code: int = importlib.import_module(BASE_VERBS[verb]).run(arguments)
    return code
