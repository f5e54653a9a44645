"""Names the features by which candidates are ranked; `CandidateSources.features` computes them."""

FEATURES = (
    "cart_ease", "cart_ease_mean", "cart_ease_relative", "cart_best",
    "cart_recent", "cart_recent_relative", "cart_denoised", "cart_denoised_relative",
    "cart_nearby", "cart_nearby_relative",
    "history", "history_relative", "session", "session_relative", "sequence", "sequence_relative",
    "transition", "transition_relative", "transition_before",
    "towers", "towers_relative", "content", "content_max",
    "is_own", "own_count", "own_share", "own_age", "own_orders_ago",
    "own_habit", "own_habit_share", "own_slow_habit", "own_slow_habit_share", "own_slow_habit_relative",
    "own_fast_habit", "own_due", "own_orders", "own_orders_relative", "friends", "friends_relative",
    "bought_7", "bought_28", "bought_84", "bought_ever", "bought_season", "trend", "first_age", "last_age",
    "bought_segment", "segment_lift",
    "price", "price_to_cart", "price_to_user", "same_leaf_share", "same_top_share",
    "is_in_visit", "visit_recency", "visit_count", "cart_size", "visit_size", "num_own", "num_orders", "is_guest",
    "is_discovery", "is_outside",
)  # fmt: skip
"""Names of the ranking features, in the order of the last axis."""
