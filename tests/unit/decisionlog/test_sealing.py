"""Sealing: what is sealed opens only with its key and its context; keys are made once and can be rotated."""

import base64
import stat
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acrux.decisionlog import sealing
from acrux.decisionlog.errors import NotOpened, ServiceKeyInvalid
from acrux.decisionlog.sealing import Keyring, load_or_create_service_key

OLD, NEW = b"o" * 32, b"n" * 32


@given(st.binary(), st.binary())
def test_what_is_sealed_opens_in_its_context_only(plaintext, bound_to):
    """Sealing is undone by opening with the same context; any other context, or any change, does not open it."""
    sealer = Keyring(NEW).sealer("purpose")
    sealed = sealer.seal(plaintext, bound_to)
    assert sealer.open(sealed, bound_to) == plaintext
    with pytest.raises(NotOpened):
        sealer.open(sealed, bound_to + b"x")
    for changed in (sealed[:-1] + bytes([sealed[-1] ^ 1]), sealed[:5], b"", b"x" * 40):
        with pytest.raises(NotOpened):
            sealer.open(changed, bound_to)


def test_each_purpose_has_a_key_of_its_own():
    """What one purpose sealed no other opens; streams are purposes."""
    keyring = Keyring(NEW)
    sealed = keyring.records("stream-1").seal(b"x", b"")
    assert keyring.records("stream-1") is keyring.sealer("records/stream-1")
    with pytest.raises(NotOpened):
        keyring.records("stream-2").open(sealed, b"")
    assert len({keyring.derive("a")[0], keyring.derive("b")[0], NEW}) == 3


def test_after_a_rotation_the_old_opens_and_the_new_seals():
    """An old key opens what it sealed and finds whom it stored; nothing new is sealed under it."""
    old, rotated = Keyring(OLD), Keyring(NEW, (OLD,))
    assert rotated.sealer("p").open(old.sealer("p").seal(b"x", b""), b"") == b"x"
    with pytest.raises(NotOpened):
        old.sealer("p").open(rotated.sealer("p").seal(b"x", b""), b"")
    assert rotated.pseudonyms("u") == (rotated.pseudonym("u"), old.pseudonym("u"))
    assert rotated.pseudonym("u") != old.pseudonym("u")
    assert len(rotated.pseudonym("u")) == 64


def test_json_comes_back():
    """A JSON object is sealed as text and opened again; what is no JSON, or no base64, is refused."""
    sealer = Keyring(NEW).sealer("p")
    assert sealer.open_json(sealer.seal_json({"b": [1.5, "ä"], "a": None}, "id"), "id") == {"a": None, "b": [1.5, "ä"]}
    with pytest.raises(TypeError):
        sealer.seal_json({"a": object()}, "id")
    assert sealer.open_json(sealer.seal_json({"a": MappingProxyType({"b": 1})}, "id"), "id") == {"a": {"b": 1}}
    for text in ("!", "ä", "AAAA"):
        with pytest.raises(NotOpened):
            sealer.open_json(text, "id")


def test_the_caches_are_bounded(monkeypatch):
    """Opening the records of very many streams does not keep a key for each of them."""
    monkeypatch.setattr(sealing, "_MAX_CACHED_SEALERS", 2)
    keyring = Keyring(NEW)
    monkeypatch.setattr(sealing, "_MAX_CACHED_PSEUDONYMS", 2)
    for number in range(5):
        keyring.sealer(str(number))
        keyring.pseudonym(str(number))
    assert len(keyring._sealers) <= 2
    assert len(keyring._pseudonyms) <= 2


def test_the_key_s_file_is_made_once_for_its_owner(tmp_path):
    """The file is made with mode 0600 and read from then on."""
    path = tmp_path / "made" / "service-key"
    keys = load_or_create_service_key(path)
    assert len(keys) == 1
    assert len(keys[0]) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_or_create_service_key(path) == keys
    assert [entry.name for entry in path.parent.iterdir()] == ["service-key"]
    assert Keyring.load_or_create(path).derive("p") == Keyring(keys[0]).derive("p")


def test_those_who_make_it_together_have_the_same_key(tmp_path):
    """Whoever makes the file at the same moment ends up with one key."""
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: load_or_create_service_key(tmp_path / "key"), range(16)))
    assert len(found) == 1


def test_a_key_s_file_may_hold_old_keys(tmp_path):
    """The first line seals, later ones open; comments and empty lines are skipped."""
    path = tmp_path / "key"
    lines = ["# new", base64.b64encode(NEW).decode(), "", f"  {base64.b64encode(OLD).decode()}  "]
    path.write_text("\n".join(lines))
    assert load_or_create_service_key(path) == (NEW, OLD)


@pytest.mark.parametrize("content", [b"", b"# none\n", b"AAAA\n", b"!\n", b"\xff\n"])
def test_a_file_without_a_key_is_refused(tmp_path, content):
    """A file that holds no key, or anything else besides, is refused, and stays as it is."""
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(ServiceKeyInvalid):
        load_or_create_service_key(path)
    assert path.read_bytes() == content


def test_a_place_that_can_not_hold_a_file_is_refused(tmp_path):
    """A key that can't be kept is no key."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ServiceKeyInvalid):
        load_or_create_service_key(tmp_path / "file" / "key")
