"""The console's grammar, settings and error queue, under sanitizers, against a reading of SCPI in Python."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv4Address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from plantkeeper_sim.provision import BoardConfig, encode

pytestmark = pytest.mark.sanitize

Ask = Callable[[str], str]

# in the order of the firmware's table: a mnemonic's capitals are its short form
HEADERS = [
    "*IDN?", "*RST!", "*TST?", "*CLS!", "SYSTem:ERRor?", "SYSTem:ERRor:NEXT?", "READ?", "POST?", "STATus?",
    "SYSTem:LOG:ERRor!", "SYSTem:LOG:WARNing!", "SYSTem:LOG:INFO!", "SYSTem:LOG:DEBug!",
    "CONFigure:DEVice:ID=", "CONFigure:NETwork:IP=", "CONFigure:NETwork:GW=", "CONFigure:NETwork:MASK=",
    "CONFigure:NETwork:SERVer=", "CONFigure:NETwork:PORT=", "CONFigure:NETwork:DHCP=",
    "CONFigure:INTerval=", "CONFigure:SLEep:DEEP=", "CONFigure:CALibration:SOIL=",
    "CONFigure:CALibration:LIGHT=", "CONFigure:KEY!",
    "CONFigure:SAVE!", "CONFigure:LOAD:DEFault!",
]  # fmt: skip
UNDEFINED = len(HEADERS)
GOLDEN_KEY = bytes(range(32))


def forms(header: str) -> list[tuple[str, str]]:
    return [(re.sub("[a-z]", "", name), name) for name in header[:-1].split(":")]


def modes(header: str) -> list[str]:
    return {"?": ["?"], "!": [""], "=": ["", "?"]}[header[-1]]


def parse(ask: Ask, text: str) -> tuple[int, str, str]:
    header, kind, parameters = ask(f"parse {text.encode('latin-1').hex()}").split(" ")
    return int(header), kind, bytes.fromhex(parameters).decode("latin-1")


@given(st.data())
def test_short_and_long_forms_in_any_case_are_understood(ask: Ask, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(HEADERS) - 1))
    names = [data.draw(st.sampled_from(form)) for form in forms(HEADERS[index])]
    cased = "".join(c.lower() if data.draw(st.booleans()) else c.upper() for c in ":".join(names))
    mode = data.draw(st.sampled_from(modes(HEADERS[index])))
    colon = data.draw(st.sampled_from(["", " ", ":"])) if not cased.startswith("*") else ""
    assert parse(ask, f"{colon}{cased}{mode}  7") == (index, "query" if mode else "command", "7")


def reference(text: str) -> int:
    """What a line's header is, by regular expressions."""
    for index, header in enumerate(HEADERS):
        names = ":".join(f"(?:{re.escape(short)}|{re.escape(long)})" for short, long in forms(header))
        query = {"?": r"\?", "!": "", "=": r"\??"}[header[-1]]
        if re.fullmatch(f"[ \t]*:?{names}{query}(?:[ \t].*)?", text, re.IGNORECASE | re.DOTALL):
            return index
    return UNDEFINED


near_misses = st.builds(
    lambda header, cut, more: header[: len(header) - cut] + more,
    st.sampled_from([form for header in HEADERS for form in (header[:-1], re.sub("[a-z]", "", header[:-1]))]),
    st.integers(0, 4),
    st.text(alphabet="?:! ETRabc\t1", max_size=4),
)


@given(near_misses | st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=60))
def test_any_text_is_read_as_the_reference_reads_it(ask: Ask, text: str) -> None:
    assert parse(ask, text)[0] == reference(text)


# ---- CONF ------------------------------------------------------------------------------------------------------


def configure(ask: Ask, *lines: str) -> tuple[list[tuple[int, str]], bytes]:
    *answers, record = ask(f"configure {'|'.join(lines)}").split("|")
    return [(int(code), reply) for code, _, reply in (answer.partition(" ") for answer in answers)], bytes.fromhex(
        record
    )


ips = st.integers(0, 2**32 - 1).map(IPv4Address)


@given(st.integers(1, 2**31 - 1), ips, ips, ips, ips, st.integers(1, 65535), st.integers(1, 16383))
def test_what_is_set_is_told_and_is_what_the_simulator_would_write(
    ask: Ask,
    device_id: int,
    ip: IPv4Address,
    gw: IPv4Address,
    mask: IPv4Address,
    serv: IPv4Address,
    port: int,
    ticks: int,
) -> None:
    values = {
        "CONF:DEV:ID": device_id, "CONF:NET:IP": ip, "CONF:NET:GW": gw, "CONF:NET:MASK": mask, "CONF:NET:SERV": serv,
        "CONF:NET:PORT": port, "CONF:INT": 4 * ticks,
    }  # fmt: skip
    answers, record = configure(
        ask, *(f"{name} {value}" for name, value in values.items()), *(f"{name}?" for name in values)
    )
    assert answers == [(0, "")] * len(values) + [(0, str(value)) for value in values.values()]
    assert record == encode(
        BoardConfig(device_id, address=ip, router=gw, mask=mask, gateway=serv, gateway_port=port, period_s=4 * ticks)
    )


def test_calibration_is_set_told_and_what_the_simulator_would_write(ask: Ask) -> None:
    answers, record = configure(
        ask,
        "CONF:DEV:ID 7",
        "CONF:CAL:SOIL 880, 410",
        "CONF:CALIBRATION:LIGHT 255,901",
        "CONF:CAL:SOIL?",
        "CONF:CAL:LIGHT?",
    )
    assert answers == [(0, "")] * 3 + [(0, "880,410"), (0, "255,901")]
    assert record == encode(BoardConfig(7, soil_codes=(880, 410), light_codes=(255, 901)))


@pytest.mark.parametrize(("word", "on"), [("ON", True), ("1", True), ("on", True), ("OFF", False), ("0", False)])
@pytest.mark.parametrize(("header", "long_form"), [("NET:DHCP", "NETWORK:DHCP"), ("SLE:DEEP", "SLEEP:DEEP")])
def test_dhcp_and_deep_sleep_are_scpi_booleans(ask: Ask, header: str, long_form: str, word: str, *, on: bool) -> None:
    answers, record = configure(ask, "CONF:DEV:ID 7", f"CONF:{header} {word}", f"CONFIGURE:{long_form}?")
    assert answers == [(0, ""), (0, ""), (0, str(int(on)))]
    is_dhcp = header == "NET:DHCP"
    assert record == encode(BoardConfig(7, dhcp=is_dhcp and on, deep_sleep=on and not is_dhcp))


def test_a_key_is_taken_and_told_by_nothing(ask: Ask) -> None:
    answers, record = configure(ask, f"CONF:KEY 3,{GOLDEN_KEY.hex()}", "CONF:KEY?", f"CONF:KEY 4, {'F' * 64}")
    assert answers == [(0, ""), (-113, ""), (0, "")]
    assert (record[36:38], record[38:70]) == (b"\x04\x00", b"\xff" * 32)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("CONF:DEV:ID", -109), ("CONF:DEV:ID 0", -222), ("CONF:DEV:ID 2147483648", -222), ("CONF:DEV:ID -1", -104),
        ("CONF:DEV:ID 99999999999", -104), ("CONF:DEV:ID x", -104), ("CONF:DEV:ID 1,2", -108),
        ("CONF:DEV:ID 1 2", -104),
        ("CONF:DEV:ID 1,", -104), ("CONF:DEV:ID? 1", -108), ("CONF:NET:IP 1.2.3", -104),
        ("CONF:NET:IP 1.2.3.256", -104),
        ("CONF:NET:IP 1.2.3.4.5", -104), ("CONF:NET:IP 1.2.3.4,5", -108), ("CONF:NET:PORT 0", -222),
        ("CONF:NET:PORT 65536", -222), ("CONF:INT 6", -222), ("CONF:INT 0", -222), ("CONF:INT 65536", -222),
        ("CONF:CAL:SOIL", -109), ("CONF:CAL:SOIL 900", -109), ("CONF:CAL:SOIL 900,900", -222),
        ("CONF:CAL:LIGHT 1,65536", -222), ("CONF:CAL:LIGHT 1,x", -104), ("CONF:CAL:LIGHT 1,2,3", -108),
        ("CONF:NET:DHCP", -109), ("CONF:NET:DHCP O", -104), ("CONF:NET:DHCP OF", -104), ("CONF:NET:DHCP ONE", -104),
        ("CONF:NET:DHCP 2", -104), ("CONF:NET:DHCP 10", -104), ("CONF:NET:DHCP ON,1", -108),
        ("CONF:KEY 1", -109), ("CONF:KEY 1,00", -104), (f"CONF:KEY 1,{'0' * 63}g", -104),
        (f"CONF:KEY 0,{'0' * 64}", -222),
        (f"CONF:KEY 65536,{'0' * 64}", -222), (f"CONF:KEY 1,{'0' * 64},1", -108), (f"CONF:KEY 1,{'0' * 66}", -104),
    ],
)  # fmt: skip
def test_what_cannot_be_set_is_refused_by_number_and_changes_nothing(ask: Ask, line: str, error: int) -> None:
    answers, record = configure(ask, line)
    assert answers == [(error, "")]
    assert record.hex() == ask("default_config")


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="|"), max_size=80))
def test_no_parameter_breaks_anything(ask: Ask, parameters: str) -> None:
    for header in ("CONF:DEV:ID", "CONF:NET:IP", "CONF:NET:DHCP", "CONF:INT", "CONF:KEY"):
        [(code, _)], record = configure(ask, f"{header} {parameters}")
        assert code in {0, -104, -108, -109, -222}
        assert (code == 0) or record.hex() == ask("default_config")


# ---- lines and errors -----------------------------------------------------------------------------------------


@example([b"x" * 95, b"x" * 96], b"\n")
@given(st.lists(st.binary(max_size=120).map(lambda b: b.replace(b"\r", b"").replace(b"\n", b"").replace(b"\0", b""))),
       st.sampled_from([b"\n", b"\r", b"\r\n"]))  # fmt: skip
def test_lines_end_at_cr_or_lf_and_long_ones_are_told(ask: Ask, lines: list[bytes], end: bytes) -> None:
    expected = "".join("overrun|" if len(line) > 95 else f"{line.hex()}|" for line in lines if line)
    assert ask(f"lines {b''.join(line + end for line in lines).hex()}") == expected


TEXTS = {
    0: "No error", -104: "Data type error", -108: "Parameter not allowed", -109: "Missing parameter",
    -113: "Undefined header", -221: "Settings conflict", -222: "Data out of range", -240: "Hardware error",
    -320: "Storage fault", -330: "Self-test failed", -350: "Queue overflow", -363: "Input buffer overrun",
}  # fmt: skip


@example([*(code for code in TEXTS if code not in (0, -350)), *["pop"] * 12])
@given(st.lists(st.sampled_from([*(code for code in TEXTS if code not in (0, -350)), "pop", "clear"]), max_size=40))
def test_the_error_queue(ask: Ask, acts: list[int | str]) -> None:
    model: list[int] = []
    expected = ""
    for act in acts:
        if act == "pop":
            code = model.pop(0) if model else 0
            expected += f'{code},"{TEXTS[code]}"|'
        elif act == "clear":
            model = []
        elif len(model) == 8:
            model[-1] = -350
        else:
            model.append(int(act))
    assert ask(f"errors {' '.join(map(str, acts))}") == expected
