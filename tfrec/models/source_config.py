"""Holds the number of candidates of each source, as one checked value."""

import dataclasses

from tfrec.errors import ConfigError


@dataclasses.dataclass(frozen=True)
class SourceConfig:
    """How many candidates each source may bring.

    Attributes:
        cart: by EASE weights of the cart.
        cart_recent: by EASE weights that fade with age.
        cart_denoised: by EASE weights of strong dropout.
        complements: bestsellers of the categories that complete the cart's.
        history: by EASE weights of what the user bought before.
        own: what the user bought before, most frequent first.
        own_orders: what the user's orders most like the cart hold.
        towers: by inner product of the two towers.
        content: by title, category, brand and facts.
        popular: most bought in the last four weeks, and in these weeks of the year before.
        popular_segment: most bought in the last four weeks in the user's segment.
        friends: what the user's friends bought, where the shop knows of friends.
        session: by weights of what was seen in this visit.
        unsold: of the items without purchases, by inner product of the towers (which then rest on pictures and text).
        history_items: own items that contribute to others.
        history_neighbours: neighbours of each of them that are looked at, of those that `cart_neighbours` keeps.
        cart_items: newest items of the cart that contribute to others.
        cart_neighbours: neighbours of each of them that are looked at.
        session_neighbours: neighbours of each item of the visit that are looked at.
        recent_items: latest events of the request that are looked at.
        many_items: in a catalogue of more items half as many neighbours of each are kept as stated, rounded up: tables
            of neighbours are most of a servable.
        dense_items: a catalogue of more items is answered from the sources' lists; up to it all items are scored, which
            is faster there and gives the same candidates.
    """

    cart: int = 120
    cart_recent: int = 50
    cart_denoised: int = 50
    complements: int = 40
    history: int = 40
    own: int = 60
    own_orders: int = 40
    towers: int = 60
    content: int = 30
    popular: int = 20
    popular_segment: int = 20
    friends: int = 40
    session: int = 80
    unsold: int = 30
    history_items: int = 40
    history_neighbours: int = 50
    cart_items: int = 200
    cart_neighbours: int = 100
    session_neighbours: int = 80
    recent_items: int = 20
    many_items: int = 200_000
    dense_items: int = 10_000

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if getattr(self, field.name) < 1:
                raise ConfigError(f"`{field.name}` must be at least 1; got {getattr(self, field.name)}.")
