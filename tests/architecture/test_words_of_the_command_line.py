"""A refusal that speaks of an API is put into the words of the command line."""

import ast
import re
from pathlib import Path

import pytest

from pushforward.service.cli.terminal import IN_OUR_WORDS, in_our_words

SERVICE = Path(__file__).parents[2] / "service"
OF_AN_API = re.compile(
    r"over (REST|gRPC)|SampleStream|StartSampling|\b(GET|POST|DELETE) /|Last-Event-ID|accept application/|for npy"
)
# Told to those who speak HTTP or gRPC only: the command line sends no such request.
NOT_OURS = ("If-Range, Last-Event-ID, Prefer",)


def sources() -> list[Path]:
    """The modules of the service, without those of the command line and those that are generated."""
    return [file for file in sorted(SERVICE.rglob("*.py")) if not {"cli", "pb"} & {*file.relative_to(SERVICE).parts}]


def texts(file: Path) -> list[str]:
    """The string constants of a module that are no docstrings."""
    tree = ast.parse(file.read_text())
    prose = [node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)]
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and node not in prose]
    return [node.value for node in found if isinstance(node.value, str)]


def messages() -> list[str]:
    """The texts of the service that speak of an API, but for those of its own description.

    Those of gRPC alone reach no command line: it speaks REST.
    """
    described = {"openapi.py", "schemas.py"}
    spoken = [file for file in sources() if file.name not in described and file.parent.name != "rpc"]
    found = [text for file in spoken for text in texts(file)]
    return sorted({text for text in found if OF_AN_API.search(text) and " " in text})


@pytest.mark.parametrize("message", messages())
def test_a_message_that_names_an_api_has_words_of_the_command_line(message: str) -> None:
    assert any(theirs in message for theirs in NOT_OURS) or not OF_AN_API.search(in_our_words(message))


def test_every_phrase_that_is_replaced_is_one_of_the_service() -> None:
    written = "".join(text for file in sources() for text in texts(file))
    assert [theirs for theirs in IN_OUR_WORDS if theirs not in written] == []
