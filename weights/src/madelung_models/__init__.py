"""Trained models for Madelung: one folder each, with ``card.json`` and ``weights.safetensors``."""

__version__ = "0.1.0"
