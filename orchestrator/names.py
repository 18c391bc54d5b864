"""The names of one fleet in a database: its two schemas and its roles all follow from one word."""

import re
from dataclasses import asdict, dataclass
from typing import Self

from orchestrator.errors import BadArgument

# 14 characters leave room for "<schema>.<instance_id>" (48) in a channel name, which must stay under 64 bytes.
_SCHEMA = re.compile(r"[a-z][a-z0-9_]{0,13}")

DEFAULT_SCHEMA = "orchestrator"

# What an instance or a source may be called; SQL's is_name() says the same.
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,47}$"
_NAME = re.compile(NAME_PATTERN)


def is_name(text: str) -> bool:
    """Whether an instance or a source may be called so."""
    return _NAME.fullmatch(text) is not None


@dataclass(frozen=True)
class Names:
    api: str
    private: str
    owner: str
    admin: str
    worker: str
    reader: str

    @classmethod
    def for_schema(cls, schema: str = DEFAULT_SCHEMA) -> Self:
        if not _SCHEMA.fullmatch(schema) or schema.startswith("pg_") or schema == "public":
            raise BadArgument(
                f"{schema!r} cannot be the schema of a fleet",
                detail={"schema": schema},
                hint="use a lowercase letter and at most 13 more letters, digits or underscores; not pg_… or public",
            )
        return cls(
            api=schema,
            private=f"{schema}_private",
            owner=f"{schema}_owner",
            admin=f"{schema}_admin",
            worker=f"{schema}_worker",
            reader=f"{schema}_reader",
        )

    def as_dict(self) -> dict[str, str]:
        return asdict(self)
