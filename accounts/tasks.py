"""Work of the public site that must not be told apart by how long it takes."""

from celery import shared_task

from accounts.finding import factories_tell


@shared_task
def find_factory(email: str) -> None:
    """Mail the addresses of somebody's factories, if there are any."""
    factories_tell(email)
