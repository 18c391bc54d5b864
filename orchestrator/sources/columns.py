"""Which columns of a table in the field are what of a stream, and the query that reads them so."""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from orchestrator.errors import UnusableSource

KNOWN_NAMES: Mapping[str, tuple[str, ...]] = {
    "external_id": ("index", "id"),  # where a table has both, programs in the field know a station by its index
    "name": ("name", "nome"),
    "url": ("url",),
    "active": ("active", "ativo"),
    "status": ("status",),
    "region": ("region", "regiao"),
    "required_capabilities": ("required_capabilities",),
    "standby": (),  # only if it is mapped: a column of that name may be anything
}
"""What a column may be called without being mapped, the best first."""

_NEEDED = ("external_id", "url")

# What changes without the station changing; as metadata, each would be a change of the stream at each sync.
_NEVER_METADATA = frozenset({"assigned_to", "last_check", "created_at", "updated_at"})

_INACTIVE_WORDS = ("inactive", "inativo", "inativa", "disabled", "false", "f", "no", "nao", "não", "n", "off", "0")

_PAIRS_A_CALL = 40  # a function takes at most 100 arguments


@dataclass(frozen=True)
class Column:
    name: str
    kind: str
    """typcategory of pg_type: B boolean, N number, S text, D date or time, U anything else."""
    type_name: str


def map_columns(
    columns: Iterable[Column], column_map: Mapping[str, Any], *, table_name: str
) -> dict[str, list[Column]]:
    """Which columns are what: the given map first, then the known names. Keys are those of KNOWN_NAMES and "metadata",
    which takes every other column unless the map says which."""
    by_name = {column.name: column for column in columns}
    by_folded = {name.lower(): column for name, column in reversed(by_name.items())}
    given = {key: names_in(value) for key, value in column_map.items()}
    if unknown := sorted(given.keys() - KNOWN_NAMES.keys() - {"metadata"}):
        raise UnusableSource(
            "the column map names what a stream does not have",
            detail={"unknown": unknown, "known": [*KNOWN_NAMES, "metadata"]},
            hint="map only those keys",
        )
    if missing := sorted({name for names in given.values() for name in names} - by_name.keys()):
        raise UnusableSource(
            "mapped columns are not in the table",
            detail={"table": table_name, "missing": missing, "columns": list(by_name)},
            hint="correct the column map: orchestrator source add … --column KEY=COLUMN",
        )
    mapping: dict[str, list[Column]] = {}
    for key, known in KNOWN_NAMES.items():
        if key in given:
            mapping[key] = [by_name[name] for name in given[key][:1]]
        else:
            candidates = [by_name.get(name) or by_folded.get(name) for name in known]
            mapping[key] = [column for column in candidates if column is not None][:1]
    if missing := [key for key in _NEEDED if not mapping[key]]:
        raise UnusableSource(
            "the table lacks columns that a stream needs",
            detail={
                "table": table_name,
                "missing": {key: " or ".join(KNOWN_NAMES[key]) for key in missing},
                "columns": list(by_name),
            },
            hint="map them: orchestrator source add … " + " ".join(f"--column {key}=COLUMN" for key in missing),
        )
    used = {column.name for chosen in mapping.values() for column in chosen}
    mapping["metadata"] = (
        [by_name[name] for name in given["metadata"]]
        if "metadata" in given
        else [
            column
            for column in by_name.values()
            if column.name not in used
            and column.name.lower() not in _NEVER_METADATA
            and column.kind != "D"
            and column.type_name != "bytea"
        ]
    )
    return mapping


def names_in(value: Any) -> list[str]:
    """The column names in one value of a column map: none, one, or a list."""
    if value is None:
        return []
    return [value] if isinstance(value, str) else [str(name) for name in value]


def copy_from_table(relation: sql.Identifier, mapping: Mapping[str, list[Column]], batch: uuid.UUID) -> sql.Composed:
    external_id, url = mapping["external_id"][0], mapping["url"][0]
    return sql.SQL(
        """
        copy (
            select
                {batch}::uuid, (row_number() over (order by t.{id}))::integer, t.{id}::text,
                {name}, t.{url}::text, {active}, {region}, {metadata}, {standby}
            from {relation} as t
        ) to stdout
        """
    ).format(
        batch=sql.Literal(str(batch)),
        id=sql.Identifier(external_id.name),
        name=_text(mapping["name"]),
        url=sql.Identifier(url.name),
        active=_active(mapping),
        region=_text(mapping["region"]),
        metadata=_metadata(mapping),
        standby=_standby(mapping),
        relation=relation,
    )


def _column(column: Column) -> sql.Composed:
    return sql.SQL("t.{}").format(sql.Identifier(column.name))


def _text(columns: list[Column]) -> sql.Composable:
    return sql.SQL("{}::text").format(_column(columns[0])) if columns else sql.SQL("null::text")


def _active(mapping: Mapping[str, list[Column]]) -> sql.Composable:
    """True unless a column says otherwise; a station is silenced by a clear word only."""
    conditions: list[sql.Composable] = []
    for column in mapping["active"] + mapping["status"]:
        if column.kind == "B":
            conditions.append(sql.SQL("coalesce({}, true)").format(_column(column)))
        elif column.kind == "N":
            conditions.append(sql.SQL("coalesce({} <> 0, true)").format(_column(column)))
        else:
            words = sql.SQL(", ").join(sql.Literal(word) for word in _INACTIVE_WORDS)
            conditions.append(
                sql.SQL("coalesce(lower(btrim({}::text)) not in ({}), true)").format(_column(column), words)
            )
    return sql.SQL("({})").format(sql.SQL(" and ").join(conditions)) if conditions else sql.SQL("true")


def _standby(mapping: Mapping[str, list[Column]]) -> sql.Composable:
    """Whether it is to have a standby; nothing is said where the column is empty."""
    if not mapping["standby"]:
        return sql.SQL("null::boolean")
    [column] = mapping["standby"]
    if column.kind == "B":
        return _column(column)
    if column.kind == "N":
        return sql.SQL("({} <> 0)").format(_column(column))
    words = sql.SQL(", ").join(sql.Literal(word) for word in _INACTIVE_WORDS)
    return sql.SQL("(lower(nullif(btrim({}::text), '')) not in ({}))").format(_column(column), words)


def _metadata(mapping: Mapping[str, list[Column]]) -> sql.Composable:
    """One JSON object of the metadata columns by their names; a JSON column called metadata is spread out in it."""
    pairs = [(column.name, column) for column in mapping["metadata"]]
    spread = [column for name, column in pairs if name.lower() == "metadata" and column.type_name in ("json", "jsonb")]
    pairs = [(name, column) for name, column in pairs if column not in spread]
    pairs += [("required_capabilities", column) for column in mapping["required_capabilities"]]
    parts: list[sql.Composable] = []
    for first in range(0, len(pairs), _PAIRS_A_CALL):
        arguments = sql.SQL(", ").join(
            sql.SQL("{}::text, to_jsonb({})").format(sql.Literal(name), _column(column))
            for name, column in pairs[first : first + _PAIRS_A_CALL]
        )
        parts.append(sql.SQL("jsonb_strip_nulls(jsonb_build_object({}))").format(arguments))
    for column in spread:
        parts.append(
            sql.SQL("case when jsonb_typeof({0}::jsonb) = 'object' then {0}::jsonb else '{{}}'::jsonb end").format(
                _column(column)
            )
        )
    return sql.SQL(" || ").join(parts) if parts else sql.SQL("'{}'::jsonb")
