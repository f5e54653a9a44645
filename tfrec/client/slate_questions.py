"""`SlateQuestions`: the questions that are answered with slates.

The arguments of every question are those of its signature: one query (values and flat lists) or a batch (lists of
values, lists of lists; see `tfrec.client.queries`).
"""

import abc
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from tfrec.client.offers import Offers
from tfrec.client.queries import Number, Numbers, Value, Values
from tfrec.client.steps import Steps

OffersT = TypeVar("OffersT")


class SlateQuestions(abc.ABC, Generic[OffersT]):
    """What a shop asks for its pages; a subclass brings the way to a server."""

    def recommend(
        self,
        *,
        user_id: Value = None,
        recent_item_ids: Values = None,
        recent_event_types: Values = None,
        recent_ages: Numbers = None,
        cart_item_ids: Values = None,
        exclude_item_ids: Values = None,
        include_categories: Values = None,
        include_attributes: Values = None,
        exclude_attributes: Values = None,
        min_price: Number = None,
        max_price: Number = None,
        bought_before: Value = None,
        k: Number = None,
        diversity: Number = None,
        diversity_by: Value = None,
        shown_item_ids: Values = None,
        at_minute: Number = None,
        is_adult: Number = None,
        deadline: float | None = None,
    ) -> OffersT:
        """Returns what this shopper is likely to choose next.

        Args:
            user_id: who asks; unknown or None = a guest.
            recent_item_ids: items of the latest events, oldest first.
            recent_event_types: types of these events (view, cart, purchase ...).
            recent_ages: ages of these events in hours.
            cart_item_ids: items in the cart now; never offered again.
            exclude_item_ids: items that must not be offered.
            include_categories: offer only these category paths and what is below them.
            include_attributes: offer only items with these attributes, `relation=value` (`brand=Acme`): of each
                relation named one of the values.
            exclude_attributes: offer no item that has one of these attributes.
            min_price: cheapest price offered.
            max_price: dearest price offered.
            bought_before: `only`: what this shopper bought before, to be bought again; `never`: what is new to them.
            k: number of items wanted; 10 when None.
            diversity: up to 1 = most categories; 0 = the model's default, -1 = by score alone.
            diversity_by: `content` (when None), `random`, `unexplored` or `calibrated`: see the page on the client.
            shown_item_ids: items that this shopper was shown lately and did not click, once for each time: they sink.
            at_minute: moment at which merchandising rules are in force, minutes since 1970-01-01 UTC; None = now.
            is_adult: 1 or True where the shopper is known to be of age.
            deadline: seconds, instead of the client's.

        Raises:
            SchemaError: the arguments do not fit together.
            ServingError: no answer; its subclass names the cause (`ServerUnreachableError`,
                `ServableNotLoadedError`, `SignatureNotFoundError`, `DeadlineExceededError` ...).
        """
        return self._run(self._offers("recommend", locals()))

    def cross_sell(
        self,
        *,
        cart_item_ids: Values = None,
        item_id: Value = None,
        user_id: Value = None,
        recent_item_ids: Values = None,
        recent_event_types: Values = None,
        recent_ages: Numbers = None,
        exclude_item_ids: Values = None,
        include_categories: Values = None,
        include_attributes: Values = None,
        exclude_attributes: Values = None,
        same_as_anchor: Values = None,
        min_price: Number = None,
        max_price: Number = None,
        outside_cart_level: Number = None,
        k: Number = None,
        diversity: Number = None,
        diversity_by: Value = None,
        shown_item_ids: Values = None,
        at_minute: Number = None,
        is_adult: Number = None,
        deadline: float | None = None,
    ) -> OffersT:
        """Returns complements of the cart, or of `item_id` on the page, that this shopper has not bought before.

        `outside_cart_level` offers only what is of another category than the cart's, compared at this level of the path
        (1 = top, -1 = no limit); None = the model's default. `same_as_anchor` names relations (`brand`) of which an
        item must have one of the values of `item_id`. The other arguments and the errors are those of `recommend`.
        """
        return self._run(self._offers("cross_sell", locals()))

    def upsell(
        self,
        *,
        item_id: Value = None,
        user_id: Value = None,
        cart_item_ids: Values = None,
        recent_item_ids: Values = None,
        recent_event_types: Values = None,
        recent_ages: Numbers = None,
        exclude_item_ids: Values = None,
        include_categories: Values = None,
        include_attributes: Values = None,
        exclude_attributes: Values = None,
        same_as_anchor: Values = None,
        min_price: Number = None,
        max_price: Number = None,
        min_price_ratio: Number = None,
        max_price_ratio: Number = None,
        objective: Value = None,
        k: Number = None,
        diversity: Number = None,
        diversity_by: Value = None,
        shown_item_ids: Values = None,
        at_minute: Number = None,
        is_adult: Number = None,
        deadline: float | None = None,
    ) -> OffersT:
        """Returns dearer items of the category of `item_id` that the shopper is likely to accept.

        `min_price_ratio` and `max_price_ratio` are the cheapest and the dearest price as multiples of the anchor's;
        `objective` is what the order maximises: `purchase`, `revenue`, `margin`, or `incremental_margin`, which leaves
        out what would be bought anyway. None = the model's default.
        `same_as_anchor` is that of `cross_sell`; the other arguments and the errors are those of `recommend`.
        """
        return self._run(self._offers("upsell", locals()))

    def complete_cart(
        self,
        *,
        cart_item_ids: Values = None,
        user_id: Value = None,
        recent_item_ids: Values = None,
        recent_event_types: Values = None,
        recent_ages: Numbers = None,
        exclude_item_ids: Values = None,
        include_categories: Values = None,
        include_attributes: Values = None,
        exclude_attributes: Values = None,
        min_price: Number = None,
        max_price: Number = None,
        outside_cart_level: Number = None,
        cart_total: Number = None,
        threshold: Number = None,
        k: Number = None,
        diversity: Number = None,
        diversity_by: Value = None,
        shown_item_ids: Values = None,
        at_minute: Number = None,
        is_adult: Number = None,
        deadline: float | None = None,
    ) -> OffersT:
        """Returns what is still missing in this cart, repeat purchases included.

        Where `cart_total` lacks something to `threshold`, what brings it there is offered first. `outside_cart_level`
        is that of `cross_sell`; the other arguments and the errors are those of `recommend`.
        """
        return self._run(self._offers("complete_cart", locals()))

    def similar(
        self,
        *,
        item_id: Value = None,
        user_id: Value = None,
        exclude_item_ids: Values = None,
        include_categories: Values = None,
        include_attributes: Values = None,
        exclude_attributes: Values = None,
        same_as_anchor: Values = None,
        min_price: Number = None,
        max_price: Number = None,
        k: Number = None,
        diversity: Number = None,
        diversity_by: Value = None,
        shown_item_ids: Values = None,
        at_minute: Number = None,
        is_adult: Number = None,
        deadline: float | None = None,
    ) -> OffersT:
        """Returns items that can stand in for `item_id`.

        `same_as_anchor` is that of `cross_sell`; the other arguments and the errors are those of `recommend`.
        """
        return self._run(self._offers("similar", locals()))

    def bundle(
        self,
        *,
        item_id: Value = None,
        user_id: Value = None,
        cart_item_ids: Values = None,
        recent_item_ids: Values = None,
        recent_event_types: Values = None,
        recent_ages: Numbers = None,
        exclude_item_ids: Values = None,
        include_categories: Values = None,
        include_attributes: Values = None,
        exclude_attributes: Values = None,
        same_as_anchor: Values = None,
        min_price: Number = None,
        max_price: Number = None,
        k: Number = None,
        shown_item_ids: Values = None,
        at_minute: Number = None,
        is_adult: Number = None,
        deadline: float | None = None,
    ) -> OffersT:
        """Returns `k` items (2 when None, 9 at most) that are sold with `item_id` as one set, or nothing.

        They complement the item and each other. The last of `total_prices` is the price of the whole bundle. The other
        arguments and the errors are those of `recommend`, `same_as_anchor` is that of `cross_sell`. An `Exploration`
        does not touch the answer.
        """
        return self._run(self._offers("bundle", locals()))

    def page(
        self,
        *,
        widgets: Values = None,
        widget_sizes: Numbers = None,
        places_by: Value = None,
        item_id: Value = None,
        user_id: Value = None,
        cart_item_ids: Values = None,
        recent_item_ids: Values = None,
        recent_event_types: Values = None,
        recent_ages: Numbers = None,
        exclude_item_ids: Values = None,
        include_categories: Values = None,
        include_attributes: Values = None,
        exclude_attributes: Values = None,
        min_price: Number = None,
        max_price: Number = None,
        cart_total: Number = None,
        threshold: Number = None,
        k: Number = None,
        diversity: Number = None,
        diversity_by: Value = None,
        shown_item_ids: Values = None,
        at_minute: Number = None,
        is_adult: Number = None,
        deadline: float | None = None,
    ) -> OffersT:
        """Returns the items of all widgets of a page, none of them twice; `Offers.by_widget` gives each its own.

        Args:
            widgets: what the page shows, the widget that chooses first first: `upsell`, `cross_sell`, `recommend`,
                `complete_cart`, `similar`, `buy_again`; the first three when None.
            widget_sizes: number of items of each of `widgets`; 0 = `k`.
            places_by: `purchase`, `revenue`, `margin` or `incremental_margin`: each widget offers what is expected to
                earn most together by this, and its places go to the widget whose offers do (`Offers.places`); `widget`:
                each has its own places and order; None = the model's default.
            item_id: the item on the page.
            user_id: as in `recommend`, as are all that are not named here.
            cart_item_ids: items in the cart now.
            recent_item_ids: items of the latest events, oldest first.
            recent_event_types: types of these events.
            recent_ages: ages of these events in hours.
            exclude_item_ids: items that must not be offered.
            include_categories: offer only these category paths and what is below them.
            include_attributes: offer only items with these attributes.
            exclude_attributes: offer no item that has one of these attributes.
            min_price: cheapest price offered.
            max_price: dearest price offered.
            cart_total: what the cart costs, see `complete_cart`.
            threshold: amount that the cart should reach, see `complete_cart`.
            k: number of items of each widget; 10 when None.
            diversity: of each widget.
            diversity_by: kind of variety, see `recommend`.
            shown_item_ids: items that were shown lately and not clicked, see `recommend`.
            at_minute: moment at which merchandising rules are in force; each widget has those of its own strategy.
            is_adult: 1 or True where the shopper is known to be of age.
            deadline: seconds, instead of the client's. An `Exploration` does not touch the answer.

        Raises:
            SchemaError: as in `recommend`.
            ServingError: as in `recommend`.
        """
        return self._run(self._offers("page", locals()))

    @abc.abstractmethod
    def _run(self, steps: Steps[Any]) -> Any:
        """Runs steps to their result."""

    @abc.abstractmethod
    def _offers(self, signature_name: str, local: Mapping[str, Any]) -> Steps[Offers]:
        """Turns the `locals()` of a method, whose names are the signature's inputs, into its answer."""
