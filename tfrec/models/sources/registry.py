"""Lists the candidate sources. A further one is a file beside this one, and a line here."""

from tfrec.models.sources.cart import Cart
from tfrec.models.sources.complements import Complements
from tfrec.models.sources.content import Content
from tfrec.models.sources.friends import Friends
from tfrec.models.sources.history import History
from tfrec.models.sources.own_items import OwnItems
from tfrec.models.sources.popular import Popular
from tfrec.models.sources.request import RequestFacts
from tfrec.models.sources.source import Source
from tfrec.models.sources.towers import Towers
from tfrec.models.sources.visit import Visit

SOURCES: dict[str, type[Source]] = {
    "cart": Cart,
    "complements": Complements,
    "own": OwnItems,
    "history": History,
    "friends": Friends,
    "session": Visit,
    "towers": Towers,
    "content": Content,
    "popular": Popular,
    "request": RequestFacts,
}
"""Name → source; the names of those that bring candidates are values of `schema.signatures.SOURCES`."""

MEANINGS: dict[str, str] = {name: meaning for source in SOURCES.values() for name, meaning in source.FEATURES.items()}
"""Name → meaning of each ranking feature."""

FEATURES = tuple(MEANINGS)
"""Names of the ranking features, in the order of the last axis."""
