"""The bases of every model: what we write, what we store, and what others write."""

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Frozen(BaseModel):
    """A record that we write: immutable, camelCase in JSON as Graph and Cosmos DB documents are.

    Fields that a newer writer added are kept and written back: the two apps are published one after the other, and
    older code must neither fail on such a field nor lose it. A validation error never shows its input, which may be
    personal data.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="allow",
        hide_input_in_errors=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
    )

    def to_document(self) -> dict[str, Any]:
        """The JSON object that is stored. Nulls are left out: absent and null mean the same to us."""
        return self.model_dump(mode="json", exclude_none=True)


PART: ConfigDict = {**Frozen.model_config, "extra": "ignore"}
"""For a dataclass that is a part of a record, as `__pydantic_config__`: slots have no place for unknown fields."""


class Stored(Frozen):
    """A document of its own in Cosmos DB.

    `schema_version` is that of its writer. Code reads every version up to its own, and newer ones as far as it
    understands them; a change that older code would misread gets a new `document_type`.
    """

    document_type: ClassVar[str]
    """Distinguishes the documents of one container."""
    schema_version: int = 1


class Foreign(BaseModel):
    """A record that a vendor writes: fields that we do not know are not an error."""

    model_config = ConfigDict(frozen=True, extra="ignore")


def _utc(value: datetime) -> datetime:
    # Vendors leave the zone out and mean UTC (alert-formats.md 4.3).
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        # The last hours of the year 9999 or the first of the year 1, in a zone that has left it.
        raise ValueError("out of range") from None


Instant = Annotated[datetime, AfterValidator(_utc)]
"""A moment in UTC; a value without a zone is read as UTC."""
