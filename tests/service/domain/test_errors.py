"""Every refusal has a status in every API."""

import math

import pytest
from google.rpc.error_details_pb2 import RetryInfo

from pushforward.service.domain.errors import Kind, Overloaded, ServiceError
from pushforward.service.http import problems
from pushforward.service.rpc import status

REFUSALS = ServiceError.__subclasses__()


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_has_a_status_in_both_apis(kind: Kind) -> None:
    assert 400 <= problems.STATUS[kind] < 600
    assert status.CODES[kind].value[0] != 0


@pytest.mark.parametrize("cls", REFUSALS, ids=lambda cls: cls.__name__)
def test_every_refusal_becomes_a_problem_and_a_status_with_the_same_reason(cls: type[ServiceError]) -> None:
    document = problems.document(cls("what to do"), "/path")
    assert document["type"] == f"/problems/{cls.slug}"
    assert document["title"] == cls.title
    assert document["detail"] == status.status(cls("what to do")).message == "what to do"
    assert cls.slug.encode() in status.status(cls("")).details[0].value


def test_every_refusal_has_a_name_of_its_own() -> None:
    assert len({cls.slug for cls in REFUSALS}) == len(REFUSALS)


@pytest.mark.parametrize("seconds", [0.2, 1.0, 2.5])
def test_when_to_try_again_is_told_in_both_apis(seconds: float) -> None:
    error = Overloaded("full", retry_after_s=seconds)
    assert problems.response(error, "/").headers["retry-after"] == str(math.ceil(seconds))
    info = RetryInfo()
    assert any(detail.Unpack(info) for detail in status.status(error).details)
    assert info.retry_delay.ToMilliseconds() == 1000 * seconds
