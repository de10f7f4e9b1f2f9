"""Detectors as they are kept: immutable versions, arrays only, sealed, and cached in the process that scores."""

import hashlib
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from zipfile import BadZipFile

import numpy as np
import structlog
from django.core import signing
from django.db import transaction
from django.db.models import Max
from numpy.typing import NDArray

from anomalies.detection.detector import Detector, detector_from_parts, detector_to_parts
from anomalies.detection.detector_cache import DetectorCache
from anomalies.detection.forest_table import ForestTable
from anomalies.models import DetectorModel
from telemetry.models import Machine
from tenants.context import factory_current

_log = structlog.get_logger(__name__)

FORMAT = 1
_DESCRIPTION = "description"
_DESCRIBED = ("id", "version", "manifest__taught_ms", "manifest__to_ms", "manifest__from_ms", "manifest__step_ms")


class DetectorDamagedError(Exception):
    """The stored model is cut, altered, or was made for another machine or factory."""


@dataclass(frozen=True, slots=True)
class ActiveModel:
    """Which model judges a machine, how much history it stands on, and where that began and ended."""

    id: int
    version: int
    taught_ms: int
    taught_to_ms: int
    taught_from_ms: int = 0
    step_ms: int = 1_000


def model_save(
    machine: Machine,
    detector: Detector,
    *,
    from_ms: int,
    to_ms: int,
    cells: int,
    data_sha256: str,
    seed: int,
    roles: Mapping[str, str] | None = None,
    settling: Mapping[str, Any] | None = None,
    active: bool = True,
) -> DetectorModel:
    """Keep a detector as the machine's next version and make it the active one, in one transaction.

    roles: of its metrics, where they were told. settling: before when the machine had not settled (from_ms, 0: never),
    and which levels moved nonetheless (moving). active: False keeps it beside the one that judges.
    Raises IntegrityError when another worker has just done the same; its version stands.
    """
    packed = _pack(detector)
    with transaction.atomic():
        newest = DetectorModel.objects.filter(machine=machine).aggregate(newest=Max("version"))["newest"] or 0
        version = newest + 1
        sha256 = hashlib.sha256(packed).hexdigest()
        manifest = {
            "format": FORMAT,
            "machine": machine.key,
            "from_ms": from_ms,
            "to_ms": to_ms,
            "cells": cells,
            "taught_ms": detector.taught_ms,
            "data_sha256": data_sha256,
            "seed": seed,
            "roles": {name: str(role) for name, role in (roles or {}).items() if name in detector.metrics},
            "settling": dict(settling or {}),
            "features": [f"{f.metric}/{f.aspect.value}/{f.window}" for f in detector.features],
            "normal": {name: list(band) for name, band in detector.normal.items()},
            "step_ms": detector.clock.step_ms,
            "calibration": {
                # A band that does not judge yet has no limit.
                "limits": [round(float(x), 4) if np.isfinite(x) else None for x in detector.limits],
                "forest_limit": round(detector.forest_limit, 6),
            },
            "libraries": _libraries(),
            "sha256": sha256,
            "seal": _seal(machine.pk, version, sha256),
        }
        if active:
            DetectorModel.objects.filter(machine=machine).update(active=False, pinned=False)
        return DetectorModel.objects.create(
            machine=machine, version=version, active=active, arrays=packed, manifest=manifest
        )


def model_newest(machine: Machine) -> ActiveModel | None:
    """What the machine's newest version was taught by, whether it judges or not; None while there is no version."""
    row = DetectorModel.objects.filter(machine=machine).order_by("-version").values_list(*_DESCRIBED).first()
    return None if row is None else ActiveModel(*row)


def models_active(machines: Iterable[Machine]) -> dict[int, ActiveModel]:
    """The active model of each machine that has one, by machine id; one query."""
    found = DetectorModel.objects.filter(machine__in=list(machines), active=True)
    return {row[0]: ActiveModel(*row[1:]) for row in found.values_list("machine_id", *_DESCRIBED)}


def detector_load(model_id: int) -> Detector:
    """A stored detector, from this process's cache or the database.

    Raises DetectorDamagedError, also where the row itself is gone; the model is then no longer active, so that the
    machine is taught again. Inside a transaction that rolls back it stays active: the caller says so once more
    (`model_distrust`).
    """
    key = (_schema(), model_id)
    cached = _cache.get(key)
    if cached is not None:
        return cached
    model = DetectorModel.objects.filter(pk=model_id).first()
    if model is None:
        raise DetectorDamagedError("it is gone")
    try:
        detector = _unpack(model)
    except DetectorDamagedError as error:
        _log.error("detector_damaged", machine=model.manifest.get("machine"), version=model.version, reason=str(error))
        model_distrust(model_id)
        raise
    _cache.put(key, detector)
    return detector


def model_distrust(model_id: int) -> None:
    """Let a model that can't be trusted judge no more."""
    DetectorModel.objects.filter(pk=model_id).update(active=False, pinned=False)


def normal_bands(machine: Machine) -> dict[str, tuple[float, float]]:
    """Where each metric's readings normally lie (low, high), by the active model; empty while learning."""
    bands = (
        DetectorModel.objects.filter(machine=machine, active=True).values_list("manifest__normal", flat=True).first()
    )
    return {metric: (float(low), float(high)) for metric, (low, high) in (bands or {}).items()}


def normal_bands_all() -> dict[int, dict[str, tuple[float, float]]]:
    """The normal bands of every machine that has an active model, by machine id; one query."""
    rows = DetectorModel.objects.filter(active=True).values_list("machine_id", "manifest__normal")
    return {
        machine: {metric: (float(low), float(high)) for metric, (low, high) in (bands or {}).items()}
        for machine, bands in rows
    }


def models_seal_anew(*, vouched: bool = False) -> list[str]:
    """Seal every model of the current factory by the SECRET_KEY of now; what is not to be trusted stays as it is.

    vouched: take seals that were made elsewhere for good, because whoever restores a factory answers for its archive.
    Returns the names of models that were left.
    """
    left = []
    for model in DetectorModel.objects.select_related("machine").defer("arrays"):
        sha256, seal = model.manifest.get("sha256", ""), model.manifest.get("seal", "")
        if not vouched and not _seal_holds(seal, model.machine_id, model.version, sha256):
            left.append(str(model))
            continue
        model.manifest["seal"] = _seal(model.machine_id, model.version, sha256)
        model.save(update_fields=["manifest"])
    return left


def _pack(detector: Detector) -> bytes:
    arrays, description = detector_to_parts(detector)
    text = json.dumps(description, sort_keys=True).encode()
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays, **{_DESCRIPTION: np.frombuffer(text, dtype=np.uint8)})
    return buffer.getvalue()


def _unpack(model: DetectorModel) -> Detector:
    packed = bytes(model.arrays)
    sha256 = hashlib.sha256(packed).hexdigest()
    if sha256 != model.manifest.get("sha256"):
        raise DetectorDamagedError("its arrays are not those of its manifest")
    if not _seal_holds(model.manifest.get("seal", ""), model.machine_id, model.version, sha256):
        raise DetectorDamagedError("its seal was made elsewhere")
    try:
        with np.load(io.BytesIO(packed), allow_pickle=False) as stored:
            arrays: Mapping[str, NDArray[Any]] = {name: stored[name] for name in stored.files}
        return detector_from_parts(arrays, json.loads(arrays[_DESCRIPTION].tobytes()))
    except (KeyError, ValueError, OSError, BadZipFile) as error:
        raise DetectorDamagedError(f"it can't be read: {error}") from error


def _seal(machine_id: int, version: int, sha256: str) -> str:
    """Binds arrays to factory, machine and version, so that a model copied from elsewhere is refused."""
    return str(_signer().signature(_sealed(machine_id, version, sha256)))


def _seal_holds(seal: str, machine_id: int, version: int, sha256: str) -> bool:
    try:
        _signer().unsign(f"{_sealed(machine_id, version, sha256)}:{seal}")
    except signing.BadSignature:
        return False
    return True


def _sealed(machine_id: int, version: int, sha256: str) -> str:
    return f"{_schema()}/{machine_id}/{version}/{sha256}"


def _schema() -> str:
    factory = factory_current()
    if factory is None:
        raise RuntimeError("detectors belong to a factory: call this inside factory_context")
    return str(factory.schema_name)


def _signer() -> signing.Signer:
    return signing.Signer(salt="anomalies.detector")


def _libraries() -> dict[str, str]:
    from sklearn import __version__ as sklearn_version

    return {"numpy": np.__version__, "scikit-learn": sklearn_version}


_cache = DetectorCache()


def detectors_gathered(wanted: Mapping[int, tuple[int, Detector]]) -> dict[int, tuple[Detector, ForestTable | None]]:
    """Loaded detectors, by machine id: (model id, detector), each with the table in which its forest stands.

    There it is walked together with those of other machines (`ForestTable.score`, by machine id).
    """
    return _cache.gathered(_schema(), wanted)


def detectors_forget() -> None:
    """Empty this process's cache: for a factory deleted and made again under the same name."""
    _cache.clear()
