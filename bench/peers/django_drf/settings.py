"""Settings with nothing that costs time: no sessions, no users, one renderer, pooled connections."""

import os
from urllib.parse import parse_qs, unquote, urlsplit

_DATABASE = urlsplit(os.environ["PEER_DATABASE_URL"])
PEER_CACHED = os.environ.get("PEER_CACHE", "on") == "on"

SECRET_KEY = "peer"
DEBUG = False
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "bench.peers.django_drf.views"
USE_TZ = True
TIME_ZONE = "UTC"
MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"]
INSTALLED_APPS = ["rest_framework", "bench.peers.django_drf"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _DATABASE.path.lstrip("/"),
        "USER": _DATABASE.username,
        "PASSWORD": _DATABASE.password,
        "HOST": unquote(parse_qs(_DATABASE.query)["host"][0]),
        "OPTIONS": {"pool": {"min_size": 4, "max_size": 4}, "options": "-c role=motma_public -c jit=off"},
    }
}
CACHES = {"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": os.environ["PEER_REDIS_URL"]}}
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "UNAUTHENTICATED_USER": None,
}
