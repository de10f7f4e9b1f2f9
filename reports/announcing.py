"""A scheduled report tells its readers that it is ready, by the same outbox as alerts: once each, also after a kill."""

from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _

from anomalies.models import ChannelName, Notification, Occasion
from anomalies.notify.delivery import Content
from anomalies.notify.directory import Tell
from anomalies.notify.messages import message_of
from reports.models import Report, Schedule
from reports.wording import document_view
from tenants.addresses import factory_url
from tenants.models import Factory


def announce_ready(factory: Factory, report: Report) -> int:
    """Queue a mail to every recipient of the schedules, in the transaction that finishes the report; how many."""
    if not report.scheduled:
        return 0
    recipients = sorted(
        {address for schedule in Schedule.objects.filter(active=True) for address in schedule.recipients}
    )
    view = document_view(report.contents)
    context = {
        **view,
        "link": factory_url(factory, reverse("report_pdf", args=[report.pk], urlconf="reports.urls_pages")),
        "list_link": factory_url(factory, reverse("reports", urlconf="reports.urls_pages")),
    }
    rows = [_message(report, address, context) for address in recipients]
    return len(Notification.objects.bulk_create(rows, ignore_conflicts=True))


def _message(report: Report, address: str, context: dict[str, object]) -> Notification:
    subject = _("Equipment health of %(factory)s, %(period)s") % context
    content = Content(
        subject=" ".join(subject.split()),
        text=render_to_string("reports/mail/ready.txt", context),
        html=render_to_string("reports/mail/ready.html", context),
    )
    tell = Tell(channel=ChannelName.EMAIL, recipient=address, name=address, target_key="email")
    return message_of(tell, content, key=f"report:{report.pk}:ready:email:{address}"[:320], occasion=Occasion.REPORT)
