"""Each file turns findings of one kind into a `Section`: `(findings, say) -> Section`."""
