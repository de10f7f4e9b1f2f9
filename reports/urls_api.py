"""Routes of this room; see factorypulse.urls_*."""

from django.urls import URLPattern, URLResolver

urlpatterns: list[URLPattern | URLResolver] = []
