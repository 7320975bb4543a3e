"""A program that appends to a spool and prints every receipt: killed, starved of space and watched by test_spool.py."""

import asyncio
import json
import resource
import sys
from pathlib import Path

from uuid_utils.compat import uuid7

from acrux.decisionlog.append import LogWriter
from acrux.decisionlog.errors import LogUnavailable
from acrux.decisionlog.records import Entry, Kind
from acrux.decisionlog.spool import Spool

CALLERS = 16
FILE_BYTES = 600_000
ENTRY = Entry(Kind.UNBOUND, b'{"client":"' + b"x" * 900 + b'"}')


def say(**fields):
    """One line, at once: what was said counts as acknowledged."""
    print(json.dumps(fields), flush=True)


async def append(writer, count):
    """Append, say each receipt, and return how many were refused."""
    refused_count = 0
    for _ in range(count):
        try:
            receipt = await writer.append(ENTRY)
        except LogUnavailable:
            refused_count += 1
        else:
            say(sequence=receipt.sequence, leaf_hash=receipt.leaf_hash)
    return refused_count


async def main(directory, mode):
    """Run until killed, or until files can't grow and then can again, or for some records."""
    if mode == "fill":
        resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, resource.RLIM_INFINITY))
    writer = LogWriter(Spool(Path(directory), str(uuid7())), node="node-1")
    writer.start()
    count = {"run": 1_000_000, "fill": 100, "some": 20}[mode]
    refused_count = sum(await asyncio.gather(*(append(writer, count) for _ in range(CALLERS))))
    if mode == "fill":
        say(refused_count=refused_count, last_before=writer._sequence)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        await append(writer, 10)
    writer.close()


asyncio.run(main(*sys.argv[1:]))
