"""What platform staff has to know on every page of its admin."""

from pathlib import Path

from django.conf import settings

from telemetry.ingest.full_watch import full_sentence
from tenants.admin import staff_site


def journal_full() -> str:
    """That this node takes no readings, since when and why; empty when it takes them."""
    return full_sentence(Path(settings.JOURNAL_DIR))


staff_site.notices.append(journal_full)
