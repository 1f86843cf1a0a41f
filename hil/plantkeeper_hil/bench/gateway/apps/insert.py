"""Inserts and commits each reading by itself before it answers; nobody forwards it."""

from __future__ import annotations

import os
import threading
from typing import Any

import psycopg2
from flask import Flask, Response, jsonify, request

INSERT = "INSERT INTO reading (device_id, temperature, humidity, light) VALUES (%s, %s, %s, %s)"


def create_app() -> Flask:
    """Reads where to from `BENCH_DATABASE_DSN`."""
    app = Flask(__name__)
    dsn = os.environ["BENCH_DATABASE_DSN"]
    local = threading.local()

    def connection() -> Any:
        if not hasattr(local, "connection"):
            local.connection = psycopg2.connect(dsn)
        return local.connection

    @app.post("/sensor-data")
    def sensor_data() -> tuple[Response, int]:
        reading = request.get_json()
        values = [reading.get(name) for name in ("id", "temperature", "humidity", "light")]
        kept = connection()
        with kept, kept.cursor() as cursor:
            cursor.execute(INSERT, values)
        return jsonify(message="stored"), 200

    return app
