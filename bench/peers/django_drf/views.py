"""Serializers, the view with the cache around it, and its address."""
# ruff: noqa: ANN001, ANN201 -- written as the framework is

from django.conf import settings
from django.core.cache import cache
from django.urls import path
from django.utils import timezone
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.response import Response
from rest_framework.views import APIView

from bench.peers import words
from bench.peers.django_drf.models import Agency, Dossier, DossierCode


class AgencySerializer(serializers.ModelSerializer):
    class Meta:
        model = Agency
        fields = ("code", "name", "phone", "address")


class AnswerSerializer(serializers.ModelSerializer):
    stage = serializers.SerializerMethodField()
    stage_label = serializers.SerializerMethodField()
    on_time = serializers.SerializerMethodField()
    due_on = serializers.SerializerMethodField()
    agency = AgencySerializer(source="resolving_agency")
    next = serializers.SerializerMethodField()
    as_of = serializers.SerializerMethodField()
    fresh = serializers.SerializerMethodField()

    class Meta:
        model = Dossier
        fields = ("code", "stage", "stage_label", "on_time", "due_on", "agency", "next", "as_of", "fresh")

    def get_stage(self, dossier):
        return words.STAGES[dossier.status]

    def get_stage_label(self, dossier):
        return words.LABELS[dossier.status]

    def get_on_time(self, dossier):
        return words.on_time(dossier.status, dossier.due_at, dossier.finished_at, timezone.now())

    def get_due_on(self, dossier):
        return words.due_on(dossier.resolving_agency.disclosure, dossier.due_at)

    def get_next(self, dossier):
        return words.NEXT[dossier.status]

    def get_as_of(self, dossier):
        return words.as_of(dossier.recorded_at, dossier.resolving_agency.feed.heard_at)

    def get_fresh(self, dossier):
        return timezone.now() - self.get_as_of(dossier) <= words.SILENCE


class Lookup(APIView):
    def get(self, _request, code):
        key = f"answer:{code}"
        answer = cache.get(key) if settings.PEER_CACHED else None
        if answer is None:
            found = (
                DossierCode.objects.select_related("dossier__resolving_agency__feed")
                .filter(code=code, test=False)
                .first()
            )
            if found is None:
                raise NotFound
            answer = AnswerSerializer(found.dossier).data
            if settings.PEER_CACHED:
                cache.set(key, dict(answer), words.CACHED_SECONDS)
        return Response(answer)


urlpatterns = [path("api/v1/lookup/<str:code>", Lookup.as_view())]
