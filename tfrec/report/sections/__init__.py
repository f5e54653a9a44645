"""Turns findings of one kind into a `Section` in each file: `(findings, say) -> Section`."""
