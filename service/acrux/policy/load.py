"""From a directory to a checked policy, or to everything that is wrong with it. No CEL library, no evaluation."""

import errno
import gc
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath

from acrux.domain.identifiers import ProviderName
from acrux.policy import codes
from acrux.policy.check_clients import check_clients, check_words
from acrux.policy.check_conditions import ConditionChecker, Vocabulary
from acrux.policy.check_context import CheckContext
from acrux.policy.check_invariants import check_invariants
from acrux.policy.check_ladder import check_defaults, check_ladder
from acrux.policy.check_networks import check_attributes, check_networks
from acrux.policy.check_providers import check_providers
from acrux.policy.check_rules import RuleChecker
from acrux.policy.check_tests import check_tests
from acrux.policy.check_whole import check_max_ages, check_rule_pairs, check_unused
from acrux.policy.diagnostics import Diagnostic, Severity, Span
from acrux.policy.document import SourceFile, read_document
from acrux.policy.model import CheckedPolicy
from acrux.policy.reading import Findings, Reader
from acrux.policy.revision import revision_of
from acrux.policy.sections import join_sections

__all__ = ["Checked", "check_files", "read_directory", "revision_of"]

_SUFFIXES = {".yaml", ".yml"}
_READS = 10


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of checking a set.

    Attributes:
        policy: None exactly where there is an error.
        diagnostics: everything that is wrong, by place.
        sources: the text of every file, for drawing.
    """

    policy: CheckedPolicy | None
    diagnostics: tuple[Diagnostic, ...]
    sources: Mapping[str, SourceFile]

    @property
    def error_count(self) -> int:
        """How many of the diagnostics are errors."""
        return sum(diagnostic.severity is Severity.ERROR for diagnostic in self.diagnostics)


def read_directory(path: Path) -> dict[str, bytes]:
    """The files of a policy set, from relative POSIX path to content.

    Files and directories whose names begin with `.` or `_` are left out. A `*.yml` is kept: it is an error, not a
    silence. Where symbolic links are swapped meanwhile, the directory's own (git-sync) or one that the files lead
    through (Kubernetes' `..data`), all of it is read again: the old set or the new one, never half of each.

    Raises:
        OSError: the directory or a file in it can't be read, or its links never rest.
    """
    for _ in range(_READS):
        places = _places(path)
        files = {relative: place.read_bytes() for relative, place in sorted(places.items())}
        if _places(path) == places:
            return files
    raise OSError(errno.EBUSY, "its symbolic links change all the time", str(path))


def _places(path: Path) -> dict[str, Path]:
    """Where each file of a set really is, by its relative path."""
    found: dict[str, Path] = {}
    _collect(path.resolve(strict=True), PurePosixPath(), frozenset(), found)
    return found


def _collect(directory: Path, relative: PurePosixPath, above: frozenset[Path], found: dict[str, Path]) -> None:
    if directory in above:
        return  # a link to a directory that we are in: all of it is read already
    for entry in directory.iterdir():
        if entry.name.startswith((".", "_")):
            continue
        if entry.is_dir():
            _collect(entry.resolve(), relative / entry.name, above | {directory}, found)
        elif entry.suffix in _SUFFIXES:
            if entry.exists() and not entry.is_file():
                raise OSError(errno.EINVAL, "it is no regular file", str(entry))
            found[str(relative / entry.name)] = entry.resolve()


def check_files(files: Mapping[str, bytes], *, now: datetime | None) -> Checked:
    """Parse, join and check a set; every mistake is found at once.

    Args:
        files: from relative POSIX path to content.
        now: the time for what depends on it (an expired exception is an error for `check`). None leaves all of that
            out: so the service loads, because nothing that the passing of time alone changes may stop a set.
    """
    # Hundreds of thousands of nodes live until the end: collecting among them halves the speed and frees nothing.
    collecting = gc.isenabled()
    gc.disable()
    try:
        return _check_files(files, now)
    finally:
        if collecting:
            gc.enable()


def _check_files(files: Mapping[str, bytes], now: datetime | None) -> Checked:
    findings = Findings()
    roots, sources, unread = [], {}, []
    for file in sorted(files):
        root, sources[file], found = read_document(file, files[file])
        findings.diagnostics.extend(found)
        if root is None:
            unread.append(sources[file].text)
        else:
            roots.append(root)
    if not files:
        sources[""] = SourceFile("", "")
        mend = "a policy set is a directory with `*.yaml` files: `acrux init DIR` writes one to start with"
        findings.add(codes.NO_LADDER, Span("", 0, 0), "there is no policy file", mend=mend)
    reader = Reader(findings)
    context = CheckContext(join_sections(roots, reader), reader, sources, tuple(unread), now)
    policy = _check_sections(context, files)
    diagnostics = tuple(sorted(findings.diagnostics, key=lambda found: (found.span, found.severity, found.code)))
    failed = any(diagnostic.severity is Severity.ERROR for diagnostic in diagnostics)
    return Checked(None if failed else policy, diagnostics, sources)


def _check_sections(context: CheckContext, files: Mapping[str, bytes]) -> CheckedPolicy | None:
    check_ladder(context)
    providers = check_providers(context)
    defaults = check_defaults(context, frozenset(providers))
    clients, tag_places = check_clients(context, providers)
    check_words(context, providers, clients, defaults)
    networks, attributes = check_networks(context), check_attributes(context)
    maps = context.sections.maps
    vocabulary = Vocabulary(
        clients={str(name): client for name, client in clients.items()},
        client_keys=frozenset(maps["clients"]),
        tags=frozenset(tag_places),
        networks=frozenset(maps["networks"]),
        attributes=attributes,
        attribute_keys=frozenset(maps["attributes"]),
    )
    conditions = ConditionChecker(context, vocabulary)
    rule_checker = RuleChecker(context, conditions)
    rules = rule_checker.rules()
    break_glass = rule_checker.break_glass()
    invariants = check_invariants(context, conditions)
    tests = check_tests(context, attributes, rule_checker.rule_ids)
    check_max_ages(context, providers, clients, defaults, rules)
    check_rule_pairs(context, rules, conditions.forms())
    check_unused(context, vocabulary, networks, tag_places)
    if context.ladder is None or defaults is None:
        return None
    return CheckedPolicy(
        revision=revision_of(files),
        ladder=context.ladder,
        providers={
            ProviderName(name): provider.value for name, provider in providers.items() if provider.value is not None
        },
        clients=clients,
        networks=networks,
        attributes=attributes,
        defaults=defaults,
        rules=tuple(checked.rule for checked in rules),
        break_glass=break_glass,
        invariants=invariants,
        tests=tests,
        files=dict(files),
    )
