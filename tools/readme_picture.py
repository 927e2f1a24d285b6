"""The picture at the head of the README, of the first images in docs/pictures: seed 0, none picked.

python -m tools.readme_picture        after benchmarks/zoo.py has drawn them
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

PICTURES = Path(__file__).resolve().parent.parent / "docs" / "pictures"
SHOWN = {  # presets, five in a row
    "vae-digits": "vae",
    "flow-digits": "flow",
    "pixelcnn-digits": "autoregressive",
    "diffusion-digits": "diffusion",
    "flow-matching-digits": "flow matching",
    "gan-digits": "gan",
    "infogan-digits": "infogan",
    "text-digits": "text to image",
    "stargan-digits-styles": "stargan: restyled",
    "puzzle-digits": "puzzle gan: completed",
}
IN_A_ROW, GAP_PX, CAPTION_PX = 5, 20, 30
TILE_PX, COLUMNS, ROWS = 52, 5, 4  # of a picture of digits; what is cut out of it


def main() -> None:
    """Draw and save."""
    width, height = COLUMNS * TILE_PX - 4, ROWS * TILE_PX - 4  # without the last gaps
    across, down = width + GAP_PX, height + CAPTION_PX
    n_rows = len(SHOWN) // IN_A_ROW
    sheet = Image.new("RGB", (IN_A_ROW * across - GAP_PX, n_rows * down), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=18)
    for i, (preset, caption) in enumerate(SHOWN.items()):
        left, top = i % IN_A_ROW * across, i // IN_A_ROW * down
        with Image.open(PICTURES / f"{preset}.png") as picture:
            sheet.paste(picture.crop((0, 0, width, height)), (left, top))
        pen.text((left + width // 2, top + height + CAPTION_PX // 2), caption, fill=0, font=font, anchor="mm")
    sheet.save(PICTURES / "readme.png", optimize=True)


if __name__ == "__main__":
    main()
