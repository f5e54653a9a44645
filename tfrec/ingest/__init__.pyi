from .prepare import prepare_folder, prepare_shop
from .prepared import Manifest, Prepared, read_manifest, read_prepared
from .recipes import Recipe, find_recipe, read_recipe, shipped_recipes

__all__ = [
    "Manifest",
    "Prepared",
    "Recipe",
    "find_recipe",
    "prepare_folder",
    "prepare_shop",
    "read_manifest",
    "read_prepared",
    "read_recipe",
    "shipped_recipes",
]
