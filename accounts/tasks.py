"""What workers do about people: mails of the public site, and links that end."""

from celery import shared_task

from accounts.finding import factories_tell
from accounts.wall_links import wall_links_expire
from tenants.tasks import FactoryTask, for_each_factory


@shared_task
def find_factory(email: str) -> None:
    """Mail the addresses of somebody's factories, if there are any; how long it takes tells the visitor nothing."""
    factories_tell(email)


@shared_task
def expire_wall_links() -> None:
    """Every minute: shut out the screens whose links have expired."""
    for_each_factory(expire_wall_links_in_factory)


@shared_task(bind=True, base=FactoryTask)
def expire_wall_links_in_factory(self: FactoryTask) -> None:
    """For one factory."""
    wall_links_expire()
