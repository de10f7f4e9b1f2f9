"""How every process logs: one line an event, with factory and request id; JSON in production."""

import logging
from typing import Any

import structlog


class ProofFilter(logging.Filter):
    """For the framework's own lines, which name the whole path of whatever it refuses."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Pass everything on, with proofs taken out."""
        from common.proofs import proofs_hidden  # Celery's clock reads these settings and loads no room of the product

        if isinstance(record.args, tuple):
            record.args = tuple(proofs_hidden(arg) if isinstance(arg, str) else arg for arg in record.args)
        return True


def logging_config(*, json: bool) -> dict[str, Any]:
    """A `logging.config.dictConfig` dictionary; also configures structlog itself."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    renderer: Any = structlog.processors.JSONRenderer() if json else structlog.dev.ConsoleRenderer(colors=False)
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processor": renderer,
                "foreign_pre_chain": shared,
            }
        },
        "filters": {"proofs": {"()": ProofFilter}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": "INFO"},
        "loggers": {
            "daphne.http_protocol": {"level": "WARNING"},
            "django.request": {"filters": ["proofs"]},
            "django.security.csrf": {"filters": ["proofs"]},
            "django_structlog": {"level": "INFO"},
            "fontTools": {"level": "WARNING"},
            "matplotlib": {"level": "WARNING"},
            "xhtml2pdf": {"level": "WARNING"},
        },
    }
