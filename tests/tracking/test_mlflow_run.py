"""A run's calls go to its client until one fails; then a warning, and nothing more until it is tried again."""

from tfrec.tracking.mlflow_run import Run, flatten


class Store:
    """Records the logged points; fails while it is away."""

    def __init__(self):
        self.is_away, self.logged = False, []

    def log_metric(self, run_id, name, value, *, step):
        if self.is_away:
            raise ConnectionError("no answer")
        self.logged.append((run_id, name, value, step))


def test_a_store_that_fails_costs_one_warning_and_is_left_alone(caplog):
    store = Store()
    run = Run(store, "7")
    run.losses("ranking", 0, 0.5)
    store.is_away = True
    run.losses("ranking", 1, 0.4)
    store.is_away = False
    run.losses("ranking", 2, 0.3)
    assert store.logged == [("7", "loss/ranking", 0.5, 0)]
    assert run.has_failed
    assert [record.message.split(".")[0] for record in caplog.records] == [
        "Tracking has stopped, the work continues: no answer"
    ]
    run.try_again()
    run.losses("ranking", 3, 0.2)
    assert store.logged[1:] == [("7", "loss/ranking", 0.2, 3)]


def test_settings_are_flattened_by_dots():
    assert flatten({"a": {"b": 1, "c": {"d": (2, 3)}}, "e": None}) == {"a.b": 1, "a.c.d": (2, 3), "e": None}
