from tfrec.pages.blocks import Section, Table, Terms
from tfrec.pages.render import render_page


def test_backticks_become_code_and_nothing_else_becomes_markup():
    terms = Terms("Words", (("k", "see `a < b`"),))
    table = Table(("a",), (("1",),), "of `tfrec x`")
    section = Section("s", "Title", ("Run `tfrec demo` <b>now</b>.",), (), (table,), ("A `note`",), terms)
    page = render_page(title="t", sections=[section], subtitle="`sub`", colophon="`end`")
    assert "Run <code>tfrec demo</code> &lt;b&gt;now&lt;/b&gt;." in page
    assert "<code>a &lt; b</code>" in page
    assert page.count("<code>") == 6
    assert "`" not in page
