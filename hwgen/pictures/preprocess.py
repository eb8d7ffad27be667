"""A decoded picture -> the network's size; what `--preprocess` chooses.

Networks expect what they were evaluated on: for ImageNet, the shorter side resized and the centre
cropped (BHViT, BinaryViT: 256 and 224, bicubic; Bi-Real Net, ReActNet: 256 and 224, bilinear). The
same function does this in hwgen.train.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image

from hwgen.errors import HwgenError
from hwgen.pictures.limits import MAX_PIXELS

IMAGENET_RATIO = 224 / 256
FILTERS = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "lanczos": Image.Resampling.LANCZOS,
}
MODES = ("crop", "squeeze", "pad")
SQUEEZED_IN_TRAINING = ("digits", "cifar10")  # data sets that hwgen.train resizes whole
SYNTAX = "use crop, crop:RATIO, squeeze or pad, and :bilinear or :lanczos behind it if not bicubic"


@dataclass(frozen=True)
class Preprocess:
    """How a picture of another size becomes height x width; one that has it is taken as it is.

    crop: resized, with its proportions, until it just covers height/ratio x width/ratio, then the
    centre height x width. squeeze: resized to height x width, proportions lost. pad: resized until
    it just fits inside, black around it.
    """

    mode: str = "crop"
    ratio: float = IMAGENET_RATIO
    filter: str = "bicubic"

    @classmethod
    def parse(cls, text: str) -> Preprocess:
        """`MODE[:RATIO][:FILTER]`, as `str` writes it. Raises: HwgenError for anything else."""
        mode, *rest = text.split(":")
        ratio, name = IMAGENET_RATIO, "bicubic"
        if mode not in MODES:
            raise HwgenError("--preprocess", repr(text), f"{mode!r} is no mode", SYNTAX)
        if rest and rest[-1] in FILTERS:
            name = rest.pop()
        if rest:
            number = rest.pop(0)
            try:
                ratio = float(number)
            except ValueError:
                ratio = 0.0
            if mode != "crop" or rest or not 0.1 <= ratio <= 1:
                what = "is no filter and no ratio of 0.1 to 1"
                what = what if mode == "crop" and not rest else f"is too much for {mode}"
                raise HwgenError("--preprocess", repr(text), f"{number!r} {what}", SYNTAX)
        return cls(mode, ratio, name)

    @classmethod
    def chosen(cls, text: str | None, meta: Mapping[str, Any]) -> Preprocess:
        """`--preprocess`, else what the checkpoint's own evaluation did to its images. meta: its
        "hwgen" entry."""
        if text is not None:
            return cls.parse(text)
        if meta.get("dataset") in SQUEEZED_IN_TRAINING:
            return cls("squeeze", filter="bilinear")
        return cls()

    def __str__(self) -> str:
        ratio = f":{self.ratio:g}" if self.mode == "crop" else ""
        return f"{self.mode}{ratio}:{self.filter}"

    def describe(self, height: int, width: int) -> str:
        """What is done to a picture of another size."""
        size = f"{height} x {width}"
        if self.mode == "squeeze":
            return f"squeezed to {size} ({self})"
        if self.mode == "pad":
            return f"fitted into {size}, black around it ({self})"
        tall, wide = self._covered(height, width)
        goal = f"shorter side to {tall}" if tall == wide else f"until it covers {tall} x {wide}"
        return f"resized, {goal}, centre {size} cropped ({self})"

    def __call__(self, picture: Image.Image, height: int, width: int) -> Image.Image:
        """Of the size height x width."""
        if picture.size == (width, height):
            return picture
        if self.mode == "crop":
            return self._crop(picture, height, width)
        resample = FILTERS[self.filter]
        if self.mode == "squeeze":
            return picture.resize((width, height), resample)
        scale = min(width / picture.width, height / picture.height)
        inner = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
        out = Image.new(picture.mode, (width, height))
        out.paste(
            picture.resize(inner, resample), ((width - inner[0]) // 2, (height - inner[1]) // 2)
        )
        return out

    def _covered(self, height: int, width: int) -> tuple[int, int]:
        return round(height / self.ratio), round(width / self.ratio)

    def _crop(self, picture: Image.Image, height: int, width: int) -> Image.Image:
        """Sides and corner are rounded as torchvision's Resize and CenterCrop do."""
        tall, wide = self._covered(height, width)
        if wide * picture.height >= tall * picture.width:
            inner = wide, wide * picture.height // picture.width
        else:
            inner = tall * picture.width // picture.height, tall
        left, top = round((inner[0] - width) / 2), round((inner[1] - height) / 2)
        box = left, top, left + width, top + height
        if inner[0] * inner[1] <= MAX_PIXELS:
            return picture.resize(inner, FILTERS[self.filter]).crop(box)
        # a line of pixels grows without end: only what is kept (the last bit of a pixel may differ)
        x, y = picture.width / inner[0], picture.height / inner[1]
        source = left * x, top * y, (left + width) * x, (top + height) * y
        return picture.resize((width, height), FILTERS[self.filter], box=source)
