"""Reads the rows of a result of MySQL from PyMySQL's connection, column by column, as the text that the server sent.

PyMySQL makes an object of each packet and a value of each field, which takes most of the time of a large reading. What
stands here is the text protocol's rows alone (MySQL's documentation, "Text Resultset Row"): each field is a length and
its bytes, 0xFB is NULL.
"""

from typing import TYPE_CHECKING, Any

from tfrec.errors import SourceError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Select

_NULL, _TWO, _THREE, _EIGHT, _ERROR, _END = 0xFB, 0xFC, 0xFD, 0xFE, 0xFF, 0xFE
_LARGEST_END = 9  # bytes of the packet that ends the rows; a longer one that begins alike is a row
_WHOLE = 0xFFFFFF  # length of a packet that another one continues
_BINARY = 63  # character set of what is no text


def execute(connection: "Connection", statement: "Select[Any]") -> Any:
    """Returns an unbuffered cursor of PyMySQL that has executed a statement; None of another driver or release of it.

    SQLAlchemy would read the first rows.
    """
    if connection.dialect.driver != "pymysql":
        return None
    from pymysql.cursors import SSCursor

    compiled = statement.compile(dialect=connection.dialect)
    raw: Any = connection.connection.dbapi_connection
    if not (hasattr(raw, "_rfile") and hasattr(raw, "_next_seq_id") and raw.encoding in ("utf8", "utf-8", "utf8mb4")):
        return None
    cursor = raw.cursor(SSCursor)
    names = getattr(compiled, "positiontup", None)
    cursor.execute(str(compiled), compiled.params if names is None else [compiled.params[name] for name in names])
    return cursor


def read_columns(cursor: Any) -> tuple[list[list[bytes | None]], list[bool]]:
    """Returns the values of each column of an unbuffered cursor, and which columns hold bytes that are no text.

    Args:
        cursor: has executed a SELECT, none of whose rows was read.

    Raises:
        SourceError: the connection was lost.
    """
    result = cursor._result
    connection = result.connection
    read = connection._rfile.read
    from pymysql.connections import TEXT_TYPES

    columns: list[list[bytes | None]] = [[] for _ in result.fields]
    appends = [column.append for column in columns]
    number = connection._next_seq_id
    while True:
        header = read(4)
        if len(header) < 4:
            raise SourceError("The connection to the database was lost.")
        length = header[0] | header[1] << 8 | header[2] << 16
        number = header[3] + 1 & 0xFF
        row = read(length)
        while length == _WHOLE:
            header = read(4)
            length = header[0] | header[1] << 8 | header[2] << 16
            number = header[3] + 1 & 0xFF
            row += read(length)
        first = row[0]
        if first == _END and len(row) < _LARGEST_END:
            break
        if first == _ERROR:
            _finish(connection, result, number)
            from pymysql import err

            err.raise_mysql_exception(row)
        at = 0
        for append in appends:
            size = row[at]
            at += 1
            if size > 250:
                if size == _NULL:
                    append(None)
                    continue
                width = {_TWO: 2, _THREE: 3, _EIGHT: 8}[size]
                size = int.from_bytes(row[at : at + width], "little")
                at += width
            end = at + size
            append(row[at:end])
            at = end
    _finish(connection, result, number)
    result.warning_count = int.from_bytes(row[1:3], "little")
    return columns, [field.charsetnr == _BINARY and field.type_code in TEXT_TYPES for field in result.fields]


def _finish(connection: Any, result: Any, number: int) -> None:
    connection._next_seq_id = number
    result.unbuffered_active = False
    result.has_next = False
    result.connection = None
