"""Charts: axes, lines, bars and maps, as SVG and as PNG."""
