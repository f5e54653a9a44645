"""A shop's orders of known content, which the exporters write as other systems write them."""

import dataclasses
import datetime as dt
import random
import zoneinfo

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
RATE = 0.9  # what one dollar is worth in euros


@dataclasses.dataclass(frozen=True)
class Item:
    """A product: `number` is the system's own id, `sku` the shop's."""

    number: int
    sku: str
    title: str
    brand: str
    category: tuple[str, ...]
    price: float
    cost: float


@dataclasses.dataclass(frozen=True)
class Line:
    """Some pieces of an item in an order; the discount is of a piece, `returned` pieces came back."""

    item: Item
    quantity: int
    discount: float = 0.0
    returned: int = 0

    @property
    def paid(self) -> float:
        """What a piece cost."""
        return round(self.item.price - self.discount, 2)

    @property
    def list_total(self) -> float:
        """What all pieces would have cost without the discount."""
        return round(self.item.price * self.quantity, 2)

    @property
    def total(self) -> float:
        """What all pieces cost."""
        return round(self.paid * self.quantity, 2)

    @property
    def off(self) -> float:
        """What was taken off all pieces."""
        return round(self.discount * self.quantity, 2)


@dataclasses.dataclass(frozen=True)
class Order:
    """An order; user 0 is a guest. `state` is `paid`, `cancelled` or `refunded`."""

    number: int
    user: int
    at: dt.datetime
    lines: tuple[Line, ...]
    state: str
    currency: str

    @property
    def email(self) -> str:
        """The buyer's address; guests left none."""
        return f"user{self.user}@example.org" if self.user else ""

    @property
    def local(self) -> dt.datetime:
        """The time on the shop's clock."""
        return self.at.astimezone(BERLIN)


ITEMS = (
    Item(101, "00417", 'Mug "Classic", 12 oz', "Tavola", ("Kitchen", "Mugs"), 12.5, 5.0),
    Item(102, "MUG-L", "Mug large\nwith handle", "Tavola", ("Kitchen", "Mugs"), 14.99, 6.2),
    Item(103, "TEE-S", "Tee; size S", "Sablewood", ("Clothing", "Tees"), 19.9, 8.0),
    Item(104, "TEE-M", "Tee – Größe M", "Sablewood", ("Clothing", "Tees"), 19.9, 8.0),
    Item(105, "PLATE-2", "Plate's rim", "Tavola", ("Kitchen", "Plates"), 7.25, 3.1),
    Item(106, "LAMP-7", "Lamp, oak | brass", "Lumen", ("Home", "Lamps"), 89.0, 40.0),
    Item(107, "RUG-100", "Rug 100 % wool", "Lindqvist", ("Home", "Rugs"), 149.0, 90.0),
    Item(108, "SOAP", "Soap", "Nordsee", ("Beauty", "Soaps"), 3.5, 1.0),
    Item(109, "CANDLE-3", "Candle 3er-Set", "Lindqvist", ("Home", "Candles"), 11.0, 4.0),
    Item(110, "TOWEL", "Towel <soft> & white", "Nordsee", ("Beauty", "Towels"), 15.75, 7.0),
)


def known_orders(count: int = 90) -> list[Order]:
    """Returns orders of four months, in order of time: guests, cancelled, refunded, discounts, returns, dollars."""
    draw = random.Random(5)
    orders = []
    at = dt.datetime(2024, 1, 2, 8, 30, tzinfo=dt.UTC)
    for number in range(count):
        at += dt.timedelta(hours=draw.randint(12, 44), minutes=draw.randint(0, 59), seconds=draw.randint(0, 59))
        lines = []
        for place, item in enumerate(draw.sample(ITEMS, draw.randint(1, 4))):
            quantity = draw.choice((1, 1, 2, 3))
            discount = round(item.price / 10, 2) if (number + place) % 4 == 1 else 0.0
            lines.append(Line(item, quantity, discount, returned=1 if number % 9 == 4 and place == 0 else 0))
        state = "cancelled" if number % 11 == 3 else "refunded" if number % 13 == 5 else "paid"
        user = 0 if number % 7 == 2 else draw.randint(1, 14)
        orders.append(Order(1001 + number, user, at, tuple(lines), state, "USD" if number % 10 == 7 else "EUR"))
    return orders
