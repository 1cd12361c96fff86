"""Whisper's decoder as compiled Python: 8-bit products, no interpreter between layers, the same text in any batch."""
