"""A sweep's rows as one Parquet file, written whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import Parameter
from pathlib import Path
from types import UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from roamlab.parameters import plain
from roamlab.record import ours
from roamlab.record.run_directory import disk_error
from roamlab.repeat.sweep import Row

NAME: Final = "results.parquet"
_ARROW: Final = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}


def write(directory: Path, rows: Sequence[Row], parameters: Mapping[str, Parameter]) -> Path:
    """Write ``results.parquet``; the file's path. Raises LabError when there is no room."""
    table = pa.Table.from_pylist([_flat(row) for row in rows], schema=_schema(parameters, rows))
    place = directory / NAME
    content = pa.BufferOutputStream()
    pq.write_table(table, content)
    try:
        ours.replace(place, content.getvalue().to_pybytes())
    except OSError as error:
        raise disk_error(error, directory) from None
    return place


def _flat(row: Row) -> dict[str, Any]:
    values = msgspec.to_builtins(row)
    return {**values.pop("parameters"), **values.pop("measures"), **values}


def _schema(parameters: Mapping[str, Parameter], rows: Sequence[Row]) -> pa.Schema:
    fields = {field.name: field.type for field in msgspec.structs.fields(Row)}
    columns: list[tuple[str, pa.DataType]] = []
    for name, kind in fields.items():
        if name == "parameters":
            columns += [(known.name, _type(known.annotation)) for known in parameters.values()]
        elif name == "measures":
            columns += [
                (key, pa.float64()) for key in dict.fromkeys(key for row in rows for key in row.measures)
            ]
        else:
            columns.append((name, _type(kind)))
    return pa.schema(columns)


def _type(annotation: Any) -> pa.DataType:
    """The column type of a parameter's annotation; what may be None is its other type, with nulls."""
    annotation = plain(annotation)
    if get_origin(annotation) is Literal:
        return _type(type(get_args(annotation)[0]))
    if get_origin(annotation) in (Union, UnionType):
        (kind,) = (arg for arg in get_args(annotation) if arg is not type(None))
        return _type(kind)
    return _ARROW.get(annotation, pa.string())
