"""Makes 28×28 grey product pictures by leaf category, style, appeal and tier, drawn or from Fashion-MNIST.

A drawn picture shows four things: its shape the leaf category, its texture the style, its shade the appeal (with
noise), and a bright frame in the corner the tier. Style and appeal stand nowhere else in the catalogue.
"""

import gzip
from pathlib import Path

import numpy as np

from tfrec.errors import SourceError

NUM_STYLES = 4
STYLES = ("plain", "striped", "chequered", "ribbed")
SIDE = 28

_NOISE = 14.0  # standard deviation of the grain, grey levels
_APPEAL_NOISE = 0.5  # of the appeal seen in the shade, in standard deviations of the appeal

# Shapes in a square from -1 (left, top) to 1 (right, bottom), drawn in order:
# B x0 y0 x1 y1 box; E cx cy rx ry ellipse; O cx cy rx ry w ring; L x0 y0 x1 y1 w line; P x y x y ... convex polygon,
# clockwise on the screen. A leading "-" cuts out, a leading "+" draws a detail that is light and without texture.
_SHAPES = {
    "Compact cameras": "B -.8 -.4 .8 .55; B .3 -.6 .65 -.4; -E -.1 .08 .38 .38; +O -.1 .08 .3 .3 .14",
    "Mirrorless cameras": (
        "B -.8 -.35 .8 .7; P -.35 -.35 -.2 -.75 .2 -.75 .35 -.35; -E 0 .15 .52 .52; E 0 .15 .42 .42; +E 0 .15 .16 .16"
    ),
    "Memory cards": (
        "B -.5 -.75 .5 .8; -P .15 -.8 .6 -.8 .6 -.35; +B -.35 -.65 -.22 -.35; +B -.12 -.65 .01 -.35; +B -.35 .2 .35 .6"
    ),
    "Camera bags": "B -.75 -.2 .75 .75; O 0 -.2 .5 .55 .12; -B -.75 .12 .75 .2; +B -.12 .05 .12 .32",
    "Tripods": "B -.3 -.85 .3 -.6; L 0 -.6 0 0 .16; L 0 -.15 -.65 .85 .14; L 0 -.15 .65 .85 .14; L 0 -.15 0 .85 .12",
    "Laptops": (
        "B -.65 -.65 .65 .25; -B -.52 -.52 .52 .14; "
        "P -.9 .65 -.68 .32 .68 .32 .9 .65; +L -.3 -.3 .2 -.3 .08; +L -.3 -.08 .35 -.08 .08"
    ),
    "Computer mice": "E 0 .1 .5 .75; -L 0 -.7 0 -.1 .08; +E 0 -.28 .1 .18; -L -.5 -.02 .5 -.02 .06",
    "Laptop sleeves": "B -.85 -.6 .85 .6; -L -.85 -.38 .85 -.38 .08; +E .7 -.38 .1 .1",
    "Printers": "B -.85 -.2 .85 .5; B -.5 -.8 .5 -.28; +B -.5 .2 .5 .85; -L -.5 .12 .5 .12 .08",
    "Ink cartridges": "P -.35 -.7 .15 -.7 .45 -.35 .45 .75 -.35 .75; -B -.2 -.35 .2 .15; +E 0 -.1 .14 .2",
    "Coffee machines": (
        "B -.7 -.85 -.2 .85; B -.7 -.85 .65 -.4; B -.7 .62 .7 .85; +B .05 .1 .5 .55; L .28 -.4 .28 -.2 .14"
    ),
    "Coffee beans": (
        "P -.55 -.5 .55 -.5 .65 .85 -.65 .85; B -.45 -.85 .45 -.5; +E 0 .2 .32 .42; -L .08 -.15 -.08 .55 .08"
    ),
    "Mugs": "B -.6 -.55 .3 .7; O .35 .05 .35 .38 .16; -E -.15 -.52 .36 .08",
    "Frying pans": "E -.25 .1 .62 .62; L .2 -.2 .9 -.75 .18; -O -.25 .1 .48 .48 .08",
    "Kitchen knives": "P -.95 .35 -.6 -.35 .2 -.35 .2 .35; B .2 -.3 .95 .05; +E .45 -.12 .07 .07; +E .72 -.12 .07 .07",
    "Table lamps": "P -.35 -.8 .35 -.8 .75 0 -.75 0; L 0 0 0 .65 .14; B -.45 .62 .45 .82",
    "Light bulbs": "E 0 -.25 .55 .55; P -.3 .15 .3 .15 .2 .5 -.2 .5; +B -.22 .5 .22 .88; -L -.22 .62 .22 .62 .06",
    "Candles": "B -.35 -.15 .35 .85; L 0 -.15 0 -.4 .08; +E 0 -.58 .16 .3",
    "Cushions": (
        "B -.6 -.6 .6 .6; E -.6 -.6 .22 .22; E .6 -.6 .22 .22; E -.6 .6 .22 .22; E .6 .6 .22 .22; +E 0 0 .12 .12"
    ),
    "Blankets": "B -.85 -.25 .85 .1; B -.8 .18 .8 .52; B -.85 .6 .85 .9; -L -.85 -.07 .6 -.07 .05",
    "T-shirts": (
        "B -.42 -.6 .42 .8; P -.9 -.3 -.42 -.65 -.42 -.12 -.72 .05; "
        "P .42 -.65 .9 -.3 .72 .05 .42 -.12; -E 0 -.65 .22 .2"
    ),
    "Sweaters": (
        "B -.48 -.6 .48 .7; P -.95 .6 -.6 -.5 -.4 -.6 -.6 .65; "
        "P .6 -.5 .95 .6 .6 .65 .4 -.6; -E 0 -.62 .2 .12; +L -.48 .66 .48 .66 .1"
    ),
    "Jeans": (
        "B -.5 -.85 .5 -.3; P -.5 -.35 .02 -.35 -.12 .9 -.55 .9; "
        "P -.02 -.35 .5 -.35 .55 .9 .12 .9; +L -.5 -.78 .5 -.78 .08"
    ),
    "Dresses": "P -.28 -.85 .28 -.85 .22 -.2 -.22 -.2; P -.22 -.2 .22 -.2 .8 .85 -.8 .85; -E 0 -.85 .15 .2",
    "Coats": (
        "P -.45 -.75 .45 -.75 .6 .9 -.6 .9; P -.9 .45 -.6 -.65 -.4 -.75 -.62 .5; P .6 -.65 .9 .45 .62 .5 .4 -.75; "
        "-L 0 -.5 0 .9 .06; +E .14 -.1 .06 .06; +E .14 .3 .06 .06"
    ),
    "Sneakers": "P -.85 -.1 -.3 -.55 .1 0 .85 .2 .85 .45 -.85 .45; +B -.88 .42 .9 .62; -L -.2 -.3 .1 0 .06",
    "Ankle boots": (
        "P -.45 -.85 .2 -.85 .25 .1 -.5 .1; P -.5 .05 .25 0 .85 .3 .85 .6 -.5 .6; "
        "B -.5 .55 -.1 .85; +L .15 .62 .85 .62 .1"
    ),
    "Running socks": (
        "P -.2 -.85 .35 -.85 .35 .2 -.2 .2; P -.2 .1 .35 .1 .3 .6 -.5 .8 -.75 .5; +L -.2 -.72 .35 -.72 .12"
    ),
    "Water bottles": "P -.3 -.4 .3 -.4 .38 -.2 .38 .85 -.38 .85 -.38 -.2; +B -.2 -.85 .2 -.5; -B -.38 .1 .38 .2",
    "Yoga mats": "E -.6 0 .28 .45; P -.6 -.45 .7 -.45 .7 .45 -.6 .45; E .7 0 .2 .45; +O -.6 0 .14 .24 .08",
    "Building sets": "B -.85 0 .85 .75; B -.65 -.3 -.35 0; B -.15 -.3 .15 0; B .35 -.3 .65 0; -L 0 .05 0 .75 .05",
    "Board games": (
        "B -.85 -.85 .85 .85; -B -.45 -.45 .45 .45; "
        "+B -.2 -.2 .2 .2; -L -.45 -.85 -.45 -.45 .06; -L .45 .45 .45 .85 .06"
    ),
    "Puzzles": "B -.6 -.5 .55 .7; E 0 -.62 .24 .22; E .68 .1 .22 .24; -E -.58 .1 .22 .22; -E 0 .7 .22 .22",
    "Headphones": "O 0 0 .65 .75 .16; -B -1 .15 1 1; B -.85 .0 -.45 .65; B .45 .0 .85 .65",
    "Speakers": (
        "B -.5 -.9 .5 .9; -E 0 .32 .38 .38; E 0 .32 .27 .27; +E 0 .32 .1 .1; -E 0 -.48 .22 .22; +E 0 -.48 .1 .1"
    ),
    "Face creams": "B -.65 -.05 .65 .65; +B -.7 -.5 .7 -.12; -L -.4 .3 .4 .3 .08",
    "Shampoos": (
        "P -.35 -.35 .35 -.35 .45 -.1 .45 .9 -.45 .9 -.45 -.1; L 0 -.35 0 -.75 .14; "
        "L -.35 -.75 .1 -.75 .16; +E 0 .35 .26 .3"
    ),
    "Hair dryers": (
        "P -.85 -.6 -.1 -.7 -.1 0 -.85 -.15; E 0 -.35 .5 .38; P -.05 -.1 .25 -.1 .4 .85 .1 .85; +E .1 -.35 .16 .16"
    ),
    "Dog food": (
        "P -.6 -.7 .6 -.7 .7 .85 -.7 .85; +L -.3 .1 .3 .1 .16; +E -.34 .02 .13 .12; "
        "+E -.34 .2 .13 .12; +E .34 .02 .13 .12; +E .34 .2 .13 .12"
    ),
    "Dog beds": "E 0 .25 .9 .55; -E 0 .08 .58 .26; +E 0 .14 .5 .18",
}

# Fashion-MNIST's classes (0 T-shirt, 1 trousers, 2 pullover, 3 dress, 4 coat, 5 sandal, 6 shirt, 7 sneaker, 8 bag,
# 9 ankle boot) stand for the leaves: each shopping mission of five leaves gets five of the ten classes, so that leaves
# that are visited together look different. Clothing and shoes get what they are.
_CLASS_OF_LEAF = np.array(
    [
        8,
        4,
        6,
        5,
        1,
        8,
        5,
        6,
        3,
        9,
        2,
        7,
        0,
        5,
        8,
        3,
        6,
        9,
        8,
        4,
        0,
        2,
        1,
        3,
        4,
        7,
        9,
        5,
        8,
        6,
        4,
        1,
        7,
        2,
        0,
        6,
        3,
        5,
        9,
        8,
    ]
)


def draw_pictures(
    leaf_words: np.ndarray, *, style: np.ndarray, appeal: np.ndarray, tier: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Returns `[N, 28, 28]` uint8 pictures, dark ground, each slightly shifted, turned and scaled.

    Grey level inside the shape: `(125 + 32·(appeal + noise)) · texture(style)`; details are light; grain on top.

    Args:
        leaf_words: `[N]` last level of the category path.
        style: `[N]` in 0..`NUM_STYLES`-1.
        appeal: `[N]` about standard normal.
        tier: `[N]` 0..2: brightness of the corner frame.
        rng: source of jitter and noise.
    """
    N = len(leaf_words)
    # One pixel is 2/28; the shape fills about 22 pixels.
    grid = (np.arange(SIDE) + 0.5) * 2 / SIDE - 1
    y, x = np.meshgrid(grid, grid, indexing="ij")
    angle, scale = rng.normal(0, 0.06, (2, N, 1, 1)) + np.array([0, 1.18]).reshape(2, 1, 1, 1)
    right, down = rng.uniform(-0.09, 0.09, (2, N, 1, 1))
    u = scale * ((x - right) * np.cos(angle) + (y - down) * np.sin(angle))
    v = scale * (-(x - right) * np.sin(angle) + (y - down) * np.cos(angle))

    body, detail = np.zeros((2, N, SIDE, SIDE))
    for word, shape in _SHAPES.items():
        rows = np.flatnonzero(leaf_words == word)
        for primitive in shape.split(";"):
            kind, *numbers = primitive.split()
            cover = _cover(kind.lstrip("+-"), [float(number) for number in numbers], u[rows], v[rows])
            if kind[0] == "-":
                body[rows], detail[rows] = body[rows] * (1 - cover), detail[rows] * (1 - cover)
            elif kind[0] == "+":
                detail[rows] = np.maximum(detail[rows], cover)
            else:
                body[rows] = np.maximum(body[rows], cover)
    seen = appeal + rng.normal(0, _APPEAL_NOISE, N)
    shade = np.clip(125 + 32 * seen, 45, 215)[:, None, None]
    strength = rng.uniform(0.35, 0.6, N)[:, None, None]
    textured = shade * (1 + strength * _texture()[style])
    picture = body * (1 - detail) * textured + detail * np.minimum(shade + 70, 245)
    picture[:, 1:3, 22:27] += 45.0 * tier[:, None, None] * (picture[:, 1:3, 22:27] < 60)
    picture += rng.normal(0, _NOISE, picture.shape)
    return np.clip(np.round(picture), 0, 255).astype(np.uint8)


def fashion_pictures(
    folder: Path, *, leaf: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns pictures `[N, 28, 28]`, and style `[N]` and appeal `[N]` as these pictures show them.

    Each leaf stands for one of the ten classes. Style is read off the picture within its class:
    bit 0 = lighter than the class's median, bit 1 = rougher than the median of its half
    (mean step between neighbouring pixels over mean grey).
    Appeal = standardised share of the light that falls on the upper half, plus noise.
    Grey levels are stretched by `(v − 23) / 198`, which undoes the narrowed range of some copies of the files
    and only cuts the ends of the originals.

    Raises:
        SourceError: a file is missing or no idx file.
    """
    images = _read_idx(folder / "train-images-idx3-ubyte.gz").astype(np.float32)
    labels = _read_idx(folder / "train-labels-idx1-ubyte.gz")
    wanted = _CLASS_OF_LEAF[leaf]
    rows = np.empty(len(leaf), dtype=int)
    style, appeal = np.empty(len(leaf), dtype=int), np.empty(len(leaf))
    for label in np.unique(wanted):
        members, pool = np.flatnonzero(wanted == label), np.flatnonzero(labels == label)
        rows[members] = rng.choice(pool, len(members), replace=len(members) > len(pool))
        picture = np.clip((images[rows[members]] - 23) / 198, 0, 1)
        light = picture.mean(axis=(1, 2)) + 1e-6
        rough = (
            np.abs(np.diff(picture, axis=1)).mean(axis=(1, 2)) + np.abs(np.diff(picture, axis=2)).mean(axis=(1, 2))
        ) / light
        top = picture[:, : SIDE // 2].sum(axis=(1, 2)) / picture.sum(axis=(1, 2))
        is_light = light > np.median(light)
        middle = np.where(is_light, np.median(rough[is_light]), np.median(rough[~is_light]))
        style[members] = is_light + 2 * (rough > middle)
        appeal[members] = (top - top.mean()) / (top.std() + 1e-9)
    appeal = 0.9 * appeal + 0.9 * _APPEAL_NOISE * rng.normal(size=len(leaf))  # about standard normal again
    stretched = np.clip((images[rows] - 23) / 198, 0, 1) * 255
    return np.round(stretched).astype(np.uint8), style, appeal


def _texture() -> np.ndarray:
    """Returns `[NUM_STYLES, 28, 28]` in -1..1, phase fixed to the frame of the picture."""
    y, x = np.mgrid[:SIDE, :SIDE]
    lie, stand = (y // 2) % 2 * 2 - 1, (x // 2) % 2 * 2 - 1
    chequered = ((y // 3) + (x // 3)) % 2 * 2 - 1
    return np.stack([np.zeros((SIDE, SIDE)), lie, chequered, stand]).astype(float)


def _cover(kind: str, numbers: list[float], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Returns how much of each pixel a primitive covers, 0..1, from its signed distance."""
    if kind == "B":
        x0, y0, x1, y1 = numbers
        distance = np.maximum(np.abs(x - (x0 + x1) / 2) - (x1 - x0) / 2, np.abs(y - (y0 + y1) / 2) - (y1 - y0) / 2)
    elif kind in ("E", "O"):
        cx, cy, rx, ry, *width = numbers
        distance = (np.hypot((x - cx) / rx, (y - cy) / ry) - 1) * min(rx, ry)
        if width:
            distance = np.abs(distance) - width[0] / 2
    elif kind == "L":
        x0, y0, x1, y1, width_of_line = numbers
        dx, dy = x1 - x0, y1 - y0
        along = np.clip(((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy), 0, 1)
        distance = np.hypot(x - x0 - along * dx, y - y0 - along * dy) - width_of_line / 2
    else:
        points = np.array(numbers).reshape(-1, 2)
        steps = np.roll(points, -1, axis=0) - points
        normals = np.stack([steps[:, 1], -steps[:, 0]], axis=1) / np.hypot(*steps.T)[:, None]
        distance = np.max(
            [nx * (x - px) + ny * (y - py) for (nx, ny), (px, py) in zip(normals, points, strict=True)], axis=0
        )
    return np.clip(0.5 - distance * SIDE / 2, 0, 1)


def _read_idx(path: Path) -> np.ndarray:
    """Reads a gzipped idx file of unsigned bytes."""
    if not path.is_file():
        raise SourceError(
            f"Expected Fashion-MNIST's {path.name} in {path.parent}; it is not there. Set `fashion_mnist` to the "
            "folder with the idx.gz files, or leave it None for drawn pictures."
        )
    data = gzip.decompress(path.read_bytes())
    if data[:3] != b"\x00\x00\x08":
        raise SourceError(f"{path} is not an idx file of unsigned bytes. Download it again.")
    shape = np.frombuffer(data, dtype=">i4", count=data[3], offset=4)
    return np.frombuffer(data, dtype=np.uint8, offset=4 + 4 * data[3]).reshape(shape)
