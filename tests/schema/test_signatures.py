import string

import pytest

from tfrec.errors import SchemaError
from tfrec.schema.signatures import REASONS, SIGNATURES, signature_named

NUMBERS = {"string": str, "float32": float, "int32": int}


@pytest.mark.parametrize("signature", SIGNATURES.values(), ids=SIGNATURES)
def test_every_input_can_be_left_out_and_padded(signature):
    """The padding is of the input's own type; names are distinct."""
    for spec in signature.inputs:
        assert isinstance(spec.padding, NUMBERS[spec.dtype]) and spec.rank in (1, 2) and spec.meaning
    for specs in (signature.inputs, signature.outputs):
        assert len({spec.name for spec in specs}) == len(specs)


def test_an_input_is_the_same_wherever_it_stands():
    """But for k, whose default is the signature's."""
    seen = {}
    for signature in SIGNATURES.values():
        for spec in signature.inputs:
            if spec.name != "k":
                assert seen.setdefault(spec.name, spec) == spec


def test_a_mistyped_name_is_met_with_the_nearest():
    with pytest.raises(SchemaError, match="Did you mean 'cross_sell'"):
        signature_named("crosssell")
    with pytest.raises(SchemaError, match=r"no input 'users_id'. Did you mean 'user_id'"):
        signature_named("recommend").input("users_id")
    assert signature_named("upsell").input("max_price_ratio").padding == 0.0


@pytest.mark.parametrize("sentence", REASONS.values(), ids=REASONS)
def test_a_reason_is_filled_by_item_and_count_alone(sentence):
    fields = {name for _, name, _, _ in string.Formatter().parse(sentence) if name}
    assert fields <= {"item", "count"}
    assert "{" not in sentence.format(item="a camera", count=3)
