"""The page's own view counts once, whether or not the shop sends it among the events of the request."""

import numpy as np
import pytest

PAGE = "i13"


def answers(served_shop, signature, *recent, types=None, page=PAGE):
    request = {
        "item_id": np.array([page], object),
        "recent_item_ids": np.array([list(recent)], object).reshape(1, -1),
        "recent_event_types": np.array([types or ["view"] * len(recent)], object).reshape(1, -1),
        "recent_ages": np.zeros((1, len(recent)), np.float32),
        "k": np.array([20], np.int32),
    }
    answer = served_shop.served.answer(signature, request)
    assert (answer["item_ids"][0] != "").any()
    return dict(zip(answer["item_ids"][0].tolist(), answer["probabilities"][0].tolist(), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("signature", ["upsell", "similar"])
def test_the_view_of_the_page_is_one_event_however_it_is_sent(served_shop, signature):
    once = answers(served_shop, signature, "i4", "i3")
    assert answers(served_shop, signature, "i4", "i3", PAGE) == pytest.approx(once)
    assert answers(served_shop, signature, PAGE) == pytest.approx(answers(served_shop, signature))
    # What came before the latest event, and what is no view, stays an event of its own.
    assert answers(served_shop, signature, PAGE, "i4", "i3") != pytest.approx(once)
    in_cart = answers(served_shop, signature, "i4", "i3", PAGE, types=["view", "view", "cart"])
    assert in_cart != pytest.approx(once)
