"""Body of an error response."""

from __future__ import annotations

from pydantic import BaseModel, Field


class FieldError(BaseModel):
    """One invalid parameter, field or bar."""

    field: str
    message: str
    session: str | None = None
    allowed: list[str] | None = None


class ProblemBody(BaseModel):
    """Error body of RFC 9457."""

    type: str = Field(description="URN of the error kind: urn:stockcast:problem:`code`.")
    code: str = Field(description="Stable name of the error kind.", examples=["unknown-ticker"])
    title: str
    status: int
    detail: str = Field(description="The cause and the remedy.")
    errors: list[FieldError] | None = Field(None, description="Sent with status 422.")
    similar: list[str] | None = Field(None, description="Sent with an unknown ticker.")
