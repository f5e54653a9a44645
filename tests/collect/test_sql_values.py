"""Values as rows of SQL."""

from tfrec.collect.sql_values import write_columns, write_rows


def test_rows_are_written_as_sql():
    odd = '],[\n],\n["x"],\\n\x0b\f'
    assert write_rows([("a", 1, 0.5, None), (odd, -2, 1e-07, "'")]) == [
        '"a",\n1,\n0.5,\nnull',
        '"],[\\n],\\n[\\"x\\"],\\\\n\x0b\f",\n-2,\n1e-07,\n"\'"',
    ]
    assert write_rows([]) == []


def test_columns_that_hold_defaults_alone_are_left_out():
    written = write_columns(("a", "b", "c", "d"), [("x", "y"), ("", ""), (None, None), (None, 0)])
    assert written.columns == ("a", "d")
    assert written.rows == ['"x",\nnull', '"y",\n0']
