"""Which versions a folder of models holds, and whether they are whole."""

from tfrec.serving.servable import Servable


def versions(models, servable="shop"):
    return sorted(entry.name for entry in (models / servable).iterdir())


def is_whole(models):
    """Whether every version there can be loaded and asked, and no half-written folder has a version's name."""
    for servable in ("shop", "retrieval", "ranking"):
        for version in versions(models, servable):
            if version.isdigit():
                Servable.load(models / servable / version).close()
    return True
