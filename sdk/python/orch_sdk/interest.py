"""What a plugin declares that it reads."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Interest:
    """A kind, and the parts of it that are sent: `spec.containers[*].resources.requests`.

    No fields: the whole object. Identity (`apiVersion`, `kind`, `metadata.name`, `.namespace`,
    `.uid`) always comes along. A plugin is woken only by changes of what it names.
    """

    api_version: str
    kind: str
    fields: list[str] = field(default_factory=list)
