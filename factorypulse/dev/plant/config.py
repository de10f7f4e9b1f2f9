"""Where the simulated devices report, and as whom."""

import json
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit


class PlantConfigError(Exception):
    """The configuration file can't be used; the message says what to do."""


@dataclass(frozen=True, slots=True)
class PlantConfig:
    """Addresses of both doors and the key that opens them."""

    factory: str
    api_key: str
    http_url: str
    mqtt_host: str
    mqtt_port: int

    @classmethod
    def read(cls, path: Path) -> "PlantConfig":
        """From a JSON file. Raises PlantConfigError."""
        try:
            fields = json.loads(path.read_text(encoding="utf-8"))
            config = cls(
                factory=str(fields["factory"]),
                api_key=str(fields["api_key"]),
                http_url=str(fields["http_url"]),
                mqtt_host=str(fields["mqtt_host"]),
                mqtt_port=int(fields["mqtt_port"]),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise PlantConfigError(
                f"{path} must be a JSON object with factory, api_key, http_url, mqtt_host and mqtt_port ({error!r})"
            ) from error
        if urlsplit(config.http_url).scheme not in {"http", "https"} or not urlsplit(config.http_url).hostname:
            raise PlantConfigError(f"{path}: http_url “{config.http_url}” is no http address")
        return config

    def write(self, path: Path) -> None:
        """As a JSON file that its owner alone may read: it holds a key."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.chmod(0o600)
        path.write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")
