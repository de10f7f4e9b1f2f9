#!/usr/bin/env python3
"""Write random secrets for compose.yml into docker/secrets/; what stands there already is kept."""

import os
import secrets
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "secrets"


def keep_or_write(name: str, value: str) -> str:
    """The secret that stands in the file, or this new one. Files are readable by the owner and containers alone."""
    path = FOLDER / name
    if path.exists():
        return path.read_text(encoding="utf-8").strip()
    path.write_text(value, encoding="utf-8")
    # 0444 inside a 0711 folder: Compose mounts the file as it is, and the app runs as its own user.
    path.chmod(0o444)
    return value


def main() -> None:
    email_url = os.environ.get("EMAIL_URL")
    if not email_url and not (FOLDER / "email_url").exists():
        sys.exit(
            "Set EMAIL_URL to your mail server, such as smtp+tls://user:password@mail.example:587, and run this again."
        )
    FOLDER.mkdir(mode=0o711, exist_ok=True)
    keep_or_write("secret_key", secrets.token_urlsafe(60))
    keep_or_write("postgres_superuser_password", secrets.token_urlsafe(32))
    postgres = keep_or_write("postgres_password", secrets.token_urlsafe(32))
    redis = keep_or_write("redis_password", secrets.token_urlsafe(32))
    mosquitto = keep_or_write("mosquitto_password", secrets.token_urlsafe(32))
    keep_or_write("influxdb_password", secrets.token_urlsafe(32))
    keep_or_write("influxdb_token", secrets.token_urlsafe(48))
    keep_or_write("metrics_token", secrets.token_urlsafe(48))
    keep_or_write("database_url", f"postgresql://factorypulse:{postgres}@postgres:5432/factorypulse")
    keep_or_write("redis_url", f"redis://:{redis}@redis:6379/0")
    keep_or_write("mqtt_url", f"mqtt://factorypulse:{mosquitto}@mosquitto:1883")
    keep_or_write("email_url", email_url or "")
    print(f"Secrets stand in {FOLDER}")  # noqa: T201  # a command line's answer


if __name__ == "__main__":
    main()
