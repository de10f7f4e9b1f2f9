"""Routes of /api/v1/auth."""

from django.urls import path

from accounts import authentication_api as api

urlpatterns = [
    path("auth/login", api.LoginView.as_view(), name="api_login"),
    path("auth/refresh", api.RefreshView.as_view(), name="api_refresh"),
    path("auth/logout", api.LogoutView.as_view(), name="api_logout"),
    path("auth/ws-ticket", api.SocketTicketView.as_view(), name="api_ws_ticket"),
]
