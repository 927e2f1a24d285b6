"""The picture at the head of the README: 25 samples of each preset of digits, seed 0, none picked.

python -m tools.readme_picture [URL]        trains what the service at URL does not have yet: a few minutes
"""

from __future__ import annotations

import sys
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from pushforward.service.client import Client

FAMILIES = ("vae", "wae", "gan", "flow", "diffusion")
PICTURE = Path(__file__).resolve().parent.parent / "docs/pictures/readme.png"
SAMPLES, GAP_PX, CAPTION_PX = 25, 20, 30


def main(url: str = "http://127.0.0.1:8000") -> None:
    """Train what is missing, draw and save."""
    with Client(url) as client:
        known = {card["model"] for card in client.get("/models")["models"]}
        jobs = [
            client.train(f"digits-{family}", preset=f"{family}-digits")
            for family in FAMILIES
            if f"digits-{family}" not in known
        ]
        for job in jobs:
            for _ in client.watch(job["id"]):
                pass
        PICTURE.parent.mkdir(exist_ok=True)
        strip([drawn(client, family) for family in FAMILIES]).save(PICTURE, optimize=True)


def drawn(client: Client, family: str) -> Image.Image:
    """The service's own picture of samples."""
    body = {"model": f"digits-{family}", "n": SAMPLES, "seed": 0}
    return Image.open(BytesIO(client.ask("sample", body, accept="image/png").content))


def strip(pictures: list[Image.Image]) -> Image.Image:
    """Side by side, each over the name of its family."""
    width, height = pictures[0].size
    sheet = Image.new("L", (len(pictures) * (width + GAP_PX) - GAP_PX, height + CAPTION_PX), 255)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=18)
    for i, (family, picture) in enumerate(zip(FAMILIES, pictures, strict=True)):
        left = i * (width + GAP_PX)
        sheet.paste(picture, (left, 0))
        pen.text((left + width // 2, height + CAPTION_PX // 2), family, fill=0, font=font, anchor="mm")
    return sheet


if __name__ == "__main__":
    main(*sys.argv[1:])
