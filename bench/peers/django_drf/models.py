"""The tables of the store that a look-up reads."""

from django.db import models


class Agency(models.Model):
    code = models.TextField()
    name = models.TextField()
    phone = models.TextField()
    address = models.TextField()
    disclosure = models.TextField()

    class Meta:
        managed = False
        db_table = "agency"


class Feed(models.Model):
    agency = models.OneToOneField(Agency, models.DO_NOTHING, primary_key=True)
    heard_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "feed"


class Dossier(models.Model):
    id = models.BigIntegerField(primary_key=True)
    code = models.TextField()
    status = models.SmallIntegerField()
    due_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    recorded_at = models.DateTimeField()
    resolving_agency = models.ForeignKey(Agency, models.DO_NOTHING, db_column="resolving_agency")

    class Meta:
        managed = False
        db_table = "dossier"


class DossierCode(models.Model):
    code = models.TextField(primary_key=True)
    test = models.BooleanField()
    dossier = models.ForeignKey(Dossier, models.DO_NOTHING)

    class Meta:
        managed = False
        db_table = "dossier_code"
