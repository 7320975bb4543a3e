"""The group of verbs, each imported when it is called, so that one verb does not pay for another's libraries."""

import importlib
import sys

import click

import acrux
from acrux.cli import BASE_VERBS, run_base_verb

VERBS: dict[str, tuple[str, str]] = {
    "serve": ("acrux.cli.serve", "Serve decisions over HTTP."),
    "init": ("acrux.cli.init", "Write a commented starter policy set that passes its own tests."),
    "check": ("acrux.cli.check", "Check a policy set: every mistake at once, each with its place."),
    "test": ("acrux.cli.test", "Run a policy set's own tests."),
    "explain": ("acrux.cli.explain", "Show what would be decided, and for each rule why or why not."),
    "doctor": ("acrux.cli.doctor", "Say what a provider will and won't enforce."),
    "eval": ("acrux.cli.eval", "Evaluate CEL expressions."),
    "token": ("acrux.cli.token", "Create, list, rotate and revoke the service's tokens."),
    "db": ("acrux.cli.db", "Migrate the database."),
    "log": ("acrux.cli.log", "Read the decision log."),
    "rewrite-map": (BASE_VERBS["rewrite-map"], "Answer Apache's RewriteMap (needs no extra)."),
}


class LazyGroup(click.Group):
    """A group that imports a verb's module when the verb is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The verbs, in the order in which a newcomer meets them."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """The verb's command, or None for a word that is no verb."""
        if cmd_name not in VERBS:
            return None
        if cmd_name in BASE_VERBS:
            return _base_verb(cmd_name)
        module = importlib.import_module(VERBS[cmd_name][0])
        found: click.Command = module.command
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """The list of verbs in `--help`, without importing one."""
        with formatter.section("Verbs"):
            formatter.write_dl([(name, summary) for name, (_, summary) in VERBS.items()])


def _base_verb(name: str) -> click.Command:
    """A verb that reads its own arguments, since it runs where click is not installed."""
    arguments = click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED)

    def run(arguments: tuple[str, ...]) -> None:
        sys.exit(run_base_verb(name, arguments))

    settings = {"ignore_unknown_options": True, "allow_interspersed_args": False}
    return click.Command(name, params=[arguments], callback=run, add_help_option=False, context_settings=settings)


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with `acrux init my-policies`, then `acrux check` it and `acrux serve --policies my-policies`.",
)
@click.version_option(acrux.__version__, prog_name="acrux")
def command() -> None:
    """Choose the OpenID Connect acr for each login: policy as code, verified on the way back, every decision logged."""
