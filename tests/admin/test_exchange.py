"""Machines and metrics in and out of the admin as CSV and Excel: errors are shown before anything is changed."""

import io
import zipfile
from collections.abc import Callable

import openpyxl
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from accounts import admin_exchange
from accounts.admin_exchange import Workbook
from accounts.errands import errand_make
from accounts.models import AuditEntry, Errand, User
from accounts.tasks import make_errand
from common.errors import LimitReachedError
from telemetry.models import Line, Machine, Metric, Site
from tenants.context import factory_context
from tenants.models import Factory
from tests.conftest import FactoryClient

ClientFor = Callable[..., FactoryClient]
MACHINES = "/admin/telemetry/machine/"
FILE = (
    "key,name,machine_type,line,silent_after_s\nM01,Mixer,mixer,North / Line 1,90\n=M02,x,,,60\nM03,x,,Nowhere / 1,60\n"
)


@pytest.fixture
def line(in_acme: Factory) -> Line:
    return Line.objects.create(site=Site.objects.create(name="North"), name="Line 1")


def _import(browser: FactoryClient, content: str, page: str = MACHINES) -> str:
    file = SimpleUploadedFile("rows.csv", content.encode(), content_type="text/csv")
    return browser.post(f"{page}import/", {"import_file": file, "format": "0"}).content.decode()


def test_a_preview_shows_what_is_wrong_and_changes_nothing(line: Line, admin: User, client_for: ClientFor) -> None:
    page = _import(client_for(admin), FILE)
    assert "There is no line" in page
    assert "1 to 64 letters" in page
    assert not Machine.objects.exists()


def test_a_machine_is_not_made_by_hand_with_a_key_that_no_device_can_send(
    in_acme: Factory, admin: User, client_for: ClientFor
) -> None:
    form = {"key": "hall 2/press", "silent_after_s": "60", "metrics-TOTAL_FORMS": "0", "metrics-INITIAL_FORMS": "0"}
    browser = client_for(admin)
    assert "1 to 64 letters" in browser.post(f"{MACHINES}add/", form).content.decode()
    assert not Machine.objects.exists()
    assert browser.post(f"{MACHINES}add/", {**form, "key": "press"}).status_code == 302
    assert Machine.objects.get().key == "press"


def test_a_good_file_is_confirmed_taken_in_and_written_down(line: Line, admin: User, client_for: ClientFor) -> None:
    browser = client_for(admin)
    good = "\n".join(FILE.splitlines()[:2])
    file = SimpleUploadedFile("rows.csv", good.encode(), content_type="text/csv")
    preview = browser.post(f"{MACHINES}import/", {"import_file": file, "format": "0"})
    confirm = preview.context["confirm_form"]
    done = browser.post(f"{MACHINES}process_import/", {name: confirm[name].value() or "" for name in confirm.fields})
    assert done.status_code == 302
    machine = Machine.objects.get()
    assert (machine.key, machine.line, machine.silent_after_s) == ("M01", line, 90)
    assert AuditEntry.objects.filter(action="machine.imported").exists()


def test_a_workbook_that_names_a_file_of_ours_or_grows_without_end_is_no_workbook(
    line: Line, admin: User, client_for: ClientFor
) -> None:
    """XML's entities lead nowhere: neither to a file of the server nor to a billion laughs."""
    for entity in ('SYSTEM "file:///etc/passwd"', f'"{"x" * 1000}"'):
        page = client_for(admin).post(f"{MACHINES}import/", {"import_file": _workbook_with(entity), "format": "1"})
        assert "encountered while trying to read file" in page.content.decode()
        assert "x" * 1000 not in page.content.decode()
        with pytest.raises(ValueError, match="document type"):
            Workbook().create_dataset(_workbook_with(entity).read())
    assert not Machine.objects.exists()


def _workbook_with(entity: str) -> SimpleUploadedFile:
    book = openpyxl.Workbook()
    book.active.append(["key", "name"])
    book.active.append(["M01", "NAME"])
    plain, changed = io.BytesIO(), io.BytesIO()
    book.save(plain)
    with zipfile.ZipFile(plain) as parts, zipfile.ZipFile(changed, "w") as written:
        for part in parts.namelist():
            text = parts.read(part)
            if b"NAME" in text:
                doctype = f"<!DOCTYPE worksheet [<!ENTITY e {entity}>]>".encode()
                text = text.replace(b"<worksheet", doctype + b"<worksheet", 1).replace(b"NAME", b"&e;")
            written.writestr(part, text)
    return SimpleUploadedFile("rows.xlsx", changed.getvalue())


def test_an_export_is_read_again_and_runs_nothing_in_a_spreadsheet(
    line: Line, admin: User, client_for: ClientFor
) -> None:
    Machine.objects.create(key="M01", name="=1+1", line=line)
    answer = client_for(admin).post(f"{MACHINES}export/", {"format": "1", **_all_fields()})
    book = openpyxl.load_workbook(io.BytesIO(answer.content))
    rows = [[cell.value for cell in row] for row in book.active.iter_rows()]
    assert "North / Line 1" in rows[1]
    assert "=1+1" not in rows[1]
    assert AuditEntry.objects.filter(action="machine.exported").exists()


def _all_fields() -> dict[str, str]:
    names = ("key", "name", "machine_type", "line", "silent_after_s")
    return {f"machineresource_{name}": "on" for name in names}


def test_a_metric_is_described_and_none_is_made_up(in_acme: Factory, admin: User, client_for: ClientFor) -> None:
    metric = Metric.objects.create(machine=Machine.objects.create(key="M01"), name="vibration")
    page = _import(
        client_for(admin),
        "machine,name,label,unit,kind,confirmed\nM01,vibration,Shake,mm/s,vibration,1\nM01,other,,,other,0\n",
        "/admin/telemetry/metric/",
    )
    assert "has no metric" in page
    metric.refresh_from_db()
    assert metric.unit == ""


def test_the_plan_holds_for_files_too(
    in_acme: Factory, admin: User, client_for: ClientFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = "\n".join(f"M{number:02d}" for number in range(12))
    assert "room for 10 machines" in _import(client_for(admin), f"key\n{rows}\n")


def test_only_admins_come_here(in_acme: Factory, supervisor: User, client_for: ClientFor) -> None:
    for door in ("import/", "export/"):
        assert client_for(supervisor).get(MACHINES + door).status_code == 403


def test_a_long_file_is_taken_in_by_a_worker_as_a_whole_or_not_at_all(
    in_acme: Factory, admin: User, client_for: ClientFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make_errand, "for_factory", lambda _slug, _pk: None)
    monkeypatch.setattr(admin_exchange, "AT_ONCE", 2)
    browser = client_for(admin)
    for names in (["M01", "M02", "M03"], ["M01", "M04", "M05"]):
        file = SimpleUploadedFile("rows.csv", "\n".join(["key,name", *(f"{key},Mixer" for key in names)]).encode())
        preview = browser.post(f"{MACHINES}import/", {"import_file": file, "format": "0"})
        confirm = preview.context["confirm_form"]
        sent = {name: confirm[name].value() or "" for name in confirm.fields}
        assert browser.post(f"{MACHINES}process_import/", sent)["Location"] == "/errands"
    assert not Machine.objects.exists()
    with factory_context(in_acme):
        second, first = Errand.objects.all()
        assert errand_make(first.pk, factory=in_acme)
        assert set(Machine.objects.values_list("key", flat=True)) == {"M01", "M02", "M03"}
        entry = AuditEntry.objects.get(action="machine.imported")
        assert (entry.actor, Machine.objects.get(key="M01").name) == (admin.email, "Mixer")
        monkeypatch.setattr("telemetry.equipment_exchange.machine_new_check", _no_room_for_m05)
        assert not errand_make(second.pk, factory=in_acme)
        assert Machine.objects.count() == 3, "a row that is right is not taken in without the others"
    page = browser.get("/errands").content.decode()
    assert "3 new rows" in page
    assert "Nothing was taken in. Row 3: no room" in page


def test_of_a_long_file_the_first_rows_are_previewed_and_the_worker_says_which_other_is_wrong(
    in_acme: Factory, line: Line, admin: User, client_for: ClientFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make_errand, "for_factory", lambda _slug, _pk: None)
    monkeypatch.setattr(admin_exchange, "AT_ONCE", 2)
    browser = client_for(admin)
    rows = "key,line\nM01,North / Line 1\nM02,\nM03,Nowhere / 1\n"
    file = SimpleUploadedFile("rows.csv", rows.encode(), content_type="text/csv")
    preview = browser.post(f"{MACHINES}import/", {"import_file": file, "format": "0"})
    page = preview.content.decode()
    assert "the first 2 of 3 rows" in page
    assert "There is no line" not in page
    confirm = preview.context["confirm_form"]
    browser.post(f"{MACHINES}process_import/", {name: confirm[name].value() or "" for name in confirm.fields})
    assert not errand_make(Errand.objects.get().pk, factory=in_acme)
    assert not Machine.objects.exists()
    assert "Row 3: There is no line" in browser.get("/errands").content.decode()


def _no_room_for_m05(key: str) -> None:
    if key == "M05":
        raise LimitReachedError("no room")
