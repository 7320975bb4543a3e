"""The revision of a policy set: one hash over all of its files. No parsing, no file access."""

import hashlib
from collections.abc import Mapping

from acrux.domain.identifiers import Revision


def revision_of(files: Mapping[str, bytes]) -> Revision:
    """`sha256:` and 64 hex digits (policy-language.md, first section).

    Args:
        files: from relative POSIX path to content.
    """
    digest = hashlib.sha256()
    # By code points, which is the order of the paths' bytes in UTF-8 too.
    for path in sorted(files):
        encoded = path.encode(errors="surrogateescape")
        content = files[path]
        digest.update(len(encoded).to_bytes(8, "big") + encoded + len(content).to_bytes(8, "big") + content)
    return Revision(f"sha256:{digest.hexdigest()}")
