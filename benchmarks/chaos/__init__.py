"""Breaks the distributed form on purpose and checks what is promised: see docs/reference/chaos.md."""
