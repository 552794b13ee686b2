"""What every answer says of the generation that it comes from."""

from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from api.generation import Generation


class GenerationRef(Struct, frozen=True):
    """The generation an answer comes from."""

    generation_id: UUID
    checkpoint: Annotated[int, Meta(description="The last payload of the archive that is projected.")]
    ruleset_hash: Annotated[str, Meta(description="The rules that judged the bars.")]

    @classmethod
    def of(cls, generation: Generation) -> "GenerationRef":
        """Return what an answer says of a generation."""
        return cls(generation.generation_id, generation.checkpoint, generation.ruleset_hash)


EXAMPLE_GENERATION = GenerationRef(UUID("6f2c1d0e-8a54-4c0b-9a41-3f7f0b8f5e11"), 1024, "9f86d081884c7d65…")
