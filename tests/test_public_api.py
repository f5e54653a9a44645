"""What is public is listed: a name that joins or leaves a package's `__all__` is changed here too."""

import importlib

import pytest

PUBLIC = {
    "tfrec.client": ["OfferedItem", "Offers", "RecommenderClient"],
    "tfrec.models": [
        "BehaviourTower",
        "CandidateTower",
        "ImageTower",
        "ItemEncoder",
        "QueryTower",
        "RankingConfig",
        "RankingModel",
        "RetrievalConfig",
        "RetrievalModel",
        "TowerInputs",
    ],
    "tfrec.pipelines": ["RankingExamples", "ranking", "retrieval"],
    "tfrec.training": [
        "LazyAdam",
        "TrainedFunnel",
        "TrainingConfig",
        "WarmStartConfig",
        "build_baseline_sources",
        "build_sources",
        "fit_ranking",
        "load_trained",
        "make_examples",
        "refresh",
        "save_trained",
        "train",
        "warm_start",
    ],
}


@pytest.mark.parametrize("package", PUBLIC)
def test_a_package_exports_what_is_listed_with_a_docstring_each(package):
    module = importlib.import_module(package)
    assert sorted(module.__all__) == PUBLIC[package]
    for name in module.__all__:
        assert getattr(module, name).__doc__, name
