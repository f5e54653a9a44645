"""Versions of servables on their way into service: certified, published, verified, gated, taken back."""
