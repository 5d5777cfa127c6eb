"""The SQLAlchemy tables of the result backend, made from the Django models: no column is declared twice."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from django.db.models import Model
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.types import TypeEngine

from jobs import models
from models_registry.models import ModelVersion

METADATA = sa.MetaData()

_TYPES: dict[str, TypeEngine[Any]] = {
    "UUIDField": pg.UUID(as_uuid=True),
    "CharField": pg.TEXT(),
    "TextField": pg.TEXT(),
    "BinaryField": pg.BYTEA(),
    "DateTimeField": pg.TIMESTAMP(timezone=True),
    "JSONField": pg.JSONB(),
    "FloatField": pg.DOUBLE_PRECISION(),
    "BooleanField": pg.BOOLEAN(),
    "BigAutoField": pg.BIGINT(),
    "IntegerField": pg.INTEGER(),
    "SmallIntegerField": pg.SMALLINT(),
    "PositiveBigIntegerField": pg.BIGINT(),
    "PositiveIntegerField": pg.INTEGER(),
    "PositiveSmallIntegerField": pg.SMALLINT(),
}


def _type_of(field: Any) -> TypeEngine[Any]:
    while field.remote_field is not None:
        field = field.target_field
    return _TYPES[field.get_internal_type()]


def _table(model: type[Model]) -> sa.Table:
    columns = (
        sa.Column(field.column, _type_of(field), primary_key=field.primary_key)
        for field in model._meta.concrete_fields  # noqa: SLF001  # Django's documented model API
    )
    return sa.Table(model._meta.db_table, METADATA, *columns)  # noqa: SLF001


JOB = _table(models.Job)
JOB_RESULT = _table(models.JobResult)
DEAD_LETTER = _table(models.DeadLetter)
JOB_KEY = _table(models.JobKey)
DATA_KEY = _table(models.DataKey)
VERSION = _table(ModelVersion)
