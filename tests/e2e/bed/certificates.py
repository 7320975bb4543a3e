"""A certificate for loopback addresses, made anew for each run: for programs that speak to nobody without TLS."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Certificate:
    """A self-signed certificate.

    Attributes:
        with_key: the file that has its key too, for who serves.
        alone: the file for who trusts it; anybody may read that.
    """

    with_key: Path
    alone: Path

    @classmethod
    def make(cls, directory: Path, addresses: Iterable[str]) -> Self:
        """A certificate for these addresses, valid for a day."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
        now = datetime.now(UTC)
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(each)) for each in addresses])
        made = (
            x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(names, critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(key, hashes.SHA256())
        )
        alone, with_key = directory / "certificate.pem", directory / "certificate-and-key.pem"
        alone.write_bytes(made.public_bytes(Encoding.PEM))
        alone.chmod(0o644)
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        with_key.touch(0o600)
        with_key.write_bytes(made.public_bytes(Encoding.PEM) + secret)
        return cls(with_key, alone)

    def trusted(self) -> ssl.SSLContext:
        """A context that trusts nothing but this certificate."""
        return ssl.create_default_context(cafile=str(self.alone))
