"""The table of `insert.py`, which needs no Flask to be made."""

from __future__ import annotations

TABLE = """
CREATE TABLE IF NOT EXISTS reading (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, device_id integer NOT NULL,
    temperature float8, humidity float8, light float8, received_at timestamptz NOT NULL DEFAULT now())
"""
