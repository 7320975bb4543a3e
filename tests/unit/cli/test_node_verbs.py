"""`acrux db`, `acrux token`, `acrux log query`: what they print, and with what they exit."""

import json
import socket
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from uuid_utils.compat import uuid7

from acrux.cli import db, log, token
from acrux.decisionlog.append import LogWriter
from acrux.decisionlog.recorder import Caller, Recorder
from acrux.decisionlog.sealing import Keyring
from acrux.decisionlog.shipper import Shipper
from acrux.decisionlog.spool import Spool
from acrux.domain.decision import Accept, Decision, DecisionOutcome, RuleEffect
from acrux.domain.facts import Facts
from acrux.storage import migrate
from acrux.storage.database import Database

START = datetime(2026, 11, 24, 8, tzinfo=UTC)


@pytest.fixture
def run(tmp_path):
    """Runs a verb on the state directory of a test."""

    def _run(verb, *arguments):
        return CliRunner().invoke(verb.command, [*arguments, "--state", str(tmp_path)])

    return _run


@pytest.fixture
def migrated(run):
    """The same, with the tables there."""
    assert run(db, "upgrade").exit_code == 0
    return run


def test_db_goes_up_and_down(run, tmp_path):
    """upgrade, current, check and downgrade say what they find and do."""
    assert run(db, "current").stdout == "empty\n"
    assert run(db, "upgrade").stdout == f"sqlite:///{tmp_path}/acrux.db: empty -> {migrate.head()}\n"
    assert run(db, "current").stdout == f"{migrate.head()}\n"
    assert run(db, "check").stdout == "the schema is up to date\n"
    refused = CliRunner().invoke(db.command, ["downgrade", "base", "--state", str(tmp_path)], input="n\n")
    assert refused.exit_code == 1
    assert run(db, "downgrade", "base", "--yes").stdout.endswith(f"{migrate.head()} -> empty\n")
    assert run(db, "check").exit_code == 3


def test_db_check_says_what_differs(migrated, tmp_path):
    """A table that is not as expected is named, and the exit code is 1."""
    database = Database(f"sqlite:///{tmp_path / 'acrux.db'}")
    database.write(lambda transaction: transaction.exec_driver_sql("DROP TABLE labels"))
    result = migrated(db, "check")
    assert (result.exit_code, "labels" in result.stdout) == (1, True)
    database.write(lambda transaction: transaction.exec_driver_sql("UPDATE alembic_version SET version_num = '0000'"))
    database.close()
    result = migrated(token, "list")
    assert (result.exit_code, "`acrux db upgrade`" in result.stderr) == (3, True)


@pytest.mark.parametrize(("verb", "arguments"), [(token, ["list"]), (log, ["query"])])
def test_without_a_database_nothing_is_made(run, tmp_path, verb, arguments):
    """A verb that only looks does not leave an empty database behind; it says what to do, and exits with 3."""
    result = run(verb, *arguments)
    assert (result.exit_code, "`acrux db upgrade` makes them" in result.stderr) == (3, True)
    assert list(tmp_path.iterdir()) == []


def test_looking_makes_no_directory(tmp_path):
    """A state directory that is not there is said, and not made."""
    for verb, arguments in ((token, ["list"]), (log, ["query"]), (db, ["check"])):
        result = CliRunner().invoke(verb.command, [*arguments, "--state", str(tmp_path / "nowhere")])
        assert result.exit_code == 3
        assert f"there is no `{tmp_path}/nowhere/acrux.db`" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_is_away_is_named(run):
    """Which database can't be had, and why, on one line; exit code 3."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody else gets the port, and nothing answers there
        url = f"postgresql://acrux:secret@127.0.0.1:{taken.getsockname()[1]}/acrux"
        result = run(token, "list", "--database", url)
    assert result.exit_code == 3
    assert result.stderr.startswith("acrux: the database postgresql://acrux:***@127.0.0.1:")
    assert (result.stderr.count("\n"), "can't be used: " in result.stderr) == (1, True)


def test_a_url_that_names_no_database_is_said(run):
    """A wrong --database is one sentence and exit code 3."""
    result = run(token, "list", "--database", "mysql://h/n")
    assert (result.exit_code, result.stderr) == (3, "acrux: `mysql` is no database that Acrux can use\n")


def test_a_token_is_printed_once(migrated):
    """create prints the token alone on standard output; list shows all but its text."""
    made = migrated(token, "create", "--role", "relying-party", "--client", "jira", "--expires", "90d", "--name", "rp")
    text = made.stdout.strip()
    assert text.startswith("acrux_")
    assert "relying-party, `rp`, for jira, until " in made.stderr
    listed = migrated(token, "list")
    assert text not in listed.stdout
    assert "`rp`" in listed.stdout
    [item] = json.loads(migrated(token, "list", "--json").stdout)["items"]
    assert (item["role"], item["clients"], item["revoked_at"], item["last_used_at"]) == (
        "relying-party", ["jira"], None, None,
    )  # fmt: skip
    assert datetime.fromisoformat(item["expires_at"]) > datetime.now(UTC) + timedelta(days=89)


def test_tokens_are_replaced_and_ended(migrated):
    """rotate prints another token and ends the old; revoke ends one; ended ones are listed on demand."""
    first = migrated(token, "create", "--role", "operator", "--name", "ops").stdout
    second = migrated(token, "rotate", "ops").stdout
    assert first != second
    assert migrated(token, "revoke", "ops").stdout.endswith("has ended\n")
    assert migrated(token, "list").stderr == "no tokens\n"
    assert migrated(token, "list", "--all").stdout.count("(ended)") == 2
    result = migrated(token, "revoke", "ops")
    assert (result.exit_code, result.stderr) == (2, "acrux: no working token has the id or the name `ops`\n")


@pytest.mark.parametrize(
    "arguments",
    [["--role", "relying-party"], ["--role", "king"], ["--role", "operator", "--expires", "soon"],
     ["--role", "operator", "--expires", "2020-01-01"]],
)  # fmt: skip
def test_a_token_that_makes_no_sense_is_a_usage_error(migrated, arguments):
    """What can't be is refused with exit code 2."""
    assert migrated(token, "create", *arguments).exit_code == 2


@pytest.fixture
def logged(migrated, tmp_path):
    """A log with three decisions; returns their ids, newest first."""
    keyring = Keyring.load_or_create(tmp_path / "service-key")
    writer = LogWriter(Spool(tmp_path / "spool", str(uuid7())), node="node-1")
    writer.start()
    recorder = Recorder(keyring, writer.stream)
    ids = []
    for number in range(3):
        shadow = "strong" if number == 2 else "mfa"
        rules = ("sso",) if number else ()
        decision = Decision(
            DecisionOutcome.STEP_UP, "mfa", None, shadow, None, {}, Accept("acr", (), None), rules, "default",
            tuple(RuleEffect(rule, False, True, "mfa", "mfa") for rule in rules), "jira", None, "sha256:1",
            START + timedelta(seconds=number),
        )  # fmt: skip
        facts = Facts({"client.id": "jira", "app.id": "a", "network.zones": ("office",), "user.id": f"u-{number}"})
        decision_id = str(uuid7())
        writer.append_blocking(recorder.decision(decision_id, decision, facts, expires_at=START, caller=Caller()))
        ids.insert(0, decision_id)
    writer.close()
    database = Database(f"sqlite:///{tmp_path / 'acrux.db'}")
    shipper = Shipper(database, tmp_path / "spool")
    while shipper.ship_once():
        pass
    shipper.close()
    database.close()
    return ids


def test_a_query_prints_a_line_for_each_decision(migrated, logged):
    """The text form has time, client, outcome, verdict, zone, rules and id; what is left out can be gone on with."""
    result = migrated(log, "query", "--limit", "2")
    assert result.stdout.splitlines() == [
        f"2026-11-24 08:00:02  jira  step_up mfa (report mode: strong)  none  office  sso  {logged[0]}",
        f"2026-11-24 08:00:01  jira  step_up mfa  none  office  sso  {logged[1]}",
    ]
    cursor = result.stderr.removeprefix("more: --cursor ").strip()
    assert migrated(log, "query", "--cursor", cursor).stdout.endswith(f"default  {logged[2]}\n")


def test_a_query_can_be_read_by_programs(migrated, logged, monkeypatch):
    """json is one object with all pages' items, ndjson one item a line; facts are opened with the service's key."""
    monkeypatch.setattr(log, "MAX_LIMIT", 2)
    whole = json.loads(migrated(log, "query", "--json").stdout)
    assert [item["decision_id"] for item in whole["items"]] == logged
    assert whole["next_cursor"] is None
    assert whole["items"][0]["facts"]["user.id"] == "u-2"
    lines = migrated(log, "query", "--format", "ndjson", "--user", "u-1").stdout.splitlines()
    assert [json.loads(line)["decision_id"] for line in lines] == [logged[1]]
    part = json.loads(migrated(log, "query", "--json", "--limit", "1").stdout)
    assert part["next_cursor"] is not None


def test_a_query_that_finds_nothing_says_so(migrated, logged):
    """Nothing on standard output, and a word beside it, so that silence is never a program that hangs or fails."""
    found = migrated(log, "query", "--client", "wiki")
    assert (found.exit_code, found.stdout, found.stderr.splitlines()[-1:]) == (0, "", ["no such decisions"])


def test_filters_are_handed_on(migrated, logged):
    """Every filter of the HTTP API is an option."""

    def found(*options):
        return [json.loads(line)["decision_id"] for line in migrated(log, "query", "--format", "ndjson", *options).stdout.splitlines()]  # noqa: E501 # fmt: skip

    assert found("--shadow-differs", "true") == logged[:1]
    assert found("--rule", "!sso") == logged[2:]
    assert found("--from", "2026-11-24T08:00:01Z", "--to", "2026-11-24T08:00:02Z") == logged[1:2]
    assert (
        found("--client", "jira", "--app", "a", "--level", "mfa", "--zone", "office", "--revision", "sha256:1")
        == logged
    )
    assert found("--verdict", "!none") == []


def test_without_the_key_facts_stay_sealed(migrated, logged, tmp_path):
    """Without the service's key sealed facts are left out, users can't be searched for, and both is said."""
    elsewhere = ["--service-key", str(tmp_path / "none")]
    result = migrated(log, "query", "--json", *elsewhere)
    assert "user.id" not in json.loads(result.stdout)["items"][0]["facts"]
    assert f"`{tmp_path}/none`; --service-key names it): sealed facts are left out" in result.stderr
    result = migrated(log, "query", "--user", "u-1", *elsewhere)
    assert (result.exit_code, "--service-key names it" in result.stderr) == (3, True)


@pytest.mark.parametrize("options", [["--from", "x"], ["--verdict", "fine"], ["--cursor", "x"], ["--limit", "0"]])
def test_a_query_that_makes_no_sense_is_a_usage_error(migrated, options):
    """What can't be understood is said, with exit code 2."""
    result = migrated(log, "query", *options)
    assert result.exit_code == 2
    assert result.stderr


def test_every_verb_speaks_json(run):
    """`--json` gives each verb's result as one JSON value on standard output."""
    assert json.loads(run(db, "upgrade", "--json").stdout)["after"] == migrate.head()
    assert json.loads(run(db, "current", "--json").stdout) == {"revision": migrate.head()}
    assert json.loads(run(db, "check", "--format", "json").stdout) == {"differences": []}
    made = json.loads(run(token, "create", "--role", "auditor", "--name", "audit", "--json").stdout)
    assert made["token"].startswith("acrux_")
    rotated = json.loads(run(token, "rotate", "audit", "--json").stdout)
    assert (rotated["role"], rotated["token"] != made["token"]) == ("auditor", True)
    ended = json.loads(run(token, "revoke", rotated["id"], "--json").stdout)
    assert ended["revoked_at"] is not None
    assert json.loads(run(db, "downgrade", "base", "--yes", "--json").stdout)["after"] is None
