"""{{ session.user_agent|device }}: a browser by the name people know."""

from django import template

from accounts.sessions import device_named

register = template.Library()
register.filter("device", device_named)
