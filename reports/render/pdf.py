"""The report on paper: a template rendered by xhtml2pdf, which may read our fonts and this report's charts, no more."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from django.template.loader import render_to_string
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from reports.charts import Pictures
from reports.contents import Document
from reports.wording import document_view

_log = structlog.get_logger(__name__)
_FONTS = ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf")


class RenderError(Exception):
    """The document could not be made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imprint:
    """What names this copy: shown on the cover and at the foot of every page. extract_of: as in `Edition`."""

    revision: int
    data_hash: str
    generated_at: datetime
    extract_of: str | None = None


def render_pdf(contents: Document, *, pictures: Mapping[str, Pictures], imprint: Imprint) -> bytes:
    """The report as PDF. pictures: by machine key; a machine without any says that nothing was recorded.

    Raises RenderError.
    """
    with TemporaryDirectory(prefix="report-") as folder:
        files = _files_for(pictures, Path(folder))
        context = _context(contents, pictures, imprint)
        html = render_to_string("reports/pdf/report.html", context)
        return _typeset(html, folder=Path(folder), files=files)


def _files_for(pictures: Mapping[str, Pictures], folder: Path) -> dict[str, Path]:
    """The only addresses a document may name, and the files they stand for."""
    from matplotlib import get_data_path

    files = {f"font:{name}": Path(get_data_path()) / "fonts" / "ttf" / name for name in _FONTS}
    for key, drawn in pictures.items():
        for kind, images in (("trend", drawn.trends), ("close-up", drawn.close_up)):
            for address, image in zip(_addresses(kind, key, images), images, strict=True):
                files[address] = folder / f"{len(files)}.png"
                files[address].write_bytes(image)
    return files


def _addresses(kind: str, key: str, images: Sequence[bytes]) -> list[str]:
    return [f"{kind}:{place}:{key}" for place in range(len(images))]


def _context(contents: Document, pictures: Mapping[str, Pictures], imprint: Imprint) -> dict[str, Any]:
    generated = imprint.generated_at.astimezone(ZoneInfo(contents["period"]["time_zone"])).replace(tzinfo=None)
    view = document_view(contents)
    for machine in view["machines"]:
        drawn = pictures.get(machine["key"], Pictures())
        machine["trends"] = _addresses("trend", machine["key"], drawn.trends)
        machine["close_up"] = _addresses("close-up", machine["key"], drawn.close_up)
        machine["close_up_title"] = drawn.close_up_title
    return {
        **view,
        "title": _("Equipment health, %(factory)s, %(period)s") % view,
        "revision": imprint.revision,
        "data_hash": imprint.data_hash,
        "data_hash_short": imprint.data_hash[:12],
        "extract": imprint.extract_of is not None,
        "extract_of": imprint.extract_of,
        "generated": date_format(generated, "D j M Y, H:i"),
    }


def _typeset(html: str, *, folder: Path, files: Mapping[str, Path]) -> bytes:
    from xhtml2pdf import pisa
    from xhtml2pdf.config.resources import ResourceAccessError, ResourceAccessPolicy

    def resolve(uri: str, _relative_to: str) -> str:
        # Whatever a name or an alert's text smuggles in, nothing but these addresses leads to a file.
        if uri not in files:
            _log.warning("report_resource_refused", uri=uri[:200])
            raise ResourceAccessError(uri)
        return str(files[uri])

    policy = ResourceAccessPolicy.server(
        folder,
        allow_remote=False,
        extra_roots=(files[f"font:{_FONTS[0]}"].parent,),
        max_resources=len(files) + 10,
        max_total_bytes=400 * 1024 * 1024,
        max_render_seconds=600,
    )
    target = BytesIO()
    result = pisa.CreatePDF(
        html,
        dest=target,
        link_callback=resolve,
        resource_policy=policy,
        encoding="utf-8",
        context_meta={"author": "FactoryPulse"},
    )
    if result.err:
        raise RenderError(f"{result.err} errors while setting the document")
    return target.getvalue()
