"""The description names every route, and every reason for which a request can be refused."""

from __future__ import annotations

import json

from plantkeeper_proxy.app import create_app
from plantkeeper_proxy.authenticity import Policy
from plantkeeper_proxy.ingest import Door, Stored, Submission
from plantkeeper_proxy.openapi import PATHS, body, document
from plantkeeper_proxy.rates import Rates


class Nothing:
    def store(self, submission: Submission) -> Stored:
        return Stored.NEW

    def check(self) -> None:
        pass


def test_every_route_is_described_and_every_description_is_a_route() -> None:
    routes = {
        (rule.rule, method.lower())
        for rule in create_app(Nothing(), Door(Rates(), Policy())).url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert routes == {(path, method) for path, methods in PATHS.items() for method in methods}


def test_every_reference_leads_somewhere() -> None:
    described = document()
    text = body().decode()
    assert json.loads(text) == described
    references = {part.split('"')[0] for part in text.split('"$ref": "#/')[1:]}
    assert references
    for reference in references:
        place = described
        for part in reference.split("/"):
            place = place[part]


def test_it_is_served() -> None:
    answer = create_app(Nothing(), Door(Rates(), Policy())).test_client().get("/openapi.json")
    assert answer.get_json() == document()
