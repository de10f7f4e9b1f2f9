"""The mailbox's pages, on the public host of the trial only."""

from django.urls import path

from factorypulse.dev import mailbox_pages

urlpatterns = [
    path("", mailbox_pages.mailbox, name="mailbox"),
    path("<slug:mail_id>/", mailbox_pages.mail, name="mailbox_mail"),
    path("<slug:mail_id>/html", mailbox_pages.mail_html, name="mailbox_mail_html"),
]
