"""Names items for display: by title, with the id appended where several items share a title."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the thin client shortens names without pandas
    import pandas as pd

_ID_BEHIND = re.compile(r" \([^()]*\)$")


def item_names(items: "pd.DataFrame") -> dict[str, str]:
    """Returns `item_id` → title; `title (item_id)` where another item is called the same; the id where none is known.

    Args:
        items: rows with `item_id` and `title`.
    """
    title = items["title"].fillna("").astype("str")
    is_shared = title.duplicated(keep=False)
    name = title.where(~is_shared, title + " (" + items["item_id"].astype("str") + ")")
    return dict(zip(items["item_id"], name.where(title != "", items["item_id"]), strict=True))


def shorten(name: str, most: int) -> str:
    """Returns a name of at most `most` letters, cut with an ellipsis; an id in brackets at its end stays whole.

    Examples:
        >>> shorten("Stainless steel kitchen knife (P209)", 20)
        'Stainless st… (P209)'
    """
    if len(name) <= most:
        return name
    id_behind = _ID_BEHIND.search(name)
    end = id_behind[0] if id_behind and len(id_behind[0]) + 2 <= most else ""
    return name[: most - 1 - len(end)].rstrip() + "…" + end
