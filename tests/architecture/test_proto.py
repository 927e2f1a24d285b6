"""The contract of gRPC explains itself: what a generator of clients reads has comments, and they say what REST says."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, FileDescriptorSet

from pushforward.models.config.described import descriptions
from tools.proto_comments import MIRRORS, sentence

PROTO = Path(__file__).parents[2] / "proto"
FILE = "pushforward/v1/pushforward.proto"


@pytest.fixture(scope="module")
def contract(tmp_path_factory: pytest.TempPathFactory) -> FileDescriptorProto:
    out = tmp_path_factory.mktemp("proto") / "set.pb"
    arguments = ["-I", str(PROTO), "--include_source_info", f"--descriptor_set_out={out}", FILE]
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *arguments], check=True)
    [file] = FileDescriptorSet.FromString(out.read_bytes()).file
    return file


def commented(file: FileDescriptorProto) -> dict[tuple[int, ...], str]:
    """The comment of everything, by its path in the descriptor."""
    return {
        tuple(place.path): " ".join((place.leading_comments or place.trailing_comments).split())
        for place in file.source_code_info.location
    }


def named(file: FileDescriptorProto) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Every message, field, enum, value, service and call, with its path."""
    for i, message in enumerate(file.message_type):
        yield message.name, (4, i)
        yield from ((f"{message.name}.{field.name}", (4, i, 2, k)) for k, field in enumerate(message.field))
    for i, enum in enumerate(file.enum_type):
        yield enum.name, (5, i)
        yield from ((value.name, (5, i, 2, k)) for k, value in enumerate(enum.value))
    for i, service in enumerate(file.service):
        yield service.name, (6, i)
        yield from ((f"{service.name}.{call.name}", (6, i, 2, k)) for k, call in enumerate(service.method))


def messages(file: FileDescriptorProto) -> dict[str, tuple[int, DescriptorProto]]:
    return {message.name: (i, message) for i, message in enumerate(file.message_type)}


def test_everything_has_a_comment(contract: FileDescriptorProto) -> None:
    comments = commented(contract)
    assert len(list(named(contract))) > 190
    assert [name for name, path in named(contract) if not comments.get(path)] == []


def test_comments_are_sentences(contract: FileDescriptorProto) -> None:
    comments = {name: commented(contract).get(path, "") for name, path in named(contract)}
    assert [name for name, text in comments.items() if not re.search(r"^\S.{3,}\.$", text)] == []


@pytest.mark.parametrize("name", MIRRORS)
def test_a_field_says_what_the_same_field_of_rest_says(contract: FileDescriptorProto, name: str) -> None:
    comments = commented(contract)
    place, message = messages(contract)[name]
    said = {field.name: comments.get((4, place, 2, i), "") for i, field in enumerate(message.field)}
    described = {field: text for field, text in descriptions(MIRRORS[name]).items() if field in said}
    begins = {field: sentence(text) for field, text in described.items()}
    assert begins
    assert {field: said[field][: len(text)] for field, text in begins.items()} == begins


def test_generators_of_go_clients_know_their_package(contract: FileDescriptorProto) -> None:
    assert contract.options.go_package == "pushforward/v1;pushforwardv1"
