"""The report's fixed text in Chinese: English text → Chinese text."""

CHINESE: dict[str, str] = {}
CHINESE_NAMES: dict[str, str] = {}
