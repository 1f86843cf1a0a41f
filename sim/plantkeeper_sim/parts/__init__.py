"""Chips on a PlantKeeper board, one a module. Each sees wires only; docs/parts.md tells how to write one."""
