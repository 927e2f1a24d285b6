"""`service.cli.tables`: every listing fits every terminal, and no name is lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pytest

from pushforward.service.application.catalog import Catalog, FamilyCard
from pushforward.service.cli.catalog.families import MEMBERS, family_rows, flags_of
from pushforward.service.cli.schemas import lines, lines_of_members, lists
from pushforward.service.cli.tables import fitted, plain

LONG = "a-model-of-two-interleaved-half-circles"
LOSSES = "negative_elbo_nats 123.4  reconstruction_nats 120.1  kl_nats 3.3"


class Listing(NamedTuple):
    """A table that the command line prints."""

    headers: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    whole: int = 1
    cut: bool = False


def of_family(card: FamilyCard) -> Iterator[tuple[str, Listing]]:
    """Its fields, and its options for each request."""
    headers = ("flag", "type", "default", "meaning")
    yield f"families {card.family}", Listing(headers, list(lines(card.schema, prefix="--family.")))
    for flag, members in lists(card.schema, prefix="--family."):
        yield f"{flag} of {card.family}", Listing(MEMBERS, list(lines_of_members(members, card.schema["$defs"])))
    for op, schema in card.options.items():
        if schema.get("properties"):
            yield f"options of {card.family} for {op}", Listing(headers, list(lines(schema)))


def listings() -> Iterator[tuple[str, Listing]]:
    absent: Any = None  # its ports are not called
    known = Catalog(absent, absent, absent)
    families = [vars(card) for card in known.families()]
    yield "families", Listing(("family", "what it is", "can be asked to", "condition"), list(family_rows(families)))
    for card in known.families():
        yield from of_family(card)
    presets = known.presets()
    yield "presets", Listing(("preset", "what it is"), [(preset.name, preset.summary) for preset in presets])
    for preset in presets[::10]:
        yield f"presets {preset.name}", Listing(("flag", "value"), list(flags_of(preset.run)))
    states = ("succeeded", "cancelled", "running", "queued, place 2, behind a1986a0ae53f04a8 and 1 more")
    jobs = [("a1986a0a", "sample", model, state, "100/2000", LOSSES) for model in ("m", LONG) for state in states]
    yield "jobs", Listing(("job", "kind", "model", "state", "progress", "losses"), jobs, whole=3, cut=True)
    models = [(f"{name}@12", "autoregressive", "1x28x28", "label 0..9", LOSSES) for name in ("m", LONG)]
    yield "models", Listing(("model", "family", "shape", "condition", "metrics"), models, whole=3, cut=True)


LISTINGS = dict(listings())
WIDTHS = (60, 80, 120, 200)


@pytest.mark.parametrize("name", LISTINGS)
def test_every_listing_fits_and_keeps_its_words_whole(name: str) -> None:
    listing = LISTINGS[name]
    words = {word for row in listing.rows for cell in row[: len(row) - listing.cut] for word in cell.split()}
    for width in WIDTHS:
        shown = list(fitted(listing.headers, listing.rows, width, whole=listing.whole, cut=listing.cut))
        assert max(map(len, shown)) <= width
        assert words <= set(" ".join(shown).split())
        if not listing.cut:
            assert "…" not in "".join(shown)


@pytest.mark.parametrize("name", LISTINGS)
def test_every_row_begins_with_its_name(name: str) -> None:
    listing = LISTINGS[name]
    names = [row[0] for row in listing.rows]
    for width in WIDTHS:
        shown = list(fitted(listing.headers, listing.rows, width, whole=listing.whole, cut=listing.cut))
        is_record = shown[0] == names[0]
        starts = [line for line in shown[0 if is_record else 2 :] if not line.startswith(" ")]
        assert [line.split()[0] for line in starts] == names
        if not is_record:
            assert all(
                cell in line for row, line in zip(listing.rows, starts, strict=True) for cell in row[: listing.whole]
            )


def test_a_table_with_room_has_a_line_a_row() -> None:
    shown = list(fitted(("flag", "meaning"), [("--a", "one"), ("--b.c", "two words")], 80))
    assert shown == ["flag   meaning", "────────────────", "--a    one", "--b.c  two words"]


def test_what_is_left_of_a_line_goes_to_the_text() -> None:
    shown = list(fitted(("flag", "meaning"), [("--family.depth", "how many layers there are")], 30))
    assert shown[2:] == ["--family.depth  how many", "                layers there", "                are"]


def test_where_a_table_is_too_wide_a_row_is_a_record() -> None:
    shown = list(fitted(("flag", "type", "meaning"), [("--family.transform", "spline | affine", "")], 24))
    assert shown == ["--family.transform", "  type     spline |", "           affine"]


def test_only_a_last_column_of_numbers_is_cut() -> None:
    shown = list(fitted(("job", "losses"), [("a1986a0a", "kl_nats 3.3  loss 4.5")], 24, cut=True))
    assert shown[2:] == ["a1986a0a  kl_nats 3.3…"]


def test_a_line_break_in_a_cell_is_a_space_in_a_terminal_and_in_a_pipe() -> None:
    rows = [("--a", "one\n    two"), ("--b", "three")]
    assert list(fitted(("flag", "meaning"), rows, 80))[2:] == ["--a   one two", "--b   three"]
    assert list(plain(("flag", "meaning"), rows)) == ["FLAG  MEANING", "--a   one two", "--b   three"]


def test_no_listing_breaks_a_record_in_a_pipe() -> None:
    for listing in LISTINGS.values():
        shown = list(plain(listing.headers, listing.rows))
        assert len(shown) == 1 + len(listing.rows)
        assert not any("\n" in line for line in shown)
