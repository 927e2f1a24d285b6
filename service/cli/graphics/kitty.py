"""Pictures by kitty's graphics protocol: the PNG itself, in pieces, within escape sequences.

https://sw.kovidgoyal.net/kitty/graphics-protocol/
"""

from __future__ import annotations

from base64 import standard_b64encode

PIECE_BYTES = 4096  # of base64 in one escape sequence, as the protocol has it


def escapes(png: bytes, cells: tuple[int, int] | None) -> str:
    """Show a PNG at the cursor, as large as it is or, with `cells`, scaled to so many columns and rows."""
    content = standard_b64encode(png).decode("ascii")
    pieces = [content[first : first + PIECE_BYTES] for first in range(0, len(content), PIECE_BYTES)]
    area = "" if cells is None else f",c={cells[0]},r={cells[1]}"
    shown = []
    for number, piece in enumerate(pieces):
        # a: transmit and show; f: a PNG; q: without an answer; m: more is to come
        head = f"a=T,f=100{area}," if number == 0 else ""
        shown.append(f"\x1b_G{head}q=2,m={int(number < len(pieces) - 1)};{piece}\x1b\\")
    return "".join(shown)
