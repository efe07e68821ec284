"""The one description of what files may say, from which all else follows.

Out: JSON Schemas by file name. They check the files, are published in `config/schema/`
and make the tables of docs/configuration.md (`stream.settings.publish`).
"""

from collections.abc import Mapping

from stream.settings.funnel_schema import FUNNEL_SCHEMA
from stream.settings.schema_words import Schema
from stream.settings.tracker_schema import TRACKER_SCHEMA

__all__ = ["FUNNEL_SCHEMA", "SCHEMAS", "TRACKER_SCHEMA", "Schema"]

SCHEMAS: Mapping[str, Schema] = {"funnel": FUNNEL_SCHEMA, "tracker": TRACKER_SCHEMA}
