"""django-sesame with one-time links, sessions in Redis and users in SQLite.

Instead of mailing the link, it returns it in the X-Link header. `python project.py migrate` creates the tables,
`granian --interface wsgi project:application` serves.
"""

import os
import pathlib
import sys

import django
from django.conf import settings

FOLDER = pathlib.Path(__file__).parent

settings.configure(
    DEBUG=False,
    ALLOWED_HOSTS=["*"],
    SECRET_KEY="a-secret-for-the-bench",
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    AUTHENTICATION_BACKENDS=["sesame.backends.ModelBackend"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": FOLDER / "users.sqlite",
            "CONN_MAX_AGE": None,
            "OPTIONS": {"timeout": 30, "transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL;"},
        }
    },
    CACHES={
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": os.environ.get("REDIS_URL", "redis://127.0.0.1:6379"),
        }
    },
    SESSION_ENGINE="django.contrib.sessions.backends.cache",
    SESAME_ONE_TIME=True,
    SESAME_MAX_AGE=600,
    LOGGING_CONFIG=None,
)
django.setup()

from django.contrib.auth import get_user_model, login  # noqa: E402
from django.core.handlers.wsgi import WSGIHandler  # noqa: E402
from django.http import HttpResponse, JsonResponse  # noqa: E402
from django.urls import path  # noqa: E402
from sesame.utils import get_query_string, get_user  # noqa: E402


def ready(request):
    return HttpResponse()


def request_link(request):
    user, _ = get_user_model().objects.get_or_create(username=request.GET["email"])
    return HttpResponse(headers={"X-Link": "/verify" + get_query_string(user)})


def verify(request):
    user = get_user(request)
    if user is None:
        return HttpResponse(status=403)
    login(request, user)
    return HttpResponse(status=302, headers={"Location": "/"})


def session(request):
    if not request.user.is_authenticated:
        return HttpResponse(status=401)
    return JsonResponse({"user": request.user.username})


urlpatterns = [
    path("ready", ready),
    path("request", request_link),
    path("verify", verify),
    path("session", session),
]
application = WSGIHandler()

if __name__ == "__main__":
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
