"""The command line: one file per verb, each found by its name. No logic lives here."""

import sys

EXTRA_MISSING = "acrux: the command line needs the service extra: pip install 'acrux[service]'"
CANNOT_RUN = 3


def main() -> None:
    """Run the `acrux` command; without the service extra, say which extra is missing and exit with 3."""
    try:
        from acrux.cli.group import command  # noqa: PLC0415 - the base install has no click
    except ModuleNotFoundError as missing:
        if missing.name is not None and missing.name.partition(".")[0] == "acrux":
            raise
        print(EXTRA_MISSING, file=sys.stderr)
        sys.exit(CANNOT_RUN)
    command(prog_name="acrux")
