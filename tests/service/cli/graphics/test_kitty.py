"""`cli.graphics.kitty`: the PNG itself, in pieces."""

import numpy as np

from pushforward.service.cli.graphics.kitty import escapes
from tests.service.cli.graphics.terminals import png_of_kitty


def test_a_png_comes_whole_out_of_its_pieces() -> None:
    for n_bytes in (1, 3072, 3073, 20_000):  # 3072 bytes are one piece
        png = np.random.default_rng(0).bytes(n_bytes)
        assert png_of_kitty(escapes(png, None)) == png


def test_only_the_first_piece_says_what_it_is_and_none_asks_for_an_answer() -> None:
    sent = escapes(bytes(10_000), (40, 12)).split("\x1b\\")[:-1]
    keys = [piece.removeprefix("\x1b_G").partition(";")[0] for piece in sent]
    assert keys == ["a=T,f=100,c=40,r=12,q=2,m=1", "q=2,m=1", "q=2,m=1", "q=2,m=0"]
