"""What the embedded services listen on and which passwords they ask for."""

import secrets
from dataclasses import dataclass

from factorypulse.dev.ports import free_port


@dataclass(frozen=True, kw_only=True)
class ServiceChoices:
    """Ports and passwords; kept between starts by whoever wants the same data again."""

    postgres_port: int
    valkey_port: int
    postgres_password: str
    valkey_password: str

    @classmethod
    def fresh(cls) -> "ServiceChoices":
        """Free ports and random passwords."""
        return cls(
            postgres_port=free_port(),
            valkey_port=free_port(),
            postgres_password=secrets.token_urlsafe(24),
            valkey_password=secrets.token_urlsafe(24),
        )
