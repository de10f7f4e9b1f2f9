"""Celery inside a factory: the task carries the factory's slug, and runs in its context or not at all."""

from typing import Any

import structlog
from celery import Task, shared_task

from tenants.context import FactoryNotFoundError, factories_all, factory_context, factory_current, factory_get
from tenants.models import Factory

_log = structlog.get_logger(__name__)
_CARRIER = "factory_slug"


class FactoryMissingError(RuntimeError):
    """A factory's task was called without naming the factory: a bug of the caller, never guessed around."""


class FactoryTask(Task):  # type: ignore[type-arg]  # Celery is generic in its stubs alone
    """Base of every task that touches a factory: `@shared_task(bind=True, base=FactoryTask)`.

    Enqueue with `task.for_factory(slug, *args, **kwargs)`. Inside, `self.factory` is the factory. A factory that was
    deleted since is logged and the task dropped.
    """

    abstract = True
    # The factory travels as one more keyword argument, which the function itself does not declare.
    typing = False

    def for_factory(self, slug: str, *args: Any, **kwargs: Any) -> Any:
        """Enqueue for one factory."""
        return self.apply_async(args=args, kwargs={**kwargs, _CARRIER: slug})

    @property
    def factory(self) -> Factory:
        """The factory this call runs in; read from the connection, because one task object serves every thread."""
        factory = factory_current()
        if factory is None:
            raise FactoryMissingError(f"{self.name} asked for its factory outside of one.")
        return factory

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        slug = kwargs.pop(_CARRIER, None)
        if not slug:
            raise FactoryMissingError(f"{self.name} needs a factory: enqueue it with for_factory().")
        with structlog.contextvars.bound_contextvars(task=self.name, task_id=self.request.id):
            try:
                factory = factory_get(slug)
            except FactoryNotFoundError:
                _log.warning("task_dropped_factory_gone", factory=slug)
                return None
            with factory_context(factory):
                return super().__call__(*args, **kwargs)


def for_each_factory(task: FactoryTask, *args: Any, **kwargs: Any) -> int:
    """Enqueue a task once for every factory that is open; the number enqueued."""
    factories = [factory for factory in factories_all() if not factory.shut]
    for factory in factories:
        task.for_factory(factory.slug, *args, **kwargs)
    return len(factories)


@shared_task
def delete_due_factories() -> None:
    """Delete the factories whose owners said so and did not take it back."""
    from tenants.life import factories_delete_due  # its imports lead back here

    factories_delete_due()
