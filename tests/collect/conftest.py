from tests.collect.kept import kept

__all__ = ["kept"]
