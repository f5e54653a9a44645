"""Returns the slates that a prepared shop logged, in the form that policies are judged on."""

import pandas as pd

from tfrec.errors import SchemaError
from tfrec.experiments.user_tables import read_table
from tfrec.ingest.prepared import Prepared

_OF_VISITOR = ("signature", "placement")


def shown_slates(prepared: Prepared) -> pd.DataFrame:
    """Returns a row an item shown, as `read_slates` takes it: of the shop's impressions, or of its extra table.

    Context is what was asked where (`signature`, `placement`) and the attributes of the user. Places count from 1,
    whatever the log counts from. Rows of unknown propensity or outcome are left out, and so their slates are not whole.

    Raises:
        SchemaError: no impression has both a propensity and an outcome.
        SourceError: the shop has neither.
    """
    if not prepared.manifest.impressions:
        return read_table(prepared.extra("impressions"))
    shown = prepared.impressions
    shown = shown[shown["propensity"].notna() & shown["clicked"].notna()]
    if shown.empty:
        raise SchemaError(
            f"No impression of {prepared.path} has a propensity and an outcome, by which policies are judged. Map "
            "`propensity` and `clicked` in [impressions.columns]."
        )
    first = int(shown["position"].min())
    table = pd.DataFrame(
        {
            "slate_id": shown["slate_id"],
            "position": shown["position"] - first + 1,
            "item_id": shown["item_id"],
            "probability": shown["propensity"],
            "clicked": shown["clicked"],
            "user_id": shown["user_id"],
        }
    )
    if shown["place_propensity"].notna().all():
        table["position_probability"] = shown["place_propensity"]
    for name in _OF_VISITOR:
        table[name] = shown[name]
    users = prepared.train.users.set_index("user_id")
    attributes = users.loc[:, [name for name in users.columns if name not in table.columns]]
    return table.join(attributes, on="user_id").fillna(dict.fromkeys(attributes.columns, "")).reset_index(drop=True)
