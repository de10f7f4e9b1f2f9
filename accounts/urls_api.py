"""The API about people and keys, under /api/v1."""

from django.urls import include, path

urlpatterns = [
    path("", include("accounts.urls_auth")),
]
