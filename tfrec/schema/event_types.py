"""Names the types of events."""

EVENT_TYPES = ("view", "search", "cart", "purchase", "rating", "impression")
"""What can happen; the position in this tuple plus one is the integer code (0 is padding)."""

RETURN = "return"
"""The type of an event that takes an earlier purchase back; it becomes a row of `returns`, not an event."""
