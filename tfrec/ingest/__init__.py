"""Raw log → checked, cleaned tables, split in time."""
