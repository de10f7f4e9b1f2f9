"""What workers do about people and factories: mails of the public site, errands, exports, and links that end."""

from celery import shared_task
from django_tenants.utils import get_public_schema_name, schema_context

from accounts.errands import errand_make, errands_tend
from accounts.exports import export_make, exports_tend
from accounts.finding import factories_tell
from accounts.lockout import sign_ins_trim
from accounts.session_life import sessions_tend
from accounts.support import support_expire
from accounts.wall_links import wall_links_expire
from tenants.tasks import FactoryTask, for_each_factory


@shared_task
def find_factory(email: str) -> None:
    """Mail the addresses of somebody's factories, if there are any; how long it takes tells the visitor nothing."""
    factories_tell(email)


@shared_task
def tend_doors() -> None:
    """Every minute: shut out whose time is over, which are screens by a link, staff on a visit and unused browsers."""
    for_each_factory(tend_doors_in_factory)


@shared_task(bind=True, base=FactoryTask)
def tend_doors_in_factory(self: FactoryTask) -> None:
    """For one factory."""
    wall_links_expire()
    support_expire()
    sessions_tend()


@shared_task
def trim_sign_ins() -> None:
    """Every hour: forget who came and who failed long ago, staff's own among them."""
    with schema_context(get_public_schema_name()):
        sign_ins_trim()
    for_each_factory(trim_sign_ins_in_factory)


@shared_task(bind=True, base=FactoryTask)
def trim_sign_ins_in_factory(self: FactoryTask) -> None:
    """For one factory."""
    sign_ins_trim()


@shared_task(bind=True, base=FactoryTask)
def export_make_task(self: FactoryTask, export_id: int) -> None:
    """Write one export of the factory."""
    export_make(export_id, factory=self.factory)


@shared_task(bind=True, base=FactoryTask)
def make_errand(self: FactoryTask, errand_id: int) -> None:
    """Make what somebody of the factory asked for."""
    errand_make(errand_id, factory=self.factory)


@shared_task
def tend_errands() -> None:
    """Every minute: put away what is a day old, and take up what a killed worker left."""
    for_each_factory(tend_errands_in_factory)


@shared_task(bind=True, base=FactoryTask)
def tend_errands_in_factory(self: FactoryTask) -> None:
    """For one factory."""
    for errand_id in errands_tend():
        make_errand.for_factory(self.factory.slug, errand_id)


@shared_task
def tend_exports() -> None:
    """Now and then: remove exports whose day is over, and take up those that a killed worker left."""
    for_each_factory(tend_exports_in_factory)


@shared_task(bind=True, base=FactoryTask)
def tend_exports_in_factory(self: FactoryTask) -> None:
    """For one factory."""
    for export_id in exports_tend():
        export_make_task.for_factory(self.factory.slug, export_id)
