"""What outlives a process of a client, and what becomes of it when files are lost, torn, shared or full."""

import json
import os
import stat
import threading

import httpx
import pytest
from client_bed import CEILING

from acrux.client import (
    AcruxClient,
)


async def test_cache_on_disk(make, service, tmp_path) -> None:
    """What a process knew and had not reported, the next one knows, and nobody else on the machine can read."""
    path = tmp_path / "cache" / "acrux.json"
    path.parent.mkdir()
    first = make(cache_path=path)
    await first("refresh")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    written_at = path.stat().st_mtime_ns
    await first("refresh")
    assert path.stat().st_mtime_ns == written_at, "written when it is news"
    service.answer_all(httpx.ConnectError("refused"))
    for _ in range(3):
        await first("decide", ip="198.51.100.9")
    (reports,) = path.with_name("acrux.json.reports").iterdir()
    assert stat.S_IMODE(reports.stat().st_mode) == 0o600
    assert len(reports.read_bytes().splitlines()) == 3
    living = make(cache_path=path)
    assert len(living.made._conversations.reports) == 0, "the first one lives and holds its file"
    await first("close")
    with reports.open("ab") as file:
        file.write(b'[]\n{"id": "torn')
    second = make(cache_path=path)
    assert second.made.ceiling().level == "mfa"
    assert (await second("decide")).fallback
    service.answers["fallback"], service.answers["fallbacks"] = CEILING, {"receipts": []}
    service.calls.clear()
    await second("refresh")
    assert len(service.reports()) == 4
    assert not reports.exists(), "delivered files of dead processes are gone"
    assert [file.stat().st_size for file in reports.parent.iterdir()] == [0], "its own file is emptied"
    assert {file.name for file in path.parent.iterdir()} == {"acrux.json", "acrux.json.reports"}


async def test_cache_that_is_shared(make, service, tmp_path) -> None:
    """Processes that started together and speak for different clients leave each other's ceilings in the file."""
    path = tmp_path / "acrux.json"
    first, second = make(cache_path=path), make(cache_path=path, client="wiki")
    await first("refresh")
    await second("refresh")
    service.answer_all(httpx.ConnectError("refused"))
    restarted = make(cache_path=path)
    assert (await restarted("decide")).fallback
    assert (await restarted("decide", client="wiki")).fallback


@pytest.mark.parametrize("torn", [b'{"ceilings": [{"client": "ji', b"", None])
async def test_cache_that_is_lost(make, service, tmp_path, torn) -> None:
    """A file that was torn or taken away while the process lives is made again at the next refresh."""
    path = tmp_path / "acrux.json"
    living = make(cache_path=path)
    await living("refresh")
    if torn is None:
        path.unlink()
    else:
        path.write_bytes(torn)
    await living("refresh")
    service.answer_all(httpx.ConnectError("refused"))
    assert (await make(cache_path=path)("decide")).fallback


async def test_disk_that_is_full(make, service, tmp_path, monkeypatch, caplog) -> None:
    """A report that the disk cuts off is kept in memory only, and spoils none that come after it."""
    path = tmp_path / "acrux.json"
    client = make(cache_path=path)
    await client("refresh")
    service.answer_all(httpx.ConnectError("refused"))
    await client("decide")
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, line: write(file, line[: len(line) // 2]))
    await client("decide")
    monkeypatch.setattr(os, "write", write)
    await client("decide")
    assert "can't be kept" in caplog.text
    assert len(client.made._conversations.reports) == 3
    await client("close")
    assert len(make(cache_path=path).made._conversations.reports) == 2


async def test_files_that_cannot_be_cleared(make, service, tmp_path, monkeypatch, caplog) -> None:
    """What was delivered and can't be cleared away stops nothing: its keys make a second delivery harmless."""
    client = make(cache_path=tmp_path / "acrux.json")
    await client("refresh")
    service.answers["decide"] = httpx.ConnectError("refused")
    await client("decide")

    def fail(*_: object) -> None:
        raise OSError("read-only")

    monkeypatch.setattr(os, "ftruncate", fail)
    await client("refresh")
    assert "can't be cleared away" in caplog.text
    assert len(client.made._conversations.reports) == 0


async def test_more_left_than_can_be_kept(make, tmp_path, caplog, monkeypatch) -> None:
    """What dead processes left is bounded too, and the log names what is dropped."""
    monkeypatch.setattr("acrux.client.storing.MAX_REPORTS", 1000)
    left = tmp_path / "acrux.json.reports" / "old.ndjson"
    left.parent.mkdir()
    left.write_text("".join(json.dumps({"id": f"r-{number}"}) + "\n" for number in range(1002)))
    assert len(make(cache_path=tmp_path / "acrux.json").made._conversations.reports) == 1000
    assert [f"r-{number}" in caplog.text for number in (999, 1000, 1001)] == [False, True, True]


async def test_empty_files_of_the_dead_are_removed(make, service, tmp_path) -> None:
    """A file without reports in it is taken away at once."""
    path = tmp_path / "acrux.json"
    left = path.with_name("acrux.json.reports")
    left.mkdir()
    (left / "old.ndjson").touch()
    make(cache_path=path)
    assert not list(left.iterdir())


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b'{"ceilings": [5]}', b'{"ceilings": [{"client": "jira"}]}', b'{"ceilings": 5}', b"\xff"],
)
async def test_unreadable_cache(make, tmp_path, content, caplog) -> None:
    """A cache that can't be read counts as none, and the log says so."""
    path = tmp_path / "acrux.json"
    path.write_bytes(content)
    assert make(cache_path=path).made.ceiling() is None
    assert "can't be read" in caplog.text


async def test_cache_that_cannot_be_written(make, service, tmp_path, caplog) -> None:
    """A place that can't be written to costs the cache, not the logins."""
    (tmp_path / "file").touch()
    client = make(cache_path=tmp_path / "file" / "acrux.json")
    await client("refresh")
    service.answers["decide"] = httpx.ConnectError("refused")
    assert (await client("decide")).fallback
    assert "can't be cached" in caplog.text
    assert "can't be kept" in caplog.text
    assert len(client.made._conversations.reports) == 1


async def test_reports_that_cannot_be_read(make, tmp_path, caplog) -> None:
    """A file of reports that can't be read is left where it is."""
    left = tmp_path / "acrux.json.reports" / "odd.ndjson"
    left.mkdir(parents=True)
    make(cache_path=tmp_path / "acrux.json")
    assert "can't be read" in caplog.text
    assert left.exists()


def test_fork(service, tmp_path) -> None:
    """After a fork the child refreshes on its own, and leaves what waited to its parent."""
    client = AcruxClient(
        "https://acrux.example.com", "acrux_t", client="jira", transport=httpx.MockTransport(service),
        cache_path=tmp_path / "acrux.json",
    )  # fmt: skip
    reports = client._conversations.reports
    reports.add({"id": "of the parent"})
    client._refresher_process = reports._process = os.getpid() + 1  # as it looks from a child
    client.start()
    assert client._refresher_process == os.getpid()
    assert reports.first(10) == []
    reports.add({"id": "of the child"})
    assert [report["id"] for report in reports.first(10)] == ["of the child"]
    assert len(list((tmp_path / "acrux.json.reports").iterdir())) == 2
    client.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "acrux-client"]
