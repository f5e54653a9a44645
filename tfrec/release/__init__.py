"""Releases versions of servables: certifies, publishes, verifies, gates and rolls them back."""
