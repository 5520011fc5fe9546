"""The description of an instance in containers says nothing that the product does not know. Nothing is started."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from pipeline.cli.main import headrace
from pipeline.settings import Settings
from tests.unit.infra.pins import pinned

INFRA = Path(__file__).parents[3] / "infra"
TEXT = (INFRA / "compose.yaml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
OURS = {name: one for name, one in COMPOSE["services"].items() if one["image"] == "headrace"}


@pytest.mark.parametrize("service", OURS)
def test_a_part_is_a_command_of_ours_with_known_options(service: str) -> None:
    """Every container of ours runs a command that there is, whose options it has."""
    name, *arguments = OURS[service]["command"]
    command = headrace.get_command(click.Context(headrace), name)
    assert command, name
    known = {
        option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
    }
    assert {one for one in arguments if one.startswith("--")} <= known


@pytest.mark.parametrize("service", OURS)
def test_the_environment_of_a_part_is_of_settings(service: str) -> None:
    """What begins with HEADRACE_ is a setting; a name that was mistyped would be refused at the start."""
    names = {
        name.removeprefix("HEADRACE_").lower()
        for name in OURS[service]["environment"]
        if name.startswith("HEADRACE_")
    }
    assert names <= set(Settings.model_fields)


def test_every_secret_comes_from_outside() -> None:
    """What the description takes from the environment is what the example lists, and no password stands in it."""
    asked = set(re.findall(r"\$\{(\w+)", TEXT))
    offered = re.findall(r"^(\w+)=", (INFRA / "production.env.example").read_text(), re.MULTILINE)
    assert asked == set(offered)
    for service in COMPOSE["services"].values():
        for name, value in service.get("environment", {}).items():
            assert not re.search("PASSWORD|SECRET|AUTH", name) or str(value).startswith("${")


def test_prefects_server_is_of_the_version_that_flows_have() -> None:
    """Client and server are the same release."""
    assert f":{pinned('runtime')['prefect']}-" in COMPOSE["services"]["prefect"]["image"]


def test_the_image_is_made_of_what_is_there() -> None:
    """What the Dockerfile copies out of the checkout exists in it."""
    copied = re.findall(r"^COPY (?!--from)(.+)$", (INFRA / "Dockerfile").read_text(), re.MULTILINE)
    paths = [path for line in copied for path in line.split()[:-1]]
    assert paths
    assert [path for path in paths if not (INFRA.parent / path).exists()] == []
